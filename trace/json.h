/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_JSON_H
#define WEIR_TRACE_JSON_H
/* Events as JSON Lines: one object a line, numbers as numbers, stable keys
 * (docs/json.md). */
#include <stdio.h>

#include "trace/story.h"

void json_event(FILE *out, const struct story *s, const struct weir_event *ev);
void json_story(FILE *out, const struct story *s);

#endif
