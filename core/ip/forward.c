/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forwarding (RFC 1812 5.2, 5.3): one hop less, the next link, or an ICMP error
 * to who sent it. No redirects are sent, no options updated.
 */
#include <errno.h>

#include "ip/state.h"
#include "wire/icmp.h"

static void forward_refuse(struct ip *ip, struct weir_pkt *pkt,
                           const struct ip4_hdr *h, struct icmp_error error,
                           enum weir_reason reason) {
    icmp_send_error(ip, pkt, h->hlen, pkt->head + pkt->head_off, h->hlen,
                    error);
    const struct drop_info info = drop_info_of(pkt, h->hlen, h);
    pkt_drop(ip->env, pkt, reason, &info);
}

static void forward_record(struct ip *ip, struct weir_pkt *pkt,
                           const struct ip4_hdr *h) {
    struct env *env = ip->env;
    struct weir_event *ev = env_record(env, WEIR_EV_SEGMENT_FORWARDED, 0);
    if (!ev)
        return;
    const struct drop_info info = drop_info_of(pkt, h->hlen, h);
    ev->seg.src = info.src;
    ev->seg.dst = info.dst;
    ev->seg.sport = info.sport;
    ev->seg.dport = info.dport;
    ev->seg.seq = info.seq;
    ev->seg.ack = info.ack;
    ev->seg.len = info.len;
    ev->seg.win = h->ttl - 1u;
    ev->seg.proto = info.proto;
    ev->seg.tcp_flags = info.tcp_flags;
    pkt->event = ev->id;
    env->cause = ev->id;
}

void ip_forward(struct ip *ip, struct weir_pkt *pkt, const struct ip4_hdr *h) {
    struct env *env = ip->env;
    if (h->ttl <= 1) { /* RFC 1812 5.3.1 */
        COUNT(env, Ip, InHdrErrors);
        forward_refuse(ip, pkt, h,
                       (struct icmp_error){ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0},
                       WEIR_IP_TTL);
        return;
    }
    struct ip_path path;
    if (!path_lookup(ip, h->dst, 0, &path)) {
        COUNT(env, Ip, OutNoRoutes);
        forward_refuse(ip, pkt, h,
                       (struct icmp_error){ICMP_DEST_UNREACH, ICMP_NET, 0},
                       WEIR_IP_INNOROUTES);
        return;
    }
    /* RFC 1191 4: say how large it may be. Linux looks at the link's MTU and
     * not at what it learnt itself (ip_forward_use_pmtu is off). */
    uint32_t mtu = path.iface->mtu;
    if (h->df && !pkt->gso_size && pkt->len > mtu) {
        COUNT(env, Ip, FragFails);
        forward_refuse(
            ip, pkt, h,
            (struct icmp_error){ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu},
            WEIR_PKT_TOO_BIG);
        return;
    }
    forward_record(ip, pkt, h);
    COUNT(env, Ip, ForwDatagrams);
    ip4_ttl_decrement(pkt->head + pkt->head_off);
    ip_emit(ip, pkt, &path, mtu);
}
