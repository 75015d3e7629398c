/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SEGMENT ARRIVES (RFC 9293 3.10.7), in its order. All branching on what a
 * segment is happens here; what an ACK, text or FIN does is in the rooms of
 * ack.c and receive.c. Nothing is sent: who owes something is marked and sends
 * when the pass ends.
 */
#include "tcp/rooms.h"

#include "pkt/pkt.h"

static struct weir_event *record_received(struct tcp *tcp,
                                          const struct tcp_segment *seg,
                                          uint32_t sock, uint32_t wnd_shift) {
    struct env *env = tcp->env;
    env->cause = seg->pkt->event;
    const struct tcp_told told = {
        .src = seg->t.raddr,
        .dst = seg->t.laddr,
        .sport = seg->t.rport,
        .dport = seg->t.lport,
        .seq = seg->h.seq,
        .ack = seg->h.ack,
        .len = seg->len,
        .wnd = (uint32_t)seg->h.window << wnd_shift,
        .flags = seg->h.flags,
        .nth = 1,
    };
    struct weir_event *ev =
        tcp_tell(env, WEIR_EV_SEGMENT_RECEIVED, sock, &told);
    if (ev)
        env->cause = ev->id;
    return ev;
}

/* RFC 9293 3.10.7.1: the connection does not exist. */
static void no_connection(struct tcp *tcp, struct tcp_segment *seg) {
    if (!seg_has(seg, WEIR_RST))
        tcp_reply_reset(tcp, seg, WEIR_NO_SOCKET);
    tcp_segment_drop(tcp->env, seg, WEIR_NO_SOCKET, 0);
}

static bool all_old(const struct tcp_conn *c, const struct tcp_segment *seg) {
    return seg->end.v != seg->seq.v && seq_le(seg->end, c->rcv.nxt);
}

static void dispatch(struct tcp *tcp, struct tcp_node *n,
                     struct tcp_segment *seg) {
    struct weir_event *ev;
    struct tcp_conn *c;
    switch ((enum tcp_node_kind)n->kind) {
    case TCP_NODE_CONN:
        c = tcp_conn_of_node(n);
        ev = record_received(tcp, seg, endpoint_sock(&c->ep),
                             seg_has(seg, WEIR_SYN) ? 0 : c->snd_wscale);
        if (ev && all_old(c, seg) && tcp_state(c) != WEIR_TCP_SYN_SENT)
            ev->seg.nth = 2;
        tcp_conn_input(tcp, c, seg);
        return;
    case TCP_NODE_REQUEST:
        record_received(tcp, seg, 0,
                        seg_has(seg, WEIR_SYN) ? 0
                                               : tcp_request_of(n)->snd_wscale);
        tcp_request_input(tcp, tcp_request_of(n), seg);
        return;
    case TCP_NODE_TW:
        break;
    }
    record_received(tcp, seg, 0, 0);
    if (!tcp_tw_input(tcp, tcp_tw_of(n), seg))
        return;
    struct tcp_listener *l =
        tcp_lookup_listener(tcp, &seg->t, seg->rx->ifindex);
    if (l)
        tcp_listen_input(tcp, l, seg);
    else
        no_connection(tcp, seg);
}

void tcp_input(struct tcp *tcp, struct tcp_segment *seg) {
    struct env *env = tcp->env;
    weir_event_id cause = env->cause;
    struct tcp_node *n = tcp_lookup(tcp, &seg->t);
    if (n) {
        dispatch(tcp, n, seg);
    } else {
        struct tcp_listener *l =
            tcp_lookup_listener(tcp, &seg->t, seg->rx->ifindex);
        record_received(tcp, seg, l ? endpoint_sock(&l->ep) : 0, 0);
        if (l)
            tcp_listen_input(tcp, l, seg);
        else
            no_connection(tcp, seg);
    }
    env->cause = cause;
}

/* RFC 7323 5.3 R1, RFC 7323 5.5: older than the last one, and that one is not
 * so old itself that it says nothing (24 days). */
static bool paws_reject(const struct tcp *tcp, const struct tcp_conn *c,
                        const struct tcp_segment *seg) {
    if (!(c->flags & CONN_TS) || !(seg->h.opts & TCP_OPT_TS))
        return false;
    if ((int32_t)(seg->h.ts_val - c->ts.recent) >= 0)
        return false;
    if (tcp_now_s(tcp) - c->ts.recent_s > 24u * 24 * 3600)
        return false;
    return !seg_has(seg, WEIR_RST);
}

/* RFC 7323 5.3 R3: the time of the segment that our last ACK was about. */
static void take_timestamp(const struct tcp *tcp, struct tcp_conn *c,
                           const struct tcp_segment *seg) {
    if (!(c->flags & CONN_TS) || !(seg->h.opts & TCP_OPT_TS))
        return;
    if (seq_gt(seg->seq, c->rcv.wup))
        return;
    if ((int32_t)(seg->h.ts_val - c->ts.recent) < 0)
        return;
    c->ts.recent = seg->h.ts_val;
    c->ts.recent_s = tcp_now_s(tcp);
}

