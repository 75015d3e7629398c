/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an ACK means (RFC 9293 3.10.7.4, fifth): what it acknowledges, the
 * window it brings, a round-trip sample; then loss.c decides what is lost and
 * the congestion control how much may be in flight.
 */
#include "tcp/rooms.h"

#include "base/hint.h"

/* RFC 5961 5.2: older than anything the window could explain? */
static bool too_old(const struct tcp_conn *c, tcp_seq ack) {
    uint32_t most = c->work && c->work->wnd_max > c->snd.wnd ? c->work->wnd_max
                                                             : c->snd.wnd;
    return seq_lt(ack, seq_sub(c->snd.una, most));
}

/* RFC 9293 3.10.7.4: SND.WL1, SND.WL2. */
static bool window_is_news(const struct tcp_conn *c, tcp_seq seq, tcp_seq ack,
                           uint32_t wnd) {
    return seq_gt(ack, c->snd.una) || seq_gt(seq, c->snd.wl1) ||
           (seq_eq(seq, c->snd.wl1) && wnd > c->snd.wnd);
}

/* True where the window opened. */
static bool update_window(struct tcp_conn *c, tcp_seq seq, tcp_seq ack,
                          uint32_t wnd) {
    uint32_t was = c->snd.wnd;
    tcp_seq edge = seq_add(c->snd.una, was);
    if (!window_is_news(c, seq, ack, wnd))
        return false;
    c->snd.wl1 = seq;
    c->snd.wnd = wnd;
    if (c->work && wnd > c->work->wnd_max)
        c->work->wnd_max = wnd;
    return seq_gt(seq_add(ack, wnd), edge);
}

/* Records that are acknowledged leave. */
static void clean(struct tcp *tcp, struct tcp_conn *c,
                  const struct tcp_segment *seg, struct tcp_ack_sample *s) {
    struct tcp_work *w = c->work;
    struct tcp_tx *tx;
    while ((tx = w->tx.head) && seq_lt(tx->seq, seg->ack)) {
        if (seq_gt(tx->end, seg->ack) && !tcp_tx_split(tcp, c, tx, seg->ack))
            break;
        uint32_t len = (uint32_t)seq_diff(tx->end, tx->seq);
        s->acked += len;
        if (!(tx->flags & TX_SACKED)) {
            s->delivered += len;
            tcp_rack_delivered(tcp, c, tx, seg);
            if (tx->nth == 1)
                s->rtt_ns = tcp->env->now - tx->sent_ns;
        }
        if (tx->flags & TX_RETRANS)
            s->retrans_acked = true;
        else if (!(tx->flags & TX_SACKED))
            s->orig_acked = true;
        tcp_tx_remove(tcp, c, tx);
    }
}

/* RFC 7323 4.1: the echo tells the round trip even of retransmissions. */
static void sample_echo(struct tcp *tcp, struct tcp_conn *c, bool ts,
                        uint32_t ts_ecr) {
    if (!(c->flags & CONN_TS) || !ts || !ts_ecr)
        return;
    uint32_t ms = tcp_now_ms(tcp) + c->ts.offset - ts_ecr;
    if (ms < 120000)
        tcp_rtt_sample(tcp, c, ms ? ms * NS_PER_MS : NS_PER_MS / 2);
}

static void sample_rtt(struct tcp *tcp, struct tcp_conn *c,
                       const struct tcp_segment *seg,
                       const struct tcp_ack_sample *s) {
    if (s->rtt_ns && !s->retrans_acked) {
        tcp_rtt_sample(tcp, c, s->rtt_ns);
        return;
    }
    sample_echo(tcp, c, seg->h.opts & TCP_OPT_TS, seg->h.ts_ecr);
}

/* As the window grows, so does what may be queued: three windows, within
 * tcp_wmem, unless SO_SNDBUF was set. */
static void grow_sndbuf(struct tcp *tcp, struct tcp_conn *c) {
    uint64_t want = 3ull * c->cwnd;
    uint32_t most = (uint32_t)tcp->env->sysctl.tcp_wmem[2];
    if (c->flags & CONN_SNDBUF_LOCK || want <= c->sndbuf || c->sndbuf >= most)
        return;
    c->sndbuf = want < most ? (uint32_t)want : most;
}

/* After the records were looked at, and a round trip measured. */
static void progress(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    w->retries = w->probes = 0;
    w->backoff = 0;
    w->stuck_since = w->tx.head ? w->tx.head->sent_ns : 0;
    w->soft_error = 0;
    if (w->xmit_timer != XMIT_PERSIST)
        tcp_xmit_disarm(c); /* RFC 6298 5.2, 5.3: output arms it anew */
    grow_sndbuf(tcp, c);
    if (c->flags & CONN_SNDQ_FULL && tcp_writable(tcp, c))
        c->flags &= ~(uint32_t)CONN_SNDQ_FULL;
    tcp_touch(tcp, c); /* bytes were freed */
}

static void advance(struct tcp *tcp, struct tcp_conn *c,
                    const struct tcp_segment *seg, struct tcp_ack_sample *s) {
    struct tcp_work *w = c->work;
    clean(tcp, c, seg, s);
    c->snd.una = seg->ack;
    tcp_sendq_advance(tcp, w, seg->ack);
    if (c->flags & CONN_URG_SEND && seq_ge(seg->ack, w->snd_up))
        c->flags &= ~(uint32_t)CONN_URG_SEND;
    sample_rtt(tcp, c, seg, s);
    progress(tcp, c);
}

