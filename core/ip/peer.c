/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is remembered of a destination: a path MTU learnt from ICMP (RFC 1191),
 * and how many ICMP errors it was sent. Bounded; the one least recently made or
 * asked for is forgotten.
 */
#include "ip/state.h"

enum { PEERS_MAX = 4096 };
#define MTU_EXPIRES (600 * IP_SEC) /* Linux: ten minutes, as RFC 1191 6.3 */

bool peer_init(struct ip *ip) {
    return hash_init(&ip->peers, ip->env->arena);
}

static void forget(struct ip *ip, struct ip_peer *peer) {
    dst_forget(ip);
    hash_remove(&ip->peers, &peer->node);
    list_remove(&peer->link);
    arena_free(ip->env->arena, peer, sizeof(*peer));
}

void peer_flush(struct ip *ip) {
    LIST_EACH(&ip->peer_lru, at)
    forget(ip, container_of(at, struct ip_peer, link));
    hash_fini(&ip->peers);
}

static uint64_t peer_key(const struct ip *ip, uint32_t addr) {
    return siphash(ip->env->hash_key, &addr, sizeof(addr));
}

struct ip_peer *peer_find(const struct ip *ip, uint32_t addr) {
    if (ip->peers.count == 0)
        return NULL;
    for (struct hash_node *n = hash_first(&ip->peers, peer_key(ip, addr)); n;
         n = hash_next(n)) {
        struct ip_peer *peer = container_of(n, struct ip_peer, node);
        if (peer->addr == addr)
            return peer;
    }
    return NULL;
}

struct ip_peer *peer_get(struct ip *ip, uint32_t addr) {
    struct ip_peer *peer = peer_find(ip, addr);
    if (peer) {
        list_remove(&peer->link);
        list_push_back(&ip->peer_lru, &peer->link);
        return peer;
    }
    if (ip->peers.count >= PEERS_MAX)
        forget(ip, container_of(ip->peer_lru.next, struct ip_peer, link));
    peer = arena_zalloc(ip->env->arena, sizeof(*peer));
    if (!peer)
        return NULL;
    peer->addr = addr;
    dst_forget(ip);
    hash_insert(&ip->peers, &peer->node, peer_key(ip, addr));
    list_push_back(&ip->peer_lru, &peer->link);
    return peer;
}

uint32_t peer_mtu(struct ip *ip, uint32_t addr, uint32_t mtu) {
    struct ip_peer *peer = peer_find(ip, addr);
    if (!peer || !peer->mtu)
        return mtu;
    if (ip->env->now >= peer->mtu_expires) {
        peer->mtu = 0; /* RFC 1191 6.3: see whether it has grown */
        return mtu;
    }
    return peer->mtu < mtu ? peer->mtu : mtu;
}

void ip_pmtu_update(struct ip *ip, const struct weir_addr *dst, uint32_t mtu) {
    if (!weir_addr_is_v4(dst))
        return;
    struct ip_peer *peer = mtu ? peer_get(ip, weir_addr_to_v4(dst))
                               : peer_find(ip, weir_addr_to_v4(dst));
    if (!peer)
        return;
    if (mtu && mtu < IP_MIN_PMTU)
        mtu = IP_MIN_PMTU;
    /* RFC 1191 3: never up by a message. */
    if (mtu && peer->mtu && peer->mtu <= mtu &&
        ip->env->now < peer->mtu_expires)
        return;
    peer->mtu = mtu;
    peer->mtu_expires = ip->env->now + MTU_EXPIRES;
}
