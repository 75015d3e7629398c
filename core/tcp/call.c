/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OPEN, CLOSE, ABORT (RFC 9293 3.10.1, .4, .5) as Berkeley's calls, with the
 * results a non-blocking Linux socket gives.
 */
#include <assert.h>

#include "tcp/rooms.h"

static void record_named(struct tcp *tcp, const struct endpoint *ep,
                         bool listening, uint32_t backlog) {
    struct weir_event *ev =
        env_record(tcp->env, WEIR_EV_NAMED, endpoint_sock(ep));
    if (!ev)
        return;
    ev->named.local = ep->laddr;
    ev->named.remote = ep->raddr;
    ev->named.lport = ep->lport;
    ev->named.rport = ep->rport;
    ev->named.proto = 6;
    ev->named.listening = listening;
    ev->named.backlog = (uint16_t)(backlog < 65535 ? backlog : 65535);
}

int tcp_bind(struct tcp *tcp, struct endpoint *ep,
             const struct weir_endpoint *local) {
    struct env *env = tcp->env;
    struct tcp_conn *c = tcp_conn_of(ep);
    if (ep->kind != ENDPOINT_TCP || tcp_state(c) != WEIR_TCP_CLOSED ||
        c->flags & CONN_PORT)
        return env_fail(env, EINVAL, WEIR_BAD_STATE);
    if (!weir_addr_is_any(&local->addr) &&
        !ip_is_local(tcp->ip, &local->addr) &&
        !(ep->extra && ep->extra->freebind))
        return env_fail(env, EADDRNOTAVAIL, WEIR_ADDR_NOT_LOCAL);
    uint32_t was = ep->laddr;
    ep->laddr = weir_addr_to_v4(&local->addr);
    int r =
        local->port ? tcp_port_bind(tcp, c, local->port) : tcp_port_any(tcp, c);
    if (r < 0) {
        ep->laddr = was;
        c->flags &= ~(uint32_t)CONN_PORT_BIND;
        return r;
    }
    if (local->port) /* Linux: a port that was asked for outlives disconnect */
        c->flags |= CONN_PORT_LOCK;
    ep->flags |= EP_BOUND;
    if (!weir_addr_is_any(&local->addr)) {
        ep->flags |= EP_BOUND_ADDR;
        c->flags |= CONN_ADDR_LOCK;
    }
    return 0;
}

static struct tcp_listener *listener_of_conn(struct tcp *tcp,
                                             struct tcp_conn *c) {
    const uint32_t kept = CONN_NODELAY | CONN_CORK | CONN_SNDBUF_LOCK |
                          CONN_RCVBUF_LOCK | CONN_PORT_LOCK | CONN_ADDR_LOCK;
    struct tcp_listener *l = arena_zalloc(tcp->env->arena, sizeof(*l));
    if (!l)
        return NULL;
    endpoint_untouch(tcp->env, &c->ep);
    l->ep = c->ep;
    l->ep.kind = ENDPOINT_LISTENER;
    l->flags = c->flags & kept;
    l->rcvbuf = c->rcvbuf;
    l->sndbuf = c->sndbuf;
    l->cc = c->cc;
    return l;
}

int tcp_listen(struct tcp *tcp, struct endpoint **ep, int backlog) {
    struct env *env = tcp->env;
    uint32_t most = (uint32_t)env->sysctl.somaxconn;
    uint32_t queue = (uint32_t)backlog < most ? (uint32_t)backlog : most;
    if ((*ep)->kind == ENDPOINT_LISTENER) {
        tcp_listener_of(*ep)->backlog = queue;
        return 0;
    }
    struct tcp_conn *c = tcp_conn_of(*ep);
    if (tcp_state(c) != WEIR_TCP_CLOSED ||
        c->flags & (CONN_CONNECTING | CONN_CONNECTED))
        return env_fail(env, EINVAL, WEIR_BAD_STATE);
    int r = c->flags & CONN_PORT ? 0 : tcp_port_any(tcp, c);
    if (r < 0)
        return r;
    struct tcp_listener *l = listener_of_conn(tcp, c);
    if (!l)
        return env_fail(env, ENOMEM, WEIR_NOMEM);
    if ((r = tcp_port_listen(tcp, c, l)) < 0) {
        arena_free(env->arena, l, sizeof(*l));
        tcp_touch(tcp, c);
        return r;
    }
    l->backlog = queue;
    l->opt = c->opt;
    c->opt = NULL;
    c->ep.extra = NULL;
    const struct tcp_tuple t = tcp_conn_tuple(c);
    tcp_state_note(tcp, &t, endpoint_sock(&l->ep), WEIR_TCP_CLOSED,
                   WEIR_TCP_LISTEN, WEIR_NONE);
    record_named(tcp, &l->ep, true, queue);
    tcp_conn_destroy(tcp, c);
    *ep = &l->ep;
    endpoint_touch(env, *ep);
    return 0;
}

