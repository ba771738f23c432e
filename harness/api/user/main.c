// SPDX-License-Identifier: GPL-2.0-only
/*
 * main - the conformance test in user space, behind the file that a unit of
 * iova_lab/linux has included.
 */
#include "conformance.c"

int main(int argc, char **argv)
{
	return api_run(argc > 1 ? atoi(argv[1]) : 0) ? 1 : 0;
}
