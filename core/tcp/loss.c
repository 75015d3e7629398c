/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is lost and what to do about it.
 *
 * A record is lost when one sent later has arrived and a reordering window has
 * passed since (RACK, RFC 8985); for a peer without SACK, when three duplicate
 * ACKs came (NewReno, RFC 6582). That starts a recovery, in which Proportional
 * Rate Reduction (RFC 6937) lets out as much as arrives until all that was in
 * flight is acknowledged. A time-out takes everything for lost and begins with
 * one segment. Where it shows that what was sent again had not been lost (by
 * timestamps, RFC 4015, or DSACK, RFC 3708), the window is put back.
 */
#include "base/hint.h"
#include "tcp/cc.h"
#include "tcp/rooms.h"

enum { DUP_THRESH = 3 };

static struct cc_window window_of(const struct tcp_conn *c) {
    return (struct cc_window){c->cwnd, c->ssthresh, c->mss, c->work->cc_acked};
}

static bool in_recovery(const struct tcp_work *w) {
    return w->loss.state == CA_RECOVERY || w->loss.state == CA_LOSS;
}

/* ---- episodes ---- */

static void begin_episode(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    struct tcp_loss *l = &w->loss;
    const struct cc_window cw = window_of(c);
    const struct cc_sample cs = {
        .now_ns = tcp->env->now,
        .in_flight = (uint32_t)seq_diff(c->snd.nxt, c->snd.una),
    };
    l->prior_cwnd = c->cwnd;
    l->prior_ssthresh = c->ssthresh;
    l->undo_possible = true;
    l->undo_una = c->snd.una;
    l->undo_retrans = 0;
    l->retransmitted = false;
    c->ssthresh = tcp_cc[c->cc]->ssthresh(&cw, &cs);
    w->cc_acked = 0;
}

SELDOM static void enter_recovery(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_loss *l = &c->work->loss;
    begin_episode(tcp, c);
    l->state = CA_RECOVERY;
    l->high_seq = c->snd.nxt;
    l->prr_delivered = l->prr_out = 0;
    if (c->flags & CONN_SACK)
        COUNT(tcp->env, TcpExt, TCPSackRecovery);
    else
        COUNT(tcp->env, TcpExt, TCPRenoRecovery);
}

/* RFC 6937 3.1, with the slow-start reduction bound. */
APART static void prr(struct tcp_conn *c, const struct tcp_ack_sample *s) {
    struct tcp_loss *l = &c->work->loss;
    uint32_t pipe = tcp_pipe(c), send;
    l->prr_delivered += s->delivered;
    if (pipe > c->ssthresh) {
        uint64_t share = (uint64_t)l->prr_delivered * c->ssthresh;
        uint32_t due = (uint32_t)((share + l->prior_cwnd - 1) / l->prior_cwnd);
        send = due > l->prr_out ? due - l->prr_out : 0;
    } else {
        uint32_t owed =
            l->prr_delivered > l->prr_out ? l->prr_delivered - l->prr_out : 0;
        uint32_t bound = (owed > s->delivered ? owed : s->delivered) + c->mss;
        send = c->ssthresh - pipe < bound ? c->ssthresh - pipe : bound;
    }
    if (!l->prr_out && send < c->mss)
        send = c->mss; /* the fast retransmit itself */
    c->cwnd = pipe + send;
}

static void end_episode(struct tcp_conn *c) {
    struct tcp_loss *l = &c->work->loss;
    if (l->state == CA_RECOVERY)
        c->cwnd = c->ssthresh; /* RFC 6582 3.2 (3) */
    l->state = c->work->tx.sacked_bytes ? CA_DISORDER : CA_OPEN;
    l->undo_possible = false;
    l->dupacks = 0;
}

static void undo(struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    struct tcp_loss *l = &w->loss;
    for (struct tcp_tx *tx = w->tx.head; tx && w->tx.lost_bytes; tx = tx->next)
        tcp_tx_unlose(w, tx);
    if (l->prior_cwnd > c->cwnd)
        c->cwnd = l->prior_cwnd;
    c->ssthresh = l->prior_ssthresh;
    l->undo_possible = false;
    l->dupacks = 0;
    l->state = w->tx.sacked_bytes ? CA_DISORDER : CA_OPEN;
}

/* RFC 4015: an ACK that echoes a time before the first retransmission is of
 * the original. */
static bool eifel(const struct tcp_conn *c, const struct tcp_segment *seg,
                  const struct tcp_ack_sample *s) {
    const struct tcp_loss *l = &c->work->loss;
    return l->retransmitted && s->acked && c->flags & CONN_TS &&
           seg->h.opts & TCP_OPT_TS && seg->h.ts_ecr &&
           (int32_t)(seg->h.ts_ecr - l->retrans_tsval) < 0;
}

