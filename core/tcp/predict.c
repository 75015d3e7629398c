/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header prediction (Van Jacobson, 1990): the segment that an open connection
 * expects next, in order, with nothing about it that the rest of input.c would
 * have to weigh. All questions come first and change nothing; where one is
 * answered with no, the long way takes the segment. What is left of the long
 * way is then done in its order, by the same rooms, so that nobody can tell
 * which way a segment went (tests/sim compares the two on every seed).
 */
#include "tcp/rooms.h"

#include "base/hint.h"
#include "wire/plain.h"

struct expected {
    struct tcp_plain h;
    tcp_seq seq, ack;
    uint32_t len, wnd; /* bytes; scaled */
};

/* Every record that `ack` acknowledges was sent once and ends there or before;
 * and it is not a duplicate ACK (RFC 5681 2). */
static bool plain_ack(const struct tcp_conn *c, const struct expected *x) {
    const struct tcp_work *w = c->work;
    const struct tcp_tx *tx = w->tx.head;
    if (seq_lt(x->ack, c->snd.una) || seq_gt(x->ack, c->snd.nxt))
        return false;
    if (tx && seq_eq(x->ack, c->snd.una))
        return x->len != 0;
    for (; tx && seq_lt(tx->seq, x->ack); tx = tx->next)
        if (tx->nth != 1 || seq_gt(tx->end, x->ack))
            return false;
    return true;
}

/* Nothing lost, out of order, urgent, owed to a gap or being closed. As a rule
 * all of it is so: one question costs less than the ten it is made of. */
static bool calm(const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    const uint32_t unusual = CONN_URG_SEND | CONN_URG_WAIT | CONN_URG_HERE |
                             CONN_URG_READ | CONN_FIN | CONN_FIN_RCVD;
    uint32_t odd = (c->flags ^ CONN_SACK) & (unusual | CONN_SACK);
    odd |= c->ep.flags & (EP_SHUT_RD | EP_SHUT_WR | EP_DEAD);
    odd |= w->loss.state ^ CA_OPEN;
    odd |= w->loss.tlp_active | w->loss.undo_possible | w->rack.dsack_round;
    odd |= w->tx.sacked_bytes | w->tx.lost_bytes | w->tx.retrans_bytes;
    odd |= w->dsack.start.v ^ w->dsack.end.v;
    return !odd && !w->ofo.head;
}

static bool predicted(const struct tcp_conn *c, const struct weir_pkt *pkt,
                      struct expected *x) {
    const struct tcp_work *w = c->work;
    if (tcp_state(c) != WEIR_TCP_ESTABLISHED || !w || !calm(c))
        return false;
    x->seq = seq_of(x->h.seq);
    x->ack = seq_of(x->h.ack);
    x->len = pkt->len - (x->h.ts ? (uint32_t)PLAIN_TS : TCP_HDR_MIN);
    x->wnd = (uint32_t)x->h.window << c->snd_wscale;
    if (!seq_eq(x->seq, c->rcv.nxt) || x->h.ts != ((c->flags & CONN_TS) != 0) ||
        (x->h.ts && (int32_t)(x->h.ts_val - c->ts.recent) < 0) ||
        x->len > tcp_receive_window(c) ||
        w->rcvq.charge + tcp_charge(x->len) > c->rcvbuf * 2)
        return false;
    return plain_ack(c, x);
}

static void record(struct tcp *tcp, const struct tcp_conn *c,
                   const struct weir_pkt *pkt, const struct expected *x) {
    struct env *env = tcp->env;
    env->cause = pkt->event;
    const struct tcp_told told = {
        .src = c->ep.raddr,
        .dst = c->ep.laddr,
        .sport = c->ep.rport,
        .dport = c->ep.lport,
        .seq = x->h.seq,
        .ack = x->h.ack,
        .len = x->len,
        .wnd = x->wnd,
        .flags = x->h.flags,
        .nth = 1,
    };
    struct weir_event *ev =
        tcp_tell(env, WEIR_EV_SEGMENT_RECEIVED, endpoint_sock(&c->ep), &told);
    if (ev)
        env->cause = ev->id;
}

/* RFC 7323 5.3 R3, and when the peer was last heard of. */
static void heard(struct tcp *tcp, struct tcp_conn *c,
                  const struct expected *x) {
    if (x->h.ts && seq_le(x->seq, c->rcv.wup)) {
        c->ts.recent = x->h.ts_val;
        c->ts.recent_s = tcp_now_s(tcp);
    }
    c->rx_ms = tcp_now_ms(tcp);
}

APART bool tcp_predict(struct tcp *tcp, struct weir_pkt *pkt,
                       const struct ip_rx *rx) {
    struct env *env = tcp->env;
    struct expected x;
    const uint8_t *p = pkt->head + pkt->head_off;
    if (rx->broadcast || !env->sysctl.tcp_prediction ||
        !tcp_plain_parse(p, pkt->head_len, &x.h))
        return false;
    const struct tcp_tuple t = {weir_addr_to_v4(&rx->dst),
                                weir_addr_to_v4(&rx->src), x.h.dport,
                                x.h.sport};
    struct tcp_node *n = tcp_lookup(tcp, &t);
    if (!n || n->kind != TCP_NODE_CONN)
        return false;
    struct tcp_conn *c = tcp_conn_of_node(n);
    if (!predicted(c, pkt, &x) || !tcp_checksum_good(pkt, rx))
        return false;
    weir_event_id cause = env->cause;
    pkt_trim_front(pkt, pkt->len - x.len);
    record(tcp, c, pkt, &x);
    if (x.len)
        COUNT(env, TcpExt, TCPHPHits);
    else
        COUNT(env, TcpExt, TCPPureAcks);
    if (seq_gt(x.ack, c->snd.una))
        COUNT(env, TcpExt, TCPHPAcks);
    const struct tcp_news news = {x.seq, x.ack, x.wnd, x.h.ts, x.h.ts_ecr};
    tcp_ack_plain(tcp, c, &news);
    heard(tcp, c, &x);
    if (x.len)
        tcp_receive_text(tcp, c, pkt, x.len, x.h.ts_ecr);
    else
        weir_pkt_free(pkt);
    env->cause = cause;
    return true;
}
