/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interfaces, their addresses, and the last step down: the Ethernet header, and
 * what the link cannot do itself (checksums, segmentation). Frames queue here
 * until the stack's owner takes them; those of `lo` until ip_loop delivers
 * them, so that a packet never re-enters the stack from within.
 */
#include <errno.h>

#include "ip/state.h"
#include "wire/ether.h"

struct ip_if *if_get(const struct ip *ip, unsigned ifindex) {
    return ifindex >= 1 && ifindex <= ip->nifs ? ip->ifs[ifindex] : NULL;
}

int ip_if_add(struct ip *ip, const struct weir_if *config) {
    char name[sizeof(config->name)] = {0};
    for (unsigned i = 0; i + 1 < sizeof(name) && config->name[i]; i++)
        name[i] = config->name[i];
    if (!name[0] || config->mtu < 68 ||
        config->mtu > (config->loopback ? 65536 : IP4_PACKET_MAX))
        return -EINVAL;
    for (unsigned i = 1; i <= ip->nifs; i++)
        if (memcmp(ip->ifs[i]->name, name, sizeof(name)) == 0)
            return -EEXIST;
    if (ip->nifs + 1 == IP_IFS_MAX)
        return -ENOMEM;
    struct ip_if *iface = arena_zalloc(ip->env->arena, sizeof(*iface));
    if (!iface)
        return -ENOMEM;
    memcpy(iface->name, name, sizeof(name));
    memcpy(iface->mac, config->mac, sizeof(iface->mac));
    iface->up = config->up;
    iface->loopback = config->loopback;
    iface->mtu = config->mtu;
    iface->features = config->features;
    dst_forget(ip);
    ip->ifs[++ip->nifs] = iface;
    iface->ifindex = (uint16_t)ip->nifs;
    return iface->ifindex;
}

int ip_if_get(const struct ip *ip, unsigned ifindex, struct weir_if *out) {
    const struct ip_if *iface = if_get(ip, ifindex);
    if (!iface)
        return -ENODEV;
    *out = (struct weir_if){
        .up = iface->up,
        .loopback = iface->loopback,
        .mtu = iface->mtu,
        .features = iface->features,
        .ifindex = iface->ifindex,
        .stats = iface->stats,
    };
    memcpy(out->name, iface->name, sizeof(out->name));
    memcpy(out->mac, iface->mac, sizeof(out->mac));
    return 0;
}

int ip_if_set_up(struct ip *ip, unsigned ifindex, bool up) {
    struct ip_if *iface = if_get(ip, ifindex);
    if (!iface)
        return -ENODEV;
    if (iface->up == up)
        return 0;
    iface->up = up;
    dst_forget(ip);
    struct weir_event *ev = env_record(ip->env, WEIR_EV_LINK, 0);
    if (ev) {
        ev->link.link = (uint8_t)ifindex;
        ev->link.action = up ? WEIR_ACT_LINK_UP : WEIR_ACT_LINK_DOWN;
        memcpy(ev->link.name, iface->name, sizeof(ev->link.name));
    }
    if (!up)
        neigh_flush(ip, ifindex);
    return 0;
}

void ip_lo_tap(struct ip *ip,
               void (*tap)(void *ctx, const struct weir_pkt *pkt, uint64_t now),
               void *ctx) {
    ip->outside.tap = tap;
    ip->outside.tap_ctx = ctx;
}

/* ---- addresses ---- */

int ip_addr_add(struct ip *ip, unsigned ifindex, const struct weir_addr *addr,
                unsigned plen) {
    if (!if_get(ip, ifindex))
        return -ENODEV;
    uint32_t a = weir_addr_to_v4(addr);
    if (!weir_addr_is_v4(addr) || plen > 32 || ip4_is_multicast(a) ||
        ip4_is_zeronet(a) || a == IP4_BROADCAST)
        return -EINVAL;
    LIST_EACH(&ip->addrs, at) {
        const struct ip_addr *x = container_of(at, struct ip_addr, link);
        if (x->addr == a && x->ifindex == ifindex)
            return -EEXIST;
    }
    struct ip_addr *x = arena_alloc(ip->env->arena, sizeof(*x));
    if (!x)
        return -ENOMEM;
    x->addr = a;
    x->plen = (uint8_t)plen;
    x->ifindex = (uint16_t)ifindex;
    list_push_back(&ip->addrs, &x->link);
    dst_forget(ip);
    fib_sync_addrs(ip);
    return 0;
}

int ip_addr_del(struct ip *ip, unsigned ifindex, const struct weir_addr *addr) {
    uint32_t a = weir_addr_to_v4(addr);
    LIST_EACH(&ip->addrs, at) {
        struct ip_addr *x = container_of(at, struct ip_addr, link);
        if (x->addr == a && x->ifindex == ifindex && weir_addr_is_v4(addr)) {
            list_remove(&x->link);
            arena_free(ip->env->arena, x, sizeof(*x));
            dst_forget(ip);
            fib_sync_addrs(ip);
            return 0;
        }
    }
    return if_get(ip, ifindex) ? -EADDRNOTAVAIL : -ENODEV;
}

