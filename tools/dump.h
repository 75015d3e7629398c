/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_DUMP_H
#define WEIR_TOOLS_DUMP_H
/* A frame in tcpdump's words. */
#include <stdio.h>

#include "trace/frame.h"

struct dump_options {
    bool numeric;  /* -n: addresses, no hosts' names */
    bool ethernet; /* -e */
    bool quiet;    /* -q */
    bool verbose;  /* -v: event, cause */
    bool absolute; /* -S */
    bool number;   /* -# */
    unsigned time; /* how many -t: 1 none, 2 epoch, 3 since the last line,
                    * 4 with the date, 5 since the first line */
    uint64_t first_ns, last_ns; /* of lines so far */
    unsigned long lines;
};

/* One line; `why`: why it went no further, or was sent, NULL: nothing to say.
 */
void dump_line(FILE *out, struct dump_options *o, const struct story *s,
               const struct weir_event *ev, const char *why);

#endif
