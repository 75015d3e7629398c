/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The segment an open connection sends, nearly always: an ACK with data or
 * without, no options but timestamps, written straight from the connection and
 * handed to IP on its short way. It is to output what header prediction
 * (predict.c) is to input, a shorter way to the same: header, event and
 * counters are those of tcp_out_fill and tcp_segment_send, which take all other
 * segments.
 */
#include "tcp/rooms.h"

#include "base/hint.h"
#include "wire/plain.h"

static void told(struct env *env, const struct tcp_conn *c,
                 struct weir_pkt *pkt, const struct tcp_plain *h, uint32_t wnd,
                 uint8_t nth) {
    const struct tcp_told t = {
        .src = c->ep.laddr,
        .dst = c->ep.raddr,
        .sport = c->ep.lport,
        .dport = c->ep.rport,
        .seq = h->seq,
        .ack = h->ack,
        .len = pkt->len,
        .wnd = wnd,
        .flags = h->flags,
        .nth = nth,
    };
    struct weir_event *ev =
        tcp_tell(env, WEIR_EV_SEGMENT_SENT, endpoint_sock(&c->ep), &t);
    if (ev)
        pkt->event = ev->id;
}

static void to_ip(struct tcp *tcp, const struct tcp_conn *c,
                  struct weir_pkt *pkt, uint64_t header) {
    const struct ip_plain to = {
        .src = c->ep.laddr,
        .dst = c->ep.raddr,
        .words = header + c->ep.laddr + c->ep.raddr + IP4_PROTO_TCP + pkt->len,
        .ifindex = c->ep.ifindex,
        .tos = c->ep.tos,
        .ttl = c->ep.ttl,
    };
    if (c->ep.pmtudisc && ip_output_plain(tcp->ip, pkt, &to))
        return;
    const struct ip_flow flow = {
        .src = weir_addr_v4(c->ep.laddr),
        .dst = weir_addr_v4(c->ep.raddr),
        .ifindex = c->ep.ifindex,
        .proto = IP4_PROTO_TCP,
        .tos = c->ep.tos,
        .ttl = c->ep.ttl,
        .df = c->ep.pmtudisc != 0,
    };
    put16(pkt->head + pkt->head_off + TCP_CSUM_OFFSET,
          wire_pseudo_sum(c->ep.laddr, c->ep.raddr, IP4_PROTO_TCP, pkt->len));
    ip_output(tcp->ip, pkt, &flow);
}

ALONG void tcp_emit_plain(struct tcp *tcp, struct tcp_conn *c,
                          struct weir_pkt *pkt, tcp_seq seq, uint8_t flags,
                          uint8_t nth) {
    uint32_t wnd = tcp_select_window(tcp, c);
    const struct tcp_plain h = {
        .sport = c->ep.lport,
        .dport = c->ep.rport,
        .seq = seq.v,
        .ack = c->rcv.nxt.v,
        .ts = (c->flags & CONN_TS) != 0,
        .ts_val = tcp_now_ms(tcp) + c->ts.offset,
        .ts_ecr = c->ts.recent,
        .window = (uint16_t)(wnd >> c->rcv_wscale),
        .flags = flags,
    };
    told(tcp->env, c, pkt, &h, wnd, nth);
    tcp_plain_emit(pkt_push(pkt, tcp_plain_size(&h)), &h, 0);
    pkt->flags |= WEIR_PKT_CSUM_PARTIAL;
    pkt->csum_start = 0;
    pkt->csum_offset = TCP_CSUM_OFFSET;
    pkt->owner = c->ep.owner;
    pkt->copies = (uint8_t)endpoint_copies_out(&c->ep);
    COUNT(tcp->env, Tcp, OutSegs);
    to_ip(tcp, c, pkt, tcp_plain_sum(&h));
}

bool tcp_emit(struct tcp *tcp, struct tcp_conn *c, struct weir_pkt *pkt,
              tcp_seq seq, uint8_t flags, uint8_t nth) {
    if (!tcp->env->sysctl.tcp_prediction || !c->work ||
        (flags & ~(WEIR_PSH | WEIR_FIN)) != WEIR_ACK ||
        c->flags & CONN_URG_SEND || tcp_owes_sack(c->work))
        return false;
    tcp_emit_plain(tcp, c, pkt, seq, flags, nth);
    return true;
}
