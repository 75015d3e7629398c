/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which connection a segment belongs to: one hash, keyed so that nobody outside
 * can choose collisions, on the 4-tuple, for connections, half-open ones and
 * TIME_WAIT alike. Sockets without a tuple lie in the same buckets (so that all
 * are found by walking them) but are never found by a segment. Listeners are by
 * port.
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
    if (!(c->flags & CONN_HASHED))
        return place_hash(tcp, c);
    const struct tcp_tuple t = tcp_conn_tuple(c);
    return tcp_tuple_hash(tcp, &t);
}

static uint32_t node_hash(const struct tcp *tcp, struct tcp_node *n) {
    struct tcp_tuple t;
    switch ((enum tcp_node_kind)n->kind) {
    case TCP_NODE_CONN:
        return conn_hash(tcp, tcp_conn_of_node(n));
    case TCP_NODE_REQUEST:
        return tcp_tuple_hash(tcp, &tcp_request_of(n)->t);
    case TCP_NODE_TW:
        t = tcp_tw_tuple(tcp_tw_of(n));
        return tcp_tuple_hash(tcp, &t);
    }
    assert(!"a node has a kind");
    return 0;
}

/* One more bucket, for a part of the nodes of another. */
static void grow(struct tcp *tcp) {
    struct buckets_split s;
    if (!buckets_split(&tcp->buckets, &s))
        return;
    struct chain *stay = s.from, *go = s.to;
    while (stay->next) {
        struct chain *link = stay->next;
        if (node_hash(tcp, tcp_node_of(link)) & s.bit) {
            stay->next = link->next;
            link->next = NULL;
            go = go->next = link;
        } else {
            stay = link;
        }
    }
}

static void insert(struct tcp *tcp, struct tcp_node *n, uint32_t hash) {
    if (tcp->nodes++ > tcp->buckets.n)
        grow(tcp);
    struct chain *head = buckets_home(&tcp->buckets, hash);
    n->link.next = head->next;
    head->next = &n->link;
}

static void take_out(struct tcp *tcp, struct tcp_node *n, uint32_t hash) {
    struct chain *before = buckets_home(&tcp->buckets, hash);
    while (before->next != &n->link) {
        assert(before->next);
        before = before->next;
    }
    before->next = n->link.next;
    n->link.next = NULL;
    tcp->nodes--;
}

void tcp_hash_conn(struct tcp *tcp, struct tcp_conn *c, bool by_tuple) {
    if (by_tuple)
        c->flags |= CONN_HASHED;
    else
        c->flags &= ~(uint32_t)CONN_HASHED;
    insert(tcp, &c->node, conn_hash(tcp, c));
}

void tcp_unhash_conn(struct tcp *tcp, struct tcp_conn *c) {
    take_out(tcp, &c->node, conn_hash(tcp, c));
}

void tcp_hash_node(struct tcp *tcp, struct tcp_node *n,
                   const struct tcp_tuple *t) {
    insert(tcp, n, tcp_tuple_hash(tcp, t));
}

void tcp_unhash_node(struct tcp *tcp, struct tcp_node *n,
                     const struct tcp_tuple *t) {
    take_out(tcp, n, tcp_tuple_hash(tcp, t));
}

static bool node_is(struct tcp_node *n, const struct tcp_tuple *t) {
    const struct tcp_conn *c;
    const struct tcp_request *r;
    const struct tcp_tw *tw;
    switch ((enum tcp_node_kind)n->kind) {
    case TCP_NODE_CONN:
        c = tcp_conn_of_node(n);
        return c->flags & CONN_HASHED && c->ep.lport == t->lport &&
               c->ep.rport == t->rport && c->ep.raddr == t->raddr &&
               c->ep.laddr == t->laddr;
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
    struct chain *at = buckets_home(&tcp->buckets, tcp_tuple_hash(tcp, t));
    while ((at = at->next))
        if (node_is(tcp_node_of(at), t))
            return tcp_node_of(at);
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
