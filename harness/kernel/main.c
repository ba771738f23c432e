// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_lab - do the jobs on one disk, write what came out to another; see job.h.
 *
 * All happens while the module is loaded, by whoever loads it; loaded it stays, and
 * does nothing.  Whatever goes wrong with one job is written into its result.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/vmalloc.h>
#include <asm/tsc.h>

#include "replay.h"

static char *requests = "/dev/vda";
module_param(requests, charp, 0444);
MODULE_PARM_DESC(requests, "block device or file with the jobs");

static char *results = "/dev/vdb";
module_param(results, charp, 0444);
MODULE_PARM_DESC(results, "block device or file for the results");

static int lab_read(struct file *file, void *data, size_t bytes, loff_t at)
{
	while (bytes) {
		ssize_t n = kernel_read(file, data, bytes, &at);

		if (n <= 0)
			return n ?: -ENODATA;
		data += n;
		bytes -= n;
	}
	return 0;
}

static int lab_write(struct file *file, const void *data, size_t bytes,
		     loff_t at)
{
	while (bytes) {
		ssize_t n = kernel_write(file, data, bytes, &at);

		if (n <= 0)
			return n ?: -ENOSPC;
		data += n;
		bytes -= n;
	}
	return 0;
}

/* The head of a result goes last: who finds its magic finds all of it. */
static int lab_write_result(struct file *out, const struct lab_job *job,
			    const struct lab_result *result, const u64 *pfns,
			    const u32 *cycles)
{
	loff_t at = job->result_at + sizeof(*result);
	int err = 0;

	if (pfns && cycles) {
		err = lab_write(out, pfns, job->nr_ops * sizeof(*pfns), at);
		at += job->nr_ops * sizeof(*pfns);
		if (!err)
			err = lab_write(out, cycles,
					job->nr_ops * sizeof(*cycles), at);
		if (!err)
			err = vfs_fsync(out, 0);
	}
	if (!err)
		err = lab_write(out, result, sizeof(*result), job->result_at);
	return err ?: vfs_fsync(out, 0);
}

static void lab_replay_job(struct file *in, const struct lab_job *job,
			   u64 *pfns, u32 *cycles, struct replay_op *ops,
			   struct lab_result *result)
{
	const struct iova_variant_ops *variant = lab_find_variant(job->variant);

	if (!variant) {
		result->err = -ENOENT;
		strscpy(result->error, "no such variant in the module",
			sizeof(result->error));
		return;
	}
	result->err = lab_read(in, ops, job->nr_ops * sizeof(*ops),
			       job->ops_at);
	if (!result->err)
		lab_replay(variant, job, ops, pfns, cycles, result);
}

static int lab_do_job(struct file *in, struct file *out,
		      const struct lab_job *job)
{
	struct lab_result result = { .magic = LAB_MAGIC, .tsc_khz = tsc_khz };
	struct replay_op *ops = vmalloc(array_size(job->nr_ops, sizeof(*ops)));
	u64 *pfns = vzalloc(array_size(job->nr_ops, sizeof(*pfns)));
	u32 *cycles = vzalloc(array_size(job->nr_ops, sizeof(*cycles)));
	int err;

	if (ops && pfns && cycles)
		lab_replay_job(in, job, pfns, cycles, ops, &result);
	else
		result.err = -ENOMEM;
	err = lab_write_result(out, job, &result, pfns, cycles);
	vfree(ops);
	vfree(pfns);
	vfree(cycles);
	return err;
}

static int lab_do_jobs(struct file *in, struct file *out)
{
	struct lab_header header;
	struct lab_job job;
	int err = lab_read(in, &header, sizeof(header), 0);
	u64 i;

	if (!err && header.magic != LAB_MAGIC)
		err = -EBADMSG;
	for (i = 0; !err && i < header.nr_jobs; i++) {
		err = lab_read(in, &job, sizeof(job),
			       sizeof(header) + i * sizeof(job));
		if (err)
			break;
		job.variant[sizeof(job.variant) - 1] = '\0';
		pr_notice("iova_lab: job %llu begins\n", i);
		err = lab_do_job(in, out, &job);
		pr_notice("iova_lab: job %llu ends\n", i);
	}
	return err;
}

static int __init lab_init(void)
{
	struct file *in = filp_open(requests, O_RDONLY | O_LARGEFILE, 0);
	struct file *out = filp_open(results, O_WRONLY | O_LARGEFILE, 0);
	int err;

	if (IS_ERR(in))
		err = PTR_ERR(in);
	else if (IS_ERR(out))
		err = PTR_ERR(out);
	else
		err = lab_do_jobs(in, out);
	if (!IS_ERR(in))
		filp_close(in, NULL);
	if (!IS_ERR(out))
		filp_close(out, NULL);
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
