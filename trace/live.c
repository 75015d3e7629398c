/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events are written when they are a few milliseconds old: by then nearly every
 * call has ended and stands on one line at the place where it began, with what
 * it caused below it. A call that still waits is written up to where it waits;
 * when another line must be written it is left "<unfinished ...>" and later
 * "resumed", as strace does. A call's record is one slot of the ring, which
 * changes when the call ends; where the ring has moved past it by then, it
 * comes again under its old id.
 */
#include "trace/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "trace/live_in.h"
#include "trace/words.h"

#define SETTLE_NS 8000000u

struct waiting { /* a call that had not ended when its turn came */
    const struct weir_event *slot;
    struct weir_event ev;
};

struct live {
    struct live_out out;
    struct live_options o;
    const struct record *record;
    struct story story;
    struct record_cursor cursor;
    struct waiting *waiting;
    size_t nwaiting, room;
    uint32_t *pid; /* ours */
    size_t npids, pids_room;
    struct live_sum sum;
};

struct live *live_create(const struct live_options *o, const struct record *r,
                         bool from_now) {
    struct live *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->o = *o;
    l->record = r;
    int err = live_out_open(&l->out, &l->o, r->header->wall_ns);
    if (err) {
        free(l);
        errno = -err;
        return NULL;
    }
    story_begin(&l->story, r);
    while (from_now) { /* who is who, without a word */
        const struct weir_event *ev = record_next(r, &l->cursor);
        if (!ev)
            break;
        story_see(&l->story, ev);
    }
    l->cursor.lost = 0;
    return l;
}

/* ---- whose ---- */

static bool ours(const struct live *l, uint32_t pid) {
    for (size_t i = 0; i < l->npids; i++)
        if (l->pid[i] == pid)
            return true;
    return false;
}

void live_root(struct live *l, uint32_t pid) {
    if (ours(l, pid))
        return;
    if (l->npids == l->pids_room) {
        size_t room = l->pids_room ? l->pids_room * 2 : 16;
        uint32_t *more = realloc(l->pid, room * sizeof(*more));
        if (!more)
            return;
        l->pid = more;
        l->pids_room = room;
    }
    l->pid[l->npids++] = pid;
}

/* A socket is ours by its program; one not accepted yet by its listener's. */
static bool our_socket(const struct live *l, const struct weir_event *ev) {
    const struct story_socket *k =
        story_socket(&l->story, ev->host, ev->sock, ev->id);
    if (k && !k->pid && k->parent)
        k = story_socket(&l->story, ev->host, k->parent, ev->id);
    return !k || !k->pid || ours(l, k->pid);
}

/* ---- calls ---- */

static bool wanted(const struct live *l, const struct weir_event *ev) {
    if (l->o.hidden >> ev->call.call & 1 || !ours(l, ev->call.pid))
        return false;
    bool ended = ev->call.result != WEIR_CALL_PENDING;
    if (l->o.successful)
        return ended && ev->call.result >= 0;
    return !l->o.failed || (ended && ev->call.result < 0);
}

static void wait_for(struct live *l, const struct weir_event *slot,
                     const struct weir_event *ev) {
    if (l->nwaiting == l->room) {
        size_t room = l->room ? l->room * 2 : 16;
        struct waiting *more = realloc(l->waiting, room * sizeof(*more));
        if (!more)
            return;
        l->waiting = more;
        l->room = room;
    }
    l->waiting[l->nwaiting++] = (struct waiting){slot, *ev};
}

static bool settled(const struct weir_event *ev) {
    return ev->call.result != WEIR_CALL_PENDING &&
           ev->call.took_us * 1000ull < SETTLE_NS;
}

static void show_call(struct live *l, const struct weir_event *slot,
                      const struct weir_event *ev) {
    for (size_t i = 0; ev->flags & WEIR_EVF_AGAIN && i < l->nwaiting; i++)
        if (l->waiting[i].ev.id == ev->id) {
            l->waiting[i].slot = slot;
            return;
        }
    if (settled(ev)) {
        if (!wanted(l, ev))
            return;
        live_sum_add(&l->sum, ev);
        live_out_call(&l->out, &l->story, ev);
        return;
    }
    wait_for(l, slot, ev);
    struct weir_event begun = *ev;
    begun.call.result = WEIR_CALL_PENDING;
    if (wanted(l, &begun))
        live_out_enter(&l->out, &l->story, &begun);
}

