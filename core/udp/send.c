/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending and receiving datagrams: one copy each way. */
#include <errno.h>

#include "base/abi.h"
#include "base/hint.h"
#include "udp/state.h"
#include "wire/ether.h"
#include "wire/ip4.h"
#include "wire/tcp.h"
#include "wire/udp.h"

enum {
    HEADERS = 64, /* room for Ethernet, IP and UDP headers, aligned */
    IN_HEAD = WEIR_PKT_ROOM - HEADERS, /* payload that needs no buffer */
};

static size_t dgram_bytes(const struct iovec *iov, int n) {
    size_t sum = 0;
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > SIZE_MAX - sum)
            return SIZE_MAX;
        sum += iov[i].iov_len;
    }
    return sum;
}

/* A packet of the payload, with room for headers in front. */
static struct weir_pkt *dgram_gather(struct udp *udp, const struct iovec *iov,
                                     int n, uint32_t len) {
    struct weir_pkt *pkt = weir_pkt_alloc(udp->env->arena, HEADERS);
    if (!pkt)
        return NULL;
    uint8_t *to = pkt->head + HEADERS;
    if (len > IN_HEAD) {
        struct weir_buf *buf = weir_buf_alloc(udp->env->arena, len);
        if (!buf) {
            weir_pkt_free(pkt);
            return NULL;
        }
        weir_pkt_append(pkt, buf, 0, len);
        to = buf->data;
    } else {
        pkt->head_len = (uint16_t)len;
        pkt->len = len;
    }
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len)
            memcpy(to, iov[i].iov_base, iov[i].iov_len);
        to += iov[i].iov_len;
    }
    COUNT_N(udp->env, Weir, BytesCopiedIn, len);
    return pkt;
}

static void dgram_sent(struct udp *udp, struct weir_pkt *pkt,
                       const struct udp_sock *s, const struct ip_flow *flow,
                       const struct udp_hdr *h) {
    struct weir_event *ev =
        env_record(udp->env, WEIR_EV_SEGMENT_SENT, endpoint_sock(&s->ep));
    pkt->owner = s->ep.owner;
    if (!ev)
        return;
    ev->seg.src = weir_addr_to_v4(&flow->src);
    ev->seg.dst = weir_addr_to_v4(&flow->dst);
    ev->seg.sport = h->sport;
    ev->seg.dport = h->dport;
    ev->seg.len = h->len - (uint32_t)UDP_HDR;
    ev->seg.proto = IP4_PROTO_UDP;
    ev->seg.nth = 1;
    pkt->event = ev->id;
}

/* IP_MTU_DISCOVER (ip(7)): WANT sets DF on what fits and fragments the rest. */
static bool dont_fragment(const struct udp_sock *s, uint32_t len,
                          uint32_t mtu) {
    switch (s->ep.pmtudisc) {
    case ABI_IP_PMTUDISC_DO:
    case ABI_IP_PMTUDISC_PROBE:
        return true;
    case ABI_IP_PMTUDISC_WANT:
        return len + UDP_HDR + IP4_HDR_MIN <= mtu;
    default:
        return false;
    }
}

/* What sendmsg's control data says goes before the options. */
static int instead(struct udp *udp, const struct udp_sock *s,
                   const struct weir_send_how *how, struct ip_flow *flow) {
    if (!weir_addr_is_any(&how->source)) {
        if (!ip_is_local(udp->ip, &how->source))
            return -1;
        flow->src = how->source;
    }
    if (how->ifindex && !s->ep.ifindex)
        flow->ifindex = (uint16_t)how->ifindex;
    if (how->ttl > 0)
        flow->ttl = (uint8_t)how->ttl;
    if (how->tos >= 0)
        flow->tos = (uint8_t)how->tos;
    return 0;
}

