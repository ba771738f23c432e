// SPDX-License-Identifier: GPL-2.0-only
/*
 * net - one TCP stream from a network namespace to another.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loads.h"
#include "rendezvous.h"

enum { LISTENER, SENDER, ADDRESS, PORT, NR_CHUNKS, SEED };

static void wire_enter(const char *pid)
{
	char path[64];
	int space;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	space = open(path, O_RDONLY);
	if (space < 0 || setns(space, CLONE_NEWNET))
		load_die(path);
	close(space);
}

static struct sockaddr_in wire_address(char *const *words)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(words[PORT])),
	};

	if (inet_pton(AF_INET, words[ADDRESS], &address.sin_addr) != 1)
		load_die(words[ADDRESS]);
	return address;
}

/*
 * LISTENER SENDER ADDRESS PORT NR_CHUNKS SEED: the first two are processes, in
 * whose namespaces the sides are; ADDRESS is the listener's.
 */
struct load_wire load_wire_make(char *const *words)
{
	struct sockaddr_in address = wire_address(words);
	struct load_wire wire = { .words = words };
	const int yes = 1;

	wire_enter(words[LISTENER]);
	wire.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (wire.listener < 0 ||
	    setsockopt(wire.listener, SOL_SOCKET, SO_REUSEADDR, &yes,
		       sizeof(yes)) ||
	    bind(wire.listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(wire.listener, 1))
		load_die("listen");
	wire_enter("1");
	return wire;
}

static char *wire_data(void)
{
	char *data = aligned_alloc(4096, LOAD_CHUNK);

	if (!data)
		load_die("memory");
	return data;
}

void load_send(struct load_counts *counts, const struct load_wire *wire)
{
	uint64_t nr = strtoull(wire->words[NR_CHUNKS], NULL, 0), i;
	uint64_t seed = strtoull(wire->words[SEED], NULL, 0);
	struct sockaddr_in address = wire_address(wire->words);
	char *data = wire_data();
	int stream;

	wire_enter(wire->words[SENDER]);
	stream = socket(AF_INET, SOCK_STREAM, 0);
	if (stream < 0 ||
	    connect(stream, (struct sockaddr *)&address, sizeof(address)))
		load_die("connect");
	load_ready();
	for (i = 0; i < nr; i++) {
		load_fill(counts, data, LOAD_CHUNK, i * LOAD_CHUNK, seed);
		if (send(stream, data, LOAD_CHUNK, MSG_NOSIGNAL) != LOAD_CHUNK)
			load_die("send");
		counts->nr_ops++;
	}
	close(stream);
}

void load_receive(struct load_counts *counts, const struct load_wire *wire)
{
	uint64_t nr = strtoull(wire->words[NR_CHUNKS], NULL, 0), i;
	uint64_t seed = strtoull(wire->words[SEED], NULL, 0);
	int stream = accept(wire->listener, NULL, NULL);
	char *data = wire_data();

	if (stream < 0)
		load_die("accept");
	load_ready();
	for (i = 0; i < nr; i++) {
		if (recv(stream, data, LOAD_CHUNK, MSG_WAITALL) != LOAD_CHUNK)
			load_die("recv");
		load_compare(counts, data, LOAD_CHUNK, i * LOAD_CHUNK, seed);
	}
	close(stream);
}
