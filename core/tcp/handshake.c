/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening (RFC 9293 3.5, 3.10.7.3): initial sequence numbers, what the two SYNs
 * agree on, SYN-SENT, and the step into ESTABLISHED from either side.
 */
#include <assert.h>

#include "tcp/rooms.h"

#include "pkt/pkt.h"

static uint64_t tuple_sip(const uint8_t key[16], const struct tcp_tuple *t) {
    const uint32_t k[3] = {t->laddr, t->raddr,
                           (uint32_t)t->lport << 16 | t->rport};
    return siphash(key, k, sizeof(k));
}

/* RFC 6528 3: a clock plus a keyed hash of the tuple. The clock ticks every 64
 * ns, so a reopened connection starts past its last life (RFC 9293 3.4.1). */
tcp_seq tcp_isn(struct tcp *tcp, const struct tcp_tuple *t) {
    return seq_of((uint32_t)tuple_sip(tcp->isn_key, t) +
                  (uint32_t)(tcp->env->now >> 6));
}

/* RFC 7323 5.4: timestamps that do not tell how long the machine is up. */
uint32_t tcp_ts_offset(struct tcp *tcp, const struct tcp_tuple *t) {
    const struct tcp_tuple hosts = {t->laddr, t->raddr, 0, 0};
    if (tcp->env->sysctl.tcp_timestamps != 1)
        return 0;
    uint32_t mixed = (t->laddr ^ t->raddr) * 0x9e3779b1u;
    struct tcp_pair *pair = &tcp->pairs[mixed >> 16 & (TCP_PAIRS - 1)];
    if (pair->raddr != t->raddr || pair->laddr != t->laddr || !t->raddr)
        *pair = (struct tcp_pair){t->laddr, t->raddr,
                                  (uint32_t)tuple_sip(tcp->ts_key, &hosts)};
    return pair->ts_offset;
}

uint16_t tcp_mss_of_mtu(uint32_t mtu) {
    uint32_t mss = mtu > 40 ? mtu - 40 : 1;
    return (uint16_t)(mss > 65495 ? 65495 : mss);
}

uint32_t tcp_first_window(const struct tcp *tcp, uint32_t rcvbuf, unsigned mss,
                          bool scaling, uint8_t *wscale) {
    const struct sysctl *s = &tcp->env->sysctl;
    uint32_t space = rcvbuf / 2;
    if (space > mss && mss)
        space = space / mss * mss;
    *wscale = 0;
    if (scaling) { /* RFC 7323 2.2: enough for the largest buffer ever */
        uint32_t most = (uint32_t)(s->tcp_rmem[2] > s->rmem_max ? s->tcp_rmem[2]
                                                                : s->rmem_max);
        most = most > space ? most : space;
        for (; most > 65535 && *wscale < TCP_WSCALE_MAX; most >>= 1)
            ++*wscale;
    }
    return space > 65535 ? 65535 : space;
}

void tcp_syn_options(struct tcp *tcp, struct tcp_conn *c, struct tcp_hdr *h,
                     bool ack) {
    const struct sysctl *s = &tcp->env->sysctl;
    h->opts = TCP_OPT_MSS; /* RFC 9293 3.7.1 (MUST-14, SHLD-5) */
    h->mss = c->adv_mss;
    if (ack ? (c->flags & CONN_TS) != 0 : s->tcp_timestamps != 0) {
        h->opts |= TCP_OPT_TS;
        h->ts_val = tcp_now_ms(tcp) + c->ts.offset;
        h->ts_ecr = ack ? c->ts.recent : 0;
    }
    if (ack ? (c->flags & CONN_SACK) != 0 : s->tcp_sack != 0)
        h->opts |= TCP_OPT_SACK_OK;
    if (ack ? (c->flags & CONN_WSCALE) != 0 : s->tcp_window_scaling != 0) {
        h->opts |= TCP_OPT_WSCALE;
        h->wscale = c->rcv_wscale;
    }
}

/* What we send must fit the peer's MSS, the path and our own options. */
void tcp_mss_update(struct tcp *tcp, struct tcp_conn *c, uint32_t mtu) {
    uint32_t mss = tcp_mss_of_mtu(mtu);
    if (mss > c->peer_mss)
        mss = c->peer_mss;
    if (c->opt && c->opt->maxseg && mss > c->opt->maxseg)
        mss = c->opt->maxseg;
    uint32_t least = (uint32_t)tcp->env->sysctl.tcp_min_snd_mss;
    if (mss < least)
        mss = least;
    c->mss = (uint16_t)(mss - (c->flags & CONN_TS ? 12 : 0));
    if (c->work)
        c->work->way_gen = 0;
}

