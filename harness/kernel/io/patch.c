// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_io - a livepatch that puts one of the lab's allocators behind the kernel's API.
 *
 * Every function of drivers/iommu/iova.c that other files call is replaced.  A
 * domain that is initialised from then on is the allocator's; one that was there
 * before goes on with the kernel's own code.  With stock=1 the kernel's own code
 * serves all domains, with the same detour and the same accounting.
 */
#include <linux/irqflags.h>
#include <linux/livepatch.h>
#include <linux/module.h>

#include "account.h"
#include "api.h"
#include "crowd.h"
#include "stock.h"
#include "unit.h"

static bool stock;
module_param(stock, bool, 0444);
MODULE_PARM_DESC(stock,
		 "leave all domains to the kernel's own code, and count");

/* ---- what the script of the guest writes ---- */

static int io_set_phase(const char *name, const struct kernel_param *param)
{
	char text[32];

	strscpy(text, name, sizeof(text));
	return io_phase_end(strim(text));
}

static const struct kernel_param_ops io_phase_ops = {
	.set = io_set_phase,
};
module_param_cb(phase, &io_phase_ops, NULL, 0200);
MODULE_PARM_DESC(phase, "ends a phase, and names it");

/* "NUMBER HOLES HIGH", or nothing to give all back. */
static int io_set_crowd(const char *text, const struct kernel_param *param)
{
	unsigned int nr, holes, high;

	if (sscanf(text, "%u %u %u", &nr, &holes, &high) == 3)
		return io_crowd_fill(io_first, nr, holes, high);
	io_crowd_release();
	return 0;
}

static const struct kernel_param_ops io_crowd_ops = {
	.set = io_set_crowd,
};
module_param_cb(crowd, &io_crowd_ops, NULL, 0200);
MODULE_PARM_DESC(crowd, "pages that others hold in the first domain");

/* ---- the patch ---- */

#define IO_FUNCTION(name, replacement)					\
	{ .old_name = #name, .new_func = replacement }

static struct klp_func io_functions[] = {
	IO_FUNCTION(alloc_iova_fast, io_alloc_iova_fast),
	IO_FUNCTION(free_iova_fast, io_free_iova_fast),
	IO_FUNCTION(init_iova_domain, io_init_iova_domain),
	IO_FUNCTION(put_iova_domain, io_put_iova_domain),
	/*
	 * With stock the others are left alone: the kernel's own fast functions
	 * call some of them, and a second detour would count as their cost.
	 */
	IO_FUNCTION(iova_domain_init_rcaches, io_iova_domain_init_rcaches),
	IO_FUNCTION(reserve_iova, io_reserve_iova),
	IO_FUNCTION(find_iova, io_find_iova),
	IO_FUNCTION(alloc_iova, io_alloc_iova),
	IO_FUNCTION(free_iova, io_free_iova),
	IO_FUNCTION(__free_iova, io_free_iova_struct),
	{}
};
#define IO_NR_FOR_STOCK		4

static struct klp_object io_objects[] = { { .funcs = io_functions }, {} };

static struct klp_patch io_patch = {
	.mod = THIS_MODULE,
	.objs = io_objects,
};

/* What a call that does nothing costs, as those above are counted. */
static unsigned long io_nothing(struct io_domain *domain, unsigned long size,
				unsigned long limit_pfn, bool flush)
{
	return IO_REFUSED;
}

static u64 io_floor(void)
{
	static const struct io_unit nothing = { .alloc_fast = io_nothing };
	const struct io_unit *volatile unit = &nothing;
	const struct io_unit *called = unit;
	unsigned long flags;
	u64 begin, end;

	local_irq_save(flags);
	begin = io_now();
	called->alloc_fast(NULL, 1, 1, false);
	end = io_now();
	local_irq_restore(flags);
	return end - begin;
}

static int __init io_init(void)
{
	int err;

	if (stock)
		memset(&io_functions[IO_NR_FOR_STOCK], 0,
		       sizeof(*io_functions));
	else
		io_unit = &io_built_unit;
	err = io_stock_find();
	if (err)
		return err;
	err = io_account_start();
	if (err)
		return err;
	io_header()->floor = io_floor();
	err = klp_enable_patch(&io_patch);
	if (err)
		io_account_stop();
	return err;
}

static void __exit io_exit(void)
{
}

module_init(io_init);
module_exit(io_exit);
MODULE_DESCRIPTION("Put an allocator of the lab behind the kernel's IOVA API");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
