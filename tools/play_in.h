/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_PLAY_IN_H
#define WEIR_TOOLS_PLAY_IN_H
/* What the files of a playing scenario share. */
#include <sys/types.h>

#include "host/net.h"
#include "links/pcapng.h"
#include "run/control.h"
#include "run/gate.h"
#include "tools/play.h"
#include "trace/record.h"

#define OUTPUT_KEPT 65536 /* of a program, for "output:" */

struct play;

struct actor {              /* a program of the scenario */
    struct loop_source out; /* its output; fd -1: none */
    struct play *play;
    const struct sc_program *p;
    pid_t pid; /* of its `weir exec`; 0: not running */
    int input; /* -1: none */
    bool started, ended, killed;
    int wait_status;
    uint64_t due_ns; /* when to start; UINT64_MAX: not by time */
    char *output;
    size_t noutput;
    bool line_begun; /* the prefix of this line is out */
};

struct act { /* an event of the scenario */
    const struct sc_event *e;
    uint64_t due_ns, undo_ns; /* UINT64_MAX: not (yet) */
    unsigned matches;
    bool done;
};

enum play_phase { PLAY_RUNNING, PLAY_LINGERING, PLAY_ENDING, PLAY_OVER };

struct play {
    const struct scenario *s;
    const struct play_options *o;
    struct loop *loop;
    struct net *net;
    struct record record;
    struct gate *gate;
    struct control *control;
    struct host *host[SC_HOSTS];
    struct weir_link *port[SC_HOSTS][NET_IFS]; /* the impairing link */
    struct actor actor[SC_PROGRAMS];
    struct act act[SC_EVENTS];
    struct loop_passer passer;
    struct loop_source signals;
    struct pcapng *capture;
    struct record_cursor cursor; /* of `when` */
    uint64_t t0, due_ns;
    enum play_phase phase;
    int status; /* exit status so far */
};

/* play_net.c: hosts, links, addresses, settings. False: said on stderr. */
bool play_build(struct play *pl);

/* play_program.c */
void actor_init(struct play *pl, unsigned i);
void actor_start(struct actor *a);
void actor_signal(struct actor *a, int sig);
void actor_input(struct actor *a, const char *text);
/* A child ended (from SIGCHLD). */
void actor_reap(struct play *pl);
bool actor_wait_over(struct actor *a); /* what it waits for is there */
/* False, and said, where it did not end as expected. */
bool actor_judge(const struct actor *a);

/* play_event.c */
void act_init(struct play *pl, unsigned i);
/* Carry out what is due; watch for what `when` waits for. */
void acts_pass(struct play *pl, uint64_t now);
uint64_t acts_deadline(const struct play *pl);
bool acts_done(const struct play *pl);
/* A host came up again: its programs that restart do so. */
void act_rebooted(void *play, struct host *h);

#endif