static void try_undo(struct tcp *tcp, struct tcp_conn *c,
                     const struct tcp_segment *seg,
                     const struct tcp_ack_sample *s) {
    struct env *env = tcp->env;
    struct tcp_loss *l = &c->work->loss;
    if (!l->undo_possible || !l->retransmitted)
        return;
    if (eifel(c, seg, s)) {
        if (l->state == CA_LOSS) {
            COUNT(env, TcpExt, TCPLossUndo);
            COUNT(env, TcpExt, TCPSpuriousRTOs);
        } else {
            COUNT(env, TcpExt, TCPFullUndo);
        }
        undo(c);
    } else if (s->dsack && l->undo_retrans <= 0) {
        COUNT(env, TcpExt, TCPDSACKUndo);
        undo(c);
    }
}

/* ---- RACK (RFC 8985 6) ---- */

static bool sent_after(uint64_t t1, tcp_seq end1, uint64_t t2, tcp_seq end2) {
    return t1 > t2 || (t1 == t2 && seq_gt(end1, end2));
}

/* RFC 8985 6.2, steps 1 to 3. */
void tcp_rack_delivered(struct tcp *tcp, struct tcp_conn *c,
                        const struct tcp_tx *tx,
                        const struct tcp_segment *seg) {
    struct tcp_rack *r = &c->work->rack;
    uint64_t ns = tcp->env->now - tx->sent_ns;
    uint32_t us = ns / 1000 < UINT32_MAX ? (uint32_t)(ns / 1000) : UINT32_MAX;
    if (seq_lt(tx->end, r->fack)) {
        if (!(tx->flags & TX_RETRANS))
            r->reordering_seen = true;
    } else {
        r->fack = tx->end;
    }
    if (tx->flags & TX_RETRANS) { /* is it the original that arrived? */
        uint32_t sent = (uint32_t)(tx->sent_ns / NS_PER_MS) + c->ts.offset;
        if (c->flags & CONN_TS && seg->h.opts & TCP_OPT_TS &&
            (int32_t)(seg->h.ts_ecr - sent) < 0)
            return;
        if (us < r->min_rtt_us)
            return;
    } else if (us < r->min_rtt_us) {
        r->min_rtt_us = us;
    }
    r->rtt_us = us;
    if (sent_after(tx->sent_ns, tx->end, r->xmit_ns, r->end)) {
        r->xmit_ns = tx->sent_ns;
        r->end = tx->end;
    }
}

/* RFC 8985 6.2, step 4: none before reordering was seen and the path looks
 * lossy; else a quarter of the shortest round trip, more after DSACKs. */
static uint64_t reorder_window(const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    const struct tcp_rack *r = &w->rack;
    if (!r->reordering_seen &&
        (in_recovery(w) || w->tx.sacked_bytes >= DUP_THRESH * (uint32_t)c->mss))
        return 0;
    uint64_t us = r->min_rtt_us == UINT32_MAX ? 0 : r->min_rtt_us;
    us = us * r->reo_wnd_mult / 4;
    return (us < c->srtt_us / 8 ? us : c->srtt_us / 8) * 1000;
}

/* Step 5: mark what is lost; ns until the next may be, 0: none. */
APART static uint64_t rack_detect(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    const struct tcp_rack *r = &w->rack;
    uint64_t now = tcp->env->now, wait = 0;
    if (!r->xmit_ns)
        return 0;
    uint64_t reo = reorder_window(c);
    struct tcp_tx *next;
    for (struct tcp_tx *tx = w->tx.thead; tx; tx = next) {
        next = tx->tnext;
        if (!sent_after(r->xmit_ns, r->end, tx->sent_ns, tx->end))
            break;
        uint64_t due = tx->sent_ns + r->rtt_us * 1000ull + reo;
        if (due <= now) {
            if (tx->flags & TX_RETRANS)
                COUNT(tcp->env, TcpExt, TCPLostRetransmit);
            tcp_tx_set_lost(w, tx);
        } else if (due - now > wait) {
            wait = due - now;
        }
    }
    return wait;
}

/* RFC 8985 6.2, step 4: each round trip with a DSACK widens the window; it
 * narrows after 16 recoveries without. */
static void adapt_reorder_window(struct tcp_conn *c,
                                 const struct tcp_ack_sample *s) {
    struct tcp_rack *r = &c->work->rack;
    if (r->dsack_round && seq_ge(c->snd.una, r->dsack_round_end))
        r->dsack_round = false;
    if (s->dsack && !r->dsack_round) {
        r->dsack_round = true;
        r->dsack_round_end = c->snd.nxt;
        if (r->reo_wnd_mult < 255)
            r->reo_wnd_mult++;
        r->reo_persist = 16;
    }
}

