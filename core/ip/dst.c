/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a lookup said, remembered: of a destination (its path, path MTU and
 * neighbour), and of a pair of addresses (that frames between them are for us
 * and not martian). Direct-mapped; an entry holds while ip->gen has the number
 * it was made under, and every change of an address, a route, an interface, a
 * path MTU or the set of neighbours takes the next number. So nothing here
 * decides anything: it is what route.c and input.c would say again.
 */
#include "base/hint.h"
#include "ip/state.h"

uint32_t ip_generation(const struct ip *ip) {
    return ip->gen;
}

APART const struct ip_dst *dst_fill(struct ip *ip, uint32_t dst,
                                    unsigned ifindex) {
    struct ip_dst *d = &ip->dsts[dst_slot(dst)];
    *d = (struct ip_dst){.dst = dst, .ifindex = (uint16_t)ifindex};
    if (!path_lookup(ip, dst, ifindex, &d->path))
        return NULL;
    d->mtu = path_mtu(ip, &d->path, dst);
    if (d->path.type == FIB_UNICAST) {
        d->path.neigh =
            neigh_find(ip, d->path.next_hop, d->path.iface->ifindex);
        d->aging = peer_find(ip, dst) != NULL;
    }
    d->gen = d->aging ? 0 : ip->gen;
    return d;
}
