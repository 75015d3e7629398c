/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_WHY_H
#define WEIR_TRACE_WHY_H
/*
 * Why a call failed, or an event happened: its causes, one below the other,
 * down to what a program or the network did; what else is known about it; what
 * may help.
 */
#include <stdio.h>

#include "trace/story.h"

/* The last failure of the recording (EAGAIN, EINPROGRESS and their like are
 * none; a call that never returned is one when nothing else failed); 0: there
 * is none. */
weir_event_id why_last(const struct story *s);
/* The next failure after `id`, for `why --all`; 0: no more. */
weir_event_id why_next(const struct story *s, weir_event_id id);

/* How many calls of a recording failed, without reading it into memory. */
unsigned why_count(const struct record *r);

/* Explain an event. False: no such event (any more). */
bool why_print(FILE *out, const struct story *s, weir_event_id id);
/* The same as one JSON object in a line. */
bool why_json(FILE *out, const struct story *s, weir_event_id id);

/* What no call reported but somebody may wonder about: connections that are
 * not closed, queues that overflowed, waits. False: nothing. */
bool why_look(FILE *out, const struct story *s);

#endif