/* RFC 7323 2.2, 3.2; RFC 2018 2: an option counts where both SYNs have it. */
static void agree(struct tcp *tcp, struct tcp_conn *c,
                  const struct tcp_segment *seg) {
    const struct sysctl *s = &tcp->env->sysctl;
    const struct tcp_hdr *h = &seg->h;
    if (h->opts & TCP_OPT_TS && s->tcp_timestamps) {
        c->flags |= CONN_TS;
        c->ts.recent = h->ts_val;
        c->ts.recent_s = tcp_now_s(tcp);
    }
    if (h->opts & TCP_OPT_SACK_OK && s->tcp_sack)
        c->flags |= CONN_SACK;
    if (h->opts & TCP_OPT_WSCALE && s->tcp_window_scaling) {
        c->flags |= CONN_WSCALE;
        c->snd_wscale = h->wscale & 15u;
    } else {
        c->rcv_wscale = 0;
    }
    if (h->opts & TCP_OPT_MSS)
        c->peer_mss = h->mss ? h->mss : 536;
}

/* Linux: room for twice the window in flight, within tcp_wmem. */
static void first_sndbuf(struct tcp *tcp, struct tcp_conn *c) {
    if (c->flags & CONN_SNDBUF_LOCK)
        return;
    uint32_t want = 2 * c->cwnd * 2,
             most = (uint32_t)tcp->env->sysctl.tcp_wmem[2];
    if (want > most)
        want = most;
    if (want > c->sndbuf)
        c->sndbuf = want;
}

void tcp_established(struct tcp *tcp, struct tcp_conn *c,
                     const struct tcp_segment *seg) {
    struct ip_way way;
    struct weir_addr src = weir_addr_v4(c->ep.laddr);
    const struct weir_addr dst = weir_addr_v4(c->ep.raddr);
    if (ip_route(tcp->ip, &src, &dst, c->ep.ifindex, false, &way) == 0)
        tcp_mss_update(tcp, c, way.mtu);
    bool resent = c->work && c->work->retries;
    /* RFC 6928 2; RFC 5681 3.1: one segment where the SYN was lost */
    c->cwnd = resent ? c->mss : 10u * c->mss;
    c->ssthresh = UINT32_MAX;
    first_sndbuf(tcp, c);
    c->snd.wl1 = seg->seq;
    c->snd.una = seg->ack;
    c->snd.wnd = seg_has(seg, WEIR_SYN)
                     ? seg->h.window
                     : (uint32_t)seg->h.window << c->snd_wscale;
    c->rx_ms = c->tx_ms = tcp_now_ms(tcp);
    struct tcp_work *w = c->work;
    if (w) {
        w->wnd_max = c->snd.wnd;
        w->retries = w->backoff = 0;
        w->stuck_since = 0;
        w->soft_error = 0;
        w->copied = c->rcv.nxt;
        w->space_seq = w->rtt_seq = c->rcv.nxt;
        w->small_end = c->snd.una;
        w->rack.fack = w->rack.end = c->snd.una;
        w->rcv_mss = c->adv_mss < 536 ? c->adv_mss : 536;
        tcp_xmit_disarm(c);
    }
    tcp_state_set(tcp, c, WEIR_TCP_ESTABLISHED, WEIR_NONE);
    tcp_keep_restart(tcp, c);
    tcp_touch(tcp, c);
}

/* SYN-SENT, the ACK bit: did the peer acknowledge our SYN, and only that? RFC
 * 7323 3.2: and does it echo a time at which we sent one? */
static bool ack_acceptable(struct tcp *tcp, const struct tcp_conn *c,
                           const struct tcp_segment *seg) {
    if (!seq_gt(seg->ack, c->snd.una) || seq_gt(seg->ack, c->snd.nxt))
        return false;
    if (!(seg->h.opts & TCP_OPT_TS) || !seg->h.ts_ecr)
        return true;
    uint32_t first =
        (uint32_t)(c->work->stuck_since / NS_PER_MS) + c->ts.offset;
    uint32_t last = tcp_now_ms(tcp) + c->ts.offset;
    if (seg->h.ts_ecr - first <= last - first)
        return true;
    COUNT(tcp->env, TcpExt, PAWSActive);
    return false;
}

static void take_syn(struct tcp *tcp, struct tcp_conn *c,
                     const struct tcp_segment *seg) {
    agree(tcp, c, seg);
    c->rcv.nxt = c->rcv.wup = c->work->copied = seq_add(seg->seq, 1);
}

static void syn_acked(struct tcp *tcp, struct tcp_conn *c,
                      const struct tcp_segment *seg) {
    const struct tcp_tx *tx = c->work->tx.head;
    if (tx && tx->nth == 1) /* RFC 6298 3: Karn */
        tcp_rtt_sample(tcp, c, tcp->env->now - tx->sent_ns);
    tcp_tx_clear(tcp, c);
    tcp_established(tcp, c, seg);
}

/* RFC 9293 3.10.7.3. Data that comes along is processed from there on by the
 * caller as in any synchronized state. */
