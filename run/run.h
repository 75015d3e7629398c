/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_RUN_H
#define WEIR_RUN_RUN_H
/* `weir run`: a program on a host of weir, from start to end. */
#include <stdbool.h>
#include <stdint.h>

struct live_options;

struct run_options {
    char *const *argv;    /* the program */
    char *const *command; /* the whole command line, for the recording */
    const char *host;     /* host to join; NULL: the default network's */
    const char *network;  /* "default" */
    bool join_only;       /* exec: the network must be up */
    bool alone;           /* --new: join nobody, let nobody join */
    bool wait;            /* --wait: for other descendants, too */
    bool traced;
    bool allow_inherited; /* kernel sockets among the inherited descriptors */
    bool no_record;
    bool grouped; /* who signals us signals our whole process group */
    const struct live_options *live; /* weir trace: lines; NULL: none */
    uint64_t timeout_ns;             /* 0: none; then exit status 124 */
    uint64_t spin_ns;  /* look that long before sleeping; 0: sleep at once */
    uint64_t drain_ns; /* how long send queues may drain afterwards */
};

/* Exit statuses of weir itself, as timeout(1) has them. */
enum { RUN_TIMED_OUT = 124, RUN_FAILED = 125 };

/* Run it; returns the exit status to end with, or does not return, where the
 * program was killed by a signal: then the same one ends this process. */
int run_program(const struct run_options *opt);

#endif
