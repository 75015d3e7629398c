/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network layer as a whole: made, ended, and joined to the transports.
 * Transports register a table of two calls, so that nothing here points up.
 */
#include <assert.h>
#include <errno.h>

#include "ip/state.h"

static bool add_loopback(struct ip *ip) {
    const struct weir_if lo = {
        .name = "lo",
        .up = true,
        .loopback = true,
        .mtu = 65536,
        .features = WEIR_LINK_CSUM | WEIR_LINK_GSO,
    };
    const struct weir_addr addr = weir_addr_v4(WEIR_IP4(127, 0, 0, 1));
    return ip_if_add(ip, &lo) == IP_LO && ip_addr_add(ip, IP_LO, &addr, 8) == 0;
}

struct ip *ip_create(struct env *env, const uint8_t seed[16]) {
    struct ip *ip = arena_zalloc(env->arena, sizeof(*ip));
    if (!ip)
        return NULL;
    ip->env = env;
    ip->gen = 1;
    memcpy(ip->id_key, seed, sizeof(ip->id_key));
    list_init(&ip->addrs);
    list_init(&ip->routes);
    list_init(&ip->neigh_lru);
    list_init(&ip->peer_lru);
    list_init(&ip->frag_list);
    for (unsigned i = 0; i < IP_ID_COUNTERS; i++)
        ip->id_counter[i] = (uint16_t)rng_u64(&env->rng);
    if (!fib_init(ip) || !neigh_init(ip) || !peer_init(ip) || !frag_init(ip) ||
        !add_loopback(ip)) {
        ip_destroy(ip);
        return NULL;
    }
    return ip;
}

static void free_queue(struct pkt_queue *q) {
    struct weir_pkt *pkt;
    while ((pkt = pkt_queue_pop(q)))
        weir_pkt_free(pkt);
}

void ip_destroy(struct ip *ip) {
    struct weir_arena *arena = ip->env->arena;
    for (unsigned i = 1; i <= ip->nifs; i++) {
        neigh_flush(ip, i);
        free_queue(&ip->ifs[i]->out);
        arena_free(arena, ip->ifs[i], sizeof(*ip->ifs[i]));
    }
    free_queue(&ip->loop);
    LIST_EACH(&ip->addrs, at)
    arena_free(arena, container_of(at, struct ip_addr, link),
               sizeof(struct ip_addr));
    fib_flush(ip);
    peer_flush(ip);
    frag_flush(ip);
    hash_fini(&ip->neighs);
    arena_free(arena, ip, sizeof(*ip));
}

void ip_register(struct ip *ip, const struct ip_proto *proto, void *room) {
    unsigned i = 0;
    /* By number: in a new process image the old pointers lead nowhere. */
    while (i < IP_PROTOS && ip->outside.number[i] &&
           ip->outside.number[i] != proto->proto)
        i++;
    assert(i < IP_PROTOS);
    ip->outside.number[i] = proto->proto;
    ip->outside.proto[i] = proto;
    ip->outside.room[i] = room;
    ip->outside.tap = NULL; /* the same is true of it */
}

bool ip_loop(struct ip *ip) {
    struct pkt_queue q = ip->loop;
    ip->loop = (struct pkt_queue){0};
    bool any = q.head;
    struct weir_pkt *pkt;
    while ((pkt = pkt_queue_pop(&q)))
        ip_input_frame(ip, ip->ifs[pkt->ifindex], pkt, true);
    return any;
}

void ip_input(struct ip *ip, unsigned ifindex, struct weir_pkt *list) {
    struct ip_if *iface = if_get(ip, ifindex);
    while (list) {
        struct weir_pkt *next = list->next;
        list->next = NULL;
        if (iface)
            ip_input_frame(ip, iface, list, false);
        else
            pkt_drop(ip->env, list, WEIR_DEV_READY, NULL);
        list = next;
    }
}

void ip_error_deliver(struct ip *ip, const struct ip_rx_error *err) {
    for (unsigned i = 0; i < IP_PROTOS; i++) {
        if (ip->outside.number[i] == err->proto && err->proto)
            ip->outside.proto[i]->error(ip->outside.room[i], err);
    }
}

bool ip_is_local(struct ip *ip, const struct weir_addr *addr) {
    if (!weir_addr_is_v4(addr))
        return false;
    uint32_t a = weir_addr_to_v4(addr);
    const struct ip_dst *d = dst_get(ip, a, 0);
    if (d && d->path.type == FIB_LOCAL && a)
        return true; /* as it says below, where lo is up */
    const struct fib_entry *e = fib_lookup(ip, &ip->local, a, 0);
    return e && e->type == FIB_LOCAL;
}

bool ip_is_broadcast(struct ip *ip, const struct weir_addr *addr) {
    return weir_addr_is_v4(addr) && !weir_addr_is_multicast(addr) &&
           dst_is_broadcast(ip, weir_addr_to_v4(addr));
}
