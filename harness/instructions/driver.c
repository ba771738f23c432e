// SPDX-License-Identifier: GPL-2.0-only
/*
 * driver - one replay in a process of its own, for a tool that counts instructions.
 *
 *	driver VARIANT.so STREAM
 *
 * STREAM holds the six numbers of struct replay_stream behind its ops, then the
 * ops.  The tool counts between entry and exit of the measured loop, which is a
 * function of its own; see iova_lab/measuring/instructions.py.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "replay.h"

static int die(const char *what)
{
	fprintf(stderr, "driver: %s\n", what);
	return EXIT_FAILURE;
}

static bool read_stream(const char *path, struct replay_stream *stream)
{
	FILE *file = fopen(path, "rb");
	struct replay_op *ops;
	bool whole = false;

	if (!file)
		return false;
	if (fread(&stream->nr_ops, sizeof(u64), 6, file) == 6) {
		ops = calloc(stream->nr_ops + 1, sizeof(*ops));
		whole = ops && fread(ops, sizeof(*ops), stream->nr_ops, file) ==
				       stream->nr_ops;
		stream->ops = ops;
	}
	fclose(file);
	return whole;
}

int main(int argc, char **argv)
{
	int (*run)(const struct replay_stream *stream,
		   const struct replay_watch *watch,
		   struct replay_result *result);
	struct replay_watch watch = { 0 };
	struct replay_result result;
	struct replay_stream stream;
	void *library;

	if (argc != 3)
		return die("VARIANT.so STREAM");
	library = dlopen(argv[1], RTLD_NOW);
	if (!library)
		return die(dlerror());
	run = (__typeof__(run))dlsym(library, "replay_run");
	if (!run)
		return die("no replay_run() in the variant");
	if (!read_stream(argv[2], &stream))
		return die("the stream is cut short, or there is no memory");
	if (run(&stream, &watch, &result))
		return die(result.error);
	free((void *)stream.ops);
	return EXIT_SUCCESS;
}