/* An ACK while nothing is in flight: perhaps the answer to a probe of a closed
 * window. */
static void nothing_out(struct tcp *tcp, struct tcp_conn *c, bool opened) {
    struct tcp_work *w = c->work;
    w->probes = 0;
    w->stuck_since = 0;
    if (c->snd.wnd && w->xmit_timer == XMIT_PERSIST) {
        w->backoff = 0;
        tcp_xmit_disarm(c);
    }
    if (opened || w->sendq.bytes || w->xmit_timer)
        tcp_dirty(tcp, c);
}

bool tcp_ack(struct tcp *tcp, struct tcp_conn *c, const struct tcp_segment *seg,
             enum weir_reason *why) {
    struct env *env = tcp->env;
    struct tcp_ack_sample s = {.prior_una = c->snd.una};
    if (seq_gt(seg->ack, c->snd.nxt)) {
        tcp_ack_now(tcp, c);
        *why = WEIR_TCP_INVALID_ACK_SEQUENCE;
        return false;
    }
    if (seq_lt(seg->ack, c->snd.una)) {
        if (too_old(c, seg->ack)) {
            tcp_challenge_ack(tcp, c);
            *why = WEIR_TCP_TOO_OLD_ACK;
            return false;
        }
        if (c->work && c->work->tx.head)
            tcp_sack_input(tcp, c, seg, &s);
        return true;
    }
    if (c->opt)
        c->opt->keep_sent = 0;
    bool pure = !seg->len && !seg_has(seg, WEIR_FIN);
    uint32_t wnd = (uint32_t)seg->h.window << c->snd_wscale;
    /* RFC 5681 2: a duplicate acknowledgment */
    s.dup = pure && seq_eq(seg->ack, c->snd.una) && wnd == c->snd.wnd &&
            c->work && c->work->tx.head;
    if (pure)
        COUNT(env, TcpExt, TCPPureAcks);
    bool opened = update_window(c, seg->seq, seg->ack, wnd);
    struct tcp_work *w = c->work;
    if (w && w->tx.head) {
        s.prior_pipe = tcp_pipe(c);
        tcp_sack_input(tcp, c, seg, &s);
        if (seq_gt(seg->ack, c->snd.una))
            advance(tcp, c, seg, &s);
        COUNT_N(env, TcpExt, TCPDelivered, s.delivered / (c->mss ? c->mss : 1));
        tcp_loss_ack(tcp, c, seg, &s);
        tcp_dirty(tcp, c);
    } else if (w) {
        nothing_out(tcp, c, opened);
    }
    ip_confirm(tcp->ip, c->ep.raddr);
    return true;
}

APART static void clean_each(struct tcp *tcp, struct tcp_conn *c, tcp_seq ack,
                             struct tcp_ack_sample *s) {
    struct tcp_work *w = c->work;
    struct tcp_tx *tx;
    while ((tx = w->tx.head) && seq_lt(tx->seq, ack)) {
        s->delivered += (uint32_t)seq_diff(tx->end, tx->seq);
        tcp_rack_delivered(tcp, c, tx, NULL);
        s->rtt_ns = tcp->env->now - tx->sent_ns;
        tcp_tx_remove(tcp, c, tx);
    }
}

/* Each record was sent once, and none ends past the ACK. As a rule there is
 * one. */
static inline void clean_plain(struct tcp *tcp, struct tcp_conn *c, tcp_seq ack,
                               struct tcp_ack_sample *s) {
    struct tcp_tx *tx = c->work->tx.head;
    if (tx->next) {
        clean_each(tcp, c, ack, s);
        return;
    }
    s->delivered = (uint32_t)seq_diff(tx->end, tx->seq);
    tcp_rack_delivered(tcp, c, tx, NULL);
    s->rtt_ns = tcp->env->now - tx->sent_ns;
    tcp_tx_remove_alone(tcp, c->work, tx);
}

void tcp_ack_plain(struct tcp *tcp, struct tcp_conn *c,
                   const struct tcp_news *news) {
    struct tcp_work *w = c->work;
    if (c->opt)
        c->opt->keep_sent = 0;
    bool opened = update_window(c, news->seq, news->ack, news->wnd);
    if (!w->tx.head) {
        nothing_out(tcp, c, opened);
    } else {
        struct tcp_ack_sample s;
        s.prior_pipe = tcp_pipe(c);
        s.delivered = 0;
        s.rtt_ns = 0;
        if (seq_gt(news->ack, c->snd.una)) {
            clean_plain(tcp, c, news->ack, &s);
            c->snd.una = news->ack;
            tcp_sendq_advance(tcp, w, news->ack);
            if (s.rtt_ns)
                tcp_rtt_sample(tcp, c, s.rtt_ns);
            else
                sample_echo(tcp, c, news->ts, news->ts_ecr);
            progress(tcp, c);
            if (s.delivered >= c->mss)
                COUNT_N(tcp->env, TcpExt, TCPDelivered, s.delivered / c->mss);
        }
        tcp_loss_ack_plain(tcp, c, &s);
        tcp_dirty(tcp, c);
    }
    ip_confirm(tcp->ip, c->ep.raddr);
}
