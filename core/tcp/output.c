/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * May I send, and how much (RFC 9293 3.8.6.2)? Runs once at the end of a pass
 * for each connection that was marked: first what was lost, then new data as
 * far as the peer's window, the congestion window, Nagle and silly window
 * avoidance let it, then an ACK if one is still owed; then the timer is armed.
 */
#include <assert.h>

#include "tcp/rooms.h"

#include "base/hint.h"

#include "pkt/pkt.h"

enum {
    GSO_MOST = 65160, /* with headers below 65536 */
    SUM_LEAST = 8192, /* from this MSS on, most of a buffer goes at once */
};

static void fill_sacks(struct tcp *tcp, struct tcp_conn *c, struct tcp_hdr *h) {
    const struct tcp_work *w = c->work;
    if (!(c->flags & CONN_SACK) || !w || !tcp_owes_sack(w))
        return;
    unsigned most = c->flags & CONN_TS ? 3 : 4;
    h->nsacks = (uint8_t)tcp_ofo_sacks(tcp, c, h->sack, most);
    if (h->nsacks)
        h->opts |= TCP_OPT_SACK;
}

void tcp_out_fill(struct tcp *tcp, struct tcp_conn *c, struct tcp_out *out,
                  uint8_t flags, tcp_seq seq) {
    /* Field by field: of the SACK blocks only as many as nsacks says. */
    out->t = tcp_conn_tuple(c);
    out->h.sport = out->h.dport = 0;
    out->h.seq = seq.v;
    out->h.ack = 0;
    out->h.urgent = 0;
    out->h.flags = flags;
    out->h.opts = 0;
    out->h.wscale = 0;
    out->h.mss = 0;
    out->h.nsacks = 0;
    out->h.ts_val = out->h.ts_ecr = 0;
    out->h.window = 0;
    out->sock = endpoint_sock(&c->ep);
    out->owner = c->ep.owner;
    out->wnd_bytes = 0;
    out->nth = 1;
    out->reason = 0;
    out->ifindex = c->ep.ifindex;
    out->tos = c->ep.tos;
    out->ttl = c->ep.ttl;
    out->copies = (uint8_t)endpoint_copies_out(&c->ep);
    out->df = c->ep.pmtudisc != 0;
    if (flags & WEIR_ACK)
        out->h.ack = c->rcv.nxt.v;
    if (flags & WEIR_SYN) {
        tcp_syn_options(tcp, c, &out->h, (flags & WEIR_ACK) != 0);
        out->wnd_bytes = c->rcv.wnd < 65535 ? c->rcv.wnd : 65535;
        out->h.window = (uint16_t)out->wnd_bytes;
        return;
    }
    if (c->flags & CONN_TS) {
        out->h.opts |= TCP_OPT_TS;
        out->h.ts_val = tcp_now_ms(tcp) + c->ts.offset;
        out->h.ts_ecr = c->ts.recent;
    }
    if (flags & WEIR_RST)
        return;
    out->wnd_bytes = tcp_select_window(tcp, c);
    out->h.window = (uint16_t)(out->wnd_bytes >> c->rcv_wscale);
    fill_sacks(tcp, c, &out->h);
}

/* An ACK went out with it, whatever it was. */
static void ack_sent(struct tcp_conn *c) {
    c->flags &= ~(uint32_t)(CONN_ACK_NOW | CONN_ACK_LATER);
    if (!c->work)
        return;
    c->work->delack_due = WEIR_NEVER;
    if (c->work->quickack)
        c->work->quickack--;
}

static void send_ack(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_out out;
    struct weir_pkt *pkt = weir_pkt_alloc(tcp->env->arena, WEIR_PKT_ROOM);
    if (!pkt)
        return; /* still owed; the peer's next segment asks again */
    ack_sent(c);
    if (tcp_emit(tcp, c, pkt, c->snd.nxt, WEIR_ACK, 1))
        return;
    tcp_out_fill(tcp, c, &out, WEIR_ACK, c->snd.nxt);
    tcp_segment_send(tcp->env, tcp->ip, pkt, &out);
}

