/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_LIVE_H
#define WEIR_TRACE_LIVE_H
/*
 * `weir trace`: the recording, line by line while it grows, in strace's form;
 * segments, states, drops and faults are further lines between the calls.
 */
#include <stdbool.h>
#include <stdint.h>

#include "trace/record.h"
#include "trace/strace.h"

enum live_line { /* kinds of lines that are no calls */
                 LIVE_SEGMENTS = 1 << 0,
                 LIVE_STATES = 1 << 1, /* and errors given to sockets */
                 LIVE_DROPS = 1 << 2,
                 LIVE_TIMERS = 1 << 3,
                 LIVE_FAULTS = 1 << 4, /* links, hosts, alarms, words */
                 LIVE_PROGRAMS = 1 << 5,
                 LIVE_ALL = (1 << 6) - 1
};

struct live_options {
    const char *path; /* -o; NULL: stderr */
    bool split;       /* -ff: FILE.PID for each thread, FILE.net for the rest */
    unsigned time;    /* -t, -tt, -ttt: 1, 2, 3 */
    bool relative;    /* -r */
    bool took;        /* -T */
    enum strace_names names; /* -y, -yy */
    bool successful, failed; /* -z, -Z: only these calls */
    bool summary;            /* -c: nothing but the table */
    bool summary_too;        /* -C: the table after the lines */
    uint64_t hidden;         /* calls left out: 1 << enum weir_call */
    unsigned lines;          /* enum live_line */
};

/* "connect,accept4", "%network", "!recvfrom", "segments": for -e trace=. NULL:
 * done; else what is wrong with it, static. */
const char *live_choose(struct live_options *o, const char *words);

struct live;

/* Follow a recording: from its begin, or (`from_now`) what comes from now on.
 * `root`: the program whose calls, and those of its descendants, are shown.
 * NULL with errno. The record must stay open. */
struct live *live_create(const struct live_options *o, const struct record *r,
                         bool from_now);
void live_root(struct live *l, uint32_t pid);
/* Write what has happened some milliseconds before `now` (CLOCK_MONOTONIC). */
void live_pass(struct live *l, uint64_t now);
/* When to call live_pass next; UINT64_MAX: when something was recorded. */
uint64_t live_deadline(const struct live *l);
/* Write the rest, and end. */
void live_end(struct live *l);

#endif
