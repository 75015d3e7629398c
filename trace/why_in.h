/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_WHY_IN_H
#define WEIR_TRACE_WHY_IN_H
/* What the files of `why` share: an explanation, gathered line by line. */
#include "trace/fact.h"
#include "trace/why.h"

#define WHY_LINES 64

enum why_kind { WHY_HEAD, WHY_BECAUSE, WHY_CAUSE, WHY_NOTE, WHY_ALSO, WHY_TRY };

struct why_line {
    enum why_kind kind;
    weir_event_id id; /* 0: about no single event */
    char text[400];
};

struct why {
    const struct story *s;
    const struct weir_event *ev;
    unsigned reason;                   /* enum weir_reason found on the way */
    const struct weir_event *released; /* of the chain; NULL: not in it */
    const struct weir_event *rst;      /* the RST sent */
    const struct weir_event *error;    /* given to the socket */
    unsigned n;
    struct why_line line[WHY_LINES];
};

void why_add(struct why *w, enum why_kind kind, weir_event_id id,
             const char *format, ...) __attribute__((format(printf, 4, 5)));
/* "3.215 ms": since the recording's first event. */
double why_ms(const struct story *s, const struct weir_event *ev);
bool why_is_failure(const struct weir_event *ev);

/* ---- why_also.c: what is known beside the chain ---- */
void why_also(struct why *w);
void why_faults(struct why *w, weir_event_id at);
/* ---- why_blocked.c: a call that has not returned ---- */
void why_blocked(struct why *w);
/* What a call on a connection would have waited for. */
void why_waits(struct why *w, const struct story_socket *k);
/* ---- why_try.c ---- */
void why_try(struct why *w);

#endif
