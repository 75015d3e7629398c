/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_SHOW_H
#define WEIR_RUN_SHOW_H
/*
 * What a host looks like to its programs, in the kernel's own formats: the
 * stack's side of PROTO_VIEW. Each show_ function writes one text or answer
 * from the state of the stack at that moment.
 */
#include <stdbool.h>
#include <stdio.h>

#include "run/serve_in.h"

/* Who looks: the host's stack is there. */
struct show {
    struct serve *sv;
    struct host *host;
    struct weir_stack *stack;
    const char *path; /* of the file, absolute */
    FILE *out;
};

/* Answer one PROTO_VIEW. */
void show_answer(struct serve_conn *conn, const struct proto *m,
                 const void *data);

/* ---- show_etc.c ---- */
void show_hosts(const struct show *w);
void show_resolv(const struct show *w);
void show_nsswitch(const struct show *w);
void show_host_conf(const struct show *w);

#endif
