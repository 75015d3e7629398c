/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What no call reported: connections whose program does not close them, queues
 * that overflowed, waits of Nagle for a delayed ACK, frames that were lost,
 * calls that weir could not carry.
 */
#include <string.h>

#include "trace/why_in.h"
#include "trace/words.h"

#define LONG_S 1.0 /* in CLOSE_WAIT */

typedef unsigned long long ull;

struct look {
    FILE *out;
    const struct story *s;
    bool any;
};

static void begin(struct look *l, const struct weir_event *ev) {
    l->any = true;
    fprintf(l->out, "e%llu %11.3f ms  ", (ull)ev->id, why_ms(l->s, ev));
}

/* ---- CLOSE_WAIT ---- */

static bool read_end(const struct story *s, const struct story_socket *k,
                     const struct weir_event **zero) {
    const struct weir_event *ev = fact_latest(s, k, UINT64_MAX);
    for (; ev; ev = fact_earlier(s, k, ev))
        if (ev->kind == WEIR_EV_CALL && ev->call.result == 0 &&
            ev->call.call >= WEIR_CALL_read &&
            ev->call.call <= WEIR_CALL_recvmsg) {
            *zero = ev;
            return true;
        }
    return false;
}

/* The connection that went into CLOSE_WAIT at `since`, as its socket. */
static const struct story_socket *closer(const struct story *s,
                                         const struct weir_event *since) {
    const struct story_socket *k =
        story_socket(s, since->host, since->sock, since->id);
    for (size_t i = s->nsockets; !k && i-- > 0;) {
        const struct story_socket *x = &s->socket[i];
        if (x->host == since->host && x->lport == since->state.lport &&
            x->rport == since->state.rport && x->remote == since->state.remote)
            k = x;
    }
    return k;
}

/* Those that still wait, or waited long. */
static void close_wait(struct look *l) {
    for (size_t i = 0; i < l->s->n; i++) {
        const struct weir_event *since = &l->s->ev[i], *zero = NULL;
        if (since->kind != WEIR_EV_STATE ||
            since->state.to != WEIR_TCP_CLOSE_WAIT)
            continue;
        const struct weir_event *end = story_state(
            l->s, since->host, since->state.local, since->state.lport,
            since->state.remote, since->state.rport, UINT64_MAX);
        bool still = end == since;
        double waited = (double)(end->t_ns - since->t_ns) / 1e9;
        const struct story_socket *k =
            still || waited >= LONG_S ? closer(l->s, since) : NULL;
        if (!k)
            continue;
        char who[48], from[48];
        words_program(l->s, k->pid, who, sizeof(who));
        words_address(l->s, k->remote, k->rport, from, sizeof(from));
        begin(l, since);
        if (still)
            fprintf(l->out,
                    "%s fd %d is in CLOSE_WAIT: %s has closed, %s "
                    "has not",
                    who, k->fd, from, who);
        else
            fprintf(l->out,
                    "%s fd %d was in CLOSE_WAIT for %.1f s: %s had "
                    "closed, %s had not",
                    who, k->fd, waited, from, who);
        if (read_end(l->s, k, &zero))
            fprintf(l->out, "; it was told by e%llu, %s = 0\n", (ull)zero->id,
                    weir_call_name(zero->call.call));
        else
            fputs("; it did not read the end of file\n", l->out);
    }
}

/* ---- 40 ms: Nagle waits for an ACK that the peer delays ---- */

static const struct weir_event *
caused(const struct story *s, const struct weir_event *ev, unsigned kind) {
    const struct weir_event *c =
        ev && ev->cause ? story_find(s, ev->cause) : NULL;
    return c && c->kind == kind ? c : NULL;
}

static void nagle(struct look *l) {
    const struct weir_event *first = NULL;
    unsigned n = 0;
    for (size_t i = 0; i < l->s->n; i++) {
        const struct weir_event *sent = &l->s->ev[i];
        if (sent->kind != WEIR_EV_SEGMENT_SENT || !sent->seg.len ||
            sent->seg.nth > 1)
            continue;
        const struct weir_event *ack =
            caused(l->s, sent, WEIR_EV_SEGMENT_RECEIVED);
        const struct weir_event *t = caused(
            l->s, caused(l->s, ack, WEIR_EV_SEGMENT_SENT), WEIR_EV_TIMER_FIRED);
        if (!t || t->timer.timer != WEIR_TIMER_DELACK)
            continue;
        first = first ? first : sent;
        n++;
    }
    if (!first)
        return;
    begin(l, first);
    fprintf(l->out,
            "%u segment%s held back by Nagle until the peer's delayed-ACK "
            "timer fired (about 40 ms each); TCP_NODELAY, or one write for "
            "what belongs together, ends that\n",
            n, n == 1 ? " was" : "s were");
}

/* ---- drops ---- */

static void drops(struct look *l) {
    unsigned n[WEIR_REASON_MAX] = {0};
    const struct weir_event *first[WEIR_REASON_MAX] = {0};
    for (size_t i = 0; i < l->s->n; i++) {
        const struct weir_event *ev = &l->s->ev[i];
        if (ev->kind != WEIR_EV_DROP || ev->seg.reason >= WEIR_REASON_MAX ||
            ev->seg.reason == WEIR_TCP_RESET)
            continue;
        if (!n[ev->seg.reason]++)
            first[ev->seg.reason] = ev;
    }
    for (unsigned r = 1; r < WEIR_REASON_MAX; r++) {
        if (!n[r])
            continue;
        begin(l, first[r]);
        fprintf(l->out, "%u packet%s dropped on %s: %s (%s)\n", n[r],
                n[r] == 1 ? "" : "s", story_host(l->s, first[r]->host),
                weir_reason_text(r), weir_reason_name(r));
    }
}

static void alarms(struct look *l) {
    for (size_t i = 0; i < l->s->n; i++) {
        const struct weir_event *ev = &l->s->ev[i];
        if (ev->kind != WEIR_EV_ALARM)
            continue;
        begin(l, ev);
        for (; i < l->s->n; i++) {
            if (l->s->ev[i].kind != WEIR_EV_ALARM)
                break;
            fprintf(l->out, "%.32s", l->s->ev[i].text);
            if (!(l->s->ev[i].flags & WEIR_EVF_MORE))
                break;
        }
        fputc('\n', l->out);
    }
}

bool why_look(FILE *out, const struct story *s) {
    struct look l = {.out = out, .s = s};
    close_wait(&l);
    nagle(&l);
    drops(&l);
    alarms(&l);
    return l.any;
}
