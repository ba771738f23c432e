// SPDX-License-Identifier: GPL-2.0-only
/*
 * account - counts and records calls, each CPU for itself, with interrupts off.
 *
 * Costs the same for every allocator: a call is accounted when it is over, outside
 * of what is counted of it.
 *
 * Invariant: only the CPU itself changes its part of a phase, with interrupts off.
 * io_phase_end() adds the parts up with interrupts off too, on one CPU; with more
 * it may lose what another one counts meanwhile.
 */
#include <linux/bitops.h>
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/preempt.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>

#include "account.h"

#define IVSHMEM_VENDOR	0x1af4
#define IVSHMEM_DEVICE	0x1110
#define IVSHMEM_BAR	2

DEFINE_STATIC_KEY_FALSE(io_recording);
DEFINE_PER_CPU(struct io_tree_counts, io_tree);
DEFINE_PER_CPU(u64, io_held_since);

static DEFINE_SPINLOCK(io_rows_lock);
static struct pci_dev *io_device;
static char *io_memory;
static struct io_phase **io_phases; /* one per CPU */

struct io_header *io_header(void)
{
	return (struct io_header *)io_memory;
}

struct io_phase *io_phase_here(void)
{
	return io_phases[smp_processor_id()];
}

/* Exact below 16, then eight buckets for each power of two. */
static unsigned int io_bucket(u64 value)
{
	unsigned int power, bucket;

	if (value < 16)
		return value;
	power = fls64(value) - 1;
	bucket = 16 + (power - 4) * 8 + (value >> (power - 3)) % 8;
	return min(bucket, IO_NR_BUCKETS - 1U);
}

static void io_add_cost(struct io_cost *cost, u64 instructions)
{
	cost->nr++;
	cost->instructions += instructions;
	cost->worst = max(cost->worst, instructions);
	cost->buckets[io_bucket(instructions)]++;
}

void io_account(enum io_call call, unsigned long size, u64 instructions,
		bool failed)
{
	struct io_phase *phase = io_phase_here();
	struct io_cost *cost = &phase->calls[call];

	io_add_cost(cost, instructions);
	if (call == IO_ALLOC_FAST)
		phase->sizes[min(order_base_2(size), IO_NR_SIZES - 1)]++;
	if (failed)
		cost->nr_failed++;
	else
		cost->nr_pfns += size;
}

void io_account_hold(u64 instructions)
{
	io_add_cost(&io_phase_here()->holds, instructions);
}

void io_write_row(enum io_row_op op, u16 dom, unsigned long pfn,
		  unsigned long size, unsigned long limit_pfn, u8 flags)
{
	struct io_header *header = io_header();
	unsigned long irq_flags;
	struct io_row *row;

	spin_lock_irqsave(&io_rows_lock, irq_flags);
	if (header->nr_rows < header->max_rows) {
		row = (struct io_row *)(io_memory + header->rows_at);
		row[header->nr_rows++] = (struct io_row){
			.t_ns = local_clock(),
			.pfn = pfn,
			.limit_pfn = limit_pfn,
			.size = size,
			.dom = dom,
			.cpu = smp_processor_id(),
			.op = op,
			.flags = flags |
				 (in_interrupt() ? IO_ROW_IN_INTERRUPT : 0),
		};
	} else {
		header->nr_unrecorded++;
	}
	spin_unlock_irqrestore(&io_rows_lock, irq_flags);
}

/* ---- phases ---- */

static void io_sum_cost(struct io_cost *sum, const struct io_cost *cost)
{
	unsigned int i;

	sum->nr += cost->nr;
	sum->nr_failed += cost->nr_failed;
	sum->nr_pfns += cost->nr_pfns;
	sum->instructions += cost->instructions;
	sum->worst = max(sum->worst, cost->worst);
	for (i = 0; i < IO_NR_BUCKETS; i++)
		sum->buckets[i] += cost->buckets[i];
}

static void io_sum_phase(struct io_phase *sum, const struct io_phase *phase)
{
	unsigned int i;

	for (i = 0; i < IO_NR_CALLS; i++)
		io_sum_cost(&sum->calls[i], &phase->calls[i]);
	io_sum_cost(&sum->holds, &phase->holds);
	for (i = 0; i < IO_NR_SIZES; i++)
		sum->sizes[i] += phase->sizes[i];
}

static void io_sum_tree(struct io_phase *sum, struct io_tree_counts *tree)
{
	sum->nr_tree_allocs += tree->nr_allocs;
	sum->nr_tree_frees += tree->nr_frees;
	sum->nr_flushes += tree->nr_flushes;
	memset(tree, 0, sizeof(*tree));
}

int io_phase_end(const char *name)
{
	struct io_header *header = io_header();
	struct io_phase *sum;
	unsigned long flags;
	unsigned int cpu;

	if (header->nr_phases == header->max_phases)
		return -ENOSPC;
	sum = (struct io_phase *)(io_memory + header->phases_at) +
	      header->nr_phases;
	memset(sum, 0, sizeof(*sum));
	strscpy(sum->name, name, sizeof(sum->name));
	local_irq_save(flags);
	for_each_possible_cpu(cpu) {
		io_sum_phase(sum, io_phases[cpu]);
		io_sum_tree(sum, per_cpu_ptr(&io_tree, cpu));
		memset(io_phases[cpu], 0, sizeof(*io_phases[cpu]));
	}
	local_irq_restore(flags);
	/* The host reads the phase once it is counted. */
	smp_store_release(&header->nr_phases, header->nr_phases + 1);
	return 0;
}

/* ---- memory ---- */

static int io_phases_new(void)
{
	unsigned int cpu;

	io_phases = kcalloc(nr_cpu_ids, sizeof(*io_phases), GFP_KERNEL);
	if (!io_phases)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		io_phases[cpu] = kzalloc(sizeof(**io_phases), GFP_KERNEL);
		if (!io_phases[cpu])
			return -ENOMEM;
	}
	return 0;
}

static bool io_fits(u64 at, u64 nr, u64 size, u64 bytes)
{
	return at <= bytes && nr <= (bytes - at) / size;
}

static int io_map(void)
{
	u64 bytes = pci_resource_len(io_device, IVSHMEM_BAR);
	const struct io_header *header;

	io_memory = memremap(pci_resource_start(io_device, IVSHMEM_BAR), bytes,
			     MEMREMAP_WB);
	if (!io_memory)
		return -ENOMEM;
	header = io_header();
	if (header->magic != IO_MAGIC)
		return -EBADMSG;
	if (!io_fits(header->phases_at, header->max_phases,
		     sizeof(struct io_phase), bytes) ||
	    !io_fits(header->rows_at, header->max_rows, sizeof(struct io_row),
		     bytes))
		return -EFAULT;
	if (header->max_rows)
		static_branch_enable(&io_recording);
	return io_phases_new();
}

int io_account_start(void)
{
	int err;

	io_device = pci_get_device(IVSHMEM_VENDOR, IVSHMEM_DEVICE, NULL);
	if (!io_device)
		return -ENODEV;
	err = pci_enable_device(io_device);
	if (!err)
		err = io_map();
	if (err)
		io_account_stop();
	return err;
}

void io_account_stop(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		if (io_phases)
			kfree(io_phases[cpu]);
	kfree(io_phases);
	if (io_memory)
		memunmap(io_memory);
	pci_dev_put(io_device);
}
