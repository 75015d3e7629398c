/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP errors that we send (RFC 1122 3.2.2, RFC 1812 4.3.2): about which
 * packets none is sent, how much of the packet goes along, and how many there
 * may be. Two limits, as Linux has: a bucket for all (1000 a second, 50 at
 * once) and one for each destination (one each icmp_ratelimit ms, six at once).
 * Messages of path MTU discovery and those to ourselves are not limited.
 */
#include <errno.h>

#include "base/checksum.h"
#include "ip/state.h"
#include "wire/ether.h"
#include "wire/icmp.h"

enum {
    ERROR_MAX = 576, /* RFC 1812 4.3.2.3: the whole message at most */
    GLOBAL_BURST = 50,
    PEER_BURST = 6,
    PRECEDENCE_INTERNETCONTROL = 0xc0, /* RFC 1812 4.3.2.5 */
};
#define GLOBAL_INTERVAL IP_MSEC

static bool spend(uint64_t *tokens, uint64_t *last, uint64_t now,
                  uint64_t interval, unsigned burst) {
    uint64_t full = interval * burst;
    *tokens += now - *last;
    *last = now;
    if (*tokens > full)
        *tokens = full;
    if (*tokens < interval)
        return false;
    *tokens -= interval;
    return true;
}

static bool allowed(struct ip *ip, uint32_t dst, struct icmp_error error) {
    struct env *env = ip->env;
    if (error.type == ICMP_DEST_UNREACH && error.code == ICMP_FRAG_NEEDED)
        return true;
    const struct fib_entry *own = fib_lookup(ip, &ip->local, dst, 0);
    uint64_t interval = (uint64_t)env->sysctl.icmp_ratelimit * IP_MSEC;
    if (own)
        return true;
    if (!ip->icmp_started) {
        ip->icmp_started = true;
        ip->icmp_global_last = env->now;
        ip->icmp_global_tokens = GLOBAL_INTERVAL * GLOBAL_BURST;
    }
    bool ok = spend(&ip->icmp_global_tokens, &ip->icmp_global_last, env->now,
                    GLOBAL_INTERVAL, GLOBAL_BURST);
    struct ip_peer *peer = ok && interval ? peer_get(ip, dst) : NULL;
    if (peer && !peer->icmp_seen) {
        peer->icmp_seen = true;
        peer->icmp_last = env->now;
        peer->icmp_tokens = interval * PEER_BURST;
    }
    if (peer && !spend(&peer->icmp_tokens, &peer->icmp_last, env->now, interval,
                       PEER_BURST)) {
        COUNT(env, Icmp, OutRateLimitHost);
        ok = false;
    }
    if (!ok)
        env->drops[WEIR_ICMP_RATELIMIT]++;
    return ok;
}

/* RFC 1122 3.2.2: an error is never sent about these. */
static bool forbidden(struct ip *ip, const struct weir_pkt *pkt, uint32_t off,
                      const struct ip4_hdr *h) {
    uint8_t type = 0;
    const struct weir_addr dst = weir_addr_v4(h->dst);
    const struct weir_addr src = weir_addr_v4(h->src);
    if (h->frag_off || (pkt->flags & WEIR_PKT_LINK_BROADCAST) ||
        ip4_is_multicast(h->dst) || ip_is_broadcast(ip, &dst))
        return true;
    if (h->src == 0 || ip4_is_multicast(h->src) || h->src >> 28 == 15 ||
        ip_is_broadcast(ip, &src))
        return true;
    if (h->proto != IP4_PROTO_ICMP)
        return false;
    if (pkt->len <= off)
        return true;
    weir_pkt_copy_out(pkt, off, &type, 1);
    return icmp_is_error(type) || type > 18; /* Linux: unknown ones neither */
}

