// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_dma_lockup - a soft lockup in dma_map_page(), on demand.
 *
 * Uses the DMA API and nothing else, on a PCI device that a driver has, with the
 * mask that the driver chose: below 4 GiB, or the kernel goes above when the space
 * is full.  A few large buffers are mapped, then single pages until no more fits.
 * Then each CPU does what a driver does that refills a ring in NAPI: with bottom
 * halves off it unmaps a large buffer, maps one, and maps one more than there is
 * room for, @rounds times or for @seconds.  No per-CPU cache has buffers of this
 * size, so the request in vain walks over every live range with the domain's lock
 * held; the unmap before it is why the allocator cannot know that it is in vain.
 *
 *	insmod iova_dma_lockup.ko device=0000:00:0b.0	# a test machine: it will stall
 *	rmmod iova_dma_lockup				# if it came back
 *
 * With iommu.strict=1: a flush queue would give back a buffer some time later.
 */
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vmalloc.h>

#define ORDER		6	/* pages of a large buffer, above any cached size */
#define LARGE		(PAGE_SIZE << ORDER)
#define NR_EACH		8	/* large buffers of a CPU */
#define MAX_PAGES	(1U << 20)

static char *device = "";
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "PCI address, as 0000:00:0b.0");

static unsigned int rounds = 4096;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "unmap, map, map in vain: so often on each CPU");

static unsigned int seconds = 60;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "no round begins later than this");

static struct pci_dev *pci;
static struct page *page;
static dma_addr_t *pages, *buffers;
static unsigned int nr_pages, nr_buffers;
static atomic_t nr_running, nr_mapped_more;
static DECLARE_COMPLETION(all_done);

static dma_addr_t map(size_t size)
{
	return dma_map_page(&pci->dev, page, 0, size, DMA_TO_DEVICE);
}

static void unmap(dma_addr_t address, size_t size)
{
	if (!dma_mapping_error(&pci->dev, address))
		dma_unmap_page(&pci->dev, address, size, DMA_TO_DEVICE);
}

static bool failed(dma_addr_t address)
{
	return dma_mapping_error(&pci->dev, address);
}

/* @share: this CPU's own part of buffers[] */
static u64 refill(dma_addr_t *share)
{
	u64 until = ktime_get_ns() + (u64)seconds * NSEC_PER_SEC;
	u64 begin, worst = 0;
	unsigned int i;

	for (i = 0; i < rounds && ktime_get_ns() < until; i++) {
		dma_addr_t *victim = &share[i % NR_EACH], extra;

		unmap(*victim, LARGE);
		*victim = map(LARGE);
		begin = ktime_get_ns();
		extra = map(LARGE);
		worst = max(worst, ktime_get_ns() - begin);
		if (failed(extra))
			continue;
		/* Another CPU had just unmapped it. */
		atomic_inc(&nr_mapped_more);
		unmap(extra, LARGE);
	}
	return worst;
}

static int refill_thread(void *share)
{
	u64 worst;

	local_bh_disable();
	worst = refill(share);
	local_bh_enable();
	pr_notice("iova_dma_lockup: CPU %d is done, longest request %llu us\n",
		  raw_smp_processor_id(), worst / 1000);
	if (atomic_dec_and_test(&nr_running))
		complete(&all_done);
	return 0;
}

static int fill(void)
{
	dma_addr_t address;

	for (nr_buffers = 0; nr_buffers < NR_EACH * num_online_cpus();
	     nr_buffers++) {
		address = map(LARGE);
		if (failed(address))
			return -ENOSPC;
		buffers[nr_buffers] = address;
	}
	for (nr_pages = 0; nr_pages < MAX_PAGES; nr_pages++) {
		address = map(PAGE_SIZE);
		if (failed(address))
			return 0;
		pages[nr_pages] = address;
		cond_resched();
	}
	return -EFBIG; /* the device reaches more than 4 GiB */
}

static void start(void)
{
	unsigned int cpu, nr = 0;

	cpus_read_lock();
	atomic_set(&nr_running, num_online_cpus());
	for_each_online_cpu(cpu) {
		struct task_struct *task;

		task = kthread_create_on_cpu(refill_thread,
					     buffers + NR_EACH * nr++, cpu,
					     "iova_dma/%u");
		if (!IS_ERR(task))
			wake_up_process(task);
		else if (atomic_dec_and_test(&nr_running))
			complete(&all_done);
	}
	cpus_read_unlock();
}

static void give_back(void)
{
	while (nr_buffers)
		unmap(buffers[--nr_buffers], LARGE);
	while (nr_pages) {
		unmap(pages[--nr_pages], PAGE_SIZE);
		cond_resched();
	}
	vfree(pages);
	vfree(buffers);
	if (page)
		__free_pages(page, ORDER);
	pci_dev_put(pci);
}

/* With a driver, or the mask would be the bus's. */
static struct pci_dev *find(void)
{
	unsigned int domain, bus, slot, function;
	struct pci_dev *found;

	if (sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return NULL;
	found = pci_get_domain_bus_and_slot(domain, bus,
					    PCI_DEVFN(slot, function));
	if (found && !found->dev.driver) {
		pci_dev_put(found);
		return NULL;
	}
	return found;
}

static int __init dma_lockup_init(void)
{
	int err = -ENOMEM;

	pci = find();
	if (!pci)
		return -ENODEV;
	page = alloc_pages(GFP_KERNEL | __GFP_COMP, ORDER);
	pages = vzalloc(array_size(MAX_PAGES, sizeof(*pages)));
	buffers = vzalloc(array_size(NR_EACH * nr_cpu_ids, sizeof(*buffers)));
	if (page && pages && buffers)
		err = fill();
	if (err) {
		give_back();
		return err;
	}
	pr_notice(
		"iova_dma_lockup: %s of driver %s has %u pages and %u buffers mapped, %u CPUs refill\n",
		pci_name(pci), pci->dev.driver->name, nr_pages, nr_buffers,
		num_online_cpus());
	start();
	return 0;
}

static void __exit dma_lockup_exit(void)
{
	wait_for_completion(&all_done);
	pr_notice("iova_dma_lockup: %d requests beyond the room found some\n",
		  atomic_read(&nr_mapped_more));
	give_back();
}

module_init(dma_lockup_init);
module_exit(dma_lockup_exit);
MODULE_DESCRIPTION("A soft lockup in dma_map_page(), on demand");
MODULE_LICENSE("GPL");
