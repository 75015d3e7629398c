/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of connections and of TCP itself: create, destroy, the work block
 * that comes and goes, and the pass in which everything that has something to
 * send does so, once.
 */
#include "tcp/rooms.h"

#include "base/hint.h"

#include "pkt/pkt.h"

APART static void input_any(struct tcp *tcp, struct weir_pkt *pkt,
                            const struct ip_rx *rx) {
    struct env *env = tcp->env;
    struct tcp_segment seg;
    enum weir_reason why = tcp_segment_parse(&seg, pkt, rx);
    if (why == WEIR_NONE && rx->broadcast)
        why = WEIR_OTHERHOST; /* RFC 9293 3.9.2.3 (MUST-57): no TCP there */
    if (why == WEIR_TCP_CSUM)
        COUNT(env, Tcp, InCsumErrors);
    if (why != WEIR_NONE) {
        COUNT(env, Tcp, InErrs);
        tcp_segment_drop(env, &seg, why, 0);
        return;
    }
    tcp_input(tcp, &seg);
}

static void proto_input(void *room, struct weir_pkt *pkt,
                        const struct ip_rx *rx) {
    struct tcp *tcp = room;
    COUNT(tcp->env, Tcp, InSegs);
    if (!tcp_may_predict(pkt) || !tcp_predict(tcp, pkt, rx))
        input_any(tcp, pkt, rx);
}

static void proto_error(void *room, const struct ip_rx_error *err) {
    tcp_icmp_error(room, err);
}

const struct ip_proto tcp_proto = {
    .proto = 6,
    .input = proto_input,
    .error = proto_error,
};

struct tcp *tcp_create(struct env *env, struct ip *ip) {
    struct tcp *tcp = arena_zalloc(env->arena, sizeof(*tcp));
    if (!tcp)
        return NULL;
    tcp->env = env;
    tcp->ip = ip;
    list_init(&tcp->owing);
    if (!tags_init(&tcp->table, env->arena) ||
        !tags_init(&tcp->loose, env->arena)) {
        tags_fini(&tcp->table);
        arena_free(env->arena, tcp, sizeof(*tcp));
        return NULL;
    }
    uint8_t *keys[] = {tcp->port_key, tcp->isn_key, tcp->ts_key};
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 16; j += 8) {
            uint64_t r = rng_u64(&env->rng);
            memcpy(keys[i] + j, &r, 8);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        tcp->tuple_key[i] = rng_u64(&env->rng);
    return tcp;
}

static void destroy_node(struct tcp *tcp, struct tcp_node *n) {
    switch ((enum tcp_node_kind)n->kind) {
    case TCP_NODE_CONN:
        tcp_conn_destroy(tcp, tcp_conn_of_node(n));
        return;
    case TCP_NODE_REQUEST:
        tcp_request_end(tcp, tcp_request_of(n), WEIR_NONE);
        return;
    case TCP_NODE_TW:
        tcp_tw_end(tcp, tcp_tw_of(n), WEIR_NONE);
        return;
    }
}

static void destroy_all(struct tcp *tcp, const struct tags *t) {
    struct tag_node *tag;
    for (size_t i = 0; i < t->n; i++)
        while ((tag = tags_nth(t, i, 0)))
            destroy_node(tcp, tcp_node_of(tag));
}

static void free_pools(struct tcp *tcp) {
    struct weir_arena *a = tcp->env->arena;
    while (tcp->tx_pool) {
        struct tcp_tx *tx = tcp->tx_pool;
        tcp->tx_pool = tx->next;
        arena_free(a, tx, sizeof(*tx));
    }
    tcp_output_pass(tcp); /* frees what waits in the lists; sends nothing */
    while (tcp->reply_pool) {
        struct tcp_reply *r = tcp->reply_pool;
        tcp->reply_pool = r->next;
        arena_free(a, r, sizeof(*r));
    }
}

void tcp_destroy(struct tcp *tcp) {
    tcp->destroying = true;
    destroy_all(tcp, &tcp->table);
    destroy_all(tcp, &tcp->loose);
    for (unsigned i = 0; i < TCP_LISTEN_BUCKETS; i++)
        while (tcp->listeners[i])
            tcp_listener_free(tcp, tcp->listeners[i]);
    wheel_disarm(tcp->env->wheel, &tcp->tw_timer);
    free_pools(tcp);
    tags_fini(&tcp->table);
    tags_fini(&tcp->loose);
    arena_free(tcp->env->arena, tcp, sizeof(*tcp));
}