/* Both at once: SS_DISCONNECTING, shut down while connecting failed. */
static const uint32_t half_shut = CONN_CONNECTING | CONN_CONNECTED;

/* What connect() says on a socket that has been connected or is about to be;
 * 1: on with a new connection. As inet_stream_connect(). */
static int connect_again(struct tcp *tcp, struct tcp_conn *c) {
    struct env *env = tcp->env;
    if ((c->flags & half_shut) == half_shut)
        return env_fail(env, EINVAL, WEIR_BAD_STATE);
    if (c->flags & CONN_CONNECTED)
        return env_fail(env, EISCONN, WEIR_BAD_STATE);
    if (!(c->flags & CONN_CONNECTING))
        return tcp_state(c) == WEIR_TCP_CLOSED
                   ? 1
                   : env_fail(env, EISCONN, WEIR_BAD_STATE);
    if (tcp_in(c, IN(SYN_SENT) | IN(SYN_RECV)))
        return env_fail(env, EALREADY, WEIR_BAD_STATE);
    c->flags &= ~(uint32_t)CONN_CONNECTING;
    if (tcp_state(c) == WEIR_TCP_CLOSED) {
        int error = c->ep.error ? c->ep.error : ECONNABORTED;
        enum weir_reason why = c->ep.reason;
        struct endpoint *ep = &c->ep;
        c->ep.error = 0;
        tcp_disconnect(tcp, &ep);
        return env_fail(env, error, why);
    }
    c->flags |= CONN_CONNECTED;
    return 0;
}

/* Source address, route and port; *before: see tcp_port_connect. */
static int connect_place(struct tcp *tcp, struct tcp_conn *c,
                         const struct weir_endpoint *peer, struct ip_way *way,
                         struct tcp_tw **before) {
    struct env *env = tcp->env;
    struct endpoint *ep = &c->ep;
    struct weir_addr dst = peer->addr, src = weir_addr_v4(ep->laddr);
    if (weir_addr_is_any(&dst)) /* this host (Linux) */
        dst =
            weir_addr_is_any(&src) ? weir_addr_v4(WEIR_IP4(127, 0, 0, 1)) : src;
    if (weir_addr_is_multicast(&dst) || ip_is_broadcast(tcp->ip, &dst))
        return env_fail(env, ENETUNREACH, WEIR_NO_ROUTE); /* MUST-46 */
    int r = ip_route(tcp->ip, &src, &dst, ep->ifindex, false, way);
    if (r < 0)
        return env_fail(env, -r, WEIR_NO_ROUTE);
    const uint32_t was_l = ep->laddr, was_r = ep->raddr;
    const uint16_t was_port = ep->rport;
    tcp_port_lift(tcp, c);
    ep->laddr = weir_addr_to_v4(&src);
    ep->raddr = weir_addr_to_v4(&dst);
    ep->rport = peer->port;
    tcp_port_put(tcp, c);
    r = tcp_port_connect(tcp, c, before);
    if (r < 0) {
        tcp_port_lift(tcp, c);
        ep->laddr = was_l;
        ep->raddr = was_r;
        ep->rport = was_port;
        tcp_port_put(tcp, c);
        return r;
    }
    return 0;
}

/* The TIME_WAIT whose tuple we take: start past all it may have seen. */
static void succeed_tw(struct tcp *tcp, struct tcp_conn *c, struct tcp_tw *tw) {
    c->snd.una = seq_add(tw->snd_nxt, 65535 + 2);
    c->ts.offset = tw->ts_offset;
    COUNT(tcp->env, TcpExt, TWRecycled);
    tcp_tw_end(tcp, tw, WEIR_NONE);
}

