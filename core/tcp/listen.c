/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LISTEN (RFC 9293 3.10.7.2), the SYN queue and the accept queue.
 *
 * A SYN makes a struct tcp_request; its SYN+ACK is sent again with back-off
 * until the final ACK comes or tcp_synack_retries are used up. The final ACK
 * turns it into a connection in the accept queue, without accept() being
 * called. Where that queue is full (it takes backlog + 1, as Linux's does) the
 * final ACK is dropped and the SYN+ACK goes out again, and new SYNs are
 * dropped: the client is delayed, not refused.
 */
#include <assert.h>

#include "tcp/rooms.h"

#include "base/budget.h"
#include "pkt/pkt.h"

bool tcp_accept_full(const struct tcp_listener *l) {
    return l->waiting > l->backlog;
}

static void queue_event(struct tcp *tcp, const struct tcp_listener *l,
                        bool syn_queue) {
    if (tcp->destroying)
        return;
    struct weir_event *ev =
        env_record(tcp->env, WEIR_EV_QUEUE, endpoint_sock(&l->ep));
    if (!ev)
        return;
    ev->queue.level = syn_queue ? l->half_open : l->waiting;
    ev->queue.limit = l->backlog;
    ev->queue.syn_queue = syn_queue;
}

void tcp_accept_add(struct tcp *tcp, struct tcp_listener *l,
                    struct tcp_conn *c) {
    c->work->parent = l;
    c->work->accept_next = NULL;
    if (l->accept_tail)
        l->accept_tail->work->accept_next = c;
    else
        l->accept_head = c;
    l->accept_tail = c;
    l->waiting++;
    queue_event(tcp, l, false);
    endpoint_touch(tcp->env, &l->ep);
}

void tcp_accept_remove(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_listener *l = c->work->parent;
    struct tcp_conn *prev = NULL;
    for (struct tcp_conn *i = l->accept_head; i != c; i = i->work->accept_next)
        prev = i;
    if (prev)
        prev->work->accept_next = c->work->accept_next;
    else
        l->accept_head = c->work->accept_next;
    if (l->accept_tail == c)
        l->accept_tail = prev;
    l->waiting--;
    c->work->parent = NULL;
    c->work->accept_next = NULL;
    queue_event(tcp, l, false);
}

struct endpoint *tcp_accept(struct tcp *tcp, struct endpoint *ep) {
    struct tcp_listener *l = tcp_listener_of(ep);
    struct tcp_conn *c = l->accept_head;
    if (!c)
        return NULL;
    tcp_accept_remove(tcp, c);
    c->flags |= CONN_ACCEPTED;
    tcp_work_rest(tcp, c);
    tcp_touch(tcp, c);
    return &c->ep;
}

static void list_request(struct tcp_listener *l, struct tcp_request *r) {
    r->prev = NULL;
    r->next = l->requests;
    if (l->requests)
        l->requests->prev = r;
    l->requests = r;
    l->half_open++;
}

static void unlist_request(struct tcp_listener *l, struct tcp_request *r) {
    if (r->next)
        r->next->prev = r->prev;
    if (r->prev)
        r->prev->next = r->next;
    else
        l->requests = r->next;
    l->half_open--;
}

/* It is in no table any more. */
static void request_free(struct tcp *tcp, struct tcp_request *r) {
    wheel_disarm(tcp->env->wheel, &r->timer);
    unlist_request(r->listener, r);
    if (r->flags & REQ_DIRTY)
        r->flags |= REQ_GONE;
    else
        arena_free(tcp->env->arena, r, sizeof(*r));
}

void tcp_request_end(struct tcp *tcp, struct tcp_request *r,
                     enum weir_reason reason) {
    tcp_unhash_node(tcp, &r->node, &r->t);
    if (reason != WEIR_NONE)
        tcp_state_note(tcp, &r->t, 0, WEIR_TCP_SYN_RECV, WEIR_TCP_CLOSED,
                       reason);
    request_free(tcp, r);
}

static void options_agree(struct tcp *tcp, struct tcp_request *r,
                          const struct tcp_segment *seg) {
    const struct sysctl *s = &tcp->env->sysctl;
    const struct tcp_hdr *h = &seg->h;
    if (h->opts & TCP_OPT_TS && s->tcp_timestamps) {
        r->flags |= REQ_TS;
        r->ts_recent = h->ts_val;
    }
    if (h->opts & TCP_OPT_SACK_OK && s->tcp_sack)
        r->flags |= REQ_SACK;
    if (h->opts & TCP_OPT_WSCALE && s->tcp_window_scaling) {
        r->flags |= REQ_WSCALE;
        r->snd_wscale = h->wscale;
    }
    r->peer_mss = h->opts & TCP_OPT_MSS && h->mss ? h->mss : 536;
    r->snd_wnd = h->window;
}

static struct tcp_request *request_new(struct tcp *tcp, struct tcp_listener *l,
                                       const struct tcp_segment *seg) {
    struct ip_way way;
    struct weir_addr src = weir_addr_v4(seg->t.laddr);
    const struct weir_addr dst = weir_addr_v4(seg->t.raddr);
    if (ip_route(tcp->ip, &src, &dst, l->ep.ifindex, false, &way) < 0)
        return NULL;
    struct weir_arena *a = tcp->env->arena;
    struct tcp_request *r =
        budget_allows(a, BUDGET_HALF_OPEN) ? arena_zalloc(a, sizeof(*r)) : NULL;
    if (!r)
        return NULL;
    r->node.kind = TCP_NODE_REQUEST;
    tcp_state_init(&r->node, WEIR_TCP_SYN_RECV);
    r->t = seg->t;
    r->listener = l;
    r->irs = seg->seq;
    r->iss = tcp_isn(tcp, &r->t);
    r->ts_offset = tcp_ts_offset(tcp, &r->t);
    r->ifindex = l->ep.ifindex;
    options_agree(tcp, r, seg);
    r->adv_mss = tcp_mss_of_mtu(way.mtu);
    if (l->opt && l->opt->maxseg && r->adv_mss > l->opt->maxseg)
        r->adv_mss = l->opt->maxseg;
    unsigned mss = r->adv_mss - (r->flags & REQ_TS ? 12u : 0);
    r->wnd = tcp_first_window(tcp, l->rcvbuf, mss, (r->flags & REQ_WSCALE) != 0,
                              &r->rcv_wscale);
    tcp_hash_node(tcp, &r->node, &r->t);
    list_request(l, r);
    return r;
}

static uint64_t request_timeout(const struct tcp_request *r) {
    uint64_t ns = NS_PER_S << (r->retries < 7 ? r->retries : 7);
    return ns < 120 * NS_PER_S ? ns : 120 * NS_PER_S;
}

/* Linux answers from cookies (RFC 4987 3.6) beyond the backlog; here half-open
 * connections are small, so where it would, the SYN queue simply goes on up to
 * tcp_max_syn_backlog. With tcp_syncookies 0 the backlog is the limit. */
static bool syn_queue_full(const struct tcp *tcp,
                           const struct tcp_listener *l) {
    const struct sysctl *s = &tcp->env->sysctl;
    uint32_t most = l->backlog ? l->backlog : 1;
    if (s->tcp_syncookies && most < (uint32_t)s->tcp_max_syn_backlog)
        most = (uint32_t)s->tcp_max_syn_backlog;
    return l->half_open >= most;
}

/* RFC 9293 3.10.7.2: a segment for LISTEN. */
void tcp_listen_input(struct tcp *tcp, struct tcp_listener *l,
                      struct tcp_segment *seg) {
    struct env *env = tcp->env;
    uint32_t sock = endpoint_sock(&l->ep);
    enum weir_reason why = WEIR_NONE;
    if (seg_has(seg, WEIR_RST)) { /* first */
        why = WEIR_TCP_RESET;
    } else if (seg_has(seg, WEIR_ACK)) { /* second */
        tcp_reply_reset(tcp, seg, WEIR_TCP_STATE);
        why = WEIR_TCP_FLAGS;
    } else if (!seg_has(seg, WEIR_SYN) || seg_has(seg, WEIR_FIN)) { /* 4th */
        why = WEIR_TCP_FLAGS;
    } else if (tcp_accept_full(l)) {
        COUNT(env, TcpExt, ListenOverflows);
        COUNT(env, TcpExt, ListenDrops);
        why = WEIR_TCP_LISTEN_OVERFLOW;
    } else if (syn_queue_full(tcp, l)) {
        COUNT(env, TcpExt, TCPReqQFullDrop);
        COUNT(env, TcpExt, ListenDrops);
        why = WEIR_TCP_REQQFULL;
    }
    if (why != WEIR_NONE) {
        tcp_segment_drop(env, seg, why, sock);
        return;
    }
    struct tcp_request *r = request_new(tcp, l, seg); /* third: a SYN */
    if (!r) {
        COUNT(env, TcpExt, ListenDrops);
        tcp_segment_drop(env, seg, WEIR_NOMEM, sock);
        return;
    }
    tcp_state_note(tcp, &r->t, 0, WEIR_TCP_LISTEN, WEIR_TCP_SYN_RECV,
                   WEIR_NONE);
    queue_event(tcp, l, true);
    tcp_request_dirty(tcp, r);
    wheel_arm_lane(env->wheel, &r->timer, WTIMER_LISTEN,
                   env->now + request_timeout(r), WHEEL_SYNACK);
    weir_pkt_free(seg->pkt); /* data with a SYN is not kept; it comes again */
    seg->pkt = NULL;
}

void tcp_request_send(struct tcp *tcp, struct tcp_request *r) {
    const struct endpoint *lep = &r->listener->ep;
    struct tcp_out out = {
        .t = r->t,
        .h = {.seq = r->iss.v,
              .ack = r->irs.v + 1,
              .window = (uint16_t)r->wnd,
              .flags = WEIR_SYN | WEIR_ACK,
              .opts = TCP_OPT_MSS,
              .mss = r->adv_mss,
              .wscale = r->rcv_wscale,
              .ts_val = tcp_now_ms(tcp) + r->ts_offset,
              .ts_ecr = r->ts_recent},
        .sock = 0,
        .owner = lep->owner,
        .wnd_bytes = r->wnd,
        .ifindex = r->ifindex,
        .tos = lep->tos,
        .ttl = lep->ttl,
        .df = true,
    };
    out.h.opts |= (uint8_t)(r->flags & REQ_TS ? TCP_OPT_TS : 0);
    out.h.opts |= (uint8_t)(r->flags & REQ_SACK ? TCP_OPT_SACK_OK : 0);
    out.h.opts |= (uint8_t)(r->flags & REQ_WSCALE ? TCP_OPT_WSCALE : 0);
    if (!r->sent)
        r->sent_ns = tcp->env->now;
    out.nth = r->sent < 255 ? ++r->sent : 255;
    if (out.nth > 1)
        COUNT(tcp->env, Tcp, RetransSegs);
    tcp_segment_send(tcp->env, tcp->ip,
                     weir_pkt_alloc(tcp->env->arena, WEIR_PKT_ROOM), &out);
}

/* SYN+ACK again, with back-off (row F10), or give up. */
void tcp_listen_timer(struct tcp *tcp, struct wtimer *timer) {
    struct tcp_request *r =
        (struct tcp_request *)((char *)timer -
                               offsetof(struct tcp_request, timer));
    struct env *env = tcp->env;
    weir_event_id cause = env->cause;
    unsigned most = (unsigned)env->sysctl.tcp_synack_retries;
    const struct tcp_opts *opt = r->listener->opt;
    if (opt && opt->syncnt)
        most = opt->syncnt;
    bool enough = r->retries >= most;
    r->retries++;
    uint64_t next = enough ? 0 : request_timeout(r);
    env->cause = 0;
    struct weir_event *ev = env_record(env, WEIR_EV_TIMER_FIRED, 0);
    if (ev) {
        ev->timer.timer = WEIR_TIMER_SYNACK;
        ev->timer.tries = r->retries;
        ev->timer.next_ms = (uint32_t)(next / NS_PER_MS);
        ev->timer.seq = r->iss.v;
        env->cause = ev->id;
    }
    if (enough) {
        COUNT(env, Tcp, AttemptFails);
        struct tcp_listener *l = r->listener;
        tcp_request_end(tcp, r, WEIR_TCP_SYNACK_TIMEOUT);
        queue_event(tcp, l, true);
    } else {
        tcp_request_dirty(tcp, r);
        wheel_arm(env->wheel, &r->timer, WTIMER_LISTEN, env->now + next);
    }
    env->cause = cause;
}

/* Half-open becomes a connection: RFC 9293 3.10.7.4, SYN-RECEIVED, fifth. */
static void complete(struct tcp *tcp, struct tcp_request *r,
                     struct tcp_segment *seg) {
    struct env *env = tcp->env;
    struct tcp_listener *l = r->listener;
    if (tcp_accept_full(l)) {
        COUNT(env, TcpExt, ListenOverflows);
        COUNT(env, TcpExt, ListenDrops);
        if (env->sysctl.tcp_abort_on_overflow) {
            tcp_reply_reset(tcp, seg, WEIR_TCP_LISTEN_OVERFLOW);
            tcp_request_end(tcp, r, WEIR_TCP_LISTEN_OVERFLOW);
        } else {
            r->flags |= REQ_ACKED;
        }
        tcp_segment_drop(env, seg, WEIR_TCP_LISTEN_OVERFLOW,
                         endpoint_sock(&l->ep));
        return;
    }
    struct tcp_conn *c = tcp_request_to_conn(tcp, r);
    if (!c) {
        tcp_segment_drop(env, seg, WEIR_NOMEM, endpoint_sock(&l->ep));
        return;
    }
    tcp_hash_conn_for(tcp, c, r);
    request_free(tcp, r);
    tcp_port_share(tcp, c);
    COUNT(env, Tcp, PassiveOpens);
    queue_event(tcp, l, true);
    tcp_accept_add(tcp, l, c);
    tcp_conn_input(tcp, c, seg);
}

/* RFC 9293 3.10.7.4 for SYN-RECEIVED that came from LISTEN. */
void tcp_request_input(struct tcp *tcp, struct tcp_request *r,
                       struct tcp_segment *seg) {
    struct env *env = tcp->env;
    tcp_seq next = seq_add(r->irs, 1);
    enum weir_reason why = WEIR_NONE;
    if (seg_has(seg, WEIR_SYN) && !seg_has(seg, WEIR_ACK | WEIR_RST) &&
        seq_eq(seg->seq, r->irs)) {
        tcp_request_dirty(tcp, r); /* the SYN again: our SYN+ACK was lost */
        why = WEIR_TCP_OLD_SEQUENCE;
        seg->old = true;
    } else if (r->flags & REQ_TS && seg->h.opts & TCP_OPT_TS &&
               (int32_t)(seg->h.ts_val - r->ts_recent) < 0) {
        why = WEIR_TCP_RFC7323_PAWS;
    } else if (!seq_in(seg->seq, next, r->wnd ? r->wnd : 1)) { /* first */
        if (!seg_has(seg, WEIR_RST))
            tcp_request_dirty(tcp, r); /* "an acknowledgment should be sent" */
        why = WEIR_TCP_INVALID_SEQUENCE;
    } else if (seg_has(seg, WEIR_RST | WEIR_SYN)) { /* second, fourth */
        why = seg_has(seg, WEIR_RST) ? WEIR_TCP_RESET : WEIR_TCP_INVALID_SYN;
        if (!seg_has(seg, WEIR_RST))
            tcp_reply_reset(tcp, seg, WEIR_TCP_STATE);
        else if (!seq_eq(seg->seq, next))
            why = WEIR_TCP_INVALID_SEQUENCE; /* RFC 5961 3.2 */
    } else if (!seg_has(seg, WEIR_ACK)) {    /* fifth */
        why = WEIR_TCP_FLAGS;
    } else if (!seq_eq(seg->ack, seq_add(r->iss, 1))) {
        tcp_reply_reset(tcp, seg, WEIR_TCP_STATE);
        why = WEIR_TCP_INVALID_ACK_SEQUENCE;
    }
    if (why == WEIR_NONE) {
        complete(tcp, r, seg);
        return;
    }
    uint32_t sock = endpoint_sock(&r->listener->ep);
    if (why == WEIR_TCP_RESET || why == WEIR_TCP_INVALID_SYN) {
        COUNT(env, Tcp, AttemptFails);
        tcp_request_end(tcp, r, why);
    }
    tcp_segment_drop(env, seg, why, sock);
}

/* close() of a listener: half-open ones are forgotten, connections nobody
 * accepted are reset (as Linux does). */
void tcp_listener_close(struct tcp *tcp, struct tcp_listener *l) {
    while (l->requests)
        tcp_request_end(tcp, l->requests, WEIR_LISTENER_CLOSED);
    while (l->accept_head) {
        struct tcp_conn *c = l->accept_head;
        tcp_accept_remove(tcp, c);
        c->ep.flags |= EP_DEAD;
        if (tcp_in(c, ~(IN(CLOSED) | IN(TIME_WAIT))))
            tcp_reply_abort(tcp, c, WEIR_LISTENER_CLOSED);
        tcp_end(tcp, c, 0, WEIR_LISTENER_CLOSED);
    }
    const struct tcp_tuple t = {l->ep.laddr, l->ep.raddr, l->ep.lport, 0};
    tcp_state_note(tcp, &t, endpoint_sock(&l->ep), WEIR_TCP_LISTEN,
                   WEIR_TCP_CLOSED, WEIR_NONE);
    tcp_listener_free(tcp, l);
}

/* Silently. */
void tcp_listener_free(struct tcp *tcp, struct tcp_listener *l) {
    while (l->requests)
        tcp_request_end(tcp, l->requests, WEIR_NONE);
    while (l->accept_head)
        tcp_conn_destroy(tcp, l->accept_head);
    tcp_port_unlisten(tcp, l);
    endpoint_untouch(tcp->env, &l->ep);
    endpoint_release(tcp->env, &l->ep);
    if (l->opt)
        arena_free(tcp->env->arena, l->opt, sizeof(*l->opt));
    arena_free(tcp->env->arena, l, sizeof(*l));
}
