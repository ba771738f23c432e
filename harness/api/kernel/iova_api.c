// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_api - the conformance test in a booted kernel: on what the kernel exports, or
 * on a file that iova_lab/linux has included in front.  All happens while the module
 * is loaded.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>

#include "conformance.c"

static unsigned int first;
module_param(first, uint, 0444);
MODULE_PARM_DESC(first, "number of the case to begin with");

static int __init iova_api_init(void)
{
	return api_run(first);
}

static void __exit iova_api_exit(void)
{
}

module_init(iova_api_init);
module_exit(iova_api_exit);
MODULE_DESCRIPTION("Conformance test of an IOVA allocator");
MODULE_LICENSE("GPL");
