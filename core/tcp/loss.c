/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is lost, and what to do about it.
 */
#include "tcp/cc.h"
#include "tcp/rooms.h"

static struct cc_window window_of(const struct tcp_conn *c) {
    return (struct cc_window){c->cwnd, c->ssthresh, c->mss, c->work->cc_acked};
}

void tcp_rack_delivered(struct tcp *tcp, struct tcp_conn *c,
                        const struct tcp_tx *tx,
                        const struct tcp_segment *seg) {
    (void)tcp, (void)c, (void)tx, (void)seg;
}

void tcp_loss_ack(struct tcp *tcp, struct tcp_conn *c,
                  const struct tcp_segment *seg, struct tcp_ack_sample *s) {
    (void)seg;
    struct tcp_work *w = c->work;
    if (w->loss.state == CA_LOSS && seq_ge(c->snd.una, w->loss.high_seq))
        w->loss.state = CA_OPEN;
    struct cc_window cw = window_of(c);
    const struct cc_sample cs = {
        .now_ns = tcp->env->now,
        .delivered = s->delivered,
        .in_flight = s->prior_pipe,
        .srtt_us = c->srtt_us / 8,
        .cwnd_limited = s->prior_pipe + c->mss > c->cwnd / 2,
    };
    if (s->delivered)
        tcp_cc[c->cc]->on_ack(&cw, &cs);
    c->cwnd = cw.cwnd;
    w->cc_acked = cw.acked;
}

void tcp_loss_rto(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    (void)tcp;
    if (w->loss.state != CA_LOSS) {
        struct cc_window cw = window_of(c);
        const struct cc_sample cs = {.in_flight = tcp_pipe(c)};
        c->ssthresh = tcp_cc[c->cc]->ssthresh(&cw, &cs);
    }
    w->loss.state = CA_LOSS;
    w->loss.high_seq = c->snd.nxt;
    c->cwnd = c->mss;
    for (struct tcp_tx *tx = w->tx.head; tx; tx = tx->next)
        tcp_tx_set_lost(w, tx);
}

void tcp_loss_reorder_timer(struct tcp *tcp, struct tcp_conn *c) {
    (void)tcp, (void)c;
}

void tcp_loss_probe_timer(struct tcp *tcp, struct tcp_conn *c) {
    (void)tcp, (void)c;
}

uint64_t tcp_loss_pto_ns(const struct tcp *tcp, const struct tcp_conn *c) {
    (void)tcp, (void)c;
    return 0;
}

void tcp_loss_idle(struct tcp *tcp, struct tcp_conn *c) {
    (void)tcp, (void)c;
}