/* ---- NewReno, for a peer without SACK (RFC 6582) ---- */

static void newreno(struct tcp_conn *c, const struct tcp_ack_sample *s) {
    struct tcp_work *w = c->work;
    struct tcp_loss *l = &w->loss;
    if (s->dup) {
        if (l->dupacks < 255)
            l->dupacks++;
        if (l->dupacks == DUP_THRESH && !in_recovery(w) && w->tx.head)
            tcp_tx_set_lost(w, w->tx.head);
        return;
    }
    if (!s->acked)
        return;
    l->dupacks = 0;
    bool partial = in_recovery(w) && seq_lt(c->snd.una, l->high_seq);
    if (partial && w->tx.head && !(w->tx.head->flags & TX_IN_FLIGHT))
        tcp_tx_set_lost(w, w->tx.head); /* RFC 6582 3.2 (5) */
}

/* ---- TLP (RFC 8985 7) ---- */

uint64_t tcp_loss_pto_ns(const struct tcp *tcp, const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    const struct sysctl *s = &tcp->env->sysctl;
    if (!(c->flags & CONN_SACK) || s->tcp_early_retrans < 3 || !c->srtt_us ||
        w->loss.state != CA_OPEN || w->loss.tlp_active || w->tx.sacked_bytes ||
        w->retries || !c->snd.wnd)
        return 0;
    uint64_t us = c->srtt_us / 4; /* twice SRTT */
    if (tcp_pipe(c) <= c->mss)
        us += 200000; /* the receiver may delay the only ACK */
    else
        us += 2000;
    uint64_t rto = tcp_rto_ns(tcp, c);
    return us * 1000 < rto ? us * 1000 : rto;
}

void tcp_loss_probe_timer(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    if (!w->tx.tail) {
        tcp_dirty(tcp, c);
        return;
    }
    uint64_t rto = tcp_rto_ns(tcp, c);
    tcp_timer_event(tcp, c, WEIR_TIMER_PROBE, 1, rto, tcp_pipe(c),
                    w->tx.tail->seq);
    w->loss.tlp_active = true;
    w->loss.tlp_due = true;
    w->loss.tlp_end = c->snd.nxt;
    COUNT(tcp->env, TcpExt, TCPLossProbes);
    tcp_xmit_arm(tcp, c, XMIT_REXMIT, tcp->env->now + rto);
    tcp_dirty(tcp, c);
}

/* RFC 8985 7.4: did the probe repair a loss? Then the window is reduced. */
static void tlp_acked(struct tcp *tcp, struct tcp_conn *c,
                      const struct tcp_segment *seg,
                      const struct tcp_ack_sample *s) {
    struct tcp_loss *l = &c->work->loss;
    if (!l->tlp_active || seq_lt(seg->ack, l->tlp_end))
        return;
    l->tlp_active = false;
    if (!l->tlp_retrans || s->dsack || in_recovery(c->work))
        return;
    if (eifel(c, seg, s))
        return;
    begin_episode(tcp, c);
    l->undo_possible = false;
    if (c->cwnd > c->ssthresh)
        c->cwnd = c->ssthresh;
    COUNT(tcp->env, TcpExt, TCPLossProbeRecovery);
}

/* ---- what calls from outside mean ---- */

static void cwnd_grow(struct tcp *tcp, struct tcp_conn *c,
                      const struct tcp_ack_sample *s) {
    struct tcp_work *w = c->work;
    struct cc_window cw = window_of(c);
    bool slow_start = c->cwnd < c->ssthresh;
    bool limited = slow_start ? s->prior_pipe * 2ull >= c->cwnd
                              : s->prior_pipe + 2ull * c->mss > c->cwnd;
    const struct cc_sample cs = {
        .now_ns = tcp->env->now,
        .delivered = s->delivered,
        .in_flight = s->prior_pipe,
        .srtt_us = c->srtt_us / 8,
        .cwnd_limited = limited || w->loss.state == CA_LOSS,
    };
    tcp_cc[c->cc]->on_ack(&cw, &cs);
    c->cwnd = cw.cwnd;
    w->cc_acked = cw.acked;
}

static void detect(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    if (!w->tx.head && w->loss.state == CA_OPEN && w->xmit_timer == XMIT_NONE)
        return; /* nothing is in flight, so nothing is lost */
    uint64_t wait = c->flags & CONN_SACK ? rack_detect(tcp, c) : 0;
    if (w->tx.lost_bytes && !in_recovery(w))
        enter_recovery(tcp, c);
    if (w->loss.state == CA_OPEN && w->tx.sacked_bytes)
        w->loss.state = CA_DISORDER;
    else if (w->loss.state == CA_DISORDER && !w->tx.sacked_bytes)
        w->loss.state = CA_OPEN;
    if (wait) {
        tcp_xmit_arm(tcp, c, XMIT_REORDER, tcp->env->now + wait);
    } else if (w->xmit_timer == XMIT_REORDER ||
               (w->xmit_timer == XMIT_TLP && w->loss.state != CA_OPEN)) {
        tcp_xmit_disarm(c); /* output arms what is due instead */
    }
}

