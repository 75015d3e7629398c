/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports and finding sockets by them. Two tables: all sockets by local port, and
 * connected ones by both endpoints as well. A datagram goes to the connected
 * socket if there is one; else the most specific of those on the port: an
 * address beats any, an interface beats any, and among equals the last one
 * bound wins, or a hash of the flow chooses where they share by SO_REUSEPORT.
 * All as Linux has it.
 */
#include <errno.h>

#include "udp/state.h"

uint64_t udp_port_hash(const struct udp *udp, uint16_t port) {
    return siphash(udp->env->hash_key, &port, sizeof(port));
}

struct flow_key {
    struct weir_addr laddr, raddr;
    uint16_t lport, rport;
};

uint64_t udp_conn_hash(const struct udp *udp, const struct weir_addr *laddr,
                       uint16_t lport, const struct weir_addr *raddr,
                       uint16_t rport) {
    const struct flow_key key = {*laddr, *raddr, lport, rport};
    return siphash(udp->env->hash_key, &key, sizeof(key));
}
_Static_assert(sizeof(struct flow_key) == 36, "no padding is hashed");

static bool on_interface(const struct udp_sock *s, unsigned ifindex) {
    return !s->ep.ifindex || s->ep.ifindex == ifindex;
}

bool udp_matches(const struct udp_sock *s, const struct weir_addr *laddr,
                 uint16_t lport, const struct weir_addr *raddr, uint16_t rport,
                 unsigned ifindex) {
    if (s->ep.lport != lport || !on_interface(s, ifindex))
        return false;
    if (s->ep.laddr && s->ep.laddr != weir_addr_to_v4(laddr))
        return false;
    return !s->connected ||
           (s->ep.rport == rport && s->ep.raddr == weir_addr_to_v4(raddr));
}

static struct udp_sock *lookup_conn(const struct udp *udp,
                                    const struct weir_addr *laddr,
                                    uint16_t lport,
                                    const struct weir_addr *raddr,
                                    uint16_t rport, unsigned ifindex) {
    if (udp->conns.count == 0)
        return NULL;
    uint64_t h = udp_conn_hash(udp, laddr, lport, raddr, rport);
    for (struct hash_node *n = hash_first(&udp->conns, h); n;
         n = hash_next(n)) {
        struct udp_sock *s = container_of(n, struct udp_sock, conn);
        if (udp_matches(s, laddr, lport, raddr, rport, ifindex))
            return s;
    }
    return NULL;
}

static unsigned specificity(const struct udp_sock *s) {
    return (!s->ep.laddr ? 0u : 2u) + (s->ep.ifindex ? 1u : 0u);
}

/* The nth of the equals that share the port. */
static struct udp_sock *nth_sharer(const struct udp *udp, struct udp_sock *best,
                                   uint64_t hash, unsigned n) {
    for (struct hash_node *at = hash_first(&udp->ports, hash); at;
         at = hash_next(at)) {
        struct udp_sock *s = container_of(at, struct udp_sock, port);
        if (!s->connected && (s->ep.flags & EP_REUSEPORT) &&
            s->ep.lport == best->ep.lport &&
            s->ep.ifindex == best->ep.ifindex &&
            !s->ep.laddr == !best->ep.laddr &&
            (!s->ep.laddr || s->ep.laddr == best->ep.laddr) && n-- == 0)
            return s;
    }
    return best;
}

struct udp_sock *udp_lookup(const struct udp *udp,
                            const struct weir_addr *laddr, uint16_t lport,
                            const struct weir_addr *raddr, uint16_t rport,
                            unsigned ifindex) {
    struct udp_sock *best =
        lookup_conn(udp, laddr, lport, raddr, rport, ifindex);
    if (best)
        return best;
    uint64_t h = udp_port_hash(udp, lport);
    unsigned sharers = 0;
    for (struct hash_node *n = hash_first(&udp->ports, h); n;
         n = hash_next(n)) {
        struct udp_sock *s = container_of(n, struct udp_sock, port);
        if (s->connected ||
            !udp_matches(s, laddr, lport, raddr, rport, ifindex))
            continue;
        if (!best || specificity(s) > specificity(best)) {
            best = s;
            sharers = 0;
        }
        if (specificity(s) == specificity(best) && (s->ep.flags & EP_REUSEPORT))
            sharers++;
    }
    if (!best || sharers < 2 || !(best->ep.flags & EP_REUSEPORT))
        return best;
    uint64_t flow = udp_conn_hash(udp, laddr, lport, raddr, rport);
    return nth_sharer(udp, best, h, (unsigned)(flow % sharers));
}

