/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP that arrives (RFC 792, RFC 1122 3.2.2): echo is answered, an error is
 * handed to the transport whose packet it is about, which alone can tell
 * whether it believes it. So a path MTU is learnt when the transport calls
 * ip_pmtu_update (RFC 5927 7): not from anybody who can guess an address.
 */
#include <errno.h>

#include "base/checksum.h"
#include "ip/state.h"
#include "wire/icmp.h"

weir_event_id icmp_record(struct ip *ip, enum weir_event_kind kind,
                          uint32_t src, uint32_t dst, const uint8_t *p,
                          uint32_t len) {
    struct weir_event *ev = env_record(ip->env, kind, 0);
    if (!ev)
        return 0;
    ev->seg.src = src;
    ev->seg.dst = dst;
    ev->seg.sport = get16(p);
    ev->seg.dport = get16(p + 4);
    ev->seg.seq = get16(p + 6);
    ev->seg.len = len - ICMP_HDR;
    ev->seg.proto = IP4_PROTO_ICMP;
    ev->seg.nth = 1;
    return ev->id;
}

/* The request becomes the reply: same bytes, another type, the way back. */
static void echo(struct ip *ip, struct weir_pkt *pkt, const struct ip_rx *rx) {
    struct env *env = ip->env;
    uint8_t *p = pkt_pull(pkt, ICMP_HDR);
    COUNT(env, Icmp, InEchos);
    if (env->sysctl.icmp_echo_ignore_all ||
        (rx->broadcast && env->sysctl.icmp_echo_ignore_broadcasts)) {
        weir_pkt_free(pkt); /* ignored on purpose: not a drop */
        return;
    }
    struct ip_flow flow = {.src = rx->dst,
                           .dst = rx->src,
                           .proto = IP4_PROTO_ICMP,
                           .tos = rx->tos};
    struct ip_way way;
    if (rx->broadcast)
        flow.src = weir_addr_v4(0); /* RFC 1122 3.2.2.6: one of our own */
    if (ip_route(ip, &flow.src, &flow.dst, 0, false, &way) < 0) {
        pkt_drop(env, pkt, WEIR_IP_OUTNOROUTES, NULL);
        return;
    }
    uint16_t from = get16(p);
    p[0] = ICMP_ECHO_REPLY;
    put16(p + ICMP_CSUM, csum_update(get16(p + ICMP_CSUM), from, get16(p)));
    COUNT(env, Icmp, OutMsgs);
    COUNT(env, Icmp, OutEchoReps);
    struct weir_pkt *out = weir_pkt_alloc(env->arena, 64);
    if (!out || !pkt_append_range(out, pkt, 0, pkt->len)) {
        if (out)
            weir_pkt_free(out);
        pkt_drop(env, pkt, WEIR_NOMEM, NULL);
        return;
    }
    out->event =
        icmp_record(ip, WEIR_EV_SEGMENT_SENT, weir_addr_to_v4(&flow.src),
                    weir_addr_to_v4(&flow.dst), p, pkt->len);
    weir_pkt_free(pkt);
    ip_output(ip, out, &flow);
}

struct error_map {
    uint16_t error;
    bool hard;
    enum weir_reason reason;
};

/* Linux's icmp_err_convert: what each code of "unreachable" means to a socket
 * (RFC 1122 4.2.3.9 for soft and hard). */
static const struct error_map unreach[ICMP_UNREACH_CODES] = {
    {ENETUNREACH, false, WEIR_ICMP_NET_UNREACH},
    {EHOSTUNREACH, false, WEIR_ICMP_HOST_UNREACH},
    {ENOPROTOOPT, true, WEIR_ICMP_PROT_UNREACH},
    {ECONNREFUSED, true, WEIR_ICMP_PORT_UNREACH},
    {EMSGSIZE, false, WEIR_ICMP_FRAG_NEEDED},
    {EOPNOTSUPP, false, WEIR_ICMP_HOST_UNREACH},
    {ENETUNREACH, true, WEIR_ICMP_NET_UNREACH},
    {EHOSTDOWN, true, WEIR_ICMP_HOST_UNREACH},
    {ENONET, true, WEIR_ICMP_HOST_UNREACH},
    {ENETUNREACH, true, WEIR_ICMP_PROHIBITED},
    {EHOSTUNREACH, true, WEIR_ICMP_PROHIBITED},
    {ENETUNREACH, false, WEIR_ICMP_NET_UNREACH},
    {EHOSTUNREACH, false, WEIR_ICMP_HOST_UNREACH},
    {EHOSTUNREACH, true, WEIR_ICMP_PROHIBITED},
    {EHOSTUNREACH, true, WEIR_ICMP_PROHIBITED},
    {EHOSTUNREACH, true, WEIR_ICMP_PROHIBITED},
};

/* RFC 1191 7.1: routers before it do not say the MTU; the next lower one that
 * is in use. `len` is the size of the packet that was too large. */
static uint32_t plateau(uint32_t len) {
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352,
                                        2002,  1492,  1006, IP_MIN_PMTU};
    for (unsigned i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++)
        if (plateaus[i] < len)
            return plateaus[i];
    return IP_MIN_PMTU;
}