void tcp_syn_sent_input(struct tcp *tcp, struct tcp_conn *c,
                        struct tcp_segment *seg) {
    struct env *env = tcp->env;
    uint32_t sock = endpoint_sock(&c->ep);
    if (seg_has(seg, WEIR_ACK) && !ack_acceptable(tcp, c, seg)) { /* first */
        if (!seg_has(seg, WEIR_RST))
            tcp_reply_reset(tcp, seg, WEIR_TCP_STATE);
        tcp_segment_drop(env, seg, WEIR_TCP_INVALID_ACK_SEQUENCE, sock);
        return;
    }
    if (seg_has(seg, WEIR_RST)) { /* second */
        bool ours = seg_has(seg, WEIR_ACK);
        tcp_segment_drop(env, seg, WEIR_TCP_RESET, sock);
        if (ours)
            tcp_end(tcp, c, ECONNREFUSED, WEIR_TCP_REFUSED);
        return;
    }
    if (!seg_has(seg, WEIR_SYN)) { /* fifth: neither SYN nor RST */
        tcp_segment_drop(env, seg, WEIR_TCP_FLAGS, sock);
        return;
    }
    take_syn(tcp, c, seg); /* fourth */
    if (seg_has(seg, WEIR_ACK)) {
        syn_acked(tcp, c, seg);
        tcp_ack_now(tcp, c);
        seg->seq = seq_add(seg->seq, 1);
        seg->h.flags = (uint8_t)(seg->h.flags & ~WEIR_SYN);
        tcp_urgent_input(tcp, c, seg);
        tcp_receive(tcp, c, seg);
    } else {
        /* simultaneous open (MUST-10): our SYN again, with an ACK */
        c->snd.wnd = seg->h.window;
        c->snd.wl1 = seg->seq;
        tcp_state_set(tcp, c, WEIR_TCP_SYN_RECV, WEIR_NONE);
        if (c->work->tx.head)
            tcp_tx_set_lost(c->work, c->work->tx.head);
        tcp_dirty(tcp, c);
    }
    if (seg->pkt)
        weir_pkt_free(seg->pkt);
    seg->pkt = NULL;
}

static void inherit(struct tcp *tcp, struct tcp_conn *c,
                    const struct tcp_listener *l) {
    endpoint_inherit(tcp->env, &c->ep, &l->ep);
    c->flags |= l->flags & (CONN_NODELAY | CONN_CORK | CONN_SNDBUF_LOCK |
                            CONN_RCVBUF_LOCK | CONN_NO_QUICKACK);
    c->ep.flags |= l->ep.flags & (EP_SHUT_RD | EP_SHUT_WR); /* as Linux */
    c->cc = l->cc;
    c->rcvbuf = l->rcvbuf;
    c->sndbuf = l->sndbuf;
    if (l->opt && tcp_opts_get(tcp, &c->opt)) {
        *c->opt = *l->opt;
        c->opt->keep_due = WEIR_NEVER;
    }
}

/* The final ACK of a half-open connection has come: a connection in SYN_RECV
 * takes its place. NULL: no memory. */
struct tcp_conn *tcp_request_to_conn(struct tcp *tcp, struct tcp_request *r) {
    struct tcp_conn *c = tcp_conn_create(tcp);
    if (!c)
        return NULL;
    tcp_state_init(&c->node, WEIR_TCP_SYN_RECV);
    inherit(tcp, c, r->listener);
    c->ep.laddr = r->t.laddr;
    c->ep.raddr = r->t.raddr;
    c->ep.lport = r->t.lport;
    c->ep.rport = r->t.rport;
    c->flags |= CONN_PASSIVE | CONN_CONNECTED | CONN_PORT_BIND;
    c->flags |= r->flags & REQ_TS ? CONN_TS : 0;
    c->flags |= r->flags & REQ_SACK ? CONN_SACK : 0;
    c->flags |= r->flags & REQ_WSCALE ? CONN_WSCALE : 0;
    c->snd_wscale = r->snd_wscale & 15u;
    c->rcv_wscale = r->rcv_wscale & 15u;
    c->peer_mss = r->peer_mss;
    c->adv_mss = r->adv_mss;
    c->snd.una = r->iss;
    c->snd.nxt = seq_add(r->iss, 1);
    c->snd.wnd = r->snd_wnd;
    c->rcv.nxt = c->rcv.wup = seq_add(r->irs, 1);
    c->rcv.wnd = r->wnd;
    c->ts.recent = r->ts_recent;
    c->ts.recent_s = tcp_now_s(tcp);
    c->ts.offset = r->ts_offset;
    if (r->sent == 1)
        tcp_rtt_sample(tcp, c, tcp->env->now - r->sent_ns);
    if (!tcp_work_get(tcp, c)) {
        tcp_hash_conn(tcp, c, false);
        tcp_conn_destroy(tcp, c);
        return NULL;
    }
    c->work->sendq.base = c->work->sendq.cur_seq = c->snd.nxt;
    return c;
}
