/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * STATUS (RFC 9293 3.10.6): what poll(2), ss and weir's own tools ask.
 */
#include "tcp/rooms.h"

/* Bytes that make it readable: SO_RCVLOWAT, but not more than fits. */
static uint32_t rcvlowat(const struct tcp_conn *c) {
    uint32_t want = c->opt ? (uint32_t)c->opt->rcvlowat : 1;
    return want < c->rcvbuf / 2 ? want : c->rcvbuf / 2;
}

static bool bytes_readable(const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    if (!w)
        return false;
    uint32_t avail = w->rcvq.bytes, want = rcvlowat(c);
    /* Linux: an urgent byte at the very front is not ordinary data */
    if (c->flags & (CONN_URG_WAIT | CONN_URG_HERE | CONN_URG_READ) &&
        !(c->ep.flags & EP_OOBINLINE) &&
        seq_eq(seq_add(w->copied, 1), w->rcv_up))
        want++;
    return avail >= want && avail > 0;
}

/* As tcp_poll(). */
unsigned tcp_ready(struct tcp *tcp, struct endpoint *ep) {
    if (ep->kind == ENDPOINT_LISTENER)
        return tcp_listener_of(ep)->accept_head ? WEIR_IN : 0;
    struct tcp_conn *c = tcp_conn_of(ep);
    unsigned mask = 0;
    bool rd = (ep->flags & EP_SHUT_RD) != 0, wr = (ep->flags & EP_SHUT_WR) != 0;
    if ((rd && wr) || tcp_state(c) == WEIR_TCP_CLOSED)
        mask |= WEIR_HUP;
    if (rd)
        mask |= WEIR_IN | WEIR_RDHUP;
    if (!tcp_in(c, IN(SYN_SENT) | IN(SYN_RECV))) {
        if (bytes_readable(c))
            mask |= WEIR_IN;
        if (wr || tcp_writable(tcp, c))
            mask |= WEIR_OUT;
        else
            c->flags |= CONN_SNDQ_FULL; /* to be told when there is room */
        if (c->flags & CONN_URG_HERE)
            mask |= WEIR_PRI;
    }
    if (ep->error)
        mask |= WEIR_ERR;
    return mask;
}

static void info_timer(const struct tcp *tcp, const struct tcp_conn *c,
                       struct weir_sockinfo *out) {
    const struct tcp_work *w = c->work;
    (void)tcp;
    if (w && w->xmit_timer != XMIT_NONE) {
        out->timer = w->xmit_timer == XMIT_PERSIST ? 4 : 1;
        out->timer_ns = w->xmit_due;
    } else if (c->opt && c->opt->keep_due != WEIR_NEVER) {
        out->timer = 2;
        out->timer_ns = c->opt->keep_due;
    }
}

static void info_ep(const struct endpoint *ep, struct weir_sockinfo *out) {
    out->sock = ep->flags & EP_DEAD ? -1 : ep->handle;
    out->proto = 6;
    out->ifindex = ep->ifindex;
    out->owner = ep->owner;
    out->copies = (uint8_t)endpoint_copies_in(ep);
    out->tag = ep->tag;
    out->local = (struct weir_endpoint){.addr = weir_addr_v4(ep->laddr),
                                        .port = ep->lport};
    out->peer = (struct weir_endpoint){.addr = weir_addr_v4(ep->raddr),
                                       .port = ep->rport};
    out->error = ep->error;
    out->reason = ep->reason;
}

static void info_conn(struct tcp *tcp, struct tcp_conn *c,
                      struct weir_sockinfo *out) {
    const struct tcp_work *w = c->work;
    info_ep(&c->ep, out);
    out->state = c->node.state;
    info_timer(tcp, c, out);
    out->rcvbuf = c->rcvbuf;
    out->sndbuf = c->sndbuf;
    out->read = tcp_bytes_read(c);
    out->written = tcp_bytes_written(c);
    out->srtt_us = c->srtt_us / 8;
    out->rttvar_us = c->rttvar_us / 4;
    out->rto_us = (uint32_t)(tcp_rto_ns(tcp, c) / 1000);
    out->cwnd = c->cwnd;
    out->ssthresh = c->ssthresh;
    out->rcv_window = tcp_receive_window(c);
    out->snd_window = c->snd.wnd;
    out->mss = c->mss;
    out->cause = tcp_state(c) == WEIR_TCP_CLOSED ? c->end_cause : 0;
    if (c->opt)
        out->probes = c->opt->keep_sent;
    if (!w)
        return;
    out->retransmits = w->retries;
    out->probes = (uint8_t)(out->probes + w->probes);
    out->rx_queue = w->rcvq.bytes;
    out->tx_queue = w->sendq.bytes;
    out->unsent = tcp_unsent(c);
}