void tcp_output_probe(struct tcp *tcp, struct tcp_conn *c, tcp_seq seq,
                      uint8_t nth) {
    struct tcp_out out;
    struct weir_pkt *pkt = weir_pkt_alloc(tcp->env->arena, WEIR_PKT_ROOM);
    tcp_out_fill(tcp, c, &out, WEIR_ACK, seq);
    out.nth = nth;
    tcp_segment_send(tcp->env, tcp->ip, pkt, &out);
}

static uint8_t tx_header_flags(const struct tcp_conn *c,
                               const struct tcp_tx *tx) {
    uint8_t f = WEIR_ACK;
    if (tx->flags & TX_SYN)
        f = tcp_state(c) == WEIR_TCP_SYN_SENT ? WEIR_SYN : WEIR_SYN | WEIR_ACK;
    if (tx->flags & TX_FIN)
        f |= WEIR_FIN;
    if (tx->flags & TX_PSH)
        f |= WEIR_PSH;
    return f;
}

/* Send the bytes of a record: first or again. False: no memory. */
static inline bool send_record(struct tcp *tcp, struct tcp_conn *c,
                               struct tcp_tx *tx, struct weir_pkt *pkt,
                               uint32_t payload) {
    struct tcp_work *w = c->work;
    uint8_t flags = tx_header_flags(c, tx);
    if (payload > c->mss)
        pkt->gso_size = c->mss;
    tcp_tx_sent(tcp, c, tx);
    if (!w->stuck_since)
        w->stuck_since = tcp->env->now;
    if (flags & WEIR_ACK)
        ack_sent(c);
    if (payload)
        c->tx_ms = tcp_now_ms(tcp);
    uint8_t nth = (uint8_t)(tx->nth < 255 ? tx->nth : 255);
    if (tcp_emit(tcp, c, pkt, tx->seq, flags, nth))
        return true;
    struct tcp_out out;
    tcp_out_fill(tcp, c, &out, flags, tx->seq);
    out.nth = nth;
    if (c->flags & CONN_URG_SEND && seq_gt(w->snd_up, tx->seq) &&
        seq_diff(w->snd_up, tx->seq) < 65536) {
        out.h.flags |= WEIR_URG; /* RFC 6093 2.1: one past the urgent byte */
        out.h.urgent = (uint16_t)seq_diff(w->snd_up, tx->seq);
    }
    tcp_segment_send(tcp->env, tcp->ip, pkt, &out);
    return true;
}

bool tcp_retransmit(struct tcp *tcp, struct tcp_conn *c, struct tcp_tx *tx) {
    struct env *env = tcp->env;
    uint32_t len = (uint32_t)seq_diff(tx->end, tx->seq);
    uint32_t marks =
        (tx->flags & TX_SYN) / TX_SYN + (tx->flags & TX_FIN) / TX_FIN;
    if (len - marks > c->mss) {
        if (!tcp_tx_split(tcp, c, tx, seq_add(tx->seq, c->mss)))
            return false;
        marks = 0;
        len = c->mss;
    }
    struct weir_pkt *pkt = weir_pkt_alloc(env->arena, WEIR_PKT_ROOM);
    if (!pkt)
        return false;
    uint32_t payload = len - marks;
    if (payload) {
        uint32_t got = tcp_sendq_refer(c->work, pkt, tx->seq, payload, false);
        if (got < payload) { /* more pieces than a packet can refer to */
            if (!got || !tcp_tx_split(tcp, c, tx, seq_add(tx->seq, got))) {
                weir_pkt_free(pkt);
                return false;
            }
            payload = got;
        }
    }
    COUNT(env, Tcp, RetransSegs);
    tcp_loss_retransmitted(tcp, c);
    if (tx->flags & TX_SYN)
        COUNT(env, TcpExt, TCPSynRetrans);
    return send_record(tcp, c, tx, pkt, payload);
}