/* RFC 9293 3.10.7.4, first: the four cases of acceptability. As Linux, a
 * segment that touches the window at its edge is let through to be trimmed. */
static bool seq_acceptable(const struct tcp_conn *c,
                           const struct tcp_segment *seg) {
    tcp_seq edge = seq_add(c->rcv.nxt, tcp_receive_window(c));
    return seq_ge(seg->end, c->rcv.wup) && seq_le(seg->seq, edge);
}

/* An ACK that answers an ACK may be answered in turn, for ever: at most one
 * each tcp_invalid_ratelimit ms. Data is answered always (as Linux does). */
static bool ack_loop(struct tcp *tcp, struct tcp_conn *c,
                     const struct tcp_segment *seg) {
    uint32_t least = (uint32_t)tcp->env->sysctl.tcp_invalid_ratelimit;
    uint32_t now_ms = tcp_now_ms(tcp);
    if (seg->len || !tcp_work_get(tcp, c))
        return false;
    if (c->work->oow_ms && now_ms - c->work->oow_ms < least)
        return true;
    c->work->oow_ms = now_ms ? now_ms : 1;
    return false;
}

static void out_of_window(struct tcp *tcp, struct tcp_conn *c,
                          struct tcp_segment *seg) {
    enum weir_reason why = seq_lt(seg->end, c->rcv.wup)
                               ? WEIR_TCP_OLD_SEQUENCE
                               : WEIR_TCP_INVALID_SEQUENCE;
    seg->old = why == WEIR_TCP_OLD_SEQUENCE;
    if (!seg_has(seg, WEIR_RST) && !ack_loop(tcp, c, seg)) {
        if (seg_has(seg, WEIR_SYN)) {
            COUNT(tcp->env, TcpExt, TCPSYNChallenge);
            tcp_challenge_ack(tcp, c);
        } else {
            if (seg->old && seg->len && tcp_work_get(tcp, c)) {
                COUNT(tcp->env, TcpExt, TCPDSACKOldSent);
                tcp_receive_dsack(c, seg->seq, seg->end);
            }
            tcp_ack_now(tcp, c);
        }
    }
    tcp_segment_drop(tcp->env, seg, why, endpoint_sock(&c->ep));
}

/* First to fourth: sequence number, RST, SYN. True: go on. */
static bool valid(struct tcp *tcp, struct tcp_conn *c,
                  struct tcp_segment *seg) {
    struct env *env = tcp->env;
    uint32_t sock = endpoint_sock(&c->ep);
    if (paws_reject(tcp, c, seg)) {
        COUNT(env, TcpExt, PAWSEstab);
        seg->old = true;
        if (!ack_loop(tcp, c, seg))
            tcp_ack_now(tcp, c);
        tcp_segment_drop(env, seg, WEIR_TCP_RFC7323_PAWS, sock);
        return false;
    }
    if (!seq_acceptable(c, seg)) {
        out_of_window(tcp, c, seg);
        return false;
    }
    if (seg_has(seg, WEIR_RST)) {
        /* RFC 5961 3.2: only the exact place ends a connection */
        bool exact = seq_eq(seg->seq, c->rcv.nxt);
        if (!exact)
            tcp_challenge_ack(tcp, c);
        tcp_segment_drop(
            env, seg, exact ? WEIR_TCP_RESET : WEIR_TCP_INVALID_SEQUENCE, sock);
        if (exact)
            tcp_reset(tcp, c);
        return false;
    }
    if (seg_has(seg, WEIR_SYN)) {
        /* simultaneous open: the peer's SYN+ACK crosses ours */
        if (tcp_state(c) == WEIR_TCP_SYN_RECV && seg_has(seg, WEIR_ACK) &&
            seq_eq(seq_add(seg->seq, 1), c->rcv.nxt)) {
            seg->seq = seq_add(seg->seq, 1);
            seg->h.flags = (uint8_t)(seg->h.flags & ~WEIR_SYN);
            return true;
        }
        COUNT(env, TcpExt, TCPSYNChallenge); /* RFC 5961 4.2 */
        tcp_challenge_ack(tcp, c);
        tcp_segment_drop(env, seg, WEIR_TCP_INVALID_SYN, sock);
        return false;
    }
    return true;
}

/* Fifth, SYN-RECEIVED: is our SYN acknowledged? */
static bool syn_received_ack(struct tcp *tcp, struct tcp_conn *c,
                             struct tcp_segment *seg) {
    if (!seq_gt(seg->ack, c->snd.una) || seq_gt(seg->ack, c->snd.nxt)) {
        tcp_reply_reset(tcp, seg, WEIR_TCP_STATE);
        tcp_segment_drop(tcp->env, seg, WEIR_TCP_INVALID_ACK_SEQUENCE,
                         endpoint_sock(&c->ep));
        return false;
    }
    if (c->work->tx.head) { /* ours, by simultaneous open */
        if (c->work->tx.head->nth == 1)
            tcp_rtt_sample(tcp, c, tcp->env->now - c->work->tx.head->sent_ns);
        tcp_tx_clear(tcp, c);
    }
    tcp_established(tcp, c, seg);
    if (c->flags & CONN_FIN) { /* closed before it was established */
        tcp_state_set(tcp, c, WEIR_TCP_FIN_WAIT1, WEIR_NONE);
        tcp_dirty(tcp, c);
    } else if (c->ep.flags & EP_SHUT_WR) { /* or shut down (as Linux does) */
        tcp_send_fin(tcp, c);
    }
    return true;
}