/* The end of the earliest call that has waited and ended by `until`. */
static bool end_one(struct live *l, uint64_t until) {
    struct waiting *first = NULL;
    uint64_t at = UINT64_MAX;
    for (size_t i = 0; i < l->nwaiting; i++) {
        struct waiting *w = &l->waiting[i];
        if (w->slot->id == w->ev.id &&
            w->slot->call.result != WEIR_CALL_PENDING)
            w->ev = *w->slot;
        uint64_t end = w->ev.t_ns + w->ev.call.took_us * 1000ull;
        if (w->ev.call.result != WEIR_CALL_PENDING && end <= until &&
            end < at) {
            at = end;
            first = w;
        }
    }
    if (!first)
        return false;
    if (wanted(l, &first->ev)) {
        live_sum_add(&l->sum, &first->ev);
        live_out_leave(&l->out, &l->story, &first->ev, at);
    }
    *first = l->waiting[--l->nwaiting];
    return true;
}

/* ---- everything ---- */

static void show_program(struct live *l, const struct weir_event *ev) {
    if (ours(l, ev->program.ppid))
        live_root(l, ev->program.pid);
    if (ev->kind != WEIR_EV_PROGRAM_EXITED || !ours(l, ev->program.pid) ||
        !(l->o.lines & LIVE_PROGRAMS))
        return;
    live_out_exit(&l->out, ev);
}

static void show(struct live *l, const struct weir_event *slot) {
    struct weir_event ev = *slot;
    story_see(&l->story, &ev);
    switch (ev.kind) {
    case WEIR_EV_CALL:
        show_call(l, slot, &ev);
        return;
    case WEIR_EV_PROGRAM_STARTED:
    case WEIR_EV_PROGRAM_FORKED:
    case WEIR_EV_PROGRAM_EXECUTED:
    case WEIR_EV_PROGRAM_EXITED:
        show_program(l, &ev);
        return;
    default:
        if (!l->o.summary && (!ev.sock || our_socket(l, &ev)))
            live_out_other(&l->out, &l->story, &ev);
    }
}

static void advance(struct live *l, uint64_t until) {
    for (;;) {
        struct record_cursor before = l->cursor;
        const struct weir_event *ev = record_next(l->record, &l->cursor);
        if (l->cursor.lost != before.lost)
            live_out_lost(&l->out, l->cursor.lost - before.lost);
        if (!ev)
            break;
        if (ev->t_ns > until) {
            l->cursor = before;
            break;
        }
        while (end_one(l, ev->t_ns))
            ;
        show(l, ev);
    }
    while (end_one(l, until))
        ;
    live_out_flush(&l->out);
}

void live_pass(struct live *l, uint64_t now) {
    advance(l, now - SETTLE_NS);
}

uint64_t live_deadline(const struct live *l) {
    struct record_cursor peek = l->cursor;
    const struct weir_event *ev = record_next(l->record, &peek);
    uint64_t due = ev ? ev->t_ns + SETTLE_NS : UINT64_MAX;
    for (size_t i = 0; i < l->nwaiting; i++) {
        const struct waiting *w = &l->waiting[i];
        if (w->slot->id != w->ev.id ||
            w->slot->call.result == WEIR_CALL_PENDING)
            continue;
        uint64_t end = w->slot->t_ns + w->slot->call.took_us * 1000ull;
        due = end + SETTLE_NS < due ? end + SETTLE_NS : due;
    }
    return due;
}

void live_end(struct live *l) {
    advance(l, UINT64_MAX - SETTLE_NS);
    live_out_abandon(&l->out);
    if (l->o.summary || l->o.summary_too)
        live_sum_print(l->out.main, &l->sum);
    live_out_close(&l->out);
    story_free(&l->story);
    free(l->waiting);
    free(l->pid);
    free(l);
}
