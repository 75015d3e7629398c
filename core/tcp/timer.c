/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers (RFC 9293 3.8). A connection has one timer in the wheel, armed for the
 * earliest of:
 *
 *   work->xmit_due     one of: retransmission, tail loss probe, RACK
 *                      reordering, zero-window probe (they exclude each other)
 *   work->delack_due   delayed ACK
 *   opt->keep_due      keep-alive; also the wait of an orphan in FIN_WAIT_2
 *
 * It is not re-armed when a deadline only moves later: it fires, finds nothing
 * due and goes on to the next. What fires here sends in the pass that follows.
 *
 * Nearly all of these deadlines come to nothing, and each one that is armed in
 * vain means to fetch a connection from memory again. So a deadline goes into
 * the wheel late. That of an ACK, at the end of the pass: as a rule what the
 * program answers has taken the ACK with it. That of a transmission, at the
 * next visit to the work block, where it lies behind that: as a rule the ACK is
 * here by then. Visits are TCP_VISIT_NS apart and all in one lane of the wheel;
 * a work block that was at rest from one to the next is given back (what was
 * measured is kept so long: a connection that is read as fast as it is written
 * to is empty a thousand times a second). Where one is needed but nothing
 * happens, visits end until tcp_work_rest.
 */
#include "tcp/rooms.h"

/* A transmission's deadline that lies behind the next visit is its business. */
static inline bool before_visit(const struct tcp_work *w, uint64_t due) {
    return !wtimer_armed(&w->visit) || due < w->visit.deadline;
}

static uint64_t earliest(const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    uint64_t due = WEIR_NEVER;
    if (w && w->xmit_timer && before_visit(w, w->xmit_due))
        due = w->xmit_due;
    if (w && w->delack_due < due && list_empty(&w->owing))
        due = w->delack_due;
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
    if (before_visit(c->work, due))
        due_by(tcp, c, due);
}

void tcp_xmit_disarm(struct tcp_conn *c) {
    c->work->xmit_timer = XMIT_NONE;
    c->work->xmit_due = WEIR_NEVER;
}

/* The next millisecond: what need not be exact is done for many at once. */
static uint64_t together(uint64_t ns) {
    return (ns + NS_PER_MS - 1) / NS_PER_MS * NS_PER_MS;
}

void tcp_delack_arm(struct tcp *tcp, struct tcp_conn *c, uint32_t ms) {
    struct tcp_work *w = c->work;
    uint64_t due = together(tcp->env->now + ms * NS_PER_MS);
    if (due < w->delack_due)
        w->delack_due = due;
    if (list_empty(&w->owing))
        list_push_back(&tcp->owing, &w->owing);
}

void tcp_delacks_arm(struct tcp *tcp) {
    while (!list_empty(&tcp->owing)) {
        struct tcp_work *w =
            container_of(tcp->owing.next, struct tcp_work, owing);
        struct wtimer *t = &w->conn->timer;
        list_remove(&w->owing);
        if (w->delack_due != WEIR_NEVER &&
            (!wtimer_armed(t) || w->delack_due < t->deadline))
            wheel_arm_lane(tcp->env->wheel, t, WTIMER_TCP, w->delack_due,
                           WHEEL_DELACK);
    }
}

void tcp_visit_arm(struct tcp *tcp, struct tcp_work *w) {
    wheel_arm_lane(tcp->env->wheel, &w->visit, WTIMER_REST,
                   together(tcp->env->now + TCP_VISIT_NS), WHEEL_REST);
}

static void ask_for_lines(const void *from, size_t bytes) {
    for (size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch((const char *)from + at);
}

/* Memory of those who come next is on its way while this one is looked at: the
 * work block, then what it refers to. */
static void ask_for_visits(struct tcp *tcp) {
    const struct wheel *wheel = tcp->env->wheel;
    const struct wtimer *t = wheel_lane_ahead(wheel, WHEEL_REST, 4);
    if (t) {
        const struct tcp_work *w = container_of(t, struct tcp_work, visit);
        __builtin_prefetch(w->sendq.spare);
    }
    if ((t = wheel_lane_ahead(wheel, WHEEL_REST, 12))) {
        const struct tcp_work *w = container_of(t, struct tcp_work, visit);
        ask_for_lines((const char *)w + 64, sizeof(*w) - 64);
        ask_for_lines(&w->conn->node, 128);
    }
    if ((t = wheel_lane_ahead(wheel, WHEEL_REST, 24)))
        __builtin_prefetch(t);
}

/* The same of connections that owe an ACK. */
static void ask_for_delacks(struct tcp *tcp) {
    const struct wheel *wheel = tcp->env->wheel;
    const struct wtimer *t = wheel_lane_ahead(wheel, WHEEL_DELACK, 8);
    if (t) {
        const struct tcp_conn *c = container_of(t, struct tcp_conn, timer);
        if (c->work)
            ask_for_lines(c->work, sizeof(*c->work));
    }
    if ((t = wheel_lane_ahead(wheel, WHEEL_DELACK, 16)))
        ask_for_lines(container_of(t, struct tcp_conn, timer),
                      sizeof(struct tcp_conn));
}

void tcp_visit_timer(struct tcp *tcp, struct wtimer *timer) {
    struct tcp_conn *c = container_of(timer, struct tcp_work, visit)->conn;
    ask_for_visits(tcp);
    if (tcp_work_visited(tcp, c))
        tcp_timer_update(tcp, c);
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
    enum tcp_xmit_timer t = (enum tcp_xmit_timer)c->work->xmit_timer;
    tcp_xmit_disarm(c);
    tcp_timer_update(tcp, c); /* for whatever else is due, later */
    switch (t) {
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
    ask_for_delacks(tcp);
    if (c->work && c->work->delack_due <= now)
        delack_fired(tcp, c);
    if (c->opt && c->opt->keep_due <= now) {
        tcp_keep_fired(tcp, c); /* may end it; arms the timer itself */
    } else if (c->work && c->work->xmit_timer && c->work->xmit_due <= now) {
        xmit_fired(tcp, c);
    } else {
        tcp_timer_update(tcp, c);
    }
    env->cause = cause;
}
