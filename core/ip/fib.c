/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The routes. Two tables, looked up in this order as Linux does: `local` (own
 * addresses, broadcast addresses), then `main`. Within a table: the longest
 * prefix, then the lowest metric, then the earliest. A table is one hash table
 * of prefixes and a set of the prefix lengths in use, so that a lookup takes as
 * many probes as there are different lengths, few as a rule.
 *
 * Unlike Linux, routes of an interface that is down are kept and not looked at,
 * and come back with it.
 */
#include <errno.h>

#include "ip/state.h"

static uint64_t fib_key(uint32_t prefix, unsigned plen) {
    return mix64((uint64_t)plen << 32 | prefix);
}

bool fib_init(struct ip *ip) {
    return hash_init(&ip->local.hash, ip->env->arena) &&
           hash_init(&ip->main.hash, ip->env->arena);
}

static struct fib_table *table_of(struct ip *ip, const struct fib_entry *e) {
    return e->type == FIB_UNICAST ? &ip->main : &ip->local;
}

static void entry_free(struct ip *ip, struct fib_entry *e) {
    struct fib_table *table = table_of(ip, e);
    dst_forget(ip);
    hash_remove(&table->hash, &e->node);
    if (--table->count[e->plen] == 0)
        table->plens &= ~((uint64_t)1 << e->plen);
    list_remove(&e->link);
    arena_free(ip->env->arena, e, sizeof(*e));
}

void fib_flush(struct ip *ip) {
    LIST_EACH(&ip->routes, at)
    entry_free(ip, container_of(at, struct fib_entry, link));
    hash_fini(&ip->local.hash);
    hash_fini(&ip->main.hash);
}

static int fib_add(struct ip *ip, const struct fib_entry *config) {
    struct fib_table *table = table_of(ip, config);
    uint64_t h = fib_key(config->prefix, config->plen);
    for (struct hash_node *n = hash_first(&table->hash, h); n;
         n = hash_next(n)) {
        const struct fib_entry *e = container_of(n, struct fib_entry, node);
        if (e->prefix != config->prefix || e->plen != config->plen ||
            e->metric != config->metric)
            continue;
        /* Connected routes of two interfaces may be equal; the first wins. */
        if (!config->automatic || e->ifindex == config->ifindex)
            return -EEXIST;
    }
    struct fib_entry *e = arena_alloc(ip->env->arena, sizeof(*e));
    if (!e)
        return -ENOMEM;
    dst_forget(ip);
    *e = *config;
    e->order = ip->route_order++;
    hash_insert(&table->hash, &e->node, h);
    if (table->count[e->plen]++ == 0)
        table->plens |= (uint64_t)1 << e->plen;
    list_push_back(&ip->routes, &e->link);
    return 0;
}

void fib_sync_addrs(struct ip *ip) {
    LIST_EACH(&ip->routes, at) {
        struct fib_entry *e = container_of(at, struct fib_entry, link);
        if (e->automatic || (e->source && !addr_is_own(ip, e->source)))
            entry_free(ip, e);
    }
    LIST_EACH(&ip->addrs, at) {
        const struct ip_addr *x = container_of(at, struct ip_addr, link);
        uint32_t mask = prefix_mask(x->plen);
        struct fib_entry e = {.prefix = x->addr,
                              .plen = 32,
                              .source = x->addr,
                              .ifindex = x->ifindex,
                              .type = FIB_LOCAL,
                              .automatic = true};
        fib_add(ip, &e);
        e.prefix = x->addr & mask;
        e.plen = x->plen;
        /* Every address of lo's network is ours (RFC 1122 3.2.1.3 (g)). */
        e.type = ip->ifs[x->ifindex]->loopback ? FIB_LOCAL : FIB_UNICAST;
        if (x->plen < 32)
            fib_add(ip, &e);
        e.prefix = x->addr | ~mask;
        e.plen = 32;
        e.type = FIB_BROADCAST;
        if (x->plen < 31) /* RFC 3021: a /31 has none */
            fib_add(ip, &e);
    }
}

static bool better(const struct fib_entry *a, const struct fib_entry *b) {
    return !b || a->metric < b->metric ||
           (a->metric == b->metric && a->order < b->order);
}

