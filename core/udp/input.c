/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams and errors that arrive (RFC 768, RFC 1122 4.1.3). A receive queue
 * is bounded as Linux bounds it, by what datagrams cost and not by their
 * payload, so that programs meet the same losses at the same number of
 * datagrams.
 */
#include <errno.h>

#include "base/abi.h"
#include "udp/state.h"
#include "wire/icmp.h"
#include "wire/ip4.h"
#include "wire/tcp.h"
#include "wire/udp.h"

/* What Linux (6.18, x86-64) charges for a datagram from this machine: the
 * buffer's head, and its data in the size class of the allocator. */
static uint32_t dgram_truesize(uint32_t len) {
    const uint32_t head = 256, shared_info = 320, small = 576;
    uint32_t data = len + 28 + 31; /* headers, room for a link header */
    if (data <= small - shared_info)
        return head + small;
    if (data >= 16384 - shared_info)
        return head + small + len; /* in pages */
    uint32_t class = 1024;
    while (class < data + shared_info)
        class *= 2;
    return head + class;
}

void udp_dgram_free(struct udp *udp, struct udp_dgram *d) {
    weir_pkt_free(d->pkt);
    arena_free(udp->env->arena, d, sizeof(*d));
}

struct udp_dgram *udp_dequeue(struct udp_sock *s) {
    struct udp_dgram *d = s->rx_head;
    if (!d)
        return NULL;
    s->rx_head = d->next;
    s->rx_bytes -= d->pkt->len;
    s->rx_mem -= d->truesize;
    return d;
}

static void dgram_drop(struct udp *udp, struct weir_pkt *pkt,
                       enum weir_reason reason, const struct ip_rx *rx,
                       const struct udp_hdr *h, const struct udp_sock *s) {
    const struct drop_info info = {
        .src = weir_addr_to_v4(&rx->src),
        .dst = weir_addr_to_v4(&rx->dst),
        .sport = h ? h->sport : 0,
        .dport = h ? h->dport : 0,
        .proto = IP4_PROTO_UDP,
        .ttl = rx->ttl,
        .len = pkt->len >= UDP_HDR ? pkt->len - UDP_HDR : 0,
        .sock = s ? endpoint_sock(&s->ep) : 0,
    };
    pkt_drop(udp->env, pkt, reason, &info);
}

/* The packet still begins with its UDP header. Takes it. */
static void dgram_enqueue(struct udp *udp, struct udp_sock *s,
                          struct weir_pkt *pkt, const struct ip_rx *rx,
                          const struct udp_hdr *h) {
    struct env *env = udp->env;
    uint32_t cost = dgram_truesize(pkt->len - UDP_HDR);
    /* Linux: one datagram always, however small the buffer. */
    if (s->rx_mem && s->rx_mem + cost > s->rcvbuf) {
        s->drops++;
        COUNT(env, Udp, RcvbufErrors);
        COUNT(env, Udp, InErrors);
        dgram_drop(udp, pkt, WEIR_SOCKET_RCVBUFF, rx, h, s);
        return;
    }
    struct udp_dgram *d = arena_alloc(env->arena, sizeof(*d));
    if (!d) {
        s->drops++;
        COUNT(env, Udp, InErrors);
        dgram_drop(udp, pkt, WEIR_NOMEM, rx, h, s);
        return;
    }
    pkt_trim_front(pkt, UDP_HDR);
    *d = (struct udp_dgram){.pkt = pkt,
                            .src = rx->src,
                            .dst = rx->dst,
                            .sport = h->sport,
                            .ifindex = (uint16_t)rx->ifindex,
                            .ttl = rx->ttl,
                            .tos = rx->tos,
                            .truesize = cost,
                            .time_ns = env->now,
                            .drops = s->drops,
                            .event = env->cause};
    if (s->rx_head)
        s->rx_tail->next = d;
    else
        s->rx_head = d;
    s->rx_tail = d;
    s->rx_bytes += pkt->len;
    s->rx_mem += cost;
    endpoint_touch(env, &s->ep);
}

