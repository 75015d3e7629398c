/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which way a packet goes: from a destination to an interface, a next hop, a
 * source address and an MTU (RFC 1122 3.3.1). Answers are remembered in dst.c;
 * what must be remembered of a destination is in peer.c.
 */
#include <errno.h>

#include "ip/state.h"

static bool on_link(struct ip *ip, uint32_t dst, unsigned ifindex,
                    enum fib_type type, struct ip_path *path) {
    const struct ip_if *iface = if_get(ip, ifindex);
    if (!iface || !iface->up)
        return false;
    *path = (struct ip_path){.iface = iface,
                             .next_hop = dst,
                             .source = addr_select(ip, ifindex, dst),
                             .type = type};
    return true;
}

static bool by_main(struct ip *ip, uint32_t dst, unsigned ifindex,
                    enum fib_type type, struct ip_path *path) {
    const struct fib_entry *e = fib_lookup(ip, &ip->main, dst, ifindex);
    if (!e) /* Linux: a bound interface means that it is on that link */
        return on_link(ip, dst, ifindex, type, path);
    *path = (struct ip_path){.iface = ip->ifs[e->ifindex],
                             .next_hop = e->gateway ? e->gateway : dst,
                             .source = e->source,
                             .type = type};
    if (type != FIB_UNICAST)
        path->next_hop = dst;
    if (!path->source)
        path->source = addr_select(ip, e->ifindex, path->next_hop);
    return true;
}

bool path_lookup(struct ip *ip, uint32_t dst, unsigned ifindex,
                 struct ip_path *path) {
    if (ip4_is_multicast(dst))
        return by_main(ip, dst, ifindex, FIB_BROADCAST, path);
    if (dst == IP4_BROADCAST)
        return ifindex ? on_link(ip, dst, ifindex, FIB_BROADCAST, path)
                       : by_main(ip, dst, 0, FIB_BROADCAST, path);
    const struct fib_entry *e =
        fib_lookup(ip, &ip->local, dst ? dst : WEIR_IP4(127, 0, 0, 1), ifindex);
    if (!e)
        return by_main(ip, dst, ifindex, FIB_UNICAST, path);
    if (e->type == FIB_BROADCAST) {
        *path = (struct ip_path){.iface = ip->ifs[e->ifindex],
                                 .next_hop = dst,
                                 .source = e->source,
                                 .type = FIB_BROADCAST};
    } else {
        /* To one of ours from that address, but 127.x from 127.0.0.1. */
        *path = (struct ip_path){.iface = ip->ifs[IP_LO],
                                 .next_hop = dst,
                                 .source = e->source ? e->source : dst,
                                 .type = FIB_LOCAL};
    }
    return path->iface->up;
}

uint32_t path_mtu(struct ip *ip, const struct ip_path *path, uint32_t dst) {
    uint32_t mtu =
        path->iface->mtu < IP4_PACKET_MAX ? path->iface->mtu : IP4_PACKET_MAX;
    return path->type == FIB_UNICAST ? peer_mtu(ip, dst, mtu) : mtu;
}

int ip_route(struct ip *ip, struct weir_addr *src, const struct weir_addr *dst,
             unsigned ifindex, bool broadcast_ok, struct ip_way *way) {
    struct env *env = ip->env;
    if (!weir_addr_is_v4(dst) && !weir_addr_is_any(dst))
        return env_fail(env, ENETUNREACH, WEIR_NO_ROUTE);
    uint32_t to = weir_addr_is_v4(dst) ? weir_addr_to_v4(dst) : 0;
    bool fixed = !weir_addr_is_any(src);
    uint32_t from = fixed ? weir_addr_to_v4(src) : 0;
    if (fixed && !ip_is_local(ip, src))
        return env_fail(env, EINVAL, WEIR_ADDR_NOT_LOCAL);
    /* Linux: a source address names the link of a limited broadcast. */
    if (!ifindex && fixed && (to == IP4_BROADCAST || ip4_is_multicast(to))) {
        const struct fib_entry *e = fib_lookup(ip, &ip->local, from, 0);
        ifindex = e->ifindex;
    }
    const struct ip_dst *d = dst_get(ip, to, ifindex);
    if (!d) {
        COUNT(env, Ip, OutNoRoutes);
        return env_fail(env, ENETUNREACH, WEIR_NO_ROUTE);
    }
    if (d->path.type == FIB_BROADCAST && !ip4_is_multicast(to) && !broadcast_ok)
        return env_fail(env, EACCES, WEIR_NOT_SUPPORTED);
    /* RFC 1122 3.2.1.3 (g): 127.x never leaves the host. */
    if (fixed && ip4_is_loopback(from) && !d->path.iface->loopback)
        return env_fail(env, EINVAL, WEIR_IP_INVALID_SOURCE);
    if (!fixed)
        *src = weir_addr_v4(d->path.source);
    *way = (struct ip_way){.ifindex = d->path.iface->ifindex,
                           .mtu = d->mtu,
                           .features = d->path.iface->features,
                           .loopback = d->path.iface->loopback,
                           .aging = d->aging};
    return 0;
}
