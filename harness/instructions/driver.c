// SPDX-License-Identifier: GPL-2.0-only
/*
 * driver - one replay in a process of its own, for a tool that counts instructions.
 *
 *	driver VARIANT.so STREAM [RCACHE]
 *
 * STREAM holds the six numbers of struct replay_stream behind its ops, then the
 * ops.  RCACHE is the seven numbers of struct rcache_config, whose timer never
 * fires.  The tool counts between entry and exit of the measured loop, which is a
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

typedef int (*run_plain)(const struct replay_stream *stream,
			 const struct replay_watch *watch,
			 struct replay_result *result);
typedef int (*run_rcached)(const struct replay_stream *stream,
			   const struct replay_watch *watch,
			   struct replay_rcache *rcache,
			   struct replay_result *result);

static bool read_rcache(const char *text, struct rcache_config *config)
{
	u64 *numbers = (u64 *)config;
	size_t i;
	char *end;

	for (i = 0; i < sizeof(*config) / sizeof(*numbers); i++) {
		numbers[i] = strtoull(text, &end, 10);
		if (end == text)
			return false;
		text = end;
	}
	return !*text;
}

int main(int argc, char **argv)
{
	struct replay_rcache rcache = { 0 };
	struct replay_watch watch = { 0 };
	struct replay_result result;
	struct replay_stream stream;
	void *library, *run;
	int err;

	if (argc < 3 || argc > 4)
		return die("VARIANT.so STREAM [RCACHE]");
	if (argc == 4 && !read_rcache(argv[3], &rcache.config))
		return die("RCACHE is seven numbers");
	library = dlopen(argv[1], RTLD_NOW);
	if (!library)
		return die(dlerror());
	run = dlsym(library, argc == 4 ? "replay_run_rcached" : "replay_run");
	if (!run)
		return die("no replay in the variant");
	if (!read_stream(argv[2], &stream))
		return die("the stream is cut short, or there is no memory");
	err = argc == 4 ?
		      ((run_rcached)run)(&stream, &watch, &rcache, &result) :
		      ((run_plain)run)(&stream, &watch, &result);
	if (err)
		return die(result.error);
	free((void *)stream.ops);
	return EXIT_SUCCESS;
}
