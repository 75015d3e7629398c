/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_TCP_SEGMENT_H
#define WEIR_CORE_TCP_SEGMENT_H
/*
 * One segment as the rooms of TCP see it: parsed once, host order, sequence
 * numbers typed. The packet keeps the payload and is trimmed along with it.
 */
#include "ip/ip.h"
#include "tcp/seq.h"
#include "weir/event.h"
#include "wire/ip4.h"
#include "wire/tcp.h"

struct tcp_range {
    tcp_seq start, end; /* end: one past */
};

/* Where a segment comes from or goes to; a half-open connection has one. */
struct tcp_tuple {
    uint32_t laddr, raddr; /* IPv4, host order */
    uint16_t lport, rport;
};

struct tcp_segment {
    struct weir_pkt *pkt; /* begins at the payload; NULL once it was taken */
    const struct ip_rx *rx;
    struct tcp_tuple t; /* local: its destination */
    struct tcp_hdr h;
    tcp_seq seq, ack;
    tcp_seq end;  /* seq + len + SYN + FIN: RFC 9293 3.3.1 SEG.LEN */
    uint32_t len; /* payload bytes */
    bool old;     /* all of it was there before (set while processing) */
};

static inline bool seg_has(const struct tcp_segment *seg, unsigned flag) {
    return (seg->h.flags & flag) != 0;
}

/* Does the sum over a packet that begins at its TCP header come out? */
bool tcp_checksum_good(const struct weir_pkt *pkt, const struct ip_rx *rx);

/* Check and parse: fills `seg`, trims the header off. A reason where the
 * packet is no good (the caller drops it), WEIR_NONE where it is. */
enum weir_reason tcp_segment_parse(struct tcp_segment *seg,
                                   struct weir_pkt *pkt,
                                   const struct ip_rx *rx);

/* What goes out: header fields in host order. */
struct tcp_out {
    struct tcp_tuple t;
    struct tcp_hdr h; /* ports are taken from `t` */
    uint32_t sock, owner;
    uint32_t wnd_bytes; /* for the event: not scaled */
    uint8_t nth;
    uint8_t reason; /* enum weir_reason, with RST */
    uint16_t ifindex;
    uint8_t tos, ttl, copies;
    bool df;
};

/* What a record tells of a segment. */
struct tcp_told {
    uint32_t src, dst;
    uint16_t sport, dport;
    uint32_t seq, ack, len, wnd; /* the window in bytes */
    uint8_t flags, nth, reason;
};

static inline struct weir_event *tcp_tell(struct env *env,
                                          enum weir_event_kind kind,
                                          uint32_t sock,
                                          const struct tcp_told *t) {
    struct weir_event *ev = env_record(env, kind, sock);
    if (!ev)
        return NULL;
    ev->seg.src = t->src;
    ev->seg.dst = t->dst;
    ev->seg.sport = t->sport;
    ev->seg.dport = t->dport;
    ev->seg.seq = t->seq;
    ev->seg.ack = t->ack;
    ev->seg.len = t->len;
    ev->seg.win = t->wnd;
    ev->seg.proto = IP4_PROTO_TCP;
    ev->seg.tcp_flags = t->flags;
    ev->seg.nth = t->nth;
    ev->seg.reason = t->reason;
    return ev;
}

/* Put a header before `pkt`'s payload, record SEGMENT_SENT, hand it to IP. As
 * ip_output; -ENOBUFS where `pkt` is NULL (no memory for it). */
int tcp_segment_send(struct env *env, struct ip *ip, struct weir_pkt *pkt,
                     const struct tcp_out *out);

/* End a received segment with a reason. */
void tcp_segment_drop(struct env *env, struct tcp_segment *seg,
                      enum weir_reason reason, uint32_t sock);

#endif
