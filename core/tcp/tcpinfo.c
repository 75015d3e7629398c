/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP_INFO: the fields of Linux's struct tcp_info that weir keeps; the others
 * are 0. The layout is the ABI's.
 */
#include "tcp/rooms.h"

struct linux_tcp_info {
    uint8_t state, ca_state, retransmits, probes, backoff, options;
    uint8_t wscales, flags;
    uint32_t rto, ato, snd_mss, rcv_mss;
    uint32_t unacked, sacked, lost, retrans, fackets;
    uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
    uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss;
    uint32_t reordering, rcv_rtt, rcv_space, total_retrans;
    uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
    uint32_t segs_out, segs_in, notsent_bytes, min_rtt;
    uint32_t data_segs_in, data_segs_out;
    uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
    uint32_t delivered, delivered_ce;
    uint64_t bytes_sent, bytes_retrans;
    uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd;
};
_Static_assert(sizeof(struct linux_tcp_info) == 232, "Linux's struct tcp_info");

enum { OPT_TIMESTAMPS = 1, OPT_SACK = 2, OPT_WSCALE = 4 };

static uint32_t segments(const struct tcp_conn *c, uint32_t bytes) {
    return c->mss ? (bytes + c->mss - 1) / c->mss : 0;
}

static void fill_work(const struct tcp_conn *c, struct linux_tcp_info *i) {
    const struct tcp_work *w = c->work;
    static const uint8_t ca[] = {
        [CA_OPEN] = 0, [CA_DISORDER] = 1, [CA_RECOVERY] = 3, [CA_LOSS] = 4};
    i->ca_state = ca[w->loss.state];
    i->retransmits = w->retries;
    i->probes = w->probes;
    i->backoff = w->backoff;
    i->ato = w->ato_ms * 1000;
    i->rcv_mss = w->rcv_mss;
    i->unacked = segments(c, (uint32_t)seq_diff(c->snd.nxt, c->snd.una));
    i->sacked = segments(c, w->tx.sacked_bytes);
    i->lost = segments(c, w->tx.lost_bytes);
    i->retrans = segments(c, w->tx.retrans_bytes);
    i->min_rtt = w->rack.min_rtt_us;
    i->rcv_rtt = (uint32_t)(w->rcv_rtt_ns / 1000);
    i->rcv_space = w->space;
    i->notsent_bytes = tcp_unsent(c);
}

static void fill(struct tcp *tcp, const struct tcp_conn *c,
                 struct linux_tcp_info *i) {
    uint32_t now_ms = tcp_now_ms(tcp);
    i->state = c->node.state;
    i->options = (uint8_t)((c->flags & CONN_TS ? OPT_TIMESTAMPS : 0) |
                           (c->flags & CONN_SACK ? OPT_SACK : 0) |
                           (c->flags & CONN_WSCALE ? OPT_WSCALE : 0));
    i->wscales = (uint8_t)(c->snd_wscale | c->rcv_wscale << 4);
    i->rto = (uint32_t)(tcp_rto_ns(tcp, c) / 1000);
    i->ato = 40000;
    i->snd_mss = c->mss;
    i->rcv_mss = 536;
    i->last_data_sent = c->tx_ms ? now_ms - c->tx_ms : 0;
    i->last_data_recv = i->last_ack_recv = c->rx_ms ? now_ms - c->rx_ms : 0;
    i->pmtu = c->mss + 40u + (c->flags & CONN_TS ? 12u : 0);
    i->rcv_ssthresh = c->rcv.wnd;
    i->rtt = c->srtt_us / 8;
    i->rttvar = c->rttvar_us / 4;
    i->snd_ssthresh =
        c->ssthresh == UINT32_MAX ? INT32_MAX : segments(c, c->ssthresh);
    i->snd_cwnd = segments(c, c->cwnd);
    i->advmss = c->adv_mss;
    i->reordering = 3;
    i->pacing_rate = i->max_pacing_rate = UINT64_MAX;
    i->bytes_received = tcp_bytes_read(c) + (c->work ? c->work->rcvq.bytes : 0);
    i->bytes_acked =
        tcp_bytes_written(c) - (c->work ? c->work->sendq.bytes : 0);
    i->bytes_sent = tcp_bytes_written(c) - (c->work ? tcp_unsent(c) : 0);
    i->snd_wnd = c->snd.wnd;
    if (c->work)
        fill_work(c, i);
}

int tcp_info_option(struct tcp *tcp, struct endpoint *ep, void *value,
                    uint32_t *len) {
    struct linux_tcp_info i = {0};
    if (ep->kind == ENDPOINT_LISTENER) {
        const struct tcp_listener *l = tcp_listener_of(ep);
        i.state = WEIR_TCP_LISTEN;
        i.unacked = l->waiting; /* as Linux shows the accept queue */
        i.sacked = l->backlog;
    } else {
        fill(tcp, tcp_conn_of(ep), &i);
    }
    if (*len > sizeof(i))
        *len = sizeof(i);
    memcpy(value, &i, *len);
    return 0;
}