/* May the two have the same port (Linux: udp_lib_lport_inuse)? */
static bool udp_conflict(const struct udp_sock *a, const struct udp_sock *b) {
    uint16_t both = a->ep.flags & b->ep.flags;
    if (both & (EP_REUSEADDR | EP_REUSEPORT))
        return false;
    if (a->ep.ifindex && b->ep.ifindex && a->ep.ifindex != b->ep.ifindex)
        return false;
    return !a->ep.laddr || !b->ep.laddr || a->ep.laddr == b->ep.laddr;
}

static bool is_free(const struct udp *udp, const struct udp_sock *s,
                    uint16_t port) {
    for (struct hash_node *n =
             hash_first(&udp->ports, udp_port_hash(udp, port));
         n; n = hash_next(n)) {
        const struct udp_sock *other = container_of(n, struct udp_sock, port);
        if (other->ep.lport == port && other != s && udp_conflict(s, other))
            return false;
    }
    return true;
}

int udp_take_port(struct udp *udp, struct udp_sock *s, uint16_t port) {
    struct env *env = udp->env;
    if (port && !is_free(udp, s, port))
        return env_fail(env, EADDRINUSE, WEIR_ADDR_IN_USE);
    if (!port) {
        int32_t low = env->sysctl.ip_local_port_range[0];
        uint32_t range =
            (uint32_t)(env->sysctl.ip_local_port_range[1] - low + 1);
        uint32_t start = rng_below(&env->rng, range), i = 0;
        while (i < range) {
            port = (uint16_t)((uint32_t)low + (start + i) % range);
            if (is_free(udp, s, port))
                break;
            i++;
        }
        if (i == range)
            return env_fail(env, EADDRINUSE, WEIR_NO_PORTS);
    }
    s->ep.lport = port;
    s->ep.flags |= EP_BOUND;
    hash_insert(&udp->ports, &s->port, udp_port_hash(udp, port));
    return 0;
}

int udp_port_for(struct udp *udp, struct udp_sock *s, struct weir_flow answer) {
    struct env *env = udp->env;
    answer.dport = s->ep.lport;
    if (env_has_flow(env, &answer))
        return 0;
    if (s->port_locked)
        return env_fail(env, EADDRNOTAVAIL, WEIR_ADDR_IN_USE);
    const int32_t *range = env->sysctl.ip_local_port_range;
    uint32_t n = (uint32_t)(range[1] - range[0] + 1);
    uint32_t start = rng_below(&env->rng, n);
    for (uint32_t i = 0; i < n; i++) {
        answer.dport = (uint16_t)((uint32_t)range[0] + (start + i) % n);
        if (!env_has_flow(env, &answer) || !is_free(udp, s, answer.dport))
            continue;
        udp_unlink_conn(udp, s);
        hash_remove(&udp->ports, &s->port);
        s->ep.lport = answer.dport;
        hash_insert(&udp->ports, &s->port, udp_port_hash(udp, answer.dport));
        return 0;
    }
    return env_fail(env, EAGAIN, WEIR_NO_PORTS);
}

void udp_give_port(struct udp *udp, struct udp_sock *s) {
    if (!s->ep.lport)
        return;
    hash_remove(&udp->ports, &s->port);
    s->ep.lport = 0;
    s->ep.flags &= (uint16_t)~EP_BOUND;
    s->port_locked = false;
}

void udp_link_conn(struct udp *udp, struct udp_sock *s) {
    s->connected = true;
    const struct weir_addr laddr = weir_addr_v4(s->ep.laddr);
    const struct weir_addr raddr = weir_addr_v4(s->ep.raddr);
    hash_insert(&udp->conns, &s->conn,
                udp_conn_hash(udp, &laddr, s->ep.lport, &raddr, s->ep.rport));
}

void udp_unlink_conn(struct udp *udp, struct udp_sock *s) {
    if (s->connected)
        hash_remove(&udp->conns, &s->conn);
    s->connected = false;
}

void udp_record_named(struct udp *udp, const struct udp_sock *s) {
    struct weir_event *ev =
        env_record(udp->env, WEIR_EV_NAMED, endpoint_sock(&s->ep));
    if (!ev)
        return;
    ev->named.local = s->ep.laddr;
    ev->named.remote = s->ep.raddr;
    ev->named.lport = s->ep.lport;
    ev->named.rport = s->ep.rport;
    ev->named.proto = 17;
}
