/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scenario from beginning to end: the network is made, programs start when
 * their time or their port has come, events are carried out; when every
 * program that is to end has ended and no event is left, the rest is ended and
 * the recording judged.
 */
#include "tools/play.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/judge.h"
#include "tools/play_in.h"
#include "trace/why.h"

#define GRACE_NS 2000000000u /* between SIGTERM and SIGKILL */

enum { STATUS_FAILED = 1, STATUS_TIMEOUT = 124, STATUS_WEIR = 125 };

/* ---- the course of a run ---- */

static bool finite_programs_over(const struct play *pl) {
    bool any = false;
    for (unsigned i = 0; i < pl->s->nprograms; i++) {
        const struct actor *a = &pl->actor[i];
        bool restarts = a->p->restart && a->due_ns != UINT64_MAX;
        if (a->p->manual && !a->started)
            continue;
        if (a->p->end == END_RUNNING)
            continue;
        any = true;
        if (!a->ended || restarts)
            return false;
    }
    return any || !pl->s->nprograms;
}

static void end_programs(struct play *pl, int sig) {
    for (unsigned i = 0; i < pl->s->nprograms; i++) {
        struct actor *a = &pl->actor[i];
        if (a->pid <= 0)
            continue;
        a->killed = true;
        actor_signal(a, sig);
    }
}

static bool programs_left(const struct play *pl) {
    for (unsigned i = 0; i < pl->s->nprograms; i++)
        if (pl->actor[i].pid > 0 || pl->actor[i].out.fd >= 0)
            return true;
    return false;
}

static void enter(struct play *pl, enum play_phase phase, uint64_t now) {
    pl->phase = phase;
    if (phase == PLAY_LINGERING) {
        pl->due_ns = now + pl->s->linger_ns;
    } else if (phase == PLAY_ENDING) {
        pl->due_ns = now + GRACE_NS;
        end_programs(pl, SIGTERM);
    } else if (phase == PLAY_OVER) {
        loop_stop(pl->loop, 0);
    }
}

static void course(struct play *pl, uint64_t now) {
    bool forever = pl->o->detached || pl->o->keep;
    switch (pl->phase) {
    case PLAY_RUNNING:
        if (now >= pl->due_ns && !forever) {
            fprintf(stderr, "weir: %s: not over after %.1f s\n", pl->s->name,
                    (double)pl->s->timeout_ns / 1e9);
            pl->status = STATUS_TIMEOUT;
            enter(pl, PLAY_ENDING, now);
        } else if (!forever && finite_programs_over(pl) && acts_done(pl)) {
            enter(pl, PLAY_LINGERING, now);
        }
        return;
    case PLAY_LINGERING:
        if (now >= pl->due_ns)
            enter(pl, PLAY_ENDING, now);
        return;
    case PLAY_ENDING:
        if (!programs_left(pl)) {
            enter(pl, PLAY_OVER, now);
        } else if (now >= pl->due_ns) {
            pl->due_ns = now + GRACE_NS;
            end_programs(pl, SIGKILL);
        }
        return;
    case PLAY_OVER:
        return;
    }
}

static bool play_pass(struct loop_passer *p, uint64_t now) {
    struct play *pl =
        (struct play *)((char *)p - offsetof(struct play, passer));
    for (unsigned i = 0; pl->phase == PLAY_RUNNING && i < pl->s->nprograms;
         i++) {
        struct actor *a = &pl->actor[i];
        if (!a->started && a->p->wait_host && !a->p->manual &&
            a->due_ns == UINT64_MAX && actor_wait_over(a))
            a->due_ns = now + a->p->after_ns;
        if (a->due_ns <= now)
            actor_start(a);
    }
    if (pl->phase == PLAY_RUNNING || pl->phase == PLAY_LINGERING)
        acts_pass(pl, now);
    course(pl, now);
    return false;
}

static uint64_t play_deadline(struct loop_passer *p) {
    struct play *pl =
        (struct play *)((char *)p - offsetof(struct play, passer));
    uint64_t due = acts_deadline(pl);
    due = pl->due_ns < due ? pl->due_ns : due;
    for (unsigned i = 0; i < pl->s->nprograms; i++)
        if (pl->actor[i].due_ns < due)
            due = pl->actor[i].due_ns;
    return due;
}

