/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Local ports: who may bind what, and which port a connect() gets.
 *
 * For each port that bind() took there is a list of groups of sockets that are
 * alike in all that a conflict depends on (address, device, SO_REUSEADDR,
 * SO_REUSEPORT, listening), with a count: ten thousand accepted connections are
 * one group. Ports that connect() took are only counted, four bytes a port
 * however many connections there are; where bind() asks for such a port, the
 * connections themselves are looked at.
 * The rules are Linux's: two sockets may share a port where their addresses
 * differ, or both have SO_REUSEADDR and the other does not listen, or both have
 * SO_REUSEPORT. A port that only connect() took may be taken by connect() again
 * while the 4-tuple differs.
 */
#include <assert.h>

#include "tcp/rooms.h"

static struct tcp_port **port_slot(struct tcp *tcp, uint16_t port) {
    struct tcp_port **p = &tcp->ports[port % TCP_PORT_BUCKETS];
    while (*p && (*p)->port != port)
        p = &(*p)->next;
    return p;
}

/* All but the device. */
static bool alike(const struct tcp_bind *a, const struct tcp_bind *b) {
    return a->laddr == b->laddr && a->reuse == b->reuse &&
           a->reuseport == b->reuseport && a->listening == b->listening &&
           a->by_connect == b->by_connect;
}

static bool same_group(const struct tcp_bind *a, const struct tcp_bind *b) {
    return alike(a, b) && a->ifindex == b->ifindex;
}

static struct tcp_bind group_of(const struct endpoint *ep, bool listening,
                                bool by_connect) {
    return (struct tcp_bind){
        .laddr = ep->laddr,
        .ifindex = ep->ifindex,
        .reuse = (ep->flags & EP_REUSEADDR) != 0,
        .reuseport = (ep->flags & EP_REUSEPORT) != 0,
        .listening = listening,
        .by_connect = by_connect,
    };
}

static struct tcp_bind group_of_conn(const struct tcp_conn *c) {
    return group_of(&c->ep, false, !(c->flags & CONN_PORT_BIND));
}

static struct tcp_bind group_of_tw(const struct tcp_tw *tw) {
    return (struct tcp_bind){
        .laddr = tw->laddr,
        .reuse = (tw->node.tw_flags & TW_REUSEADDR) != 0,
        .reuseport = (tw->node.tw_flags & TW_REUSEPORT) != 0,
        .by_connect = !(tw->node.tw_flags & TW_BIND),
    };
}

/* How many hold the port by connect(); NULL where there is no memory for it.
 * `make`: it will be counted up. */
static uint32_t *connects(struct tcp *tcp, uint16_t port, bool make) {
    struct tcp_connects **slot = &tcp->connects[port / TCP_CONNECTS];
    if (!*slot && make)
        *slot = arena_zalloc(tcp->env->arena, sizeof(**slot));
    return *slot ? &(*slot)->count[port % TCP_CONNECTS] : NULL;
}

static bool hold_by_connect(struct tcp *tcp, uint16_t port) {
    uint32_t *count = connects(tcp, port, true);
    if (!count)
        return false;
    ++*count;
    tcp->connects[port / TCP_CONNECTS]->sum++;
    return true;
}

static void let_go_by_connect(struct tcp *tcp, uint16_t port) {
    struct tcp_connects **slot = &tcp->connects[port / TCP_CONNECTS];
    uint32_t *count = connects(tcp, port, false);
    assert(count && *count);
    --*count;
    if (--(*slot)->sum == 0) {
        arena_free(tcp->env->arena, *slot, sizeof(**slot));
        *slot = NULL;
    }
}

/* False: no memory. */
static bool hold(struct tcp *tcp, uint16_t port, const struct tcp_bind *want) {
    if (want->by_connect)
        return hold_by_connect(tcp, port);
    struct weir_arena *a = tcp->env->arena;
    struct tcp_port **slot = port_slot(tcp, port);
    if (!*slot) {
        if (!(*slot = arena_zalloc(a, sizeof(**slot))))
            return false;
        (*slot)->port = port;
    }
    struct tcp_bind *b = (*slot)->binds;
    while (b && !same_group(b, want))
        b = b->next;
    if (!b) {
        if (!(b = arena_alloc(a, sizeof(*b))))
            return false; /* an empty tcp_port does no harm */
        *b = *want;
        b->count = 0;
        b->next = (*slot)->binds;
        (*slot)->binds = b;
    }
    b->count++;
    return true;
}

