/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How connections end: the peer's RST, an error, close() and what an orphan
 * still has to do. What was received stays readable after the end; what was not
 * sent is dropped.
 */
#include <assert.h>

#include "tcp/rooms.h"

static void drop_work(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    if (!w)
        return;
    tcp_tx_clear(tcp, c);
    tcp_sendq_clear(tcp, w);
    tcp_sendq_init(w, c->snd.nxt);
    tcp_ofo_clear(tcp, w);
    tcp_xmit_disarm(c);
    w->delack_due = WEIR_NEVER;
    w->soft_error = 0;
    w->dsack = (struct tcp_range){0};
}

static weir_event_id tell(struct tcp *tcp, struct tcp_conn *c, int error,
                          enum weir_reason reason) {
    struct tcp_work *w = c->work;
    struct weir_event *ev =
        endpoint_error(tcp->env, &c->ep, error, reason, false);
    if (!ev)
        return tcp->env->cause;
    ev->error.unread = w ? w->rcvq.bytes : 0;
    ev->error.unsent = w ? w->sendq.bytes : 0;
    if (w && w->stuck_since) {
        ev->error.waited_ms =
            (uint32_t)((tcp->env->now - w->stuck_since) / NS_PER_MS);
        ev->error.tries = w->retries + 1u;
    } else if (reason == WEIR_TCP_KEEPALIVE_TIMEOUT && c->opt) {
        ev->error.waited_ms = tcp_now_ms(tcp) - c->rx_ms;
        ev->error.tries = c->opt->keep_sent;
    }
    return ev->id;
}

static void count_end(struct tcp *tcp, const struct tcp_conn *c, int error) {
    if (tcp_in(c, IN(SYN_SENT) | IN(SYN_RECV)))
        COUNT(tcp->env, Tcp, AttemptFails);
    else if (error && tcp_in(c, IN(ESTABLISHED) | IN(CLOSE_WAIT)))
        COUNT(tcp->env, Tcp, EstabResets);
}

/* Out of the network: found by no segment, holding no port that bind() did not
 * ask for, no timer running. */
void tcp_detach(struct tcp *tcp, struct tcp_conn *c) {
    tcp_unhash_conn(tcp, c);
    tcp_hash_conn(tcp, c, false);
    if (!(c->flags & CONN_PORT_LOCK))
        tcp_port_release(tcp, c);
    drop_work(tcp, c);
    c->flags &= ~(uint32_t)(CONN_ACK_NOW | CONN_ACK_LATER | CONN_PROBE |
                            CONN_URG_SEND | CONN_SNDQ_FULL);
    if (c->opt)
        c->opt->keep_due = WEIR_NEVER;
    wheel_disarm(tcp->env->wheel, &c->timer);
    c->ep.flags |= EP_SHUT_RD | EP_SHUT_WR;
}

void tcp_end(struct tcp *tcp, struct tcp_conn *c, int error,
             enum weir_reason reason) {
    bool orphan = (c->ep.flags & EP_DEAD) != 0;
    if (tcp_state(c) == WEIR_TCP_CLOSED && !orphan)
        return;
    weir_event_id cause = tcp->env->cause;
    if (reason != WEIR_NONE)
        c->ep.reason = (uint8_t)reason;
    if (error && !orphan)
        cause = tell(tcp, c, error, reason);
    count_end(tcp, c, error);
    tcp_state_set(tcp, c, WEIR_TCP_CLOSED, reason);
    c->end_cause = cause;
    if (orphan) {
        tcp_conn_destroy(tcp, c);
        return;
    }
    tcp_detach(tcp, c);
    tcp_work_rest(tcp, c);
    tcp_touch(tcp, c);
}

