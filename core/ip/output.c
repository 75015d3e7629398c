/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way down: the IP header, the MTU, and whom on the link a packet is for.
 */
#include <errno.h>

#include "base/checksum.h"
#include "base/hint.h"
#include "ip/state.h"
#include "wire/ether.h"
#include "wire/tcp.h"

/* RFC 6864 4.1: a datagram that is never fragmented (DF) needs no identity;
 * the others take one that does not tell about other destinations (RFC 7739).
 */
static uint16_t next_id(struct ip *ip, uint32_t src, uint32_t dst,
                        uint8_t proto, bool df) {
    if (df)
        return 0;
    uint32_t key[3] = {src, dst, proto};
    uint64_t h = siphash(ip->id_key, key, sizeof(key));
    return (uint16_t)((h >> 16) + ip->id_counter[h % IP_ID_COUNTERS]++);
}

static void send_one(struct ip *ip, struct weir_pkt *pkt,
                     const struct ip_path *path) {
    static const uint8_t nobody[6];
    struct ip_if *iface = ip->ifs[path->iface->ifindex];
    uint32_t to = path->next_hop;
    if (path->type == FIB_BROADCAST) {
        uint8_t mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
        if (ip4_is_multicast(to)) { /* RFC 1112 6.4 */
            mac[0] = 0x01;
            mac[1] = 0x00;
            mac[2] = 0x5e;
            mac[3] = (uint8_t)(to >> 16 & 0x7f);
            mac[4] = (uint8_t)(to >> 8);
            mac[5] = (uint8_t)to;
        } else if (!iface->loopback) {
            if_loop_back(ip, iface, pkt); /* a broadcast is for us too */
        }
        if_send(ip, iface, pkt, mac, ETHER_IP4);
    } else if (iface->loopback) {
        if_send(ip, iface, pkt, nobody, ETHER_IP4);
    } else if (path->neigh && iface->up) {
        neigh_send(ip, iface, path->neigh, pkt);
    } else {
        neigh_output(ip, iface, to, pkt);
    }
}

/* Bytes of the largest IP packet this becomes. */
static uint32_t largest(struct weir_pkt *pkt, unsigned hlen) {
    if (!pkt->gso_size)
        return pkt->len;
    const uint8_t *p = pkt_pull(pkt, hlen + TCP_HDR_MIN);
    unsigned tcp = p ? tcp_hdr_len(p + hlen) : 0;
    uint32_t piece = hlen + tcp + pkt->gso_size;
    return piece < pkt->len ? piece : pkt->len;
}

int ip_emit(struct ip *ip, struct weir_pkt *pkt, const struct ip_path *path,
            uint32_t mtu) {
    const uint8_t *p = pkt->head + pkt->head_off;
    if (largest(pkt, ip4_hdr_len(p[0])) <= mtu) {
        send_one(ip, pkt, path);
        return 0;
    }
    struct ip4_hdr h;
    ip4_parse(p, &h);
    if (h.df || pkt->gso_size) {
        COUNT(ip->env, Ip, FragFails);
        const struct drop_info info = {.src = h.src,
                                       .dst = h.dst,
                                       .proto = h.proto,
                                       .ttl = h.ttl,
                                       .len = pkt->len - h.hlen};
        pkt_drop(ip->env, pkt, WEIR_PKT_TOO_BIG, &info);
        return env_fail(ip->env, EMSGSIZE, WEIR_PKT_TOO_BIG);
    }
    struct weir_pkt *list = ip_fragment(ip, pkt, mtu);
    if (!list)
        return env_fail(ip->env, ENOBUFS, WEIR_NOMEM);
    COUNT(ip->env, Ip, FragOKs);
    while (list) {
        struct weir_pkt *next = list->next;
        list->next = NULL;
        COUNT(ip->env, Ip, FragCreates);
        send_one(ip, list, path);
        list = next;
    }
    return 0;
}

static int output_refuse(struct ip *ip, struct weir_pkt *pkt,
                         const struct ip_flow *flow, int error,
                         enum weir_reason reason) {
    const struct drop_info info = {.src = weir_addr_to_v4(&flow->src),
                                   .dst = weir_addr_to_v4(&flow->dst),
                                   .proto = flow->proto,
                                   .ttl = flow->ttl,
                                   .len = pkt->len};
    COUNT(ip->env, Ip, OutDiscards);
    pkt_drop(ip->env, pkt, reason, &info);
    return env_fail(ip->env, error, reason);
}

/* The transport's checksum, of a packet whose header is in its head: made, or
 * left to the link. */
static inline void plain_sum(struct weir_pkt *pkt, uint8_t *transport,
                             const struct ip_plain *to, bool link_sums) {
    if (link_sums) {
        if (to->words)
            put16(transport + TCP_CSUM_OFFSET,
                  wire_pseudo_sum(to->src, to->dst, IP4_PROTO_TCP, pkt->len));
        pkt->csum_start = ETHER_HDR + IP4_HDR_MIN;
        return;
    }
    csum_put(transport + TCP_CSUM_OFFSET,
             to->words ? csum_of_words(to->words) + pkt_payload_native(pkt)
                       : pkt_sum_native(pkt));
    pkt->flags &= (uint8_t)~WEIR_PKT_CSUM_PARTIAL;
}

