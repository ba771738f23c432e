// SPDX-License-Identifier: GPL-2.0-only
/*
 * stock - the kernel's own functions, called past their entry.
 *
 *	function:	endbr64, or four bytes of nothing	where the kernel has IBT
 *			call or nop, five bytes			ftrace's
 *			...					called from here
 */
#include <linux/string.h>

#include "stock.h"

#define IO_ENDBR_BYTES	4
#define IO_FTRACE_BYTES	5

struct io_stock io_stock;

static bool io_is_ftraces(const u8 *code)
{
	static const u8 nop[IO_FTRACE_BYTES] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

	return *code == 0xe8 || !memcmp(code, nop, sizeof(nop));
}

static void *io_past_entry(void *function)
{
	u8 *code = function;

	if (!io_is_ftraces(code))
		code += IO_ENDBR_BYTES;
	return io_is_ftraces(code) ? code + IO_FTRACE_BYTES : NULL;
}

int io_stock_find(void)
{
	size_t i;

	io_stock = (struct io_stock){
		.alloc_fast = io_past_entry(alloc_iova_fast),
		.free_fast = io_past_entry(free_iova_fast),
		.alloc = io_past_entry(alloc_iova),
		.free = io_past_entry(free_iova),
		.free_struct = io_past_entry(__free_iova),
		.find = io_past_entry(find_iova),
		.reserve = io_past_entry(reserve_iova),
		.init = io_past_entry(init_iova_domain),
		.init_rcaches = io_past_entry(iova_domain_init_rcaches),
		.put = io_past_entry(put_iova_domain),
	};
	for (i = 0; i < sizeof(io_stock) / sizeof(void *); i++)
		if (!((void **)&io_stock)[i])
			return -EOPNOTSUPP;
	return 0;
}