int ip_addr_get(const struct ip *ip, unsigned n, struct weir_ifaddr *out) {
    LIST_EACH(&ip->addrs, at) {
        if (n-- > 0)
            continue;
        const struct ip_addr *x = container_of(at, struct ip_addr, link);
        out->addr = weir_addr_v4(x->addr);
        out->broadcast =
            weir_addr_v4(x->plen < 31 ? x->addr | ~prefix_mask(x->plen) : 0);
        out->plen = x->plen;
        out->ifindex = x->ifindex;
        return 0;
    }
    return -ENOENT;
}

bool addr_is_own(const struct ip *ip, uint32_t addr) {
    LIST_EACH(&ip->addrs, at)
    if (container_of(at, struct ip_addr, link)->addr == addr)
        return true;
    return false;
}

uint32_t addr_select(const struct ip *ip, unsigned ifindex, uint32_t dst) {
    uint32_t here = 0, elsewhere = 0;
    LIST_EACH(&ip->addrs, at) {
        const struct ip_addr *x = container_of(at, struct ip_addr, link);
        if (x->ifindex == ifindex) {
            if (((x->addr ^ dst) & prefix_mask(x->plen)) == 0)
                return x->addr;
            if (!here)
                here = x->addr;
        } else if (!elsewhere && !ip4_is_loopback(x->addr)) {
            elsewhere = x->addr;
        }
    }
    return here ? here : elsewhere;
}

/* ---- the last step down ---- */

static void queue_loop(struct ip *ip, struct ip_if *iface,
                       struct weir_pkt *pkt) {
    pkt->t_ns = ip->env->now;
    pkt->ifindex = iface->ifindex;
    pkt_queue_push(&ip->loop, pkt);
}

void if_queue(struct ip *ip, struct ip_if *iface, struct weir_pkt *pkt) {
    iface->stats.tx_frames++;
    iface->stats.tx_bytes += pkt->len;
    if (iface->loopback) {
        queue_loop(ip, iface, pkt);
        if (ip->outside.tap)
            ip->outside.tap(ip->outside.tap_ctx, pkt, ip->env->now);
        return;
    }
    pkt->t_ns = ip->env->now;
    pkt_queue_push(&iface->out, pkt);
    if (iface->queued)
        return;
    iface->queued = true;
    iface->next_queued = NULL;
    if (ip->out_head)
        ip->out_tail->next_queued = iface;
    else
        ip->out_head = iface;
    ip->out_tail = iface;
}

static void no_memory(struct ip *ip) {
    ip->env->drops[WEIR_NOMEM]++;
    COUNT(ip->env, Weir, Drops);
    struct weir_event *ev = env_record(ip->env, WEIR_EV_DROP, 0);
    if (ev)
        ev->seg.reason = WEIR_NOMEM;
}

void if_send(struct ip *ip, struct ip_if *iface, struct weir_pkt *pkt,
             const uint8_t mac[6], uint16_t ethertype) {
    if (!iface->up) {
        COUNT(ip->env, Ip, OutDiscards);
        pkt_drop(ip->env, pkt, WEIR_DEV_READY, NULL);
        return;
    }
    ether_emit(pkt_push(pkt, ETHER_HDR), mac, iface->mac, ethertype);
    if (pkt->flags & WEIR_PKT_CSUM_PARTIAL)
        pkt->csum_start = (uint16_t)(pkt->csum_start + ETHER_HDR);
    if (iface->loopback) {
        if_queue(ip, iface, pkt);
        return;
    }
    bool sums = iface->features & WEIR_LINK_CSUM;
    bool cuts = sums && (iface->features & WEIR_LINK_GSO);
    if (pkt->gso_size && !cuts) {
        pkt = weir_pkt_segment(pkt);
        if (!pkt)
            no_memory(ip);
    } else if (!sums) {
        weir_pkt_checksum(pkt);
    }
    while (pkt) {
        struct weir_pkt *next = pkt->next;
        if_queue(ip, iface, pkt);
        pkt = next;
    }
}

void if_loop_back(struct ip *ip, struct ip_if *iface,
                  const struct weir_pkt *pkt) {
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct weir_pkt *copy = weir_pkt_clone(pkt);
    if (!copy) {
        no_memory(ip);
        return;
    }
    ether_emit(pkt_push(copy, ETHER_HDR), all, iface->mac, ETHER_IP4);
    if (copy->flags & WEIR_PKT_CSUM_PARTIAL)
        copy->csum_start = (uint16_t)(copy->csum_start + ETHER_HDR);
    queue_loop(ip, iface, copy);
}

struct weir_pkt *ip_take_output(struct ip *ip, unsigned *ifindex) {
    struct ip_if *iface = ip->out_head;
    if (!iface)
        return NULL;
    ip->out_head = iface->next_queued;
    iface->queued = false;
    struct weir_pkt *list = iface->out.head;
    iface->out = (struct pkt_queue){0};
    *ifindex = iface->ifindex;
    return list;
}

bool ip_pending(const struct ip *ip) {
    return ip->loop.head || ip->out_head;
}
