/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments between packets and host order: the one place that reads a header
 * that arrived and writes one that leaves, with its event.
 */
#include "tcp/segment.h"

#include <errno.h>

#include "base/bytes.h"
#include "pkt/pkt.h"

bool tcp_checksum_good(const struct weir_pkt *pkt, const struct ip_rx *rx) {
    if (pkt->flags & (WEIR_PKT_CSUM_PARTIAL | WEIR_PKT_CSUM_VALID))
        return true;
    uint64_t pseudo =
        wire_pseudo_native(weir_addr_to_v4(&rx->src), weir_addr_to_v4(&rx->dst),
                           IP4_PROTO_TCP, pkt->len);
    return csum_fold(pseudo + pkt_sum_native(pkt)) == 0xffff;
}

/* RFC 9293 3.1 (MUST-3): the checksum is verified before anything else is
 * believed. */
enum weir_reason tcp_segment_parse(struct tcp_segment *seg,
                                   struct weir_pkt *pkt,
                                   const struct ip_rx *rx) {
    seg->pkt = pkt;
    seg->rx = rx;
    seg->old = false;
    seg->len = 0; /* what a drop would tell of it */
    seg->h.sport = seg->h.dport = 0;
    seg->h.seq = seg->h.ack = 0;
    seg->h.flags = 0;
    seg->t.lport = seg->t.rport = 0;
    seg->t.laddr = weir_addr_to_v4(&rx->dst);
    seg->t.raddr = weir_addr_to_v4(&rx->src);
    const uint8_t *p = pkt_pull(pkt, TCP_HDR_MIN);
    if (!p)
        return WEIR_PKT_TOO_SMALL;
    unsigned hlen = tcp_hdr_len(p);
    if (!hlen || !(p = pkt_pull(pkt, hlen)) || !tcp_hdr_parse(p, hlen, &seg->h))
        return WEIR_PKT_TOO_SMALL;
    seg->t.lport = seg->h.dport;
    seg->t.rport = seg->h.sport;
    seg->seq = seq_of(seg->h.seq);
    seg->ack = seq_of(seg->h.ack);
    seg->len = pkt->len - hlen;
    seg->end = seq_add(seg->seq, seg->len + seg_has(seg, WEIR_SYN) +
                                     seg_has(seg, WEIR_FIN));
    if (!tcp_checksum_good(pkt, rx))
        return WEIR_TCP_CSUM;
    pkt_trim_front(pkt, hlen);
    return WEIR_NONE;
}

int tcp_segment_send(struct env *env, struct ip *ip, struct weir_pkt *pkt,
                     const struct tcp_out *out) {
    if (!pkt)
        return -ENOBUFS;
    uint32_t len = pkt->len;
    uint8_t *p = pkt_push(pkt, tcp_hdr_size(&out->h));
    tcp_hdr_emit(p, &out->h);
    put16(p, out->t.lport); /* h's own are not looked at */
    put16(p + 2, out->t.rport);
    uint16_t sum =
        wire_pseudo_sum(out->t.laddr, out->t.raddr, IP4_PROTO_TCP, pkt->len);
    put16(p + TCP_CSUM_OFFSET, sum);
    pkt->flags |= WEIR_PKT_CSUM_PARTIAL;
    pkt->csum_start = 0;
    pkt->csum_offset = TCP_CSUM_OFFSET;
    pkt->owner = out->owner;
    pkt->copies = out->copies;
    const struct tcp_told told = {
        .src = out->t.laddr,
        .dst = out->t.raddr,
        .sport = out->t.lport,
        .dport = out->t.rport,
        .seq = out->h.seq,
        .ack = out->h.ack,
        .len = len,
        .wnd = out->wnd_bytes,
        .flags = out->h.flags,
        .nth = out->nth,
        .reason = out->reason,
    };
    struct weir_event *ev =
        tcp_tell(env, WEIR_EV_SEGMENT_SENT, out->sock, &told);
    if (ev)
        pkt->event = ev->id;
    COUNT(env, Tcp, OutSegs);
    const struct ip_plain plain = {.src = out->t.laddr,
                                   .dst = out->t.raddr,
                                   .ifindex = out->ifindex,
                                   .tos = out->tos,
                                   .ttl = out->ttl};
    if (out->df && ip_output_plain(ip, pkt, &plain))
        return 0;
    const struct ip_flow flow = {
        .src = weir_addr_v4(out->t.laddr),
        .dst = weir_addr_v4(out->t.raddr),
        .ifindex = out->ifindex,
        .proto = IP4_PROTO_TCP,
        .tos = out->tos,
        .ttl = out->ttl,
        .df = out->df,
    };
    return ip_output(ip, pkt, &flow);
}

void tcp_segment_drop(struct env *env, struct tcp_segment *seg,
                      enum weir_reason reason, uint32_t sock) {
    if (!seg->pkt)
        return;
    const struct drop_info info = {
        .src = seg->t.raddr,
        .dst = seg->t.laddr,
        .sport = seg->t.rport,
        .dport = seg->t.lport,
        .proto = IP4_PROTO_TCP,
        .tcp_flags = seg->h.flags,
        .ttl = seg->rx->ttl,
        .seq = seg->h.seq,
        .ack = seg->h.ack,
        .len = seg->len,
        .sock = sock,
    };
    pkt_drop(env, seg->pkt, reason, &info);
    seg->pkt = NULL;
}
