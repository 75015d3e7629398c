/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_VIEW_IN_H
#define WEIR_RUN_VIEW_IN_H
/* What the files of the view share. */
#include <stdbool.h>
#include <stddef.h>

#include "run/agent_in.h"
#include "run/view.h"

/* ---- view_path.c ---- */
/* Where the call's path leads: absolute, without "." and "..", and one name for
 * each of /proc's ways to the same file. False: not known. */
bool path_resolve(struct call *c, const char *path, char *out, size_t size);

#endif
