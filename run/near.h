/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_NEAR_H
#define WEIR_RUN_NEAR_H
/*
 * Programs that wait for each other, on one processor with the stack. Then the
 * loop does not spin (loop_spin), though it was told to.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/loop.h"

struct near;

/* NULL: no memory. */
struct near *near_create(struct loop *loop);
/* Lets go, and frees. */
void near_destroy(struct near *n);

/* Who asked something of the stack: the thread that made a call, or made the
 * last one about a carrier in which there are bytes (then what that carrier was
 * in its process: it may have forked, and a child of it is who is meant). */
struct near_who {
    pid_t tid;
    int fd;
    uint64_t inode; /* 0: it is the thread */
};
void near_saw(struct near *n, const struct near_who *who);
/* Bytes were taken from a carrier, or put into it. */
void near_moved(struct near *n, const struct near_who *who, size_t bytes);
/* Let everybody run where they like, now: before a fork of ours, or when a
 * program asks where it may run. */
void near_let_go(struct near *n);

#endif