struct tcp_conn *tcp_conn_create(struct tcp *tcp) {
    struct env *env = tcp->env;
    struct tcp_conn *c = arena_zalloc(env->arena, sizeof(*c));
    if (!c)
        return NULL;
    c->ep.handle = -1;
    c->ep.kind = ENDPOINT_TCP;
    c->ep.pmtudisc = 1; /* IP_PMTUDISC_WANT */
    c->ep.laddr = 0;
    c->ep.raddr = 0;
    c->node.kind = TCP_NODE_CONN;
    tcp_state_init(&c->node, WEIR_TCP_CLOSED);
    c->ssthresh = UINT32_MAX;
    c->peer_mss = 536; /* RFC 9293 3.7.1 (MUST-15) */
    c->mss = 536;
    c->rcvbuf = (uint32_t)env->sysctl.tcp_rmem[1];
    c->sndbuf = (uint32_t)env->sysctl.tcp_wmem[1];
    tcp->conns++;
    return c;
}

struct endpoint *tcp_socket(struct tcp *tcp) {
    struct tcp_conn *c = tcp_conn_create(tcp);
    if (!c)
        return NULL;
    tcp_hash_conn(tcp, c, false);
    return &c->ep;
}

static void work_clear(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    wheel_disarm(tcp->env->wheel, &w->visit);
    list_remove(&w->owing);
    tcp_tx_clear(tcp, c);
    tcp_sendq_clear(tcp, w);
    tcp_recvq_clear(tcp, w);
    tcp_ofo_clear(tcp, w);
}

APART static void work_free(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    work_clear(tcp, c);
    arena_free(tcp->env->arena, w, sizeof(*w));
    c->work = NULL;
}

static void conn_free(struct tcp *tcp, struct tcp_conn *c) {
    arena_free(tcp->env->arena, c, sizeof(*c));
}

void tcp_conn_destroy(struct tcp *tcp, struct tcp_conn *c) {
    if (c->work && c->work->parent)
        tcp_accept_remove(tcp, c);
    tcp_unhash_conn(tcp, c);
    tcp_port_release(tcp, c);
    wheel_disarm(tcp->env->wheel, &c->timer);
    endpoint_untouch(tcp->env, &c->ep);
    endpoint_release(tcp->env, &c->ep);
    if (c->work && c->flags & CONN_DIRTY)
        work_clear(tcp, c); /* the list still goes through it */
    else if (c->work)
        work_free(tcp, c);
    if (c->opt)
        arena_free(tcp->env->arena, c->opt, sizeof(*c->opt));
    c->opt = NULL;
    if (c->flags & CONN_ORPHAN)
        tcp->orphans--;
    tcp->conns--;
    if (c->flags & CONN_DIRTY)
        c->flags |= CONN_GONE;
    else
        conn_free(tcp, c);
}

APART static struct tcp_work *work_new(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = arena_zalloc(tcp->env->arena, sizeof(*w));
    if (!w)
        return NULL;
    w->conn = c;
    w->xmit_due = w->delack_due = WEIR_NEVER;
    list_init(&w->owing);
    w->space_since = w->rtt_since = tcp->env->now;
    tcp_sendq_init(w, c->snd.nxt);
    w->wnd_max = c->snd.wnd;
    w->copied = seq_sub(c->rcv.nxt, (c->flags & CONN_FIN_RCVD) != 0);
    w->small_end = c->snd.una;
    w->rack.reo_wnd_mult = 1;
    w->rack.fack = c->snd.una;
    w->rack.min_rtt_us = UINT32_MAX;
    w->rack.end = c->snd.una;
    w->rcv_mss = c->adv_mss < 536 ? c->adv_mss : 536;
    w->quickack = c->flags & CONN_NO_QUICKACK ? 0 : 16;
    w->space_seq = w->rtt_seq = c->rcv.nxt;
    c->work = w;
    tcp_visit_arm(tcp, w);
    if (c->flags & CONN_HASHED) /* it was at rest; an answer will look for it */
        tcp_lookup_soon(tcp, c);
    return w;
}

struct tcp_work *tcp_work_get(struct tcp *tcp, struct tcp_conn *c) {
    return c->work ? c->work : work_new(tcp, c);
}

/* Nothing queued, in flight, out of order, owed or remembered. */
static inline bool at_rest(const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    const uint32_t pending = CONN_DIRTY | CONN_ACK_NOW | CONN_ACK_LATER |
                             CONN_URG_SEND | CONN_URG_WAIT | CONN_URG_HERE |
                             CONN_URG_READ | CONN_SNDQ_FULL;
    uint32_t busy = (c->flags & pending) | w->sendq.bytes | w->rcvq.bytes |
                    w->soft_error | (w->xmit_timer ^ XMIT_NONE);
    return !busy && !w->parent && !w->tx.head && !tcp_owes_sack(w);
}

