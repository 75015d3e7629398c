/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors about our segments (RFC 9293 3.9.2.2, RFC 5461): hard for a
 * connection that is opening, soft for one that is established: remembered and
 * reported with the time-out, never fatal at once. An error is believed only
 * where it quotes a sequence number in flight (RFC 5927 4.1).
 */
#include "tcp/rooms.h"

static uint32_t be32(const uint8_t *p) {
    return WEIR_IP4(p[0], p[1], p[2], p[3]);
}

static void mtu_shrank(struct tcp *tcp, struct tcp_conn *c, uint32_t mtu) {
    uint16_t was = c->mss;
    tcp_mss_update(tcp, c, mtu);
    if (c->mss >= was || !c->work)
        return;
    /* RFC 1191 6.5: what was too big is gone; send it again in pieces */
    for (struct tcp_tx *tx = c->work->tx.head; tx; tx = tx->next)
        if ((uint32_t)seq_diff(tx->end, tx->seq) > c->mss)
            tcp_tx_set_lost(c->work, tx);
    COUNT(tcp->env, TcpExt, TCPMTUPSuccess);
    tcp_dirty(tcp, c);
}

static void conn_error(struct tcp *tcp, struct tcp_conn *c,
                       const struct ip_rx_error *err, tcp_seq seq) {
    if (tcp_state(c) == WEIR_TCP_CLOSED || seq_lt(seq, c->snd.una) ||
        seq_gt(seq, c->snd.nxt))
        return;
    if (err->mtu) {
        mtu_shrank(tcp, c, err->mtu);
        return;
    }
    if (tcp_in(c, IN(SYN_SENT) | IN(SYN_RECV))) {
        /* Unlike RFC 5461 4.1: Linux ends an opening at any of them. */
        tcp_end(tcp, c, err->error, err->reason);
        return;
    }
    if (!c->work || !c->work->tx.head)
        return;
    c->work->soft_error = (uint16_t)err->error;
    c->work->soft_reason = (uint8_t)err->reason;
    endpoint_error(tcp->env, &c->ep, err->error, err->reason, true);
}

void tcp_icmp_error(struct tcp *tcp, const struct ip_rx_error *err) {
    if (err->head_len < 8)
        return;
    const uint8_t *p = err->head;
    const struct tcp_tuple t = {
        .laddr = weir_addr_to_v4(&err->src),
        .raddr = weir_addr_to_v4(&err->dst),
        .lport = (uint16_t)(p[0] << 8 | p[1]),
        .rport = (uint16_t)(p[2] << 8 | p[3]),
    };
    tcp_seq seq = seq_of(be32(p + 4));
    struct tcp_node *n = tcp_lookup(tcp, &t);
    if (!n)
        return;
    if (n->kind == TCP_NODE_CONN) {
        conn_error(tcp, tcp_conn_of_node(n), err, seq);
    } else if (n->kind == TCP_NODE_REQUEST && err->hard &&
               seq_eq(seq, tcp_request_of(n)->iss)) {
        COUNT(tcp->env, TcpExt, ListenDrops);
        tcp_request_end(tcp, tcp_request_of(n), err->reason);
    }
}
