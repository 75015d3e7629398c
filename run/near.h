/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_NEAR_H
#define WEIR_RUN_NEAR_H
/*
 * Programs that wait for each other, on one processor with the stack. Then the
 * loop does not spin (loop_spin), though it was told to.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "host/loop.h"

struct near;

/* NULL: no memory. */
struct near *near_create(struct loop *loop);
/* Lets go, and frees. */
void near_destroy(struct near *n);

/* That thread asked something of the stack: a call, or bytes in a carrier. */
void near_saw(struct near *n, pid_t tid);
/* Bytes were taken from that thread's carrier, or put into it. */
void near_moved(struct near *n, pid_t tid, size_t bytes);
/* Let everybody run where they like, now: before a fork of ours, or when a
 * program asks where it may run. */
void near_let_go(struct near *n);

#endif