/* Where it goes: *to, or the connected peer; and by which way. */
static int find_way(struct udp *udp, struct udp_sock *s,
                    const struct weir_endpoint *to,
                    const struct weir_send_how *how, struct ip_flow *flow,
                    uint16_t *dport, struct ip_way *way) {
    struct env *env = udp->env;
    if (to && !weir_addr_is_v4(&to->addr) && !weir_addr_is_any(&to->addr))
        return env_fail(env, EAFNOSUPPORT, WEIR_NOT_SUPPORTED);
    if (to && to->port == 0)
        return env_fail(env, EINVAL, WEIR_BAD_STATE);
    if (!to && !s->connected)
        return env_fail(env, EDESTADDRREQ, WEIR_BAD_STATE);
    flow->dst = to ? to->addr : weir_addr_v4(s->ep.raddr);
    *dport = to ? to->port : s->ep.rport;
    flow->src = weir_addr_v4(s->ep.laddr);
    if (ip_is_broadcast(udp->ip, &flow->src) ||
        weir_addr_is_multicast(&flow->src))
        flow->src = weir_addr_v4(0);
    bool mcast = weir_addr_is_multicast(&flow->dst);
    flow->broadcast_ok = s->ep.flags & EP_BROADCAST;
    flow->ifindex = s->ep.ifindex;
    flow->proto = IP4_PROTO_UDP;
    flow->tos = s->ep.tos;
    flow->ttl = s->ep.ttl;
    if (mcast) /* RFC 1112 6.1: 1 unless told otherwise */
        flow->ttl =
            s->ep.extra && s->ep.extra->mcast_ttl ? s->ep.extra->mcast_ttl : 1;
    if (how && instead(udp, s, how, flow))
        return env_fail(env, ENETUNREACH, WEIR_ADDR_NOT_LOCAL);
    int err = ip_route(udp->ip, &flow->src, &flow->dst, flow->ifindex,
                       flow->broadcast_ok, way);
    if (weir_addr_is_any(&flow->dst)) /* Linux: to ourselves */
        flow->dst = flow->src;
    return err;
}

APART ssize_t udp_send(struct udp *udp, struct endpoint *ep,
                       const struct iovec *iov, int n, int flags,
                       const struct weir_endpoint *to,
                       const struct weir_send_how *how) {
    struct udp_sock *s = udp_of(ep);
    struct env *env = udp->env;
    size_t len = dgram_bytes(iov, n);
    if (!ep->lport) {
        if (udp_take_port(udp, s, 0) < 0)
            return env_fail(env, EAGAIN, WEIR_NO_PORTS);
        udp_record_named(udp, s);
    }
    if (len > UINT16_MAX)
        return env_fail(env, EMSGSIZE, WEIR_PKT_TOO_BIG);
    if (flags & (ABI_MSG_OOB | ABI_MSG_MORE))
        return env_fail(env, EOPNOTSUPP, WEIR_NOT_SUPPORTED);
    struct ip_flow flow = {0};
    struct ip_way way;
    struct udp_hdr h = {.sport = ep->lport, .len = (uint16_t)(len + UDP_HDR)};
    int err = find_way(udp, s, to, how, &flow, &h.dport, &way);
    if (err < 0)
        return err;
    flow.df = dont_fragment(s, (uint32_t)len, way.mtu);
    if (len > UDP_PAYLOAD_MAX ||
        (flow.df && len + UDP_HDR + IP4_HDR_MIN > way.mtu)) {
        udp_local_error(udp, s, EMSGSIZE, &flow.dst, way.mtu);
        return env_fail(env, EMSGSIZE, WEIR_PKT_TOO_BIG);
    }
    if (ep->error) {
        err = ep->error;
        ep->error = 0;
        endpoint_touch(env, ep);
        return env_fail(env, err, (enum weir_reason)ep->reason);
    }
    if (ep->flags & EP_SHUT_WR)
        return env_fail(env, EPIPE, WEIR_BAD_STATE);
    struct weir_pkt *pkt = dgram_gather(udp, iov, n, (uint32_t)len);
    if (!pkt) {
        COUNT(env, Udp, SndbufErrors);
        return env_fail(env, ENOBUFS, WEIR_NOMEM);
    }
    h.csum = wire_pseudo_sum(weir_addr_to_v4(&flow.src),
                             weir_addr_to_v4(&flow.dst), IP4_PROTO_UDP, h.len);
    udp_hdr_emit(pkt_push(pkt, UDP_HDR), &h);
    pkt->flags |= WEIR_PKT_CSUM_PARTIAL;
    pkt->csum_start = 0;
    pkt->csum_offset = UDP_CSUM_OFFSET;
    dgram_sent(udp, pkt, s, &flow, &h);
    err = ip_output(udp->ip, pkt, &flow);
    if (err < 0) {
        if (err == -ENOBUFS)
            COUNT(env, Udp, SndbufErrors);
        return err;
    }
    COUNT(env, Udp, OutDatagrams);
    s->written += len;
    return (ssize_t)len;
}