static void let_go(struct tcp *tcp, uint16_t port, const struct tcp_bind *was) {
    if (was->by_connect) {
        let_go_by_connect(tcp, port);
        return;
    }
    struct weir_arena *a = tcp->env->arena;
    struct tcp_port **slot = port_slot(tcp, port);
    assert(*slot);
    struct tcp_bind **b = &(*slot)->binds;
    while (*b && !same_group(*b, was))
        b = &(*b)->next;
    if (!*b) /* SO_BINDTODEVICE came after bind() */
        for (b = &(*slot)->binds; *b && !alike(*b, was);)
            b = &(*b)->next;
    assert(*b);
    if (--(*b)->count == 0) {
        struct tcp_bind *gone = *b;
        *b = gone->next;
        arena_free(a, gone, sizeof(*gone));
    }
    if (!(*slot)->binds) {
        struct tcp_port *gone = *slot;
        *slot = gone->next;
        arena_free(a, gone, sizeof(*gone));
    }
}

/* `relax`: SO_REUSEADDR and SO_REUSEPORT count (a port that was asked for, not
 * one to be found). */
static bool conflict(const struct tcp_bind *b, const struct tcp_bind *want,
                     bool relax) {
    if (b->ifindex && want->ifindex && b->ifindex != want->ifindex)
        return false;
    if (b->laddr && want->laddr && b->laddr != want->laddr)
        return false;
    if (relax && b->reuse && want->reuse && !b->listening)
        return false;
    if (relax && b->reuseport && want->reuseport)
        return false;
    return true;
}

/* What a node of the hash holds by connect(); false: nothing. */
static bool holds_by_connect(struct tcp_node *n, struct tcp_bind *group,
                             uint16_t *port) {
    if (n->kind == TCP_NODE_CONN) {
        const struct tcp_conn *c = tcp_conn_of_node(n);
        *group = group_of_conn(c);
        *port = c->ep.lport;
        return c->flags & CONN_PORT && group->by_connect;
    }
    if (n->kind != TCP_NODE_TW || !(n->tw_flags & TW_PORT))
        return false;
    const struct tcp_tw *tw = tcp_tw_of(n);
    *group = group_of_tw(tw);
    *port = tw->lport;
    return group->by_connect;
}

/* Mark the ports on which a connection stands in the way. */
static void mark_conflicts(struct tcp *tcp, const struct tcp_bind *want,
                           bool relax, uint8_t taken[8192]) {
    struct tcp_bind b;
    uint16_t port;
    struct tcp_walk at = {0};
    struct tcp_node *n;
    while ((n = tcp_walk(tcp, &at)))
        if (holds_by_connect(n, &b, &port) && conflict(&b, want, relax))
            taken[port / 8] |= (uint8_t)(1u << port % 8);
}

static bool binds_conflict(struct tcp *tcp, uint16_t port,
                           const struct tcp_bind *want, bool relax) {
    const struct tcp_port *p = *port_slot(tcp, port);
    for (const struct tcp_bind *b = p ? p->binds : NULL; b; b = b->next)
        if (conflict(b, want, relax))
            return true;
    return false;
}

static bool connected_to(struct tcp *tcp, uint16_t port) {
    const uint32_t *count = connects(tcp, port, false);
    return count && *count;
}

static bool port_conflicts(struct tcp *tcp, uint16_t port,
                           const struct tcp_bind *want, bool relax) {
    if (binds_conflict(tcp, port, want, relax))
        return true;
    if (!connected_to(tcp, port))
        return false;
    uint8_t taken[8192] = {0};
    mark_conflicts(tcp, want, relax, taken);
    return taken[port / 8] >> port % 8 & 1;
}

static int take(struct tcp *tcp, struct tcp_conn *c, uint16_t port) {
    const struct tcp_bind want = group_of_conn(c);
    if (!hold(tcp, port, &want))
        return env_fail(tcp->env, ENOMEM, WEIR_NOMEM);
    c->ep.lport = port;
    c->flags |= CONN_PORT;
    return 0;
}

int tcp_port_bind(struct tcp *tcp, struct tcp_conn *c, uint16_t port) {
    c->flags |= CONN_PORT_BIND;
    const struct tcp_bind want = group_of_conn(c);
    if (port_conflicts(tcp, port, &want, true))
        return env_fail(tcp->env, EADDRINUSE, WEIR_ADDR_IN_USE);
    return take(tcp, c, port);
}