int tcp_connect(struct tcp *tcp, struct endpoint *ep,
                const struct weir_endpoint *peer) {
    struct env *env = tcp->env;
    if (ep->kind != ENDPOINT_TCP)
        return env_fail(env, EISCONN, WEIR_BAD_STATE);
    struct tcp_conn *c = tcp_conn_of(ep);
    int r = connect_again(tcp, c);
    if (r <= 0)
        return r;
    struct ip_way way;
    struct tcp_tw *before;
    tcp_unhash_conn(tcp, c);
    r = connect_place(tcp, c, peer, &way, &before);
    if (r == 0 && !tcp_work_get(tcp, c))
        r = env_fail(env, ENOMEM, WEIR_NOMEM);
    if (r < 0) {
        tcp_hash_conn(tcp, c, false);
        return r;
    }
    const struct tcp_tuple t = tcp_conn_tuple(c);
    c->snd.una = tcp_isn(tcp, &t);
    c->ts.offset = tcp_ts_offset(tcp, &t);
    if (before)
        succeed_tw(tcp, c, before);
    tcp_hash_conn(tcp, c, true);
    c->snd.nxt = c->snd.una;
    c->work->sendq.base = c->work->sendq.cur_seq = seq_add(c->snd.una, 1);
    c->adv_mss = tcp_mss_of_mtu(way.mtu);
    if (c->opt && c->opt->maxseg && c->adv_mss > c->opt->maxseg)
        c->adv_mss = c->opt->maxseg;
    uint8_t wscale;
    c->rcv.wnd = tcp_first_window(tcp, c->rcvbuf, c->adv_mss,
                                  env->sysctl.tcp_window_scaling != 0, &wscale);
    c->rcv_wscale = wscale & 15u;
    c->cwnd = 10u * 536;
    c->ep.reason = WEIR_NONE;
    c->ep.error = 0;
    c->flags = (c->flags & ~(uint32_t)CONN_CONNECTED) | CONN_CONNECTING;
    COUNT(env, Tcp, ActiveOpens);
    record_named(tcp, ep, false, 0);
    tcp_state_set(tcp, c, WEIR_TCP_SYN_SENT, WEIR_NONE);
    tcp_dirty(tcp, c);
    return env_fail(env, EINPROGRESS, WEIR_NONE);
}

/* As inet_shutdown(): a listener and a connecting socket are disconnected. */
int tcp_shutdown(struct tcp *tcp, struct endpoint **ep, int how) {
    struct env *env = tcp->env;
    bool rd = how != ABI_SHUT_WR, wr = how != ABI_SHUT_RD;
    if ((*ep)->kind == ENDPOINT_LISTENER)
        return rd ? tcp_disconnect(tcp, ep) : 0;
    struct tcp_conn *c = tcp_conn_of(*ep);
    if (tcp_state(c) == WEIR_TCP_SYN_SENT)
        return tcp_disconnect(tcp, ep);
    unsigned state = tcp_state(c);
    if (c->flags & CONN_CONNECTING) {
        c->flags |= CONN_CONNECTED;
        if (!tcp_in(c, IN(SYN_RECV) | IN(CLOSED)))
            c->flags &= ~(uint32_t)CONN_CONNECTING;
    }
    c->ep.flags |= (uint16_t)((rd ? EP_SHUT_RD : 0) | (wr ? EP_SHUT_WR : 0));
    tcp_touch(tcp, c);
    if (state == WEIR_TCP_CLOSED)
        return env_fail(env, ENOTCONN, WEIR_BAD_STATE);
    if (wr)
        tcp_send_fin(tcp, c);
    return 0;
}

/* RFC 1122 4.2.2.13: close() with data unread, or SO_LINGER 0, is an abort. */
static bool abort_on_close(const struct tcp_conn *c, enum weir_reason *why) {
    if (tcp_in(c, IN(CLOSED) | IN(SYN_SENT) | IN(SYN_RECV)))
        return false;
    if (c->work && c->work->rcvq.bytes) {
        *why = WEIR_TCP_ABORT_ON_CLOSE;
        return true;
    }
    if (c->opt && c->opt->linger_s == 0) {
        *why = WEIR_TCP_ABORT_ON_LINGER;
        return true;
    }
    return false;
}

void tcp_close(struct tcp *tcp, struct endpoint *ep) {
    struct env *env = tcp->env;
    if (ep->kind == ENDPOINT_LISTENER) {
        ep->flags |= EP_DEAD;
        tcp_listener_close(tcp, tcp_listener_of(ep));
        return;
    }
    struct tcp_conn *c = tcp_conn_of(ep);
    enum weir_reason why;
    if (abort_on_close(c, &why)) {
        if (why == WEIR_TCP_ABORT_ON_CLOSE)
            COUNT(env, TcpExt, TCPAbortOnClose);
        else
            COUNT(env, TcpExt, TCPAbortOnData);
        tcp_abort(tcp, ep, why);
        return;
    }
    tcp_orphan(tcp, c);
}

/* RFC 9293 3.10.5: a RST in every synchronized state. The pass has not run
 * since the last send: what it would have sent leaves ahead of the RST, as from
 * a stack that sends within send(). */
static void reset_peer(struct tcp *tcp, struct tcp_conn *c,
                       enum weir_reason reason) {
    struct env *env = tcp->env;
    if (c->flags & CONN_DIRTY && tcp_unsent(c)) {
        weir_event_id cause = env->cause;
        env->cause = c->work->out_cause;
        tcp_output(tcp, c);
        env->cause = cause;
    }
    tcp_reply_abort(tcp, c, reason);
}