/* The peer's FIN, and nothing before it that is not here. */
static bool brings_fin(const struct tcp_conn *c,
                       const struct tcp_segment *seg) {
    return seg_has(seg, WEIR_FIN) && !seg->len && seq_eq(seg->seq, c->rcv.nxt);
}

/* Fifth, after the ACK was taken: is our FIN acknowledged? False: the
 * connection is no more. An orphan gives way to a mini-socket, unless the same
 * segment ends it altogether: the FIN would be lost. */
static bool fin_acked(struct tcp *tcp, struct tcp_conn *c,
                      const struct tcp_segment *seg) {
    if (!(c->flags & CONN_FIN_SENT) || !seq_eq(c->snd.una, c->snd.nxt))
        return true;
    switch (tcp_state(c)) {
    case WEIR_TCP_FIN_WAIT1:
        tcp_state_set(tcp, c, WEIR_TCP_FIN_WAIT2, WEIR_NONE);
        if (c->ep.flags & EP_DEAD && !brings_fin(c, seg))
            return tcp_orphan_fin_wait2(tcp, c);
        return true;
    case WEIR_TCP_CLOSING:
        tcp_time_wait(tcp, c, WEIR_TCP_TIME_WAIT,
                      (uint32_t)tcp->env->sysctl.tcp_timewait_len * 1000);
        return false;
    case WEIR_TCP_LAST_ACK:
        tcp_end(tcp, c, 0, WEIR_NONE);
        return false;
    default:
        return true;
    }
}

/* Data for a program that has closed, or said it will not read, after it has
 * also ended its own direction (row F5; RFC 1122 4.2.2.13). True: reset. */
static bool data_after_close(struct tcp *tcp, struct tcp_conn *c,
                             struct tcp_segment *seg) {
    if (!(c->ep.flags & EP_SHUT_RD) || !seg->len ||
        !tcp_in(c, IN(FIN_WAIT1) | IN(FIN_WAIT2)) ||
        !seq_gt(seq_add(seg->seq, seg->len), c->rcv.nxt))
        return false;
    COUNT(tcp->env, TcpExt, TCPAbortOnData);
    tcp_reply_reset(tcp, seg, WEIR_TCP_ABORT_ON_DATA);
    tcp_segment_drop(tcp->env, seg, WEIR_TCP_ABORT_ON_DATA,
                     endpoint_sock(&c->ep));
    tcp_end(tcp, c, ECONNRESET, WEIR_TCP_ABORT_ON_DATA);
    return true;
}

static void synchronized(struct tcp *tcp, struct tcp_conn *c,
                         struct tcp_segment *seg) {
    struct env *env = tcp->env;
    uint32_t sock = endpoint_sock(&c->ep);
    enum weir_reason why = WEIR_TCP_FLAGS;
    if (!valid(tcp, c, seg))
        return;
    if (!seg_has(seg, WEIR_ACK)) { /* fifth */
        tcp_segment_drop(env, seg, why, sock);
        return;
    }
    if (tcp_state(c) == WEIR_TCP_SYN_RECV && !syn_received_ack(tcp, c, seg))
        return;
    if (!tcp_ack(tcp, c, seg, &why)) {
        tcp_segment_drop(env, seg, why, sock);
        return;
    }
    take_timestamp(tcp, c, seg);
    c->rx_ms = tcp_now_ms(tcp);
    if (!fin_acked(tcp, c, seg))
        return;
    if (tcp_in(c, IN(ESTABLISHED) | IN(FIN_WAIT1) | IN(FIN_WAIT2))) {
        if (seg_has(seg, WEIR_URG) || c->flags & CONN_URG_WAIT)
            tcp_urgent_input(tcp, c, seg); /* sixth */
        if (!data_after_close(tcp, c, seg))
            tcp_receive(tcp, c, seg); /* seventh, eighth */
    } else if (seg->len || seg_has(seg, WEIR_FIN)) {
        /* after the peer's FIN there is no text: only its FIN again */
        seg->old = true;
        tcp_ack_now(tcp, c);
    }
}

void tcp_conn_input(struct tcp *tcp, struct tcp_conn *c,
                    struct tcp_segment *seg) {
    if (tcp_state(c) == WEIR_TCP_SYN_SENT)
        tcp_syn_sent_input(tcp, c, seg);
    else
        synchronized(tcp, c, seg);
    if (seg->pkt)
        weir_pkt_free(seg->pkt); /* served its purpose: nothing was dropped */
    seg->pkt = NULL;
}