static void dgram_received(struct udp *udp, const struct weir_pkt *pkt,
                           const struct ip_rx *rx, const struct udp_hdr *h,
                           const struct udp_sock *s) {
    struct env *env = udp->env;
    struct weir_event *ev = env_record(env, WEIR_EV_SEGMENT_RECEIVED,
                                       s ? endpoint_sock(&s->ep) : 0);
    if (!ev)
        return;
    ev->seg.src = weir_addr_to_v4(&rx->src);
    ev->seg.dst = weir_addr_to_v4(&rx->dst);
    ev->seg.sport = h->sport;
    ev->seg.dport = h->dport;
    ev->seg.len = pkt->len - UDP_HDR;
    ev->seg.proto = IP4_PROTO_UDP;
    ev->seg.nth = 1;
    env->cause = ev->id;
}

/* RFC 1122 4.1.3.4: a checksum that is there is verified. */
static bool checksum_ok(const struct weir_pkt *pkt, const struct ip_rx *rx,
                        const struct udp_hdr *h) {
    if (h->csum == 0 ||
        (pkt->flags & (WEIR_PKT_CSUM_PARTIAL | WEIR_PKT_CSUM_VALID)))
        return true;
    uint16_t pseudo =
        wire_pseudo_sum(weir_addr_to_v4(&rx->src), weir_addr_to_v4(&rx->dst),
                        IP4_PROTO_UDP, pkt->len);
    return pkt_sum(pkt, 0, pseudo) == 0xffff;
}

/* To all who want it (RFC 1122 4.1.3.3 leaves the choice; Linux: all). */
static void deliver_to_all(struct udp *udp, struct weir_pkt *pkt,
                           const struct ip_rx *rx, const struct udp_hdr *h) {
    struct udp_sock *last = NULL;
    for (struct hash_node *n =
             hash_first(&udp->ports, udp_port_hash(udp, h->dport));
         n; n = hash_next(n)) {
        struct udp_sock *s = container_of(n, struct udp_sock, port);
        if (!udp_matches(s, &rx->dst, h->dport, &rx->src, h->sport,
                         rx->ifindex))
            continue;
        struct weir_pkt *copy = last ? weir_pkt_clone(pkt) : NULL;
        if (copy)
            dgram_enqueue(udp, last, copy, rx, h);
        last = s;
    }
    if (last)
        dgram_enqueue(udp, last, pkt, rx, h);
    else
        weir_pkt_free(pkt); /* nobody listens: not worth a word */
}

static void input(void *room, struct weir_pkt *pkt, const struct ip_rx *rx) {
    struct udp *udp = room;
    struct env *env = udp->env;
    const uint8_t *p = pkt_pull(pkt, UDP_HDR);
    struct udp_hdr h = {0};
    if (p)
        h = udp_hdr_parse(p);
    if (!p || h.len < UDP_HDR || h.len > pkt->len) {
        COUNT(env, Udp, InErrors);
        dgram_drop(udp, pkt, WEIR_PKT_TOO_SMALL, rx, p ? &h : NULL, NULL);
        return;
    }
    pkt_trim_to(pkt, h.len);
    if (!checksum_ok(pkt, rx, &h)) {
        COUNT(env, Udp, InErrors);
        COUNT(env, Udp, InCsumErrors);
        dgram_drop(udp, pkt, WEIR_UDP_CSUM, rx, &h, NULL);
        return;
    }
    weir_event_id cause = env->cause;
    struct udp_sock *s = rx->broadcast
                             ? NULL
                             : udp_lookup(udp, &rx->dst, h.dport, &rx->src,
                                          h.sport, rx->ifindex);
    dgram_received(udp, pkt, rx, &h, s);
    if (rx->broadcast) {
        deliver_to_all(udp, pkt, rx, &h);
    } else if (s) {
        dgram_enqueue(udp, s, pkt, rx, &h);
    } else {
        COUNT(env, Udp, NoPorts);
        ip_port_unreachable(udp->ip, pkt, rx);
        dgram_drop(udp, pkt, WEIR_NO_SOCKET, rx, &h, NULL);
    }
    env->cause = cause;
}

const struct ip_proto udp_proto = {
    .proto = IP4_PROTO_UDP, .input = input, .error = udp_icmp_error};
