/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way up: a frame is checked, once, and then belongs to ARP, to forwarding,
 * to reassembly or to a transport. Nothing a peer sends can do more than end in
 * pkt_drop. While a frame is processed, what it triggers is caused by the event
 * that sent it, or (transports see to that) by its being received.
 */
#include <assert.h>

#include "base/checksum.h"
#include "base/hint.h"
#include "ip/state.h"
#include "wire/ether.h"
#include "wire/icmp.h"
#include "wire/tcp.h"
#include "wire/udp.h"

struct drop_info drop_info_of(const struct weir_pkt *pkt, uint32_t off,
                              const struct ip4_hdr *h) {
    uint32_t len = pkt->len > off ? pkt->len - off : 0;
    struct drop_info info = {.src = h->src,
                             .dst = h->dst,
                             .proto = h->proto,
                             .ttl = h->ttl,
                             .len = len};
    uint8_t p[TCP_HDR_MIN];
    unsigned hlen = h->proto == IP4_PROTO_TCP    ? TCP_HDR_MIN
                    : h->proto == IP4_PROTO_UDP  ? UDP_HDR
                    : h->proto == IP4_PROTO_ICMP ? ICMP_HDR
                                                 : 0;
    if (h->frag_off || !hlen || len < hlen)
        return info;
    weir_pkt_copy_out(pkt, off, p, hlen);
    info.sport = get16(p);
    info.dport = get16(p + 2);
    if (h->proto == IP4_PROTO_TCP) {
        info.seq = get32(p + 4);
        info.ack = get32(p + 8);
        info.tcp_flags = p[13];
        hlen = tcp_hdr_len(p);
    } else if (h->proto == IP4_PROTO_ICMP) {
        info.dport = get16(p + 4);
        info.seq = get16(p + 6);
    }
    info.len = len > hlen ? len - hlen : 0;
    return info;
}

static void input_drop(struct ip *ip, struct weir_pkt *pkt,
                       const struct ip4_hdr *h, enum weir_reason reason) {
    const struct drop_info info = drop_info_of(pkt, h->hlen, h);
    pkt_drop(ip->env, pkt, reason, &info);
}

bool dst_is_broadcast(const struct ip *ip, uint32_t dst) {
    if (dst == IP4_BROADCAST || ip4_is_multicast(dst))
        return true;
    const struct fib_entry *e = fib_lookup(ip, &ip->local, dst, 0);
    return e && e->type == FIB_BROADCAST;
}

/* Nearly all have 20 bytes, which the compiler copies in line. */
static void copy_header(uint8_t *to, const uint8_t *from, unsigned hlen) {
    memcpy(to, from, IP4_HDR_MIN);
    if (hlen > IP4_HDR_MIN)
        memcpy(to + IP4_HDR_MIN, from + IP4_HDR_MIN, hlen - IP4_HDR_MIN);
}

void ip_deliver(struct ip *ip, struct weir_pkt *pkt, const struct ip4_hdr *h,
                const uint8_t *raw, unsigned ifindex, bool broadcast) {
    struct env *env = ip->env;
    const struct ip_rx rx = {
        .src = weir_addr_v4(h->src),
        .dst = weir_addr_v4(h->dst),
        .ifindex = ifindex,
        .proto = h->proto,
        .ttl = h->ttl,
        .tos = h->tos,
        .broadcast = broadcast,
        .loopback = ip->ifs[ifindex]->loopback,
    };
    if (raw != ip->rx_hdr)
        copy_header(ip->rx_hdr, raw, h->hlen);
    ip->rx_hdr_len = h->hlen;
    if (h->proto == IP4_PROTO_ICMP) {
        COUNT(env, Ip, InDelivers);
        icmp_input(ip, pkt, &rx);
        return;
    }
    for (unsigned i = 0; i < IP_PROTOS; i++) {
        if (ip->outside.number[i] == h->proto && h->proto) {
            COUNT(env, Ip, InDelivers);
            ip->outside.proto[i]->input(ip->outside.room[i], pkt, &rx);
            return;
        }
    }
    COUNT(env, Ip, InUnknownProtos);
    icmp_send_error(ip, pkt, 0, raw, h->hlen,
                    (struct icmp_error){ICMP_DEST_UNREACH, ICMP_PROTOCOL, 0});
    const struct drop_info info = drop_info_of(pkt, 0, h);
    pkt_drop(env, pkt, WEIR_IP_NOPROTO, &info);
}

/* Addresses that no packet on a wire may bear (RFC 1122 3.2.1.3, RFC 1812
 * 5.3.7: martians), as Linux checks them. */
