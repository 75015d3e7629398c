/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving: segment text and FIN (RFC 9293 3.10.7.4, seventh and eighth), when
 * to acknowledge, and the window to offer.
 *
 * An ACK is sent at once for every second full segment, for anything out of
 * order or twice there, and while a connection is new ("quick"); else it waits
 * at most ato_ms for data to travel with. Unlike RFC 9293 3.8.6.3 (SHLD-18 at
 * most 500 ms), the wait is 40 ms to begin with, as Linux has it.
 *
 * The window is half of the receive buffer that is free: the other half is for
 * what packets cost beside their bytes. Its right edge never moves back (RFC
 * 9293 3.8.6.2.1: SHLD-14), and does not move by less than a segment (SWS
 * avoidance: MUST-39).
 */
#include <assert.h>

#include "tcp/rooms.h"

#include "base/budget.h"
#include "pkt/pkt.h"

enum { ATO_MIN_MS = 40, ATO_MAX_MS = 200 };

uint32_t tcp_receive_window(const struct tcp_conn *c) {
    int32_t used = seq_diff(c->rcv.nxt, c->rcv.wup);
    return used < (int32_t)c->rcv.wnd ? c->rcv.wnd - (uint32_t)used : 0;
}

static uint32_t free_space(const struct tcp_conn *c) {
    uint32_t charge = c->work ? c->work->rcvq.charge : 0;
    uint32_t space = charge < c->rcvbuf ? (c->rcvbuf - charge) / 2 : 0;
    if (c->opt && c->opt->window_clamp &&
        space > (uint32_t)c->opt->window_clamp)
        space = (uint32_t)c->opt->window_clamp;
    return space;
}

static uint32_t full_space(const struct tcp_conn *c) {
    uint32_t space = c->rcvbuf / 2;
    if (c->opt && c->opt->window_clamp &&
        space > (uint32_t)c->opt->window_clamp)
        space = (uint32_t)c->opt->window_clamp;
    return space;
}

/* RFC 9293 3.8.6.2.2: the receiver's part of silly window avoidance. */
static uint32_t new_window(const struct tcp_conn *c) {
    uint32_t full = full_space(c), space = free_space(c);
    uint32_t mss = c->work ? c->work->rcv_mss : 536;
    if (mss > full)
        mss = full;
    if (space < full / 2 && (space < full / 16 || space < mss))
        return 0;
    if (c->rcv_wscale) {
        uint32_t unit = 1u << c->rcv_wscale;
        return (space + unit - 1) & ~(unit - 1);
    }
    uint32_t current = tcp_receive_window(c);
    if (current + mss > space && current <= space)
        return current; /* not by less than a segment */
    return mss ? space / mss * mss : space;
}

uint32_t tcp_select_window(struct tcp *tcp, struct tcp_conn *c) {
    uint32_t current = tcp_receive_window(c), fresh = new_window(c);
    uint32_t was = c->rcv.wnd;
    if (fresh < current) {
        if (!fresh)
            COUNT(tcp->env, TcpExt, TCPWantZeroWindowAdv);
        uint32_t unit = 1u << c->rcv_wscale;
        fresh = (current + unit - 1) & ~(unit - 1);
    }
    uint32_t most = 65535u << c->rcv_wscale;
    if (fresh > most)
        fresh = most;
    c->rcv.wnd = fresh;
    c->rcv.wup = c->rcv.nxt;
    if (!fresh && was)
        COUNT(tcp->env, TcpExt, TCPToZeroWindowAdv);
    if (fresh && !was)
        COUNT(tcp->env, TcpExt, TCPFromZeroWindowAdv);
    return fresh;
}

void tcp_receive_dsack(struct tcp_conn *c, tcp_seq start, tcp_seq end) {
    if (c->flags & CONN_SACK && c->work && seq_lt(start, end))
        c->work->dsack = (struct tcp_range){start, end};
}