/* To somebody who can be sent to at once: lo, or a neighbour that is known. The
 * MAC address, or NULL where more has to be done. */
static const uint8_t *plain_mac(struct ip *ip, const struct ip_dst *d,
                                uint32_t src) {
    static const uint8_t nobody[6];
    if (!d->path.iface->up)
        return NULL;
    if (d->path.type == FIB_LOCAL)
        return nobody;
    if (d->path.type != FIB_UNICAST || !d->path.neigh || ip4_is_loopback(src) ||
        !neigh_ready(ip, d->path.neigh))
        return NULL;
    return d->path.neigh->mac;
}

/* No fragments, and no cutting that the link would not do. */
static bool plain_size(const struct weir_pkt *pkt, const struct ip_dst *d) {
    const uint32_t can = WEIR_LINK_CSUM | WEIR_LINK_GSO;
    if (pkt->len > IP4_PACKET_MAX - IP4_HDR_MIN)
        return false;
    if (!pkt->gso_size)
        return pkt->len + IP4_HDR_MIN <= d->mtu;
    return (d->path.iface->features & can) == can &&
           pkt->head_len + pkt->gso_size + (uint32_t)IP4_HDR_MIN <= d->mtu;
}

static inline void plain_header(uint8_t *p, const struct ip_plain *to,
                                uint32_t len, uint8_t ttl) {
    uint32_t first = 0x45000000u | (uint32_t)to->tos << 16 | len;
    uint32_t second = 0x4000; /* no identity (RFC 6864 4.1), DF */
    uint32_t third = (uint32_t)ttl << 24 | IP4_PROTO_TCP << 16;
    put32(p, first);
    put32(p + 4, second);
    put32(p + 8, third);
    put32(p + 12, to->src);
    put32(p + 16, to->dst);
    csum_put(p + 10, csum_of_words((uint64_t)first + second + third + to->src +
                                   to->dst));
}

ALONG bool ip_output_plain(struct ip *ip, struct weir_pkt *pkt,
                           const struct ip_plain *to) {
    struct env *env = ip->env;
    const struct ip_dst *d = dst_get(ip, to->dst, to->ifindex);
    if (!d || !plain_size(pkt, d))
        return false;
    const uint8_t *mac = plain_mac(ip, d, to->src);
    if (!mac)
        return false;
    struct ip_if *iface = ip->ifs[d->path.iface->ifindex];
    COUNT(env, Ip, OutRequests);
    uint8_t *p = pkt->head + pkt->head_off;
    plain_sum(pkt, p, to, iface->features & WEIR_LINK_CSUM);
    pkt_push(pkt, ETHER_HDR + IP4_HDR_MIN);
    plain_header(p - IP4_HDR_MIN, to, pkt->len - ETHER_HDR,
                 to->ttl ? to->ttl : (uint8_t)env->sysctl.ip_default_ttl);
    ether_emit(p - IP4_HDR_MIN - ETHER_HDR, mac, iface->mac, ETHER_IP4);
    if_queue(ip, iface, pkt);
    return true;
}

int ip_output(struct ip *ip, struct weir_pkt *pkt, const struct ip_flow *flow) {
    struct env *env = ip->env;
    uint32_t src = weir_addr_to_v4(&flow->src);
    uint32_t dst = weir_addr_to_v4(&flow->dst);
    COUNT(env, Ip, OutRequests);
    unsigned ifindex = flow->ifindex;
    if (!ifindex && (dst == IP4_BROADCAST || ip4_is_multicast(dst))) {
        const struct fib_entry *e = fib_lookup(ip, &ip->local, src, 0);
        ifindex = e ? e->ifindex : 0;
    }
    const struct ip_dst *d = dst_get(ip, dst, ifindex);
    if (!d) {
        COUNT(env, Ip, OutNoRoutes);
        return output_refuse(ip, pkt, flow, ENETUNREACH, WEIR_IP_OUTNOROUTES);
    }
    const struct ip_path path = d->path; /* what follows may forget it */
    const uint32_t mtu = d->mtu;
    if (path.type == FIB_BROADCAST && !ip4_is_multicast(dst) &&
        !flow->broadcast_ok)
        return output_refuse(ip, pkt, flow, EACCES, WEIR_IP_INVALID_DEST);
    if (ip4_is_loopback(src) && !path.iface->loopback)
        return output_refuse(ip, pkt, flow, EINVAL, WEIR_IP_INVALID_SOURCE);
    if (pkt->len > IP4_PACKET_MAX - IP4_HDR_MIN)
        return output_refuse(ip, pkt, flow, EMSGSIZE, WEIR_PKT_TOO_BIG);
    const struct ip4_hdr h = {
        .src = src,
        .dst = dst,
        .len = (uint16_t)(pkt->len + IP4_HDR_MIN),
        .id = next_id(ip, src, dst, flow->proto, flow->df),
        .df = flow->df,
        .tos = flow->tos,
        .ttl = flow->ttl ? flow->ttl : (uint8_t)env->sysctl.ip_default_ttl,
        .proto = flow->proto,
    };
    ip4_emit(pkt_push(pkt, IP4_HDR_MIN), &h);
    if (pkt->flags & WEIR_PKT_CSUM_PARTIAL)
        pkt->csum_start = (uint16_t)(pkt->csum_start + IP4_HDR_MIN);
    return ip_emit(ip, pkt, &path, mtu);
}
