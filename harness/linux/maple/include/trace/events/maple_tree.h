/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: STUB - nobody traces: as a kernel with the tracepoints off, without the
 * jump that is patched out there.
 */
#ifndef SHIM_MAPLE_TRACE_H
#define SHIM_MAPLE_TRACE_H

#define trace_ma_op(...)	do { } while (0)
#define trace_ma_read(...)	do { } while (0)
#define trace_ma_write(...)	do { } while (0)

#endif
