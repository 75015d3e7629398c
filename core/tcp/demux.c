/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which connection a segment belongs to: one table (base/tags.h), hashed with a
 * key so that nobody outside can choose collisions, by the 4-tuple, for
 * connections, half-open ones and TIME_WAIT alike. Sockets without a tuple are
 * kept in a table of their own, so that all are found by walking both.
 * Listeners are by port.
 */
#include <assert.h>

#include "tcp/rooms.h"

/* Multilinear hashing (Dietzfelbinger, 1996; Lemire and Kaser, 2014): with
 * secret keys no choice of tuples collides more often than chance would. */
uint32_t tcp_tuple_hash(const struct tcp *tcp, const struct tcp_tuple *t) {
    const uint64_t *k = tcp->tuple_key;
    uint64_t sum = k[0] + k[1] * t->laddr + k[2] * t->raddr +
                   k[3] * ((uint32_t)t->lport << 16 | t->rport);
    return (uint32_t)(sum >> 32);
}

/* For those without a tuple: by their place, which is the same in each run. */
static uint32_t place_hash(const struct tcp *tcp, const struct tcp_conn *c) {
    uint64_t off = (uint64_t)((const char *)c - (const char *)tcp);
    return (uint32_t)(off * 0x9e3779b97f4a7c15ull >> 32);
}

struct tcp_tuple tcp_tw_tuple(const struct tcp_tw *tw) {
    return (struct tcp_tuple){tw->laddr, tw->raddr, tw->lport, tw->rport};
}

static uint32_t conn_hash(const struct tcp *tcp, const struct tcp_conn *c) {
    const struct tcp_tuple t = tcp_conn_tuple(c);
    return tcp_tuple_hash(tcp, &t);
}

void tcp_hash_conn(struct tcp *tcp, struct tcp_conn *c, bool by_tuple) {
    if (by_tuple) {
        c->flags |= CONN_HASHED;
        tags_insert(&tcp->table, &c->node.tag, conn_hash(tcp, c));
    } else {
        c->flags &= ~(uint32_t)CONN_HASHED;
        tags_insert(&tcp->loose, &c->node.tag, place_hash(tcp, c));
    }
}

void tcp_unhash_conn(struct tcp *tcp, struct tcp_conn *c) {
    if (tcp->recent == c)
        tcp->recent = NULL;
    if (c->flags & CONN_HASHED)
        tags_remove(&tcp->table, &c->node.tag, conn_hash(tcp, c));
    else
        tags_remove(&tcp->loose, &c->node.tag, place_hash(tcp, c));
}

void tcp_hash_node(struct tcp *tcp, struct tcp_node *n,
                   const struct tcp_tuple *t) {
    tags_insert(&tcp->table, &n->tag, tcp_tuple_hash(tcp, t));
}

void tcp_hash_conn_for(struct tcp *tcp, struct tcp_conn *c,
                       struct tcp_request *r) {
    c->flags |= CONN_HASHED;
    tags_replace(&tcp->table, &r->node.tag, &c->node.tag, conn_hash(tcp, c));
}

void tcp_unhash_node(struct tcp *tcp, struct tcp_node *n,
                     const struct tcp_tuple *t) {
    tags_remove(&tcp->table, &n->tag, tcp_tuple_hash(tcp, t));
}

static bool node_is(struct tcp_node *n, const struct tcp_tuple *t) {
    const struct tcp_conn *c;
    const struct tcp_request *r;
    const struct tcp_tw *tw;
    switch ((enum tcp_node_kind)n->kind) {
    case TCP_NODE_CONN:
        c = tcp_conn_of_node(n);
        return c->ep.lport == t->lport && c->ep.rport == t->rport &&
               c->ep.raddr == t->raddr && c->ep.laddr == t->laddr;
    case TCP_NODE_REQUEST:
        r = tcp_request_of(n);
        return r->t.lport == t->lport && r->t.rport == t->rport &&
               r->t.raddr == t->raddr && r->t.laddr == t->laddr;
    case TCP_NODE_TW:
        tw = tcp_tw_of(n);
        return tw->lport == t->lport && tw->rport == t->rport &&
               tw->raddr == t->raddr && tw->laddr == t->laddr;
    }
    return false;
}

struct tcp_node *tcp_lookup(struct tcp *tcp, const struct tcp_tuple *t) {
    if (tcp->recent && node_is(&tcp->recent->node, t))
        return &tcp->recent->node;
    const struct tags *table = &tcp->table;
    uint32_t hash = tcp_tuple_hash(tcp, t);
    const uint64_t *e = tags_first(table, hash);
    for (; e; e = tags_next(table, e, hash)) {
        struct tcp_node *n = tcp_node_of(tags_node(table, *e));
        tcp_near(n);
        if (!node_is(n, t))
            continue;
        if (n->kind == TCP_NODE_CONN)
            tcp->recent = tcp_conn_of_node(n);
        return n;
    }
    return NULL;
}

void tcp_lookup_soon(struct tcp *tcp, const struct tcp_conn *c) {
    tags_prefetch(&tcp->table, conn_hash(tcp, c));
}

struct tcp_node *tcp_walk(struct tcp *tcp, struct tcp_walk *at) {
    for (; at->loose < 2; at->loose++, at->line = 0) {
        const struct tags *t = at->loose ? &tcp->loose : &tcp->table;
        for (; at->line < t->n; at->line++, at->place = 0) {
            struct tag_node *tag = tags_nth(t, at->line, at->place);
            if (tag) {
                at->place++;
                return tcp_node_of(tag);
            }
        }
    }
    return NULL;
}

/* How well a listener fits, as Linux scores; -1: not at all. */
static int listener_score(const struct tcp_listener *l,
                          const struct tcp_tuple *t, unsigned ifindex) {
    if (l->ep.lport != t->lport)
        return -1;
    int score = 0;
    if (l->ep.laddr) {
        if (l->ep.laddr != t->laddr)
            return -1;
        score += 2;
    }
    if (l->ep.ifindex) {
        if (l->ep.ifindex != ifindex)
            return -1;
        score += 1;
    }
    return score;
}

/* Ports that follow each other are to fall on listeners as if by chance, which
 * the sums of tcp_tuple_hash do not promise. */
static uint32_t share_hash(const struct tcp *tcp, const struct tcp_tuple *t) {
    return (uint32_t)siphash(tcp->env->hash_key, t, sizeof(*t));
}
_Static_assert(sizeof(struct tcp_tuple) == 12, "no padding is hashed");

/* SO_REUSEPORT: of listeners that fit equally well, a hash of the tuple picks
 * one, so that a connection's segments agree. */
struct tcp_listener *tcp_lookup_listener(struct tcp *tcp,
                                         const struct tcp_tuple *t,
                                         unsigned ifindex) {
    struct tcp_listener *best = NULL;
    int best_score = -1;
    uint32_t same = 0, hash = 0;
    struct tcp_listener *l = tcp->listeners[t->lport % TCP_LISTEN_BUCKETS];
    for (; l; l = l->next) {
        int score = listener_score(l, t, ifindex);
        if (score < 0 || score < best_score)
            continue;
        if (score > best_score) {
            best = l;
            best_score = score;
            same = 1;
            continue;
        }
        if (!hash)
            hash = share_hash(tcp, t) | 1;
        same++;
        if ((hash >> 1) % same == 0)
            best = l;
    }
    return best;
}