/* What Linux calls quick-ACK: a fresh or stalled sender needs its ACKs. */
static void enter_quickack(struct tcp_conn *c, unsigned most) {
    struct tcp_work *w = c->work;
    uint32_t n = c->rcv.wnd / (2 * (w->rcv_mss ? w->rcv_mss : 536));
    n = n ? n : 2;
    w->quickack = (uint16_t)(n < most ? n : most);
    w->ato_ms = ATO_MIN_MS;
    c->flags &= ~(uint32_t)CONN_NO_QUICKACK;
}

/* The peer's segment size, as far as it shows. */
static void measure_mss(struct tcp_conn *c, uint32_t len) {
    struct tcp_work *w = c->work;
    if (len >= w->rcv_mss)
        w->rcv_mss = (uint16_t)(len < c->adv_mss ? len : c->adv_mss);
}

/* RFC 9293 3.8.6.3 (MUST-58, MUST-59), RFC 5681 4.2. */
static void schedule_ack(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    uint32_t owed = (uint32_t)seq_diff(c->rcv.nxt, c->rcv.wup);
    if (owed > w->rcv_mss || tcp_owes_sack(w)) {
        tcp_ack_now(tcp, c);
        return;
    }
    if (w->quickack && !(c->flags & CONN_NO_QUICKACK)) {
        tcp_ack_now(tcp, c);
        return;
    }
    c->flags |= CONN_ACK_LATER;
    tcp_delack_arm(tcp, c, w->ato_ms);
}

/* The round trip as the receiver sees it: by timestamps, or by how long a
 * window took to arrive. */
static void measure_rtt(struct tcp *tcp, struct tcp_conn *c, uint32_t len,
                        uint32_t ts_ecr) {
    struct tcp_work *w = c->work;
    uint64_t ns = 0, now = tcp->env->now;
    if (c->flags & CONN_TS) {
        uint32_t ms = tcp_now_ms(tcp) + c->ts.offset - ts_ecr;
        if (!ts_ecr || len < w->rcv_mss || ms > 60000)
            return;
        ns = ms ? ms * NS_PER_MS : NS_PER_MS / 2;
    } else if (seq_ge(c->rcv.nxt, w->rtt_seq)) {
        ns = now - w->rtt_since;
        w->rtt_since = now;
        w->rtt_seq = seq_add(c->rcv.nxt, c->rcv.wnd);
    }
    if (ns)
        w->rcv_rtt_ns = w->rcv_rtt_ns ? w->rcv_rtt_ns / 8 * 7 + ns / 8 : ns;
}

/* Dynamic right-sizing: room for twice what the program reads in a round trip,
 * and more while that grows, within tcp_rmem. Once SO_RCVBUF is set it stays.
 */
static void grow_rcvbuf(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    uint64_t now = tcp->env->now;
    if (!w->rcv_rtt_ns || now - w->space_since < w->rcv_rtt_ns)
        return;
    uint32_t copied = (uint32_t)seq_diff(w->copied, w->space_seq);
    uint32_t least = 10u * c->adv_mss;
    uint32_t space = w->space > least ? w->space : least;
    w->space_seq = w->copied;
    w->space_since = now;
    if (copied <= space)
        return;
    w->space = copied;
    if (c->flags & CONN_RCVBUF_LOCK)
        return;
    uint64_t window = 2ull * copied + 16ull * c->adv_mss;
    window += 2 * (window * (copied - space) / space);
    uint64_t want = window * 2;
    uint32_t most = (uint32_t)tcp->env->sysctl.tcp_rmem[2];
    want = want < most ? want : most;
    if (want > c->rcvbuf)
        c->rcvbuf = (uint32_t)want;
}

/* The gap between segments sets how long an ACK waits for company. */
static void adapt_ato(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    uint32_t gap = tcp_now_ms(tcp) - w->data_ms;
    w->data_ms = tcp_now_ms(tcp);
    if (!w->ato_ms) /* the first data */
        w->ato_ms = ATO_MIN_MS;
    else if (gap <= ATO_MIN_MS / 2)
        w->ato_ms = w->ato_ms / 2 + ATO_MIN_MS / 2;
    else if (gap < w->ato_ms)
        w->ato_ms = w->ato_ms / 2 + gap;
    else if (gap > tcp_rto_base_ns(tcp, c) / NS_PER_MS)
        enter_quickack(c, 16);
    if (w->ato_ms > ATO_MAX_MS)
        w->ato_ms = ATO_MAX_MS;
}