void tcp_abort(struct tcp *tcp, struct endpoint *ep, enum weir_reason reason) {
    if (ep->kind == ENDPOINT_LISTENER) {
        tcp_close(tcp, ep);
        return;
    }
    struct tcp_conn *c = tcp_conn_of(ep);
    ep->flags |= EP_DEAD;
    endpoint_untouch(tcp->env, ep);
    if (!tcp_in(c, IN(CLOSED) | IN(SYN_SENT)))
        reset_peer(tcp, c, reason);
    tcp_end(tcp, c, 0, reason);
}

static struct endpoint *listener_to_conn(struct tcp *tcp,
                                         struct tcp_listener *l) {
    struct tcp_conn *c = tcp_conn_create(tcp);
    if (!c)
        return NULL;
    tcp_hash_conn(tcp, c, false);
    endpoint_untouch(tcp->env, &l->ep);
    c->ep.handle = l->ep.handle;
    c->ep.tag = l->ep.tag;
    c->ep.owner = l->ep.owner;
    c->ep.flags = l->ep.flags & (uint16_t) ~(EP_SHUT_RD | EP_SHUT_WR);
    c->ep.tos = l->ep.tos;
    c->ep.ttl = l->ep.ttl;
    c->ep.ifindex = l->ep.ifindex;
    c->ep.error = l->ep.error;
    c->ep.reason = l->ep.reason;
    c->ep.extra = l->ep.extra;
    l->ep.extra = NULL;
    c->opt = l->opt;
    l->opt = NULL;
    c->rcvbuf = l->rcvbuf;
    c->sndbuf = l->sndbuf;
    c->flags |= l->flags;
    if (l->flags & CONN_ADDR_LOCK)
        c->ep.laddr = l->ep.laddr;
    uint16_t port = l->flags & CONN_PORT_LOCK ? l->ep.lport : 0;
    tcp_listener_close(tcp, l);
    if (port) { /* it stays bound, whoever else is by now */
        c->ep.lport = port;
        c->flags |= CONN_PORT | CONN_PORT_BIND;
        tcp_port_put(tcp, c);
    }
    return &c->ep;
}

int tcp_disconnect(struct tcp *tcp, struct endpoint **ep) {
    struct env *env = tcp->env;
    if ((*ep)->kind == ENDPOINT_LISTENER) {
        struct endpoint *fresh = listener_to_conn(tcp, tcp_listener_of(*ep));
        if (!fresh)
            return env_fail(env, ENOMEM, WEIR_NOMEM);
        *ep = fresh;
        return 0;
    }
    struct tcp_conn *c = tcp_conn_of(*ep);
    /* Linux: RST where the peer still expects something of us */
    if (tcp_in(c, IN(ESTABLISHED) | IN(CLOSE_WAIT) | IN(FIN_WAIT1) |
                      IN(FIN_WAIT2) | IN(SYN_RECV) | IN(CLOSING) |
                      IN(LAST_ACK))) {
        reset_peer(tcp, c, WEIR_TCP_DISCONNECT_WITH_DATA);
        tcp_end(tcp, c, ECONNRESET, WEIR_TCP_DISCONNECT_WITH_DATA);
    } else if (tcp_state(c) == WEIR_TCP_SYN_SENT) {
        tcp_end(tcp, c, ECONNRESET, WEIR_NONE);
    }
    if (c->work)
        tcp_recvq_clear(tcp, c->work);
    const uint32_t gone = CONN_CONNECTING | CONN_CONNECTED | CONN_PASSIVE |
                          CONN_FIN | CONN_FIN_SENT | CONN_FIN_RCVD | CONN_TS |
                          CONN_SACK | CONN_WSCALE | CONN_URG_WAIT |
                          CONN_URG_HERE | CONN_URG_READ | CONN_MORE;
    tcp_port_lift(tcp, c);
    if (!(c->flags & CONN_ADDR_LOCK))
        c->ep.laddr = 0;
    c->ep.raddr = 0;
    c->ep.rport = 0;
    tcp_port_put(tcp, c);
    if (!(c->flags & CONN_PORT)) { /* the end of a connection let go of it */
        c->ep.lport = 0;
        c->flags &= ~(uint32_t)CONN_PORT_BIND;
    }
    c->flags &= ~gone;
    c->ep.flags &= (uint16_t) ~(EP_SHUT_RD | EP_SHUT_WR);
    c->srtt_us = c->rttvar_us = 0;
    c->mss = c->peer_mss = 536;
    c->rcv_wscale = c->snd_wscale = 0;
    c->read = c->written = 0;
    c->node.read_hi = c->node.written_hi = 0;
    tcp_work_rest(tcp, c);
    tcp_touch(tcp, c);
    return 0;
}
