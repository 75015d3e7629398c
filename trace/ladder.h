/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_LADDER_H
#define WEIR_TRACE_LADDER_H
/*
 * The timeline: program, stack, wire, stack, program. A row is what happened at
 * one moment; an arrow is dated when it was sent and shows right of its head
 * what its arrival changed.
 */
#include <stdio.h>

#include "trace/story.h"

struct ladder_options {
    unsigned width; /* columns of the terminal; under 100 the stacks fold */
    bool ascii;     /* no box characters */
    bool color;
    bool verbose; /* do not fold bulk; timers, queues, options too */
};

void ladder_print(FILE *out, const struct story *s,
                  const struct ladder_options *options);

#endif