/* False: the message means nothing to a transport. */
static bool translate(const struct icmp_hdr *icmp, const struct ip4_hdr *inner,
                      struct ip_rx_error *err) {
    err->icmp_type = icmp->type;
    err->icmp_code = icmp->code;
    switch (icmp->type) {
    case ICMP_DEST_UNREACH:
        if (icmp->code >= ICMP_UNREACH_CODES)
            return false;
        err->error = unreach[icmp->code].error;
        err->hard = unreach[icmp->code].hard;
        err->reason = unreach[icmp->code].reason;
        if (icmp->code == ICMP_FRAG_NEEDED) {
            err->mtu = icmp->rest & 0xffff;
            if (err->mtu == 0)
                err->mtu = plateau(inner->len);
            if (err->mtu < IP_MIN_PMTU)
                err->mtu = IP_MIN_PMTU;
        }
        return true;
    case ICMP_TIME_EXCEEDED:
        err->error = EHOSTUNREACH;
        err->reason = WEIR_ICMP_TIME_EXCEEDED;
        return true;
    case ICMP_PARAM_PROBLEM:
        err->error = EPROTO;
        err->hard = true;
        err->reason = WEIR_ICMP_PARAM_PROBLEM;
        return true;
    default: /* RFC 6633 3: source quench is ignored; no redirects either */
        return false;
    }
}

/* An error about a packet of ours: 8 bytes of its transport header at least
 * (RFC 1122 3.2.2). */
static bool error_input(struct ip *ip, struct weir_pkt *pkt,
                        const struct icmp_hdr *icmp, const struct ip_rx *rx) {
    struct ip4_hdr inner;
    struct ip_rx_error err = {.from = rx->src};
    const uint8_t *p = pkt_pull(pkt, ICMP_HDR + IP4_HDR_MIN);
    unsigned hlen = p ? ip4_hdr_len(p[ICMP_HDR]) : 0;
    uint32_t need = ICMP_HDR + hlen + 8;
    if (!hlen || !(p = pkt_pull(pkt, need)) || !ip4_parse(p + ICMP_HDR, &inner))
        return false;
    uint32_t have = pkt->len < WEIR_PKT_ROOM ? pkt->len : WEIR_PKT_ROOM;
    p = pkt_pull(pkt, have);
    if (icmp->type == ICMP_DEST_UNREACH)
        COUNT(ip->env, Icmp, InDestUnreachs);
    else if (icmp->type == ICMP_TIME_EXCEEDED)
        COUNT(ip->env, Icmp, InTimeExcds);
    err.src = weir_addr_v4(inner.src);
    err.dst = weir_addr_v4(inner.dst);
    err.proto = inner.proto;
    err.head = p + ICMP_HDR + hlen;
    err.head_len = have - ICMP_HDR - hlen;
    /* Only the first fragment holds the transport header; and a packet of ours
     * has an address of ours. */
    if (inner.frag_off == 0 && ip_is_local(ip, &err.src) &&
        translate(icmp, &inner, &err))
        ip_error_deliver(ip, &err);
    return true;
}

void icmp_input(struct ip *ip, struct weir_pkt *pkt, const struct ip_rx *rx) {
    struct env *env = ip->env;
    COUNT(env, Icmp, InMsgs);
    const struct drop_info info = {.src = weir_addr_to_v4(&rx->src),
                                   .dst = weir_addr_to_v4(&rx->dst),
                                   .proto = IP4_PROTO_ICMP,
                                   .ttl = rx->ttl,
                                   .len = pkt->len};
    const uint8_t *p = pkt_pull(pkt, ICMP_HDR);
    if (!p) {
        COUNT(env, Icmp, InErrors);
        pkt_drop(env, pkt, WEIR_PKT_TOO_SMALL, &info);
        return;
    }
    if (!(pkt->flags & WEIR_PKT_CSUM_VALID) && pkt_sum(pkt, 0, 0) != 0xffff) {
        COUNT(env, Icmp, InErrors);
        COUNT(env, Icmp, InCsumErrors);
        pkt_drop(env, pkt, WEIR_ICMP_CSUM, &info);
        return;
    }
    weir_event_id cause = env->cause;
    weir_event_id id = icmp_record(ip, WEIR_EV_SEGMENT_RECEIVED, info.src,
                                   info.dst, p, pkt->len);
    if (id)
        env->cause = id;
    const struct icmp_hdr icmp = icmp_parse(p);
    if (icmp.type == ICMP_ECHO && icmp.code == 0) {
        echo(ip, pkt, rx);
    } else if (icmp_is_error(icmp.type) && icmp.type != ICMP_REDIRECT &&
               !error_input(ip, pkt, &icmp, rx)) {
        COUNT(env, Icmp, InErrors);
        pkt_drop(env, pkt, WEIR_PKT_TOO_SMALL, &info);
    } else {
        if (icmp.type == ICMP_ECHO_REPLY)
            COUNT(env, Icmp, InEchoReps);
        weir_pkt_free(pkt);
    }
    env->cause = cause;
}