const struct fib_entry *fib_lookup(const struct ip *ip,
                                   const struct fib_table *table, uint32_t dst,
                                   unsigned ifindex) {
    for (uint64_t left = table->plens; left;) {
        unsigned plen = 63 - (unsigned)__builtin_clzll(left);
        left &= ~((uint64_t)1 << plen);
        uint32_t prefix = dst & prefix_mask(plen);
        const struct fib_entry *best = NULL;
        for (struct hash_node *n =
                 hash_first(&table->hash, fib_key(prefix, plen));
             n; n = hash_next(n)) {
            const struct fib_entry *e = container_of(n, struct fib_entry, node);
            if (e->prefix != prefix || e->plen != plen ||
                (ifindex && e->ifindex != ifindex) ||
                (e->type != FIB_LOCAL && !ip->ifs[e->ifindex]->up))
                continue;
            if (better(e, best))
                best = e;
        }
        if (best)
            return best;
    }
    return NULL;
}

/* ---- the public calls ---- */

static int entry_of(const struct weir_route *r, struct fib_entry *out) {
    if (!weir_addr_is_v4(&r->dst) || r->plen > 32)
        return -EINVAL;
    *out = (struct fib_entry){.prefix = weir_addr_to_v4(&r->dst),
                              .plen = (uint8_t)r->plen,
                              .metric = r->metric,
                              .ifindex = (uint16_t)r->ifindex};
    if (!weir_addr_is_any(&r->gateway))
        out->gateway = weir_addr_to_v4(&r->gateway);
    if (!weir_addr_is_any(&r->source))
        out->source = weir_addr_to_v4(&r->source);
    return out->prefix & ~prefix_mask(r->plen) ? -EINVAL : 0;
}

int ip_route_add(struct ip *ip, const struct weir_route *r) {
    struct fib_entry e;
    int err = entry_of(r, &e);
    if (err || r->local)
        return -EINVAL;
    if (e.source && !addr_is_own(ip, e.source))
        return -EINVAL;
    if (e.gateway) {
        /* The gateway must be a neighbour (Linux: "Nexthop has invalid
         * gateway"). */
        const struct fib_entry *on = fib_lookup(ip, &ip->local, e.gateway, 0);
        if (on)
            return -EINVAL;
        on = fib_lookup(ip, &ip->main, e.gateway, e.ifindex);
        if (!on || on->gateway)
            return -ENETUNREACH;
        e.ifindex = on->ifindex;
    }
    if (!if_get(ip, e.ifindex))
        return -ENODEV;
    return fib_add(ip, &e);
}

int ip_route_del(struct ip *ip, const struct weir_route *r) {
    struct fib_entry want;
    int err = entry_of(r, &want);
    if (err)
        return err;
    LIST_EACH(&ip->routes, at) {
        struct fib_entry *e = container_of(at, struct fib_entry, link);
        if (e->type == FIB_UNICAST && e->prefix == want.prefix &&
            e->plen == want.plen &&
            (!want.metric || e->metric == want.metric) &&
            (!want.gateway || e->gateway == want.gateway) &&
            (!want.ifindex || e->ifindex == want.ifindex)) {
            entry_free(ip, e);
            return 0;
        }
    }
    return -ESRCH;
}

static void fib_fill(const struct fib_entry *e, struct weir_route *out) {
    *out = (struct weir_route){.dst = weir_addr_v4(e->prefix),
                               .gateway = weir_addr_v4(e->gateway),
                               .source = weir_addr_v4(e->source),
                               .plen = e->plen,
                               .ifindex = e->ifindex,
                               .metric = e->metric,
                               .local = e->type != FIB_UNICAST};
}

int ip_route_get(const struct ip *ip, unsigned n, struct weir_route *out) {
    LIST_EACH(&ip->routes, at) {
        if (n-- > 0)
            continue;
        fib_fill(container_of(at, struct fib_entry, link), out);
        return 0;
    }
    return -ENOENT;
}

int ip_route_lookup(const struct ip *ip, const struct weir_addr *dst,
                    struct weir_route *out) {
    if (!weir_addr_is_v4(dst))
        return -ENETUNREACH;
    uint32_t a = weir_addr_to_v4(dst);
    const struct fib_entry *e = fib_lookup(ip, &ip->local, a, 0);
    if (!e)
        e = fib_lookup(ip, &ip->main, a, 0);
    if (!e)
        return -ENETUNREACH;
    fib_fill(e, out);
    return 0;
}
