/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_CONTROL_IN_H
#define WEIR_RUN_CONTROL_IN_H
/* What the files of the control socket share. */
#include <stdio.h>

#include "run/control.h"
#include "run/serve_in.h"
#include "trace/jsonl.h"

#define CONTROL_WORDS 64

struct control {
    struct loop_source src; /* listening */
    struct net *net;
    struct serve *sv;
    struct control_owner owner;
    struct control_talk *talks;
    char path[108];
};

/* A request: its words (the last is NULL), and where its answer goes. */
struct request {
    struct control *c;
    unsigned n;
    char *word[CONTROL_WORDS + 1];
    FILE *out;       /* JSON Lines */
    char error[512]; /* "": it went well */
};

/* ---- control_show.c ---- */
void control_ps(struct request *q);
void control_ss(struct request *q);
void control_stat(struct request *q);

/* ---- control_act.c ---- */
void control_link(struct request *q);
void control_fault(struct request *q);
void control_kill(struct request *q);
/* A host by name; NULL: said in q->error, with those there are. */
struct host *control_host(struct request *q, const char *name);

#endif
