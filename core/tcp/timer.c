/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers (RFC 9293 3.8). A connection has one timer in the wheel, armed for the
 * earliest of:
 *
 *   work->xmit_due     one of: retransmission, tail loss probe, RACK
 * reordering, zero-window probe (they exclude each other) work->delack_due
 * delayed ACK opt->keep_due      keep-alive; also the wait of an orphan in
 * FIN_WAIT_2
 *
 * It is not re-armed when a deadline only moves later: it fires, finds nothing
 * due and goes on to the next. What fires here sends in the pass that follows.
 */
#include "tcp/rooms.h"

static uint64_t earliest(const struct tcp_conn *c) {
    uint64_t due = WEIR_NEVER;
    if (c->work) {
        due = c->work->xmit_timer ? c->work->xmit_due : WEIR_NEVER;
        if (c->work->delack_due < due)
            due = c->work->delack_due;
        if (c->work->rest_due < due)
            due = c->work->rest_due;
    }
    if (c->opt && c->opt->keep_due < due)
        due = c->opt->keep_due;
    return due;
}

/* A deadline more: the timer moves only where it is the earliest. */
static inline void due_by(struct tcp *tcp, struct tcp_conn *c, uint64_t due) {
    if (!wtimer_armed(&c->timer) || due < c->timer.deadline)
        wheel_arm(tcp->env->wheel, &c->timer, WTIMER_TCP, due);
}

void tcp_timer_update(struct tcp *tcp, struct tcp_conn *c) {
    uint64_t due = earliest(c);
    if (due == WEIR_NEVER) {
        wheel_disarm(tcp->env->wheel, &c->timer);
        return;
    }
    due_by(tcp, c, due);
}

void tcp_xmit_arm(struct tcp *tcp, struct tcp_conn *c, enum tcp_xmit_timer t,
                  uint64_t due) {
    c->work->xmit_timer = (uint8_t)t;
    c->work->xmit_due = due;
    due_by(tcp, c, due);
}

void tcp_xmit_disarm(struct tcp_conn *c) {
    c->work->xmit_timer = XMIT_NONE;
    c->work->xmit_due = WEIR_NEVER;
}

void tcp_delack_arm(struct tcp *tcp, struct tcp_conn *c, uint32_t ms) {
    uint64_t due = tcp->env->now + ms * NS_PER_MS;
    if (due < c->work->delack_due)
        c->work->delack_due = due;
    due_by(tcp, c, due);
}

void tcp_timer_event(struct tcp *tcp, struct tcp_conn *c, enum weir_timer t,
                     unsigned tries, uint64_t next_ns, uint32_t bytes,
                     tcp_seq seq) {
    struct weir_event *ev =
        env_record(tcp->env, WEIR_EV_TIMER_FIRED, endpoint_sock(&c->ep));
    if (!ev)
        return;
    ev->timer.timer = (uint8_t)t;
    ev->timer.tries = (uint8_t)(tries < 255 ? tries : 255);
    ev->timer.next_ms = (uint32_t)(next_ns / NS_PER_MS);
    ev->timer.bytes = bytes;
    ev->timer.seq = seq.v;
    tcp->env->cause = ev->id;
}

static void delack_fired(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    w->delack_due = WEIR_NEVER;
    if (!(c->flags & CONN_ACK_LATER))
        return;
    tcp_timer_event(tcp, c, WEIR_TIMER_DELACK, 1, 0,
                    (uint32_t)seq_diff(c->rcv.nxt, c->rcv.wup), c->rcv.nxt);
    if (c->flags & CONN_NO_QUICKACK) { /* the program did not answer in time */
        c->flags &= ~(uint32_t)CONN_NO_QUICKACK;
        w->ato_ms = 40;
    } else {
        w->ato_ms = w->ato_ms * 2 < 200 ? w->ato_ms * 2 : 200;
    }
    COUNT(tcp->env, TcpExt, DelayedACKs);
    tcp_ack_now(tcp, c);
}

static void xmit_fired(struct tcp *tcp, struct tcp_conn *c) {
    switch ((enum tcp_xmit_timer)c->work->xmit_timer) {
    case XMIT_NONE:
        return;
    case XMIT_REXMIT:
        tcp_rexmit_fired(tcp, c);
        return;
    case XMIT_TLP:
        tcp_loss_probe_timer(tcp, c);
        return;
    case XMIT_REORDER:
        tcp_loss_reorder_timer(tcp, c);
        return;
    case XMIT_PERSIST:
        tcp_persist_fired(tcp, c);
        return;
    }
}

/* What fires may end the connection: then its memory may be gone, and nothing
 * of it is touched any more. */
void tcp_timer(struct tcp *tcp, struct wtimer *timer) {
    struct tcp_conn *c =
        (struct tcp_conn *)((char *)timer - offsetof(struct tcp_conn, timer));
    struct env *env = tcp->env;
    weir_event_id cause = env->cause;
    uint64_t now = env->now;
    env->cause = 0;
    if (c->work && c->work->delack_due <= now)
        delack_fired(tcp, c);
    if (c->work && c->work->rest_due <= now)
        tcp_rest_fired(tcp, c);
    if (c->opt && c->opt->keep_due <= now) {
        tcp_keep_fired(tcp, c); /* may end it; arms the timer itself */
    } else if (c->work && c->work->xmit_timer && c->work->xmit_due <= now) {
        xmit_fired(tcp, c);
    } else {
        tcp_timer_update(tcp, c);
    }
    env->cause = cause;
}