/* RFC 9293 3.10.7.4, second; errors as Linux gives them. */
void tcp_reset(struct tcp *tcp, struct tcp_conn *c) {
    int error = ECONNRESET;
    if (tcp_state(c) == WEIR_TCP_CLOSE_WAIT)
        error = EPIPE;
    else if (tcp_state(c) == WEIR_TCP_SYN_RECV)
        error = ECONNREFUSED;
    tcp_end(tcp, c, error, WEIR_TCP_RESET);
}

static uint32_t fin_timeout_ms(struct tcp *tcp, const struct tcp_conn *c) {
    int32_t s = tcp->env->sysctl.tcp_fin_timeout;
    if (c->opt && c->opt->linger2_s > 0)
        s = c->opt->linger2_s;
    uint64_t ms = (uint64_t)s * 1000;
    uint64_t least = tcp_rto_base_ns(tcp, c) * 7 / 2 / NS_PER_MS;
    return (uint32_t)(ms > least ? ms : least);
}

/* RFC 9293 3.6.1 (MAY-8) lets it give up; RFC 1122 4.2.2.20. */
bool tcp_orphan_fin_wait2(struct tcp *tcp, struct tcp_conn *c) {
    struct env *env = tcp->env;
    if (c->opt && c->opt->linger2_s < 0) {
        COUNT(env, TcpExt, TCPAbortOnLinger);
        tcp_reply_abort(tcp, c, WEIR_TCP_ABORT_ON_LINGER);
        tcp_end(tcp, c, 0, WEIR_TCP_ABORT_ON_LINGER);
        return false;
    }
    tcp_time_wait(tcp, c, WEIR_TCP_FIN_WAIT2, fin_timeout_ms(tcp, c));
    return false;
}

/* The program's last word: FIN where one is still to be sent. */
void tcp_send_fin(struct tcp *tcp, struct tcp_conn *c) {
    if (c->flags & CONN_FIN)
        return;
    if (tcp_state(c) == WEIR_TCP_ESTABLISHED)
        tcp_state_set(tcp, c, WEIR_TCP_FIN_WAIT1, WEIR_NONE);
    else if (tcp_state(c) == WEIR_TCP_CLOSE_WAIT)
        tcp_state_set(tcp, c, WEIR_TCP_LAST_ACK, WEIR_NONE);
    else if (tcp_state(c) != WEIR_TCP_SYN_RECV)
        return;
    c->flags |= CONN_FIN;
    if (!tcp_work_get(tcp, c)) { /* cannot even say goodbye */
        tcp_reply_abort(tcp, c, WEIR_TCP_ABORT_ON_MEMORY);
        tcp_end(tcp, c, ENOMEM, WEIR_TCP_ABORT_ON_MEMORY);
        return;
    }
    tcp_dirty(tcp, c);
}

void tcp_orphan(struct tcp *tcp, struct tcp_conn *c) {
    struct env *env = tcp->env;
    c->ep.flags |= EP_DEAD | EP_SHUT_RD | EP_SHUT_WR;
    endpoint_untouch(env, &c->ep);
    switch (tcp_state(c)) {
    case WEIR_TCP_CLOSED:
    case WEIR_TCP_SYN_SENT: /* RFC 9293 3.10.4: nothing to say to the peer */
        if (tcp_state(c) == WEIR_TCP_SYN_SENT)
            tcp_state_set(tcp, c, WEIR_TCP_CLOSED, WEIR_NONE);
        tcp_conn_destroy(tcp, c);
        return;
    default:
        break;
    }
    c->flags |= CONN_ORPHAN;
    if (++tcp->orphans > (uint32_t)env->sysctl.tcp_max_orphans) {
        COUNT(env, TcpExt, TCPAbortOnMemory);
        tcp_reply_abort(tcp, c, WEIR_TCP_ABORT_ON_MEMORY);
        tcp_end(tcp, c, 0, WEIR_TCP_ABORT_ON_MEMORY);
        return;
    }
    tcp_send_fin(tcp, c);
    if (tcp_state(c) == WEIR_TCP_FIN_WAIT2)
        tcp_orphan_fin_wait2(tcp, c);
}