static enum weir_reason martian(const struct ip *ip, const struct ip4_hdr *h) {
    if (ip4_is_multicast(h->src) || h->src == IP4_BROADCAST)
        return WEIR_IP_INVALID_SOURCE;
    if (h->src == 0 && (h->dst == 0 || h->dst == IP4_BROADCAST))
        return WEIR_NONE; /* a host that asks for its address (DHCP) */
    if (ip4_is_zeronet(h->src) || ip4_is_loopback(h->src))
        return WEIR_IP_INVALID_SOURCE;
    if (ip4_is_zeronet(h->dst) || ip4_is_loopback(h->dst))
        return WEIR_IP_INVALID_DEST;
    /* One of our own addresses: somebody pretends to be us. */
    const struct fib_entry *e = fib_lookup(ip, &ip->local, h->src, 0);
    return e ? WEIR_IP_INVALID_SOURCE : WEIR_NONE;
}

enum { OPT_END = 0, OPT_NOP = 1, OPT_LSRR = 0x83, OPT_SSRR = 0x89 };

/* Options are passed on and otherwise ignored (RFC 1122 3.2.1.8), but they must
 * be well formed, and the sender does not choose the route (RFC 7126 4.3). */
static bool options_ok(const uint8_t *p, unsigned hlen) {
    for (unsigned i = IP4_HDR_MIN; i < hlen;) {
        if (p[i] == OPT_END)
            return true;
        if (p[i] == OPT_NOP) {
            i++;
            continue;
        }
        if (i + 1 >= hlen || p[i + 1] < 2 || p[i + 1] > hlen - i ||
            p[i] == OPT_LSRR || p[i] == OPT_SSRR)
            return false;
        i += p[i + 1];
    }
    return true;
}

/* RFC 1122 3.2.1: what is not a valid header is silently discarded. */
static bool header_ok(struct ip *ip, struct weir_pkt *pkt, bool trusted,
                      struct ip4_hdr *h) {
    struct env *env = ip->env;
    enum weir_reason reason = WEIR_IP_INHDR;
    const uint8_t *p = pkt_pull(pkt, IP4_HDR_MIN);
    if (p && ip4_hdr_len(p[0]))
        p = pkt_pull(pkt, ip4_hdr_len(p[0]));
    if (!p) {
        reason = WEIR_PKT_TOO_SMALL;
    } else if (ip4_parse(p, h)) {
        if (!trusted && !ip4_csum_ok(p, h->hlen))
            reason = WEIR_IP_CSUM;
        else if (h->len > pkt->len)
            reason = WEIR_PKT_TOO_SMALL;
        else if (options_ok(p, h->hlen))
            return true;
    }
    COUNT(env, Ip, InHdrErrors);
    pkt_drop(env, pkt, reason, NULL);
    return false;
}

/* A packet that is not for us, on a host that may be a router. */
static void not_ours(struct ip *ip, struct weir_pkt *pkt,
                     const struct ip4_hdr *h) {
    if (ip->env->sysctl.ip_forward && !ip4_is_multicast(h->dst) &&
        h->dst != IP4_BROADCAST && !(pkt->flags & WEIR_PKT_LINK_BROADCAST)) {
        ip_forward(ip, pkt, h);
        return;
    }
    COUNT(ip->env, Ip, InAddrErrors);
    input_drop(ip, pkt, h, WEIR_IP_INVALID_DEST);
}

static bool is_for_us(const struct ip *ip, const struct ip4_hdr *h,
                      bool *broadcast) {
    *broadcast = true;
    if (h->dst == IP4_BROADCAST || h->dst == WEIR_IP4(224, 0, 0, 1) ||
        (h->src == 0 && h->dst == 0))
        return true;
    const struct fib_entry *e = fib_lookup(ip, &ip->local, h->dst, 0);
    *broadcast = e && e->type == FIB_BROADCAST;
    return e;
}

static void ip4_input(struct ip *ip, struct weir_pkt *pkt, bool trusted,
                      unsigned ifindex) {
    struct ip4_hdr h;
    COUNT(ip->env, Ip, InReceives);
    if (!header_ok(ip, pkt, trusted, &h))
        return;
    if (h.len != pkt->len)
        pkt_trim_to(pkt, h.len); /* Ethernet pads short frames */
    bool broadcast = false;
    struct ip_pair *pair = &ip->pairs[pair_slot(h.src, h.dst)];
    if (pair->src != h.src || pair->dst != h.dst || pair->gen != ip->gen ||
        pair->trusted != trusted) {
        enum weir_reason reason = trusted ? WEIR_NONE : martian(ip, &h);
        if (reason) {
            COUNT(ip->env, Ip, InAddrErrors);
            input_drop(ip, pkt, &h, reason);
            return;
        }
        if (!is_for_us(ip, &h, &broadcast)) {
            not_ours(ip, pkt, &h);
            return;
        }
        if (!broadcast)
            *pair = (struct ip_pair){h.src, h.dst, ip->gen, trusted};
    }
    uint8_t *raw = ip->rx_hdr;
    copy_header(raw, pkt->head + pkt->head_off, h.hlen);
    pkt_trim_front(pkt, h.hlen);
    if (h.mf || h.frag_off)
        ip_reassemble(ip, pkt, &h, raw, ifindex);
    else
        ip_deliver(ip, pkt, &h, raw, ifindex, broadcast);
}

