/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_FILTER_H
#define WEIR_RUN_FILTER_H
/* The seccomp filter a program runs under. */
#include <stdbool.h>

/* Install it on the calling thread; data calls and close go to the tracer where
 * `traced`. Returns the listener (close-on-exec) or -errno. NO_NEW_PRIVS is set
 * only where the kernel demands it. */
int filter_install(bool traced);

#endif