/* New data or a FIN: a record and its segment. */
static inline bool send_new(struct tcp *tcp, struct tcp_conn *c, uint32_t len,
                            uint8_t tx_flags) {
    struct env *env = tcp->env;
    struct weir_pkt *pkt = weir_pkt_alloc(env->arena, WEIR_PKT_ROOM);
    if (!pkt)
        return false;
    uint32_t got =
        len ? tcp_sendq_refer(c->work, pkt, c->snd.nxt, len, true) : 0;
    if (got < len)
        tx_flags = (uint8_t)(tx_flags & ~(TX_FIN | TX_PSH));
    uint32_t marks = (tx_flags & (TX_SYN | TX_FIN)) != 0;
    struct tcp_tx *tx = NULL;
    if (got || marks)
        tx = tcp_tx_add(tcp, c, seq_add(c->snd.nxt, got + marks), tx_flags);
    if (!tx) {
        weir_pkt_free(pkt);
        return false;
    }
    c->snd.nxt = tx->end;
    if (tx_flags & TX_FIN)
        c->flags |= CONN_FIN_SENT;
    if (got && got < c->mss)
        c->work->small_end = tx->end;
    if (got)
        COUNT_N(env, TcpExt, TCPOrigDataSent, (got + c->mss - 1) / c->mss);
    return send_record(tcp, c, tx, pkt, got);
}

/* RFC 9293 3.7.4 (SHLD-7): a small segment waits while an earlier small one is
 * not acknowledged (Minshall's form); TCP_CORK and MSG_MORE hold it anyway. */
static bool nagle_holds(const struct tcp_conn *c) {
    if (c->flags & (CONN_FIN | CONN_URG_SEND))
        return false;
    if (c->flags & (CONN_CORK | CONN_MORE))
        return true;
    return !(c->flags & CONN_NODELAY) && seq_gt(c->work->small_end, c->snd.una);
}

static uint32_t window_room(const struct tcp_conn *c) {
    int32_t room = seq_diff(seq_add(c->snd.una, c->snd.wnd), c->snd.nxt);
    return room > 0 ? (uint32_t)room : 0;
}

static uint32_t cwnd_room(const struct tcp_conn *c) {
    uint32_t pipe = tcp_pipe(c);
    return c->cwnd > pipe ? c->cwnd - pipe : 0;
}

/* How many bytes of new data the next segment may carry; 0: none now. */
static uint32_t how_much(const struct tcp_conn *c, uint32_t most) {
    uint32_t unsent = tcp_unsent(c), wnd = window_room(c);
    uint32_t cwnd = cwnd_room(c), mss = c->mss;
    uint32_t len = unsent < most ? unsent : most;
    if (!len || !wnd || !cwnd)
        return 0;
    if (len > cwnd) /* a last segment may go over the congestion window */
        len = cwnd < mss ? (len < mss ? len : mss) : cwnd;
    if (cwnd < mss && cwnd < len && tcp_pipe(c))
        return 0;
    if (len > wnd) { /* RFC 9293 3.8.6.2.1 (MUST-38): not a silly window */
        len = wnd;
        if (len < mss && len < c->work->wnd_max / 2)
            return 0;
    }
    if (len >= mss)
        return len < unsent || nagle_holds(c) ? len / mss * mss : len;
    if (len == unsent && nagle_holds(c))
        return 0;
    return len;
}

APART static uint32_t way_ask(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    struct ip_way way;
    struct weir_addr src = weir_addr_v4(c->ep.laddr);
    const struct weir_addr dst = weir_addr_v4(c->ep.raddr);
    if (ip_route(tcp->ip, &src, &dst, c->ep.ifindex, false, &way) < 0)
        return c->mss;
    tcp_mss_update(tcp, c, way.mtu);
    bool cuts = way.features & WEIR_LINK_GSO && c->mss <= GSO_MOST / 2;
    w->way_most = cuts ? GSO_MOST / c->mss * c->mss : c->mss;
    w->way_sums = !(way.features & WEIR_LINK_CSUM) && c->mss >= SUM_LEAST;
    w->way_ifindex = c->ep.ifindex;
    w->way_gen = way.aging ? 0 : ip_generation(tcp->ip);
    return w->way_most;
}

/* What the route says; asked again when any of it has changed. */
static inline uint32_t way_most(struct tcp *tcp, struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    bool known =
        w->way_gen == ip_generation(tcp->ip) && w->way_ifindex == c->ep.ifindex;
    return known ? w->way_most : way_ask(tcp, c);
}

static uint32_t segment_most(struct tcp *tcp, struct tcp_conn *c) {
    uint32_t most = way_most(tcp, c), mss = c->mss;
    if (tcp_owes_sack(c->work))
        return mss > 36 + 8 ? mss - 36 : mss; /* SACK blocks need room too */
    return most;
}

