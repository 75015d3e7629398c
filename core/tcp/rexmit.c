/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time-outs that send: retransmission (RFC 6298 5), zero-window probes (RFC
 * 9293 3.8.6.1), keep-alive (3.8.4), and when to give up. As Linux has it,
 * tcp_retries2 is not a count but a time: that which so many doublings of the
 * minimum RTO take (924.6 s for 15).
 */
#include "tcp/rooms.h"

enum { RTO_MAX_S = 120 };

/* ns that `n` + 1 time-outs with doubling from `base` take. */
static uint64_t backoff_span(uint64_t base, unsigned n) {
    uint64_t max = RTO_MAX_S * NS_PER_S, sum = 0, rto = base;
    for (unsigned i = 0; i <= n; i++) {
        sum += rto;
        rto = rto * 2 < max ? rto * 2 : max;
    }
    return sum;
}

bool tcp_tried_enough(struct tcp *tcp, struct tcp_conn *c, unsigned retries) {
    struct tcp_work *w = c->work;
    uint64_t base = (uint64_t)tcp->env->sysctl.tcp_rto_min_us * 1000;
    if (!w->retries || !w->stuck_since)
        return false;
    if (tcp_in(c, IN(SYN_SENT) | IN(SYN_RECV)))
        base = NS_PER_S;
    uint64_t span = backoff_span(base, retries);
    if (c->opt && c->opt->user_timeout_ms)
        span = (uint64_t)c->opt->user_timeout_ms * NS_PER_MS;
    return tcp->env->now - w->stuck_since >= span;
}

/* ETIMEDOUT, or what ICMP last said (RFC 1122 4.2.3.9). */
static void give_up(struct tcp *tcp, struct tcp_conn *c, enum weir_reason why) {
    struct tcp_work *w = c->work;
    int error = w && w->soft_error ? w->soft_error : ETIMEDOUT;
    if (w && w->soft_error)
        why = w->soft_reason;
    COUNT(tcp->env, TcpExt, TCPAbortOnTimeout);
    tcp_end(tcp, c, error, why);
}

static bool is_orphan(const struct tcp_conn *c) {
    return (c->ep.flags & EP_DEAD) != 0;
}

/* Linux: an orphan tries 8 times unless tcp_orphan_retries says else, and not
 * at all where the path is known to be dead. */
static unsigned orphan_retries(struct tcp *tcp, const struct tcp_conn *c) {
    int n = tcp->env->sysctl.tcp_orphan_retries;
    if (c->work && c->work->soft_error)
        return 0;
    return n ? (unsigned)n : 8;
}

static bool rexmit_enough(struct tcp *tcp, struct tcp_conn *c,
                          enum weir_reason *why) {
    const struct sysctl *s = &tcp->env->sysctl;
    struct tcp_work *w = c->work;
    bool user = c->opt && c->opt->user_timeout_ms;
    *why = user ? WEIR_TCP_USER_TIMEOUT : WEIR_TCP_RETRANSMIT_TIMEOUT;
    if (tcp_in(c, IN(SYN_SENT) | IN(SYN_RECV))) {
        unsigned most = (unsigned)s->tcp_syn_retries;
        if (c->opt && c->opt->syncnt)
            most = c->opt->syncnt;
        if (!user)
            *why = WEIR_TCP_SYN_TIMEOUT;
        return user ? tcp_tried_enough(tcp, c, most) : w->retries >= most;
    }
    if (is_orphan(c))
        return tcp_tried_enough(tcp, c, orphan_retries(tcp, c));
    return tcp_tried_enough(tcp, c, (unsigned)s->tcp_retries2);
}

void tcp_rexmit_fired(struct tcp *tcp, struct tcp_conn *c) {
    struct env *env = tcp->env;
    struct tcp_work *w = c->work;
    enum weir_reason why;
    if (!w->tx.head) {
        tcp_dirty(tcp, c);
        return;
    }
    bool enough = rexmit_enough(tcp, c, &why);
    if (w->backoff < 30)
        w->backoff++;
    if (w->retries < 255)
        w->retries++;
    uint64_t rto = tcp_rto_ns(tcp, c);
    if (c->opt && c->opt->user_timeout_ms && w->stuck_since) {
        uint64_t end =
            w->stuck_since + (uint64_t)c->opt->user_timeout_ms * NS_PER_MS;
        if (env->now + rto > end && end > env->now)
            rto = end - env->now > NS_PER_MS ? end - env->now : NS_PER_MS;
    }
    tcp_timer_event(tcp, c, WEIR_TIMER_REXMIT, w->retries, enough ? 0 : rto,
                    (uint32_t)seq_diff(c->snd.nxt, c->snd.una), c->snd.una);
    if (enough) {
        give_up(tcp, c, why);
        return;
    }
    COUNT(env, TcpExt, TCPTimeouts);
    tcp_loss_rto(tcp, c);
    tcp_xmit_arm(tcp, c, XMIT_REXMIT, env->now + rto);
    tcp_dirty(tcp, c);
}

/* RFC 9293 3.8.6.1: probe a zero window; a segment that the peer must answer,
 * or as much as the window takes where it is silly. */