/* RFC 9293 3.10.7.4, eighth: check the FIN bit. */
static void receive_fin(struct tcp *tcp, struct tcp_conn *c) {
    struct env *env = tcp->env;
    c->rcv.nxt = seq_add(c->rcv.nxt, 1);
    c->flags |= CONN_FIN_RCVD;
    c->ep.flags |= EP_SHUT_RD;
    tcp_ofo_clear(tcp, c->work); /* nothing can follow a FIN */
    tcp_touch(tcp, c);
    tcp_ack_now(tcp, c);
    switch (tcp_state(c)) {
    case WEIR_TCP_SYN_RECV:
    case WEIR_TCP_ESTABLISHED:
        tcp_state_set(tcp, c, WEIR_TCP_CLOSE_WAIT, WEIR_NONE);
        return;
    case WEIR_TCP_FIN_WAIT1: /* simultaneous close */
        tcp_state_set(tcp, c, WEIR_TCP_CLOSING, WEIR_NONE);
        return;
    case WEIR_TCP_FIN_WAIT2:
        tcp_time_wait(tcp, c, WEIR_TCP_TIME_WAIT,
                      (uint32_t)env->sysctl.tcp_timewait_len * 1000);
        return;
    default:
        return;
    }
}

/* Is there room? Where memory is short, out-of-order data goes first: it was
 * not acknowledged (RFC 2018 8 lets the receiver renege). */
static bool make_room(struct tcp *tcp, struct tcp_conn *c, uint32_t len) {
    struct tcp_work *w = c->work;
    if (w->rcvq.charge + tcp_charge(len) <= c->rcvbuf * 2)
        return true;
    if (w->ofo.head) {
        tcp_ofo_clear(tcp, w);
        COUNT(tcp->env, TcpExt, TCPRcvQDrop);
    }
    return w->rcvq.charge + tcp_charge(len) <= c->rcvbuf * 2;
}

/* True where a FIN that waited past a gap is next. */
static inline bool text(struct tcp *tcp, struct tcp_conn *c,
                        struct weir_pkt *pkt, uint32_t len, uint32_t ts_ecr) {
    bool fin = false;
    measure_mss(c, pkt->gso_size ? pkt->gso_size : len);
    c->rcv.nxt = seq_add(c->rcv.nxt, len);
    tcp_recvq_add(tcp, c, pkt);
    measure_rtt(tcp, c, len, ts_ecr);
    adapt_ato(tcp, c);
    if (c->work->ofo.head)
        fin = tcp_ofo_deliver(tcp, c);
    schedule_ack(tcp, c);
    tcp_touch(tcp, c);
    return fin;
}

void tcp_receive_text(struct tcp *tcp, struct tcp_conn *c, struct weir_pkt *pkt,
                      uint32_t len, uint32_t ts_ecr) {
    bool fin = text(tcp, c, pkt, len, ts_ecr);
    assert(!fin); /* nothing was out of order */
}

static void receive_in_order(struct tcp *tcp, struct tcp_conn *c,
                             struct tcp_segment *seg) {
    if (!make_room(tcp, c, seg->len)) {
        COUNT(tcp->env, TcpExt, TCPRcvQDrop);
        tcp_segment_drop(tcp->env, seg, WEIR_SOCKET_RCVBUFF,
                         endpoint_sock(&c->ep));
        tcp_ack_now(tcp, c);
        return;
    }
    bool fin = seg_has(seg, WEIR_FIN);
    if (seg->len) {
        fin |= text(tcp, c, seg->pkt, seg->len, seg->h.ts_ecr);
        seg->pkt = NULL;
    }
    if (fin)
        receive_fin(tcp, c);
}

/* Trim to what is new and within the window (RFC 9293 3.10.7.4: "segments may
 * be trimmed"). The peer's FIN stays only where its place stays. */