/* The frame nearly everybody gets, with nothing about it to be weighed: to our
 * MAC address, IPv4 without options or fragments, all of it in the head,
 * between two addresses that were judged before. False: nothing was done. */
static bool plain_frame(struct ip *ip, struct ip_if *iface,
                        struct weir_pkt *pkt, bool trusted) {
    const uint8_t *f = pkt->head + pkt->head_off, *p = f + ETHER_HDR;
    if (pkt->head_len < ETHER_HDR + IP4_HDR_MIN || !iface->up ||
        (!iface->loopback && memcmp(f, iface->mac, ETHER_MAC)) ||
        get16(f + 12) != ETHER_IP4 || p[0] != 0x45 || get16(p + 6) & 0x3fff ||
        get16(p + 2) != pkt->len - ETHER_HDR)
        return false;
    uint32_t src = get32(p + 12), dst = get32(p + 16);
    const struct ip_pair *pair = &ip->pairs[pair_slot(src, dst)];
    uint8_t proto = p[9];
    if (pair->src != src || pair->dst != dst || pair->gen != ip->gen ||
        pair->trusted != trusted || proto != ip->outside.number[0] ||
        (!trusted && csum_fold(csum_header(p, IP4_HDR_MIN)) != 0xffff))
        return false;
    struct env *env = ip->env;
    pkt->flags &= (uint8_t)~WEIR_PKT_LINK_BROADCAST;
    COUNT(env, Ip, InReceives);
    COUNT(env, Ip, InDelivers);
    const struct ip_rx rx = {
        .src = weir_addr_v4(src),
        .dst = weir_addr_v4(dst),
        .ifindex = iface->ifindex,
        .proto = proto,
        .ttl = p[8],
        .tos = p[1],
        .loopback = iface->loopback,
    };
    copy_header(ip->rx_hdr, p, IP4_HDR_MIN);
    ip->rx_hdr_len = IP4_HDR_MIN;
    pkt_trim_front(pkt, ETHER_HDR + IP4_HDR_MIN);
    ip->outside.proto[0]->input(ip->outside.room[0], pkt, &rx);
    return true;
}

/* Is the frame for this interface? Sets WEIR_PKT_LINK_BROADCAST. */
static bool frame_is_ours(const struct ip_if *iface, struct weir_pkt *pkt,
                          const uint8_t *dst) {
    pkt->flags &= (uint8_t)~WEIR_PKT_LINK_BROADCAST;
    if (iface->loopback)
        return true;
    if (ether_is_multicast(dst)) {
        pkt->flags |= WEIR_PKT_LINK_BROADCAST;
        return true;
    }
    return memcmp(dst, iface->mac, ETHER_MAC) == 0;
}

/* Any frame. */
APART static void input_frame_any(struct ip *ip, struct ip_if *iface,
                                  struct weir_pkt *pkt, bool trusted) {
    struct env *env = ip->env;
    const uint8_t *p = pkt_pull(pkt, ETHER_HDR);
    if (!iface->up || !p || !frame_is_ours(iface, pkt, p)) {
        iface->stats.rx_dropped++;
        pkt_drop(env, pkt,
                 !iface->up ? WEIR_DEV_READY
                 : !p       ? WEIR_PKT_TOO_SMALL
                            : WEIR_OTHERHOST,
                 NULL);
        return;
    }
    uint16_t type = get16(p + 2 * ETHER_MAC);
    pkt_trim_front(pkt, ETHER_HDR);
    /* Offsets go with the packet's first byte. */
    if (pkt->flags & WEIR_PKT_CSUM_PARTIAL)
        pkt->csum_start = (uint16_t)(pkt->csum_start - ETHER_HDR);
    if (type == ETHER_IP4)
        ip4_input(ip, pkt, trusted, iface->ifindex);
    else if (type == ETHER_ARP && !iface->loopback)
        arp_input(ip, iface, pkt);
    else
        pkt_drop(env, pkt, WEIR_UNHANDLED_PROTO, NULL);
}

void ip_input_frame(struct ip *ip, struct ip_if *iface, struct weir_pkt *pkt,
                    bool trusted) {
    struct env *env = ip->env;
    weir_event_id cause = env->cause;
    env->cause = pkt->event;
    iface->stats.rx_frames++;
    iface->stats.rx_bytes += pkt->len;
    pkt->ifindex = iface->ifindex;
    if (!plain_frame(ip, iface, pkt, trusted))
        input_frame_any(ip, iface, pkt, trusted);
    env->cause = cause;
}