APART static void rest(struct tcp *tcp, struct tcp_conn *c) {
    if (tcp_in(c, IN(SYN_SENT) | IN(SYN_RECV)))
        return;
    if (tcp_state(c) == WEIR_TCP_CLOSED)
        work_free(tcp, c);
    else if (!wtimer_armed(&c->work->visit))
        tcp_visit_arm(tcp, c->work);
}

void tcp_work_rest(struct tcp *tcp, struct tcp_conn *c) {
    if (c->work && at_rest(c))
        rest(tcp, c);
}

bool tcp_work_visited(struct tcp *tcp, struct tcp_conn *c) {
    uint32_t now_ms = tcp_now_ms(tcp);
    const uint32_t since = TCP_VISIT_NS / NS_PER_MS;
    if (now_ms - c->rx_ms < since || now_ms - c->tx_ms < since) {
        tcp_visit_arm(tcp, c->work);
        return true;
    }
    if (!at_rest(c) || tcp_in(c, IN(SYN_SENT) | IN(SYN_RECV)))
        return true;
    work_free(tcp, c);
    return false;
}

struct tcp_opts *tcp_opts_get(struct tcp *tcp, struct tcp_opts **slot) {
    if (!*slot && (*slot = arena_zalloc(tcp->env->arena, sizeof(**slot)))) {
        (*slot)->keep_due = WEIR_NEVER;
        (*slot)->linger_s = -1;
        (*slot)->rcvlowat = 1;
    }
    return *slot;
}

void tcp_dirty(struct tcp *tcp, struct tcp_conn *c) {
    if (c->flags & CONN_DIRTY || tcp_state(c) == WEIR_TCP_CLOSED ||
        !tcp_work_get(tcp, c)) /* no memory to send with: the peer asks again */
        return;
    c->flags |= CONN_DIRTY;
    c->work->out_cause = tcp->env->cause;
    c->work->dirty_next = NULL;
    if (tcp->dirty_tail)
        tcp->dirty_tail->work->dirty_next = c;
    else
        tcp->dirty_head = c;
    tcp->dirty_tail = c;
}

void tcp_ack_now(struct tcp *tcp, struct tcp_conn *c) {
    c->flags |= CONN_ACK_NOW;
    tcp_dirty(tcp, c);
}

void tcp_request_dirty(struct tcp *tcp, struct tcp_request *r) {
    if (r->flags & REQ_DIRTY)
        return;
    r->flags |= REQ_DIRTY;
    r->cause = tcp->env->cause;
    r->dirty_next = NULL;
    if (tcp->dirty_request_tail)
        tcp->dirty_request_tail->dirty_next = r;
    else
        tcp->dirty_request_head = r;
    tcp->dirty_request_tail = r;
}

APART static void requests_pass(struct tcp *tcp) {
    while (tcp->dirty_request_head) {
        struct tcp_request *r = tcp->dirty_request_head;
        tcp->dirty_request_head = r->dirty_next;
        if (!tcp->dirty_request_head)
            tcp->dirty_request_tail = NULL;
        r->flags = (uint8_t)(r->flags & ~REQ_DIRTY);
        if (r->flags & REQ_GONE) {
            arena_free(tcp->env->arena, r, sizeof(*r));
            continue;
        }
        tcp->env->cause = r->cause;
        tcp_request_send(tcp, r);
    }
}

void tcp_output_pass(struct tcp *tcp) {
    struct env *env = tcp->env;
    weir_event_id cause = env->cause;
    if (tcp->replies)
        tcp_replies_send(tcp);
    if (tcp->dirty_request_head)
        requests_pass(tcp);
    while (tcp->dirty_head) {
        struct tcp_conn *c = tcp->dirty_head;
        tcp->dirty_head = c->work->dirty_next;
        if (!tcp->dirty_head)
            tcp->dirty_tail = NULL;
        c->flags &= ~(uint32_t)CONN_DIRTY;
        if (c->flags & CONN_GONE) {
            work_free(tcp, c);
            conn_free(tcp, c);
            continue;
        }
        env->cause = c->work->out_cause;
        tcp_output(tcp, c);
    }
    if (tcp->replies)
        tcp_replies_send(tcp);
    tcp_delacks_arm(tcp);
    env->cause = cause;
}

bool tcp_pending(const struct tcp *tcp) {
    return tcp->dirty_head || tcp->dirty_request_head || tcp->replies ||
           !list_empty(&tcp->owing);
}
