/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ARP (RFC 826): asking, answering, and hearing. Any packet from a host that is
 * known refreshes it; one that asks for us makes it known (RFC 826, "Packet
 * Reception"). What follows from that is neigh.c's business. We answer for
 * every address of ours on every link (Linux: arp_ignore 0).
 */
#include "wire/arp.h"
#include "ip/state.h"
#include "wire/ether.h"

static weir_event_id arp_record(struct ip *ip, const struct ip_if *iface,
                                const struct arp *arp, bool out, unsigned nth) {
    struct weir_event *ev = env_record(ip->env, WEIR_EV_ARP, 0);
    if (!ev)
        return 0;
    ev->arp.sender = arp->sender;
    ev->arp.target = arp->target;
    memcpy(ev->arp.mac, arp->sender_mac, sizeof(ev->arp.mac));
    ev->arp.op = (uint8_t)arp->op;
    ev->arp.out = out;
    ev->arp.nth = (uint8_t)nth;
    ev->arp.ifindex = (uint8_t)iface->ifindex;
    return ev->id;
}

static weir_event_id send(struct ip *ip, struct ip_if *iface,
                          const struct arp *arp, const uint8_t to[6],
                          unsigned nth) {
    weir_event_id id = arp_record(ip, iface, arp, true, nth);
    struct weir_pkt *pkt = weir_pkt_alloc(ip->env->arena, ETHER_HDR + ARP_LEN);
    if (!pkt)
        return id;
    arp_emit(pkt_push(pkt, ARP_LEN), arp);
    pkt->event = id;
    if_send(ip, iface, pkt, to, ETHER_ARP);
    return id;
}

weir_event_id arp_request(struct ip *ip, struct ip_if *iface, uint32_t sender,
                          uint32_t target, const uint8_t *mac, unsigned nth) {
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct arp arp = {.op = ARP_REQUEST, .sender = sender, .target = target};
    memcpy(arp.sender_mac, iface->mac, sizeof(arp.sender_mac));
    if (mac)
        memcpy(arp.target_mac, mac, sizeof(arp.target_mac));
    COUNT(ip->env, Weir, ArpRequestsSent);
    return send(ip, iface, &arp, mac ? mac : all, nth);
}

static void reply(struct ip *ip, struct ip_if *iface, const struct arp *to) {
    struct arp arp = {
        .op = ARP_REPLY, .sender = to->target, .target = to->sender};
    memcpy(arp.sender_mac, iface->mac, sizeof(arp.sender_mac));
    memcpy(arp.target_mac, to->sender_mac, sizeof(arp.target_mac));
    COUNT(ip->env, Weir, ArpRepliesSent);
    send(ip, iface, &arp, to->sender_mac, 1);
}

static bool is_own(const struct ip *ip, uint32_t addr) {
    const struct fib_entry *e = fib_lookup(ip, &ip->local, addr, 0);
    return e && e->type == FIB_LOCAL;
}

/* Fields that no honest ARP packet has. */
static bool plausible(const struct arp *arp) {
    return (arp->op == ARP_REQUEST || arp->op == ARP_REPLY) &&
           !ether_is_multicast(arp->sender_mac) &&
           !ip4_is_multicast(arp->sender) && !ip4_is_loopback(arp->sender) &&
           arp->sender != IP4_BROADCAST && !ip4_is_multicast(arp->target) &&
           !ip4_is_loopback(arp->target) && arp->target != IP4_BROADCAST;
}

static void arp_heard(struct ip *ip, struct ip_if *iface, const struct arp *arp,
                      bool to_us_alone) {
    if (arp->sender == 0) { /* RFC 5227: a probe; it is nobody's address yet */
        if (arp->op == ARP_REQUEST && is_own(ip, arp->target))
            reply(ip, iface, arp);
        return;
    }
    if (is_own(ip, arp->sender)) /* somebody has our address: not believed */
        return;
    bool asks_us = arp->op == ARP_REQUEST && is_own(ip, arp->target);
    const struct neigh_news news = {
        .addr = arp->sender,
        .mac = arp->sender_mac,
        .create = asks_us,
        .override = asks_us || arp->sender == arp->target, /* gratuitous */
        .solicited = arp->op == ARP_REPLY && to_us_alone,
    };
    neigh_learn(ip, iface, &news);
    if (asks_us)
        reply(ip, iface, arp);
}

void arp_input(struct ip *ip, struct ip_if *iface, struct weir_pkt *pkt) {
    struct env *env = ip->env;
    struct arp arp;
    COUNT(env, Weir, ArpReceived);
    const uint8_t *p = pkt_pull(pkt, ARP_LEN);
    if (!p || !arp_parse(p, &arp) || !plausible(&arp)) {
        pkt_drop(env, pkt, WEIR_ARP_MALFORMED, NULL);
        return;
    }
    bool to_us_alone = !(pkt->flags & WEIR_PKT_LINK_BROADCAST);
    weir_event_id cause = env->cause;
    weir_event_id id = arp_record(ip, iface, &arp, false, 1);
    if (id)
        env->cause = id;
    weir_pkt_free(pkt);
    arp_heard(ip, iface, &arp, to_us_alone);
    env->cause = cause;
}
