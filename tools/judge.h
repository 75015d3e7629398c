/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_JUDGE_H
#define WEIR_TOOLS_JUDGE_H
/* Whether a recording is what a scenario expects. */
#include <stdio.h>

#include "tools/scenario.h"
#include "trace/story.h"

/* Does the event match? `story` is needed for a call's reason (walked along its
 * causes) and for `text`; it may be NULL while the run is under way, and these
 * two then do not match. t0: the beginning, ns. host: number in events of the
 * scenario's host `i` is i + 1. */
bool judge_match(const struct sc_match *m, const struct weir_event *ev,
                 const struct story *story, uint64_t t0);

/* Check every expectation against the story; prints a line for each that
 * fails (with what was seen) to `out`. Returns how many failed. */
unsigned judge_all(const struct scenario *s, const struct story *story,
                   uint64_t t0, FILE *out);

#endif