static void info_listener(struct tcp_listener *l, struct weir_sockinfo *out) {
    info_ep(&l->ep, out);
    out->state = WEIR_TCP_LISTEN;
    out->rx_queue = l->waiting;
    out->tx_queue = l->backlog;
    out->rcvbuf = l->rcvbuf;
    out->sndbuf = l->sndbuf;
    out->cause = l->end_cause;
}

void tcp_info(struct tcp *tcp, struct endpoint *ep, struct weir_sockinfo *out) {
    *out = (struct weir_sockinfo){0};
    if (ep->kind == ENDPOINT_LISTENER)
        info_listener(tcp_listener_of(ep), out);
    else
        info_conn(tcp, tcp_conn_of(ep), out);
}

void tcp_queues(const struct endpoint *ep, struct weir_queues *out) {
    const struct tcp_work *w = ((const struct tcp_conn *)ep)->work;
    out->rx_queue = w ? w->rcvq.bytes : 0;
    out->tx_queue = w ? w->sendq.bytes : 0;
    out->copies = (uint8_t)endpoint_copies_in(ep);
}

static void info_tuple(const struct tcp_tuple *t, unsigned state,
                       struct weir_sockinfo *out) {
    out->sock = -1;
    out->proto = 6;
    out->state = (uint8_t)state;
    out->local = (struct weir_endpoint){.addr = weir_addr_v4(t->laddr),
                                        .port = t->lport};
    out->peer = (struct weir_endpoint){.addr = weir_addr_v4(t->raddr),
                                       .port = t->rport};
}

static void info_node(struct tcp *tcp, struct tcp_node *n,
                      struct weir_sockinfo *out) {
    struct tcp_tuple t;
    *out = (struct weir_sockinfo){0};
    switch ((enum tcp_node_kind)n->kind) {
    case TCP_NODE_CONN:
        info_conn(tcp, tcp_conn_of_node(n), out);
        return;
    case TCP_NODE_REQUEST:
        info_tuple(&tcp_request_of(n)->t, n->state, out);
        out->owner = tcp_request_of(n)->listener->ep.owner;
        out->retransmits = tcp_request_of(n)->retries;
        out->timer = 1;
        out->timer_ns = tcp_request_of(n)->timer.deadline;
        return;
    case TCP_NODE_TW:
        t = tcp_tw_tuple(tcp_tw_of(n));
        info_tuple(&t, n->state, out);
        out->timer = 3;
        out->timer_ns = (tcp->env->now / NS_PER_MS +
                         (uint64_t)(int64_t)(int32_t)(tcp_tw_of(n)->expires_ms -
                                                      tcp_now_ms(tcp))) *
                        NS_PER_MS;
        return;
    }
}

enum { CURSOR_WHICH = 60, CURSOR_LINE = 24 };

static uint64_t cursor_of(const struct tcp_walk *at) {
    return (uint64_t)at->loose << CURSOR_WHICH |
           (uint64_t)at->line << CURSOR_LINE | at->place;
}

/* The cursor: which table (the listeners' is the last), line and place. */
int tcp_info_next(struct tcp *tcp, uint64_t *cursor,
                  struct weir_sockinfo *out) {
    struct tcp_walk at = {
        .line = *cursor >> CURSOR_LINE & 0xfffffffff,
        .place = *cursor & 0xffffff,
        .loose = (unsigned)(*cursor >> CURSOR_WHICH),
    };
    struct tcp_node *n = tcp_walk(tcp, &at);
    if (n) {
        info_node(tcp, n, out);
        *cursor = cursor_of(&at);
        return 1;
    }
    for (; at.line < TCP_LISTEN_BUCKETS; at.line++, at.place = 0) {
        struct tcp_listener *l = tcp->listeners[at.line];
        for (size_t i = 0; l && i < at.place; i++)
            l = l->next;
        if (!l)
            continue;
        *out = (struct weir_sockinfo){0};
        info_listener(l, out);
        at.place++;
        *cursor = cursor_of(&at);
        return 1;
    }
    *cursor = cursor_of(&at);
    return 0;
}

/* Listeners first: they are who "address already in use" is about. */
int tcp_holder(struct tcp *tcp, const struct weir_endpoint *local,
               struct weir_sockinfo *out) {
    struct weir_sockinfo any = {0};
    bool found = false;
    uint64_t cursor = 0;
    while (tcp_info_next(tcp, &cursor, out)) {
        bool overlap = weir_addr_is_any(&local->addr) ||
                       weir_addr_is_any(&out->local.addr) ||
                       weir_addr_eq(&local->addr, &out->local.addr);
        if (out->local.port != local->port || !overlap)
            continue;
        if (out->state == WEIR_TCP_LISTEN)
            return 0;
        if (!found)
            any = *out;
        found = true;
    }
    *out = any;
    return found ? 0 : -ENOENT;
}