void tcp_loss_ack(struct tcp *tcp, struct tcp_conn *c,
                  const struct tcp_segment *seg, struct tcp_ack_sample *s) {
    struct tcp_work *w = c->work;
    adapt_reorder_window(c, s);
    tlp_acked(tcp, c, seg, s);
    try_undo(tcp, c, seg, s);
    if (!(c->flags & CONN_SACK))
        newreno(c, s);
    bool over = in_recovery(w) && seq_ge(c->snd.una, w->loss.high_seq);
    if (over) {
        if (w->rack.reo_persist && --w->rack.reo_persist == 0)
            w->rack.reo_wnd_mult = 1;
        end_episode(c);
    }
    detect(tcp, c);
    if (w->loss.state == CA_RECOVERY)
        prr(c, s);
    else if (s->delivered && !over)
        cwnd_grow(tcp, c, s);
}

void tcp_loss_ack_plain(struct tcp *tcp, struct tcp_conn *c,
                        const struct tcp_ack_sample *s) {
    struct tcp_work *w = c->work;
    detect(tcp, c);
    if (w->loss.state == CA_RECOVERY)
        prr(c, s);
    else if (s->delivered)
        cwnd_grow(tcp, c, s);
}

void tcp_loss_reorder_timer(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    const struct tcp_ack_sample none = {.prior_pipe = 0};
    uint32_t lost = w->tx.lost_bytes;
    tcp_timer_event(tcp, c, WEIR_TIMER_REORDER, 1, 0, tcp_pipe(c), c->snd.una);
    detect(tcp, c);
    if (w->tx.lost_bytes > lost && w->loss.state == CA_RECOVERY)
        prr(c, &none);
    tcp_dirty(tcp, c);
}

/* RFC 5681 3.1 (equation 4, loss window), RFC 6298 5.4 to 5.6. */
void tcp_loss_rto(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    struct tcp_loss *l = &w->loss;
    if (w->tx.head && w->tx.head->flags & TX_SACKED) /* RFC 2018 8: reneged */
        for (struct tcp_tx *tx = w->tx.head; tx; tx = tx->next)
            tcp_tx_clear_sacked(w, tx);
    if (!in_recovery(w))
        begin_episode(tcp, c);
    else if (l->state == CA_RECOVERY)
        l->undo_possible = false;
    l->state = CA_LOSS;
    l->high_seq = c->snd.nxt;
    l->tlp_active = l->tlp_due = false;
    l->dupacks = 0;
    c->cwnd = c->mss;
    for (struct tcp_tx *tx = w->tx.head; tx; tx = tx->next)
        tcp_tx_set_lost(w, tx);
}

void tcp_loss_retransmitted(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_loss *l = &c->work->loss;
    if (!l->retransmitted) {
        l->retransmitted = true;
        l->retrans_tsval = tcp_now_ms(tcp) + c->ts.offset;
    }
    l->undo_retrans++;
    if (l->state == CA_RECOVERY)
        COUNT(tcp->env, TcpExt, TCPFastRetrans);
    else if (l->state == CA_LOSS)
        COUNT(tcp->env, TcpExt, TCPSlowStartRetrans);
}

/* RFC 5681 4.1: after an idle time the window is no longer known to be right:
 * halved for each RTO that passed, down to the initial window. */
void tcp_loss_idle(struct tcp *tcp, struct tcp_conn *c) {
    uint64_t idle = (uint64_t)(tcp_now_ms(tcp) - c->tx_ms) * NS_PER_MS;
    if (idle <= (uint64_t)tcp->env->sysctl.tcp_rto_min_us * 1000)
        return; /* less than any RTO */
    uint64_t rto = tcp_rto_base_ns(tcp, c);
    if (!tcp->env->sysctl.tcp_slow_start_after_idle || idle <= rto)
        return;
    uint32_t least = 10u * c->mss;
    if (c->cwnd <= least)
        return;
    uint32_t keep = c->cwnd / 4 * 3;
    if (keep > c->ssthresh || c->ssthresh == UINT32_MAX)
        c->ssthresh = keep; /* what it had reached (RFC 2861) */
    for (; idle > rto && c->cwnd > least; idle -= rto)
        c->cwnd /= 2;
    if (c->cwnd < least)
        c->cwnd = least;
}