static void on_signal(struct loop_source *src, uint32_t events) {
    (void)events;
    struct play *pl =
        (struct play *)((char *)src - offsetof(struct play, signals));
    struct signalfd_siginfo si;
    while (read(src->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
        if (si.ssi_signo == SIGCHLD) {
            actor_reap(pl);
        } else if (pl->phase < PLAY_ENDING) {
            pl->status = 128 + (int)si.ssi_signo;
            enter(pl, PLAY_ENDING, loop_now(pl->loop));
        } else {
            end_programs(pl, SIGKILL);
        }
    }
}

/* ---- setting up and taking down ---- */

static bool watch_signals(struct play *pl) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pl->signals = (struct loop_source){
        on_signal, signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
    return pl->signals.fd >= 0 &&
           loop_add(pl->loop, &pl->signals, EPOLLIN) == 0;
}

static bool open_capture(struct play *pl) {
    if (!pl->o->capture)
        return true;
    FILE *f = strcmp(pl->o->capture, "-") ? fopen(pl->o->capture, "we")
                                          : fdopen(dup(1), "w");
    pl->capture = f ? pcapng_create(f) : NULL;
    if (!pl->capture)
        fprintf(stderr, "weir: %s: %s\n", pl->o->capture, strerror(errno));
    return pl->capture != NULL;
}

/* `weir down` */
static void down(void *ctx) {
    struct play *pl = ctx;
    if (pl->phase < PLAY_ENDING)
        enter(pl, PLAY_ENDING, loop_now(pl->loop));
}

static bool set_up(struct play *pl, char *const *command) {
    pl->loop = loop_create();
    int err = pl->loop ? record_create(&pl->record, pl->s->name, command,
                                       pl->s->seed, true)
                       : -errno;
    if (!err) {
        loop_spin(pl->loop, pl->o->spin_ns ? pl->o->spin_ns : pl->s->spin_ns);
        pl->net = net_create(pl->loop, pl->s->name, pl->s->seed,
                             &pl->record.header->rec);
        err = pl->net ? 0 : -errno;
    }
    if (err) {
        fprintf(stderr, "weir: %s\n", strerror(-err));
        return false;
    }
    if (!open_capture(pl) || !play_build(pl))
        return false;
    pl->gate = gate_open(pl->net);
    if (!pl->gate)
        return false; /* said */
    struct control_owner owner = {.recording = pl->record.path,
                                  .command = pl->record.header->command,
                                  .down = down,
                                  .rebooted = act_rebooted,
                                  .ctx = pl};
    pl->control =
        control_open(pl->net, gate_serve(pl->gate), gate_dir(pl->gate), &owner);
    if (!pl->control)
        fprintf(stderr, "weir: no control socket: %s\n", strerror(errno));
    return pl->control && watch_signals(pl);
}

static void take_down(struct play *pl) {
    if (pl->control)
        control_close(pl->control);
    if (pl->gate)
        gate_close(pl->gate);
    if (pl->net)
        net_destroy(pl->net);
    if (pl->capture && pcapng_close(pl->capture))
        fprintf(stderr, "weir: %s could not be written\n", pl->o->capture);
    for (unsigned i = 0; i < pl->s->nprograms; i++)
        free(pl->actor[i].output);
    record_close(&pl->record);
    if (pl->loop)
        loop_destroy(pl->loop);
}

static void judge(struct play *pl) {
    struct story story;
    unsigned failed = 0;
    for (unsigned i = 0; i < pl->s->nprograms; i++)
        failed += !actor_judge(&pl->actor[i]);
    if (story_load(&story, &pl->record) == 0) {
        failed += judge_all(pl->s, &story, pl->t0, stderr);
        weir_event_id last = failed ? why_last(&story) : 0;
        if (last) {
            fprintf(stderr, "the last failure of a call:\n");
            why_print(stderr, &story, last);
        }
        story_free(&story);
    }
    if (failed)
        fprintf(stderr, "weir: %s: %u expectation%s failed (seed %llu)\n",
                pl->s->name, failed, failed == 1 ? "" : "s",
                (unsigned long long)pl->s->seed);
    else
        fprintf(stderr, "weir: %s: all expectations hold\n", pl->s->name);
    if (failed && !pl->status)
        pl->status = STATUS_FAILED;
}

int play(const struct scenario *s, const struct play_options *o,
         char *const *command) {
    struct play *pl = calloc(1, sizeof(*pl));
    if (!pl)
        return STATUS_WEIR;
    pl->s = s;
    pl->o = o;
    if (!set_up(pl, command)) {
        take_down(pl);
        free(pl);
        return STATUS_WEIR;
    }
    pl->t0 = loop_now(pl->loop);
    pl->due_ns = o->detached || o->keep ? UINT64_MAX : pl->t0 + s->timeout_ns;
    for (unsigned i = 0; i < s->nprograms; i++)
        actor_init(pl, i);
    for (unsigned i = 0; i < s->nevents; i++)
        act_init(pl, i);
    pl->passer =
        (struct loop_passer){.pass = play_pass, .deadline = play_deadline};
    loop_join(pl->loop, &pl->passer);
    if (o->up_fd >= 0) {
        if (write(o->up_fd, "", 1) != 1)
            pl->status = STATUS_WEIR;
        close(o->up_fd);
    }
    loop_run(pl->loop);
    loop_leave(pl->loop, &pl->passer);
    if (!o->detached && pl->status < 128)
        judge(pl);
    int status = pl->status;
    take_down(pl);
    free(pl);
    return status;
}