static bool may_send_data(const struct tcp_conn *c) {
    return tcp_in(c, IN(ESTABLISHED) | IN(CLOSE_WAIT) | IN(FIN_WAIT1) |
                         IN(CLOSING) | IN(LAST_ACK));
}

static bool fin_due(const struct tcp_conn *c) {
    return c->flags & CONN_FIN && !(c->flags & CONN_FIN_SENT);
}

/* To and fro: ACKs may wait. */
static inline void answered(struct tcp *tcp, struct tcp_conn *c) {
    if (!(c->flags & CONN_NO_QUICKACK) &&
        tcp_now_ms(tcp) - c->work->data_ms < c->work->ato_ms)
        c->flags |= CONN_NO_QUICKACK;
}

static void send_data(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    if (!may_send_data(c) || (!tcp_unsent(c) && !fin_due(c)))
        return;
    uint32_t most = segment_most(tcp, c), len;
    if (!w->tx.head)
        tcp_loss_idle(tcp, c);
    while ((len = how_much(c, most))) {
        bool all = len == tcp_unsent(c);
        uint8_t f = all ? TX_PSH : 0; /* RFC 9293 3.9.1.2 (MUST-61) */
        if (all && fin_due(c))
            f |= TX_FIN;
        if (!send_new(tcp, c, len, f))
            return;
        answered(tcp, c);
        if (all)
            break;
    }
    if (fin_due(c) && !tcp_unsent(c))
        send_new(tcp, c, 0, TX_FIN);
}

/* What was lost, as far as the congestion window lets it. */
static void send_lost(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_txlist *l = &c->work->tx;
    struct tcp_tx *tx = l->lost_hint ? l->lost_hint : l->head;
    while (tx && l->lost_bytes) {
        struct tcp_tx *next = tx->next;
        l->lost_hint = tx;
        if (tx->flags & TX_LOST) {
            if (!cwnd_room(c) && tcp_pipe(c))
                return;
            if (!tcp_retransmit(tcp, c, tx))
                return;
            next = tx->next; /* it may have been cut in two */
        }
        tx = next;
    }
    l->lost_hint = NULL;
}

/* RFC 8985 7.3: new data if there is any and the window takes it, else the
 * highest segment again, whatever the congestion window says. */
static void send_tlp(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    uint32_t unsent = tcp_unsent(c), room = window_room(c);
    w->loss.tlp_due = false;
    if (!w->tx.tail)
        return;
    uint32_t len = unsent < c->mss ? unsent : c->mss;
    w->loss.tlp_retrans = !len || len > room;
    if (!w->loss.tlp_retrans) {
        send_new(tcp, c, len, len == unsent ? TX_PSH : 0);
    } else {
        struct tcp_tx *tx = w->tx.tail;
        uint32_t size = (uint32_t)seq_diff(tx->end, tx->seq);
        if (size > c->mss + 1u &&
            tcp_tx_split(tcp, c, tx, seq_sub(tx->end, c->mss)))
            tx = w->tx.tail;
        tcp_retransmit(tcp, c, tx);
    }
    w->loss.tlp_end = c->snd.nxt;
}

/* A timer asked for a sign of life: as much new data as the window takes, be it
 * silly, or an old byte that the peer must answer (RFC 9293 3.8.4, 3.8.6.1). */
static void send_probe(struct tcp *tcp, struct tcp_conn *c) {
    uint32_t unsent = tcp_unsent(c), room = window_room(c);
    c->flags &= ~(uint32_t)CONN_PROBE;
    if (c->work && !c->work->tx.head && unsent && room) {
        uint32_t len = unsent < room ? unsent : room;
        len = len < c->mss ? len : c->mss;
        send_new(tcp, c, len, TX_PSH);
        return;
    }
    COUNT(tcp->env, TcpExt, TCPWinProbe);
    tcp_output_probe(tcp, c, seq_sub(c->snd.una, 1), 1);
}

