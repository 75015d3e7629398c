/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_OPEN_H
#define WEIR_TOOLS_OPEN_H
/* Recordings for commands that read one: opened with one clear message. */
#include "trace/story.h"

/* `path` NULL: the last one. False: the reason is on stderr. */
bool open_story(struct record *r, struct story *s, const char *path);
void close_story(struct record *r, struct story *s);

#endif