/* The range as a circle: all ports of one parity, then all of the other.
 * bind() begins among the odd ones, connect() among the even ones, so that the
 * two do not get in each other's way (as on Linux). */
static uint16_t nth_port(const struct sysctl *s, uint32_t place,
                         uint32_t parity) {
    uint32_t low = (uint32_t)s->ip_local_port_range[0];
    uint32_t n = (uint32_t)s->ip_local_port_range[1] - low + 1;
    uint32_t x = place % n, first = (n + 1 - parity) / 2;
    uint32_t k = x < first ? 2 * x + parity : 2 * (x - first) + 1 - parity;
    return (uint16_t)(low + k);
}

static uint32_t range_size(const struct sysctl *s) {
    return (uint32_t)(s->ip_local_port_range[1] - s->ip_local_port_range[0] +
                      1);
}

/* Any port without a conflict, from a random place on; `taken`: what stands in
 * the way of those that connect() holds. 0: none. */
static uint16_t search(struct tcp *tcp, const struct tcp_bind *want,
                       const uint8_t *taken) {
    const struct sysctl *s = &tcp->env->sysctl;
    uint32_t n = range_size(s), half = n / 2 ? n / 2 : 1;
    uint32_t start = rng_below(&tcp->env->rng, half);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t port = nth_port(s, start + i, 1);
        bool held =
            taken ? taken[port / 8] >> port % 8 & 1 : connected_to(tcp, port);
        if (!held && !binds_conflict(tcp, port, want, false))
            return port;
    }
    return 0;
}

int tcp_port_any(struct tcp *tcp, struct tcp_conn *c) {
    c->flags |= CONN_PORT_BIND;
    const struct tcp_bind want = group_of_conn(c);
    uint16_t port = search(tcp, &want, NULL);
    if (!port) { /* one that connections elsewhere hold */
        uint8_t taken[8192] = {0};
        mark_conflicts(tcp, &want, false, taken);
        port = search(tcp, &want, taken);
    }
    if (port)
        return take(tcp, c, port);
    return env_fail(tcp->env, EADDRINUSE, WEIR_NO_PORTS);
}

/* Is the tuple free? A TIME_WAIT that may be reused makes way. */
static bool tuple_free(struct tcp *tcp, const struct tcp_tuple *t, bool bound,
                       struct tcp_tw **before) {
    struct tcp_node *n = tcp_lookup(tcp, t);
    *before = n && n->kind == TCP_NODE_TW ? tcp_tw_of(n) : NULL;
    return !n || (*before && tcp_tw_reusable(tcp, *before, bound));
}

/* Of several stacks with one address: do the answers come to this one? */
static bool answers_come_here(const struct tcp *tcp,
                              const struct tcp_tuple *t) {
    const struct weir_flow answer = {
        .src = t->raddr, .dst = t->laddr, .sport = t->rport, .dport = t->lport};
    return env_has_flow(tcp->env, &answer);
}

static bool bound_by_bind(struct tcp *tcp, uint16_t port) {
    const struct tcp_port *p = *port_slot(tcp, port);
    return p && p->binds;
}

/* RFC 6056 3.3.4: from a keyed hash of the destination, then onwards. */
int tcp_port_connect(struct tcp *tcp, struct tcp_conn *c,
                     struct tcp_tw **before) {
    struct tcp_tuple t = tcp_conn_tuple(c);
    if (c->flags & CONN_PORT) {
        if (tuple_free(tcp, &t, true, before) && answers_come_here(tcp, &t))
            return 0;
        return env_fail(tcp->env, EADDRNOTAVAIL, WEIR_ADDR_IN_USE);
    }
    const struct sysctl *s = &tcp->env->sysctl;
    uint32_t n = range_size(s);
    const uint32_t key[3] = {t.laddr, t.raddr, t.rport};
    uint64_t h = siphash(tcp->port_key, key, sizeof(key));
    uint32_t *turn = &tcp->port_turn[h % 64];
    uint32_t start = (uint32_t)(h >> 32) % (n / 2 ? n / 2 : 1) + *turn;
    for (uint32_t i = 0; i < n; i++) {
        t.lport = nth_port(s, start + i, 0);
        if (!answers_come_here(tcp, &t) || bound_by_bind(tcp, t.lport) ||
            !tuple_free(tcp, &t, false, before))
            continue;
        *turn = (*turn + i + 1) % n;
        uint16_t port = t.lport;
        t.lport = nth_port(s, start + i + 1, 0); /* the next one's */
        tags_prefetch(&tcp->table, tcp_tuple_hash(tcp, &t));
        return take(tcp, c, port);
    }
    return env_fail(tcp->env, EADDRNOTAVAIL, WEIR_NO_PORTS);
}