/* The message: our header, theirs, and what follows theirs. */
static struct weir_pkt *compose(struct ip *ip, const struct weir_pkt *pkt,
                                uint32_t off, const uint8_t *raw, unsigned hlen,
                                struct icmp_error error) {
    struct weir_pkt *out = weir_pkt_alloc(
        ip->env->arena, ETHER_HDR + IP4_HDR_MIN + ICMP_HDR + IP4_HDR_MAX);
    if (!out)
        return NULL;
    uint32_t n = pkt->len - off;
    uint32_t room = ERROR_MAX - IP4_HDR_MIN - ICMP_HDR - hlen;
    if (n > room)
        n = room;
    memcpy(pkt_push(out, hlen), raw, hlen);
    uint8_t *p = pkt_push(out, ICMP_HDR);
    const struct icmp_hdr icmp = {
        .type = error.type, .code = error.code, .rest = error.rest};
    icmp_emit(p, &icmp);
    struct weir_buf *buf = weir_buf_alloc(ip->env->arena, n ? n : 1);
    if (!buf) {
        weir_pkt_free(out);
        return NULL;
    }
    weir_pkt_copy_out(pkt, off, buf->data, n);
    weir_pkt_append(out, buf, 0, n);
    put16(p + ICMP_CSUM, (uint16_t)~pkt_sum(out, 0, 0));
    return out;
}

void icmp_send_error(struct ip *ip, const struct weir_pkt *pkt, uint32_t off,
                     const uint8_t *raw, unsigned hlen,
                     struct icmp_error error) {
    struct env *env = ip->env;
    struct ip4_hdr h;
    ip4_parse(raw, &h);
    if (forbidden(ip, pkt, off, &h) || !allowed(ip, h.src, error))
        return;
    struct ip_flow flow = {
        .src = weir_addr_v4(h.dst),
        .dst = weir_addr_v4(h.src),
        .proto = IP4_PROTO_ICMP,
        .tos = (uint8_t)((h.tos & 0x1e) | PRECEDENCE_INTERNETCONTROL)};
    if (!ip_is_local(ip, &flow.src))
        flow.src = weir_addr_v4(0);
    enum weir_reason why = env->last_reason;
    struct ip_way way;
    if (ip_route(ip, &flow.src, &flow.dst, 0, false, &way) < 0) {
        env->last_reason = why; /* nobody's call failed */
        return;
    }
    struct weir_pkt *out = compose(ip, pkt, off, raw, hlen, error);
    if (!out)
        return;
    COUNT(env, Icmp, OutMsgs);
    if (error.type == ICMP_DEST_UNREACH)
        COUNT(env, Icmp, OutDestUnreachs);
    else if (error.type == ICMP_TIME_EXCEEDED)
        COUNT(env, Icmp, OutTimeExcds);
    out->event = icmp_record(
        ip, WEIR_EV_SEGMENT_SENT, weir_addr_to_v4(&flow.src),
        weir_addr_to_v4(&flow.dst), out->head + out->head_off, out->len);
    ip_output(ip, out, &flow);
    env->last_reason = why;
}

void icmp_unreachable(struct ip *ip, const struct weir_pkt *pkt, uint8_t code,
                      enum weir_reason reason) {
    const uint8_t *raw = pkt->head + pkt->head_off;
    struct ip4_hdr h;
    ip4_parse(raw, &h);
    const struct weir_addr src = weir_addr_v4(h.src);
    if (!ip_is_local(ip, &src)) {
        icmp_send_error(ip, pkt, h.hlen, raw, h.hlen,
                        (struct icmp_error){ICMP_DEST_UNREACH, code, 0});
        return;
    }
    /* Linux sends itself the ICMP message; straight to the transport is the
     * same to it. */
    uint8_t head[64];
    uint32_t n = pkt->len - h.hlen;
    if (n > sizeof(head))
        n = sizeof(head);
    if (h.frag_off || n < 8)
        return;
    weir_pkt_copy_out(pkt, h.hlen, head, n);
    const struct ip_rx_error err = {.src = src,
                                    .dst = weir_addr_v4(h.dst),
                                    .from = src,
                                    .proto = h.proto,
                                    .head = head,
                                    .head_len = n,
                                    .error = EHOSTUNREACH,
                                    .reason = reason,
                                    .icmp_type = ICMP_DEST_UNREACH,
                                    .icmp_code = code};
    ip_error_deliver(ip, &err);
}

void ip_port_unreachable(struct ip *ip, const struct weir_pkt *pkt,
                         const struct ip_rx *rx) {
    (void)rx;
    icmp_send_error(ip, pkt, 0, ip->rx_hdr, ip->rx_hdr_len,
                    (struct icmp_error){ICMP_DEST_UNREACH, ICMP_PORT, 0});
}
