/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_LIVE_IN_H
#define WEIR_TRACE_LIVE_IN_H
/* What the files of `weir trace` share: the lines and the summary. */
#include <stdio.h>

#include "trace/live.h"

#define LIVE_FILES 256

struct live_file { /* of -ff */
    uint32_t tid;
    FILE *f;
};

struct live_out {
    const struct live_options *o;
    FILE *main;
    int64_t wall_ns;
    uint64_t last_ns;  /* of the line before; -r */
    uint32_t open_tid; /* whose call's line is open; 0: none */
    int open_width;    /* of that line */
    uint32_t first;    /* the only thread so far */
    bool many;         /* more than one thread: each line says whose */
    struct live_file file[LIVE_FILES];
    unsigned nfiles;
    struct { /* begun calls, for "resumed" */
        uint32_t tid;
        bool cut; /* "<unfinished ...>" was written */
    } begun[1024];
    unsigned nbegun;
};

/* ---- live_out.c ---- */
int live_out_open(struct live_out *w, const struct live_options *o,
                  int64_t wall_ns); /* 0 or -errno */
void live_out_call(struct live_out *w, const struct story *s,
                   const struct weir_event *ev);
void live_out_enter(struct live_out *w, const struct story *s,
                    const struct weir_event *ev);
void live_out_leave(struct live_out *w, const struct story *s,
                    const struct weir_event *ev, uint64_t at);
void live_out_exit(struct live_out *w, const struct weir_event *ev);
void live_out_other(struct live_out *w, const struct story *s,
                    const struct weir_event *ev);
void live_out_lost(struct live_out *w, uint64_t records);
void live_out_flush(struct live_out *w);
void live_out_abandon(struct live_out *w); /* an open line: "= ?" */
void live_out_close(struct live_out *w);

/* ---- live_choose.c: -e trace= and -c ---- */
struct live_sum {
    struct {
        uint64_t calls, errors, us;
    } call[WEIR_CALL_MAX];
};
void live_sum_add(struct live_sum *sum, const struct weir_event *ev);
void live_sum_print(FILE *out, const struct live_sum *sum);

#endif