/* Scatter the payload: how many bytes there was room for. */
static uint32_t scatter(const struct weir_pkt *pkt, const struct iovec *iov,
                        int n) {
    uint32_t off = 0;
    for (int i = 0; i < n && off < pkt->len; i++) {
        uint32_t part = pkt->len - off;
        if (part > iov[i].iov_len)
            part = (uint32_t)iov[i].iov_len;
        if (part)
            weir_pkt_copy_out(pkt, off, iov[i].iov_base, part);
        off += part;
    }
    return off;
}

/* What recvmsg may hand out beside the payload. */
static void describe(struct udp *udp, const struct udp_sock *s,
                     const struct udp_dgram *d, struct weir_dgram *out) {
    const struct endpoint_extra *x = s->ep.extra;
    *out = (struct weir_dgram){.from = {d->src, d->sport, d->ifindex},
                               .to = {d->dst, s->ep.lport, d->ifindex},
                               .local = d->dst,
                               .time_ns = d->time_ns,
                               .drops = d->drops,
                               .ttl = d->ttl,
                               .tos = d->tos};
    if (!x)
        return;
    out->timestamp = x->timestamp;
    out->asked = (uint8_t)((x->pktinfo ? WEIR_BESIDE_PKTINFO : 0) |
                           (x->recvttl ? WEIR_BESIDE_TTL : 0) |
                           (x->recvtos ? WEIR_BESIDE_TOS : 0) |
                           (x->rxq_ovfl ? WEIR_BESIDE_DROPS : 0) |
                           (x->recvorigdst ? WEIR_BESIDE_ORIGDST : 0));
    struct ip_way way;
    if (x->pktinfo && !ip_is_local(udp->ip, &d->dst)) {
        out->local = weir_addr_v4(0); /* broadcast: what an answer leaves by */
        ip_route(udp->ip, &out->local, &d->src, d->ifindex, false, &way);
    }
}

APART ssize_t udp_recv(struct udp *udp, struct endpoint *ep,
                       const struct iovec *iov, int n, int flags,
                       struct weir_dgram *out, int *msg_flags) {
    struct udp_sock *s = udp_of(ep);
    struct env *env = udp->env;
    if (ep->error) {
        int err = ep->error;
        ep->error = 0;
        endpoint_touch(env, ep);
        return env_fail(env, err, (enum weir_reason)ep->reason);
    }
    struct udp_dgram *d = s->rx_head;
    if (!d) /* after SHUT_RD too, as Linux answers where it may not block */
        return env_fail(env, EAGAIN, WEIR_RCVBUF_EMPTY);
    uint32_t len = d->pkt->len, copied = scatter(d->pkt, iov, n);
    COUNT_N(env, Weir, BytesCopiedOut, copied);
    describe(udp, s, d, out);
    if (copied < len && msg_flags)
        *msg_flags |= ABI_MSG_TRUNC;
    ep->cause = d->event;
    if (!(flags & ABI_MSG_PEEK)) {
        COUNT(env, Udp, InDatagrams);
        s->read += len;
        udp_dgram_free(udp, udp_dequeue(s));
        weir_event_id cause = ep->cause;
        endpoint_touch(env, ep);
        ep->cause = cause;
    }
    return (ssize_t)(flags & ABI_MSG_TRUNC ? len : copied);
}