static void trim(struct tcp_conn *c, struct tcp_segment *seg) {
    int32_t dup = seq_diff(c->rcv.nxt, seg->seq);
    if (dup > 0) {
        tcp_receive_dsack(c, seg->seq, c->rcv.nxt);
        pkt_trim_front(seg->pkt, (uint32_t)dup);
        seg->seq = c->rcv.nxt;
        seg->len -= (uint32_t)dup;
    }
    tcp_seq edge = seq_add(c->rcv.nxt, tcp_receive_window(c));
    tcp_seq end = seq_add(seg->seq, seg->len);
    if (seq_gt(end, edge)) {
        seg->len -= (uint32_t)seq_diff(end, edge);
        pkt_trim_to(seg->pkt, seg->len);
        seg->h.flags = (uint8_t)(seg->h.flags & ~(WEIR_FIN | WEIR_PSH));
    }
}

static void refuse(struct tcp *tcp, struct tcp_conn *c, struct tcp_segment *seg,
                   enum weir_reason why) {
    enter_quickack(c, 16);
    tcp_ack_now(tcp, c);
    tcp_segment_drop(tcp->env, seg, why, endpoint_sock(&c->ep));
}

void tcp_receive(struct tcp *tcp, struct tcp_conn *c, struct tcp_segment *seg) {
    bool fin = seg_has(seg, WEIR_FIN);
    if (!seg->len && !fin)
        return;
    if (!tcp_work_get(tcp, c)) {
        tcp_segment_drop(tcp->env, seg, WEIR_NOMEM, endpoint_sock(&c->ep));
        return;
    }
    tcp_seq end = seq_add(seg->seq, seg->len + fin);
    if (seq_le(end, c->rcv.nxt)) { /* all of it was here before */
        seg->old = true;
        tcp_receive_dsack(c, seg->seq, end);
        refuse(tcp, c, seg, WEIR_TCP_OLD_DATA);
        return;
    }
    if (seg->len && !tcp_receive_window(c)) {
        COUNT(tcp->env, TcpExt, TCPZeroWindowDrop);
        refuse(tcp, c, seg, WEIR_TCP_ZEROWINDOW);
        return;
    }
    trim(c, seg);
    fin = seg_has(seg, WEIR_FIN);
    if (!seg->len && !fin) {
        refuse(tcp, c, seg, WEIR_TCP_OVERWINDOW);
        return;
    }
    if (seq_eq(seg->seq, c->rcv.nxt)) {
        receive_in_order(tcp, c, seg);
        return;
    }
    /* a gap: an ACK at once tells the sender (RFC 5681 4.2) */
    if (seg->len && budget_allows(tcp->env->arena, BUDGET_OUT_OF_ORDER) &&
        make_room(tcp, c, seg->len))
        tcp_ofo_insert(tcp, c, seg);
    else
        COUNT(tcp->env, TcpExt, TCPOFODrop);
    tcp_segment_drop(tcp->env, seg, WEIR_TCP_OFO_QUEUE_PRUNE,
                     endpoint_sock(&c->ep));
    tcp_ack_now(tcp, c);
}

void tcp_receive_read(struct tcp *tcp, struct tcp_conn *c, uint32_t bytes) {
    struct tcp_work *w = c->work;
    tcp_recvq_drop(tcp, w, bytes);
    c->read += bytes;
    c->node.read_hi = (uint16_t)(c->node.read_hi + (c->read < bytes));
    grow_rcvbuf(tcp, c);
    if (c->ep.flags & EP_SHUT_RD && c->flags & CONN_FIN_RCVD)
        return; /* no window to open any more */
    /* RFC 9293 3.8.6.2.2: tell of room once it is worth a segment. No window is
     * twice what is on offer where that is half of all there could be. */
    uint32_t current = tcp_receive_window(c), unit = 1u << c->rcv_wscale;
    bool open = 2ull * current > (uint64_t)c->rcvbuf / 2 + unit;
    uint32_t fresh = open ? 0 : new_window(c);
    if (fresh && fresh >= 2 * current && fresh > current)
        tcp_ack_now(tcp, c);
    else if (c->flags & CONN_ACK_LATER &&
             (uint32_t)seq_diff(c->rcv.nxt, c->rcv.wup) > w->rcv_mss)
        tcp_ack_now(tcp, c);
}
