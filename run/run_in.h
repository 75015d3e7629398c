/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_RUN_IN_H
#define WEIR_RUN_RUN_IN_H
/* Front and back of a run. */
#include <signal.h>
#include <sys/types.h>

#include "host/net.h"
#include "run/agent.h"
#include "run/control.h"
#include "run/door.h"
#include "run/run.h"
#include "run/serve.h"
#include "trace/live.h"
#include "trace/record.h"

/* Messages between front and back: one packet each. */
enum run_word {
    RUN_STARTED = 1,
    RUN_STOPPED, /* back: CMD was stopped by signal `value` */
    RUN_ENDED,   /* back: wait status `value`; -1: see `status` */
    RUN_SIGNAL,  /* front: pass signal `value` on (0: none), and answer */
    RUN_HEARD,   /* back: the answer */
};
struct run_message {
    int word;
    int value;
    int status; /* exit status of weir's own, where value is -1 */
};

#define FDS_MAX 4096

enum phase { RUNNING, WAITING, ENDING, DRAINING, HOSTING, OVER };

struct back {
    const struct run_options *opt;
    struct loop *loop;
    struct net *net;
    struct record record;
    struct serve *serve;
    struct agent *agent;
    struct loop_source front;
    struct loop_passer passer;
    pid_t cmd;
    struct live *live;    /* the lines of weir trace */
    struct record joined; /* the recording of the stack we joined */
    struct loop_passer live_passer;
    enum phase phase;
    struct run_message end;
    uint64_t due_ns; /* of this phase */
    bool timed_out, killed, down;
    int inherited[FDS_MAX];
    unsigned ninherited;
    char dir[80];            /* the network's: carriers, door.sock */
    bool owner;              /* the stack is ours */
    int lock;                /* held by the owner of the default network */
    struct door *door;       /* the owner's */
    struct control *control; /* the owner's */
    struct door_link *link;  /* of one who joined */
};

/* ---- back.c ---- */
_Noreturn void back_fail(struct back *b, int status, const char *what, int err);

/* ---- back_dir.c ---- */
void inherited_list(struct back *b);  /* refuses kernel sockets */
void inherited_close(struct back *b); /* after the program has them */
/* The network's directory; joins who is there (b->link), or owns it. */
void make_dir(struct back *b);
void remove_dir(struct back *b);

/* ---- back_live.c ---- */
void live_begin(struct back *b); /* after CMD has started */
void live_finish(struct back *b);

/* The back: agent, and the stack where there is none to join. Never returns. */
_Noreturn void back_main(const struct run_options *opt, int front, pid_t pgid,
                         const sigset_t *mask);

#endif