void tcp_persist_fired(struct tcp *tcp, struct tcp_conn *c) {
    struct env *env = tcp->env;
    struct tcp_work *w = c->work;
    unsigned most = is_orphan(c) ? orphan_retries(tcp, c)
                                 : (unsigned)env->sysctl.tcp_retries2;
    uint64_t user = c->opt && c->opt->user_timeout_ms
                        ? (uint64_t)c->opt->user_timeout_ms * NS_PER_MS
                        : 0;
    if (!w->stuck_since)
        w->stuck_since = env->now;
    bool enough = w->probes >= most ||
                  (user && w->probes && env->now - w->stuck_since >= user);
    if (w->backoff < 30)
        w->backoff++;
    if (w->probes < 255)
        w->probes++;
    uint64_t rto = tcp_rto_ns(tcp, c);
    tcp_timer_event(tcp, c, WEIR_TIMER_PERSIST, w->probes, enough ? 0 : rto,
                    tcp_unsent(c), c->snd.nxt);
    if (enough) {
        give_up(tcp, c, user ? WEIR_TCP_USER_TIMEOUT : WEIR_TCP_PROBE_TIMEOUT);
        return;
    }
    c->flags |= CONN_PROBE;
    tcp_xmit_arm(tcp, c, XMIT_PERSIST, env->now + rto);
    tcp_dirty(tcp, c);
}

/* ---- keep-alive, and the wait of an orphan in FIN_WAIT_2 ---- */

static uint64_t keep_ns(int32_t own, int32_t common) {
    return (uint64_t)(own ? own : common) * NS_PER_S;
}

void tcp_keep_restart(struct tcp *tcp, struct tcp_conn *c) {
    if (!(c->ep.flags & EP_KEEPALIVE)) {
        if (c->opt && !is_orphan(c))
            c->opt->keep_due = WEIR_NEVER;
        return;
    }
    if (tcp_in(c, IN(CLOSED) | IN(LISTEN) | IN(SYN_SENT)) ||
        !tcp_opts_get(tcp, &c->opt))
        return;
    uint64_t idle =
        keep_ns(c->opt->keep_idle_s, tcp->env->sysctl.tcp_keepalive_time);
    c->opt->keep_due = tcp->env->now + idle;
    c->opt->keep_sent = 0;
    tcp_timer_update(tcp, c);
}

/* Silent since: ns. */
static uint64_t silence(struct tcp *tcp, const struct tcp_conn *c) {
    return (uint64_t)(tcp_now_ms(tcp) - c->rx_ms) * NS_PER_MS;
}

static void keep_probe(struct tcp *tcp, struct tcp_conn *c) {
    struct env *env = tcp->env;
    const struct sysctl *s = &env->sysctl;
    struct tcp_opts *o = c->opt;
    uint64_t intvl = keep_ns(o->keep_intvl_s, s->tcp_keepalive_intvl);
    unsigned most =
        o->keep_cnt ? o->keep_cnt : (unsigned)s->tcp_keepalive_probes;
    uint64_t user = (uint64_t)o->user_timeout_ms * NS_PER_MS;
    bool enough =
        user ? o->keep_sent && silence(tcp, c) >= user : o->keep_sent >= most;
    tcp_timer_event(tcp, c, WEIR_TIMER_KEEPALIVE, o->keep_sent + 1u,
                    enough ? 0 : intvl, 0, c->snd.una);
    if (enough) {
        tcp_reply_abort(tcp, c, WEIR_TCP_KEEPALIVE_TIMEOUT);
        give_up(tcp, c, WEIR_TCP_KEEPALIVE_TIMEOUT);
        return;
    }
    o->keep_sent++;
    COUNT(env, TcpExt, TCPKeepAlive);
    c->flags |= CONN_PROBE;
    o->keep_due = env->now + intvl;
    tcp_dirty(tcp, c);
    tcp_timer_update(tcp, c);
}

void tcp_keep_fired(struct tcp *tcp, struct tcp_conn *c) {
    struct env *env = tcp->env;
    struct tcp_opts *o = c->opt;
    o->keep_due = WEIR_NEVER;
    if (is_orphan(c) && tcp_state(c) == WEIR_TCP_FIN_WAIT2) {
        tcp_timer_event(tcp, c, WEIR_TIMER_FIN_WAIT2, 1, 0, 0, c->snd.una);
        tcp_orphan_fin_wait2(tcp, c);
        return;
    }
    if (!(c->ep.flags & EP_KEEPALIVE) || tcp_state(c) == WEIR_TCP_CLOSED) {
        tcp_timer_update(tcp, c);
        return;
    }
    uint64_t idle = keep_ns(o->keep_idle_s, env->sysctl.tcp_keepalive_time);
    bool busy = c->work && (c->work->tx.head || tcp_unsent(c));
    if (busy || silence(tcp, c) < idle) {
        uint64_t done = busy ? 0 : silence(tcp, c);
        if (!o->keep_sent || busy || silence(tcp, c) < idle) {
            o->keep_sent = 0;
            o->keep_due = env->now + idle - done;
            tcp_timer_update(tcp, c);
            return;
        }
    }
    keep_probe(tcp, c);
}