void tcp_port_share(struct tcp *tcp, struct tcp_conn *child) {
    const struct tcp_bind want = group_of_conn(child);
    if (hold(tcp, child->ep.lport, &want))
        child->flags |= CONN_PORT;
}

void tcp_port_release(struct tcp *tcp, struct tcp_conn *c) {
    if (!(c->flags & CONN_PORT))
        return;
    tcp_port_lift(tcp, c);
    c->flags &= ~(uint32_t)CONN_PORT;
}

void tcp_port_to_tw(struct tcp *tcp, struct tcp_conn *c, struct tcp_tw *tw) {
    uint16_t flags = 0;
    if (c->ep.flags & EP_REUSEADDR)
        flags |= TW_REUSEADDR;
    if (c->ep.flags & EP_REUSEPORT)
        flags |= TW_REUSEPORT;
    if (c->flags & CONN_PORT_BIND)
        flags |= TW_BIND;
    tw->node.tw_flags |= flags;
    const struct tcp_bind want = group_of_tw(tw);
    if (c->flags & CONN_PORT && hold(tcp, tw->lport, &want))
        tw->node.tw_flags |= TW_PORT;
    if (!(c->flags & CONN_PORT_LOCK))
        tcp_port_release(tcp, c);
}

void tcp_port_release_tw(struct tcp *tcp, struct tcp_tw *tw) {
    if (!(tw->node.tw_flags & TW_PORT))
        return;
    const struct tcp_bind was = group_of_tw(tw);
    let_go(tcp, tw->lport, &was);
}

void tcp_port_lift(struct tcp *tcp, struct tcp_conn *c) {
    if (!(c->flags & CONN_PORT))
        return;
    const struct tcp_bind was = group_of_conn(c);
    let_go(tcp, c->ep.lport, &was);
}

void tcp_port_put(struct tcp *tcp, struct tcp_conn *c) {
    if (!(c->flags & CONN_PORT))
        return;
    const struct tcp_bind want = group_of_conn(c);
    if (!hold(tcp, c->ep.lport, &want))
        c->flags &= ~(uint32_t)CONN_PORT;
}

int tcp_port_listen(struct tcp *tcp, struct tcp_conn *c,
                    struct tcp_listener *l) {
    uint16_t port = c->ep.lport;
    const struct tcp_bind want = group_of(&c->ep, true, false);
    tcp_port_lift(tcp, c); /* not in conflict with itself */
    bool bad = port_conflicts(tcp, port, &want, true);
    if (bad || !hold(tcp, port, &want)) {
        tcp_port_put(tcp, c);
        return bad ? env_fail(tcp->env, EADDRINUSE, WEIR_ADDR_IN_USE)
                   : env_fail(tcp->env, ENOMEM, WEIR_NOMEM);
    }
    c->flags &= ~(uint32_t)CONN_PORT;
    struct tcp_listener **head = &tcp->listeners[port % TCP_LISTEN_BUCKETS];
    l->next = *head;
    l->prev = NULL;
    if (*head)
        (*head)->prev = l;
    *head = l;
    return 0;
}

void tcp_port_listener_lift(struct tcp *tcp, struct tcp_listener *l) {
    const struct tcp_bind was = group_of(&l->ep, true, false);
    let_go(tcp, l->ep.lport, &was);
}

void tcp_port_listener_put(struct tcp *tcp, struct tcp_listener *l) {
    const struct tcp_bind want = group_of(&l->ep, true, false);
    bool held = hold(tcp, l->ep.lport, &want);
    assert(held); /* its place was given back a moment ago */
}

void tcp_port_unlisten(struct tcp *tcp, struct tcp_listener *l) {
    tcp_port_listener_lift(tcp, l);
    if (l->next)
        l->next->prev = l->prev;
    if (l->prev)
        l->prev->next = l->next;
    else
        tcp->listeners[l->ep.lport % TCP_LISTEN_BUCKETS] = l->next;
}
