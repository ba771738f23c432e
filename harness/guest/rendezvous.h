/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rendezvous - processes that begin their loads together, and end together.
 *
 * A phase begins when all loads are ready, and ends when all are done.  The parent
 * makes the rendezvous before it forks; a load calls load_ready() and load_done(),
 * or load_die().
 */
#ifndef IO_RENDEZVOUS_H
#define IO_RENDEZVOUS_H

/* The parent's side; a pipe that can't be made ends the program. */
void rendezvous_make(void);

/* Until @nr loads are ready and, the second time, until they are done. */
void rendezvous_wait(int nr);
void rendezvous_begin(void);
void rendezvous_end(void);

/* Once a load has opened and allocated all it needs; returns when all have. */
void load_ready(void);

/* Waits for the other loads, and ends the process. */
_Noreturn void load_done(void);

/* Prints what failed, with errno's text, and ends the process. */
_Noreturn void load_die(const char *what);

#endif
