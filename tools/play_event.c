/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The events of a scenario: by the clock, or when the recorder shows what they
 * wait for. What is undone after a time (`for`) is undone by the same hand.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "links/impair.h"
#include "tools/judge.h"
#include "tools/play_in.h"

void act_init(struct play *pl, unsigned i) {
    const struct sc_event *e = &pl->s->event[i];
    pl->act[i] =
        (struct act){.e = e,
                     .due_ns = e->on_match ? UINT64_MAX : pl->t0 + e->at_ns,
                     .undo_ns = UINT64_MAX};
}

void act_rebooted(void *play, struct host *h) {
    struct play *pl = play;
    for (unsigned i = 0; i < pl->s->nprograms; i++)
        if (pl->host[pl->s->program[i].host] == h && pl->s->program[i].restart)
            pl->actor[i].due_ns = loop_now(pl->loop) + 50000000;
}

static void reboot(struct play *pl, struct host *h) {
    if (control_reboot(gate_serve(pl->gate), h))
        fprintf(stderr, "weir: host %s does not boot\n", h->name);
    act_rebooted(pl, h);
}

static void set_link(struct play *pl, const struct sc_event *e,
                     struct weir_link *port) {
    for (unsigned i = 0; i < e->nset; i++) {
        const char *why = impair_set(port, e->set[i].key, e->set[i].words);
        if (why)
            fprintf(stderr, "weir: %s: %s '%s': %s\n", pl->s->file,
                    e->set[i].key, e->set[i].words, why);
    }
}

static void carry_out(struct play *pl, struct act *act, enum sc_action action) {
    const struct sc_event *e = act->e;
    struct host *h = pl->host[e->host];
    struct weir_link *port =
        e->iface < NET_IFS ? pl->port[e->host][e->iface] : NULL;
    int pi = e->program ? scenario_program(pl->s, e->program) : -1;
    struct actor *a = pi < 0 ? NULL : &pl->actor[pi];
    bool on_port = action == ACT_CUT || action == ACT_HEAL || action == ACT_SET;
    if (on_port && !port) {
        fprintf(stderr, "weir: %s: host %s has no interface eth%u\n",
                pl->s->file, h->name, e->iface);
        return;
    }
    switch (action) {
    case ACT_CUT:
    case ACT_HEAL:
        impair_cut(port, action == ACT_CUT, loop_now(pl->loop));
        break;
    case ACT_CRASH:
        control_crash(gate_serve(pl->gate), h);
        break;
    case ACT_REBOOT:
        reboot(pl, h);
        break;
    case ACT_FREEZE:
    case ACT_THAW:
        control_freeze(gate_serve(pl->gate), h, action == ACT_FREEZE);
        break;
    case ACT_SIGNAL:
        actor_signal(a, e->signal);
        break;
    case ACT_SET:
        set_link(pl, e, port);
        break;
    case ACT_START:
        actor_start(a);
        break;
    case ACT_INPUT:
        actor_input(a, e->text);
        break;
    case ACT_SAY:
        control_say(pl->net, e->text);
        break;
    }
}

static enum sc_action opposite(enum sc_action action) {
    switch (action) {
    case ACT_CUT:
        return ACT_HEAL;
    case ACT_FREEZE:
        return ACT_THAW;
    case ACT_CRASH:
        return ACT_REBOOT;
    case ACT_HEAL:
    case ACT_REBOOT:
    case ACT_THAW:
    case ACT_SIGNAL:
    case ACT_SET:
    case ACT_START:
    case ACT_INPUT:
    case ACT_SAY:
        break;
    }
    return action;
}

static void watch(struct play *pl, uint64_t now) {
    const struct weir_event *ev;
    while ((ev = record_next(&pl->record, &pl->cursor)))
        for (unsigned i = 0; i < pl->s->nevents; i++) {
            struct act *a = &pl->act[i];
            if (!a->e->on_match || a->matches >= a->e->when_nth)
                continue;
            if (judge_match(&a->e->when, ev, NULL, pl->t0) &&
                ++a->matches == a->e->when_nth)
                a->due_ns = now + a->e->at_ns;
        }
}

void acts_pass(struct play *pl, uint64_t now) {
    watch(pl, now);
    for (unsigned i = 0; i < pl->s->nevents; i++) {
        struct act *a = &pl->act[i];
        if (a->due_ns <= now) {
            a->due_ns = UINT64_MAX;
            a->done = true;
            if (a->e->for_ns)
                a->undo_ns = now + a->e->for_ns;
            carry_out(pl, a, a->e->action);
        }
        if (a->undo_ns <= now) {
            a->undo_ns = UINT64_MAX;
            carry_out(pl, a, opposite(a->e->action));
        }
    }
}

uint64_t acts_deadline(const struct play *pl) {
    uint64_t due = UINT64_MAX;
    for (unsigned i = 0; i < pl->s->nevents; i++) {
        const struct act *a = &pl->act[i];
        due = a->due_ns < due ? a->due_ns : due;
        due = a->undo_ns < due ? a->undo_ns : due;
    }
    return due;
}

bool acts_done(const struct play *pl) {
    for (unsigned i = 0; i < pl->s->nevents; i++) {
        const struct act *a = &pl->act[i];
        if (a->undo_ns != UINT64_MAX || (!a->done && !a->e->on_match))
            return false;
    }
    return true;
}