/* RFC 6298 5.1, RFC 9293 3.8.6.1 (MUST-35, MUST-36), RFC 8985 7.2. */
static ALONG void arm_xmit(struct tcp *tcp, struct tcp_conn *c, bool sent_new) {
    struct tcp_work *w = c->work;
    uint64_t now = tcp->env->now;
    if (w->tx.head) {
        bool other =
            w->xmit_timer == XMIT_NONE || w->xmit_timer == XMIT_PERSIST;
        bool tlp = w->xmit_timer == XMIT_TLP;
        if (!other && !(sent_new && tlp))
            return;
        uint64_t pto = tcp_loss_pto_ns(tcp, c);
        if (pto)
            tcp_xmit_arm(tcp, c, XMIT_TLP, now + pto);
        else if (other)
            tcp_xmit_arm(tcp, c, XMIT_REXMIT, now + tcp_rto_ns(tcp, c));
        return;
    }
    if (may_send_data(c) && (tcp_unsent(c) || fin_due(c))) {
        if (w->xmit_timer != XMIT_PERSIST)
            tcp_xmit_arm(tcp, c, XMIT_PERSIST, now + tcp_rto_ns(tcp, c));
        return;
    }
    tcp_xmit_disarm(c);
}

/* A request or its answer: nothing is in flight, and one segment takes all
 * there is to send. What is asked here is what could make tcp_output come to
 * anything else (of Nagle there is nothing to ask where nothing is in flight).
 */
static inline bool may_send_alone(const struct tcp *tcp,
                                  const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    const uint32_t other =
        CONN_FIN | CONN_CORK | CONN_MORE | CONN_URG_SEND | CONN_PROBE;
    return w && !w->tx.head && !(c->flags & other) && tcp_unsent(c) &&
           tcp_state(c) == WEIR_TCP_ESTABLISHED && w->loss.state == CA_OPEN &&
           !w->loss.tlp_due && !tcp_owes_sack(w) &&
           tcp->env->sysctl.tcp_prediction;
}

/* False: it does not fit, or there is no memory; nothing was sent. */
APART static bool send_alone(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    uint32_t len = tcp_unsent(c), most = way_most(tcp, c);
    if (len > most || len > c->mss || len > c->cwnd || len > c->snd.wnd)
        return false;
    struct weir_pkt *pkt = weir_pkt_alloc(tcp->env->arena, WEIR_PKT_ROOM);
    if (!pkt)
        return false;
    struct tcp_tx *tx = NULL;
    if (!tcp_sendq_refer_one(w, pkt, c->snd.nxt, len) ||
        !(tx = tcp_tx_take(tcp))) {
        weir_pkt_free(pkt);
        return false;
    }
    tcp_loss_idle(tcp, c); /* leaves more of cwnd than a segment */
    tcp_seq seq = c->snd.nxt;
    c->snd.nxt = seq_add(seq, len);
    if (len < c->mss)
        w->small_end = c->snd.nxt;
    COUNT(tcp->env, TcpExt, TCPOrigDataSent);
    tcp_tx_add_alone(w, tx, seq, c->snd.nxt, tcp->env->now);
    if (!w->stuck_since)
        w->stuck_since = tcp->env->now;
    ack_sent(c);
    c->tx_ms = tcp_now_ms(tcp);
    tcp_emit_plain(tcp, c, pkt, seq, WEIR_ACK | WEIR_PSH, 1);
    answered(tcp, c);
    arm_xmit(tcp, c, true);
    return true;
}

APART static void output_any(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    tcp_seq nxt = c->snd.nxt;
    if (tcp_state(c) == WEIR_TCP_CLOSED) {
        tcp_work_rest(tcp, c);
        return;
    }
    if (w) {
        if (tcp_state(c) == WEIR_TCP_SYN_SENT && !w->tx.head)
            send_new(tcp, c, 0, TX_SYN);
        if (w->loss.tlp_due)
            send_tlp(tcp, c);
        if (w->tx.lost_bytes)
            send_lost(tcp, c);
        send_data(tcp, c);
    }
    if (c->flags & CONN_PROBE)
        send_probe(tcp, c);
    if (c->flags & CONN_ACK_NOW)
        send_ack(tcp, c);
    if (w)
        arm_xmit(tcp, c, !seq_eq(nxt, c->snd.nxt));
    tcp_work_rest(tcp, c);
    if (!c->work) /* else what is due is in the wheel since it became due */
        tcp_timer_update(tcp, c);
}

void tcp_output(struct tcp *tcp, struct tcp_conn *c) {
    if (!may_send_alone(tcp, c) || !send_alone(tcp, c))
        output_any(tcp, c);
}
