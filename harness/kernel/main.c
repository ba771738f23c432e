// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_lab - do the jobs that lie in the memory shared with the host; see job.h.
 *
 * All happens while the module is loaded, by whoever loads it; loaded it stays, and
 * does nothing.  Whatever goes wrong with one job is written into its result.
 * With lockup= it has no jobs, and runs lockup.c on that variant.
 */
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <asm/tsc.h>

#include "replay.h"

#define IVSHMEM_VENDOR	0x1af4
#define IVSHMEM_DEVICE	0x1110
#define IVSHMEM_BAR	2

static char *lockup;
module_param(lockup, charp, 0444);
MODULE_PARM_DESC(lockup, "variant to fill and refill until it locks up");

static unsigned int nr_live = 524288;
module_param(nr_live, uint, 0444);
MODULE_PARM_DESC(nr_live, "for lockup=: pages below 4 GiB, all taken");

static unsigned int rounds = 4096;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "for lockup=: of refilling, on each CPU");

struct lab_memory {
	char *start;
	u64 bytes;
};

/* NULL where the host asks for what does not lie in the memory. */
static void *lab_at(const struct lab_memory *memory, u64 at, u64 nr, u64 size)
{
	if (at > memory->bytes || nr > (memory->bytes - at) / size)
		return NULL;
	return memory->start + at;
}

static void lab_do_job(const struct lab_memory *memory,
		       const struct lab_job *job, struct lab_result *result)
{
	const struct replay_op *ops = lab_at(memory, job->ops_at, job->nr_ops,
					     sizeof(*ops));
	u64 *pfns = lab_at(memory, job->pfns_at, job->nr_ops, sizeof(*pfns));
	u32 *cycles = lab_at(memory, job->cycles_at, job->nr_ops,
			     sizeof(*cycles));
	const struct iova_variant_ops *variant = lab_find_variant(job->variant);

	result->tsc_khz = tsc_khz;
	if (!variant)
		lab_fail(result, -ENOENT, "no such variant in the module");
	else if (!ops || !pfns || !cycles)
		lab_fail(result, -EFAULT, "a job outside the shared memory");
	else
		lab_replay(variant, job, ops, pfns, cycles, result);
	/* The host reads the rest once it has seen the magic. */
	smp_store_release(&result->magic, LAB_MAGIC);
}

static int lab_do_jobs(const struct lab_memory *memory)
{
	const struct lab_header *header = lab_at(memory, 0, 1, sizeof(*header));
	const struct lab_job *jobs;
	u64 i;

	if (!header || header->magic != LAB_MAGIC)
		return -EBADMSG;
	jobs = lab_at(memory, sizeof(*header), header->nr_jobs, sizeof(*jobs));
	for (i = 0; jobs && i < header->nr_jobs; i++) {
		struct lab_result *result = lab_at(memory, jobs[i].result_at, 1,
						   sizeof(*result));
		if (!result)
			return -EFAULT;
		pr_notice("iova_lab: job %llu begins\n", i);
		lab_do_job(memory, &jobs[i], result);
		pr_notice("iova_lab: job %llu ends\n", i);
	}
	return jobs ? 0 : -EFAULT;
}

static int lab_use_memory(void)
{
	struct pci_dev *pci = pci_get_device(IVSHMEM_VENDOR, IVSHMEM_DEVICE,
					     NULL);
	struct lab_memory memory;
	int err = pci ? pci_enable_device(pci) : -ENODEV;

	if (err)
		goto put;
	memory.bytes = pci_resource_len(pci, IVSHMEM_BAR);
	memory.start = memremap(pci_resource_start(pci, IVSHMEM_BAR),
				memory.bytes, MEMREMAP_WB);
	err = -ENOMEM;
	if (memory.start) {
		err = lab_do_jobs(&memory);
		memunmap(memory.start);
	}
	pci_disable_device(pci);
put:
	pci_dev_put(pci);
	return err;
}

static int __init lab_init(void)
{
	const struct iova_variant_ops *variant;
	int err;

	if (!lockup) {
		err = lab_use_memory();
	} else {
		variant = lab_find_variant(lockup);
		err = variant ? lab_lockup(variant, nr_live, rounds) : -ENOENT;
	}
	pr_notice("iova_lab: all done, %d\n", err);
	return err;
}

static void __exit lab_exit(void)
{
}

module_init(lab_init);
module_exit(lab_exit);
MODULE_DESCRIPTION("Replay op streams on IOVA allocators");
MODULE_LICENSE("GPL");
