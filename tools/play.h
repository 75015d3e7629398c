/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_PLAY_H
#define WEIR_TOOLS_PLAY_H
/* A scenario played: its network made, its programs run, its events carried
 * out, its expectations judged. */
#include "tools/scenario.h"

struct play_options {
    bool detached;    /* leave it running; nothing is judged */
    bool quiet;       /* programs' output is not shown */
    bool fast;        /* no program is traced */
    uint64_t spin_ns; /* do not sleep within that time */
    bool keep;        /* after the last program: go on until told to end */
    int up_fd; /* told (one byte) when the network is up, then closed; -1 */
    const char *capture; /* pcapng of every link; NULL: none */
};

/* Returns the exit status: 0 all expectations held, 1 not, 124 time-out, 125
 * weir failed, 130 interrupted. */
int play(const struct scenario *s, const struct play_options *o,
         char *const *command);

#endif
