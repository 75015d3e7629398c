/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TIME_WAIT (RFC 9293 3.6.1) and orphans in FIN_WAIT_2: 64 bytes in place of a
 * connection. They wait in two lists, each in order of expiry, under one timer.
 * Unlike RFC 9293 3.4.2 (2 MSL of 4 minutes): 60 s, as Linux has it. An old
 * connection makes way for a new SYN that cannot be mistaken for one of its
 * segments (RFC 1122 4.2.2.13, RFC 6191).
 */
#include <assert.h>

#include "tcp/rooms.h"

static unsigned list_of(const struct tcp_tw *tw) {
    return tw->node.state == WEIR_TCP_TIME_WAIT ? 0 : 1;
}

/* At the place its expiry says; as a rule the end. */
static void enlist(struct tcp *tcp, struct tcp_tw *tw) {
    unsigned i = list_of(tw);
    struct tcp_tw *after = tcp->tw_tail[i];
    while (after && (int32_t)(after->expires_ms - tw->expires_ms) > 0)
        after = after->prev;
    tw->prev = after;
    tw->next = after ? after->next : tcp->tw_head[i];
    if (tw->next)
        tw->next->prev = tw;
    else
        tcp->tw_tail[i] = tw;
    if (after)
        after->next = tw;
    else
        tcp->tw_head[i] = tw;
}

static void delist(struct tcp *tcp, struct tcp_tw *tw) {
    unsigned i = list_of(tw);
    if (tw->next)
        tw->next->prev = tw->prev;
    else
        tcp->tw_tail[i] = tw->prev;
    if (tw->prev)
        tw->prev->next = tw->next;
    else
        tcp->tw_head[i] = tw->next;
}

/* Due when the first of the two lists is. */
static void arm(struct tcp *tcp) {
    uint32_t now_ms = tcp_now_ms(tcp);
    int32_t least = INT32_MAX;
    for (unsigned i = 0; i < 2; i++) {
        const struct tcp_tw *tw = tcp->tw_head[i];
        if (tw && (int32_t)(tw->expires_ms - now_ms) < least)
            least = (int32_t)(tw->expires_ms - now_ms);
    }
    if (least == INT32_MAX) {
        wheel_disarm(tcp->env->wheel, &tcp->tw_timer);
        return;
    }
    uint64_t due = tcp->env->now / NS_PER_MS * NS_PER_MS +
                   (uint64_t)(least > 0 ? least : 0) * NS_PER_MS;
    if (!wtimer_armed(&tcp->tw_timer) || due != tcp->tw_timer.deadline)
        wheel_arm(tcp->env->wheel, &tcp->tw_timer, WTIMER_TIMEWAIT, due);
}

void tcp_tw_end(struct tcp *tcp, struct tcp_tw *tw, enum weir_reason reason) {
    const struct tcp_tuple t = tcp_tw_tuple(tw);
    tcp_unhash_node(tcp, &tw->node, &t);
    tcp_port_release_tw(tcp, tw);
    delist(tcp, tw);
    tcp->tw_count--;
    tcp_state_note(tcp, &t, 0, tw->node.state, WEIR_TCP_CLOSED, reason);
    arena_free(tcp->env->arena, tw, sizeof(*tw));
}

void tcp_timewait_timer(struct tcp *tcp, struct wtimer *timer) {
    struct env *env = tcp->env;
    uint32_t now_ms = tcp_now_ms(tcp);
    (void)timer;
    for (unsigned i = 0; i < 2; i++) {
        struct tcp_tw *tw;
        while ((tw = tcp->tw_head[i]) &&
               (int32_t)(tw->expires_ms - now_ms) <= 0) {
            env->cause = 0;
            COUNT(env, TcpExt, TW);
            tcp_tw_end(tcp, tw, i ? WEIR_TCP_FIN_TIMEOUT : WEIR_NONE);
        }
    }
    arm(tcp);
}

static struct tcp_tw *tw_new(struct tcp *tcp, struct tcp_conn *c,
                             unsigned state, uint32_t ms) {
    if (tcp->tw_count >= (uint32_t)tcp->env->sysctl.tcp_max_tw_buckets)
        return NULL;
    struct tcp_tw *tw = arena_zalloc(tcp->env->arena, sizeof(*tw));
    if (!tw)
        return NULL;
    tw->node.kind = TCP_NODE_TW;
    tcp_state_init(&tw->node, state);
    tw->laddr = c->ep.laddr;
    tw->raddr = c->ep.raddr;
    tw->lport = c->ep.lport;
    tw->rport = c->ep.rport;
    tw->snd_nxt = c->snd.nxt;
    tw->rcv_nxt = c->rcv.nxt;
    tw->node.tw_wnd = tcp_receive_window(c);
    tw->node.tw_flags = (uint16_t)(c->rcv_wscale * TW_WSCALE);
    if (c->flags & CONN_TS)
        tw->node.tw_flags |= TW_TS;
    tw->ts_recent = c->ts.recent;
    tw->ts_offset = c->ts.offset;
    tw->expires_ms = tcp_now_ms(tcp) + ms;
    return tw;
}

/* An ACK, as the connection would have sent it. */
static void reply_ack(struct tcp *tcp, const struct tcp_tw *tw,
                      uint32_t owner) {
    struct tcp_reply *r = tcp_reply_new(tcp);
    if (!r)
        return;
    r->out.t = tcp_tw_tuple(tw);
    r->out.owner = owner;
    r->out.h.flags = WEIR_ACK;
    r->out.h.seq = tw->snd_nxt.v;
    r->out.h.ack = tw->rcv_nxt.v;
    r->out.wnd_bytes = tw->node.tw_wnd;
    r->out.h.window =
        (uint16_t)(tw->node.tw_wnd >> (tw->node.tw_flags / TW_WSCALE));
    if (tw->node.tw_flags & TW_TS) {
        r->out.h.opts = TCP_OPT_TS;
        r->out.h.ts_val = tcp_now_ms(tcp) + tw->ts_offset;
        r->out.h.ts_ecr = tw->ts_recent;
    }
}

/* The connection leaves the network; its socket, where a program still holds
 * it, is CLOSED but remembers what was received. */
static void leave(struct tcp *tcp, struct tcp_conn *c) {
    bool orphan = (c->ep.flags & EP_DEAD) != 0;
    tcp_state_init(&c->node, WEIR_TCP_CLOSED);
    if (orphan) {
        tcp_conn_destroy(tcp, c);
        return;
    }
    c->end_cause = tcp->env->cause;
    tcp_detach(tcp, c);
    tcp_work_rest(tcp, c);
    tcp_touch(tcp, c);
}

void tcp_time_wait(struct tcp *tcp, struct tcp_conn *c, unsigned state,
                   uint32_t ms) {
    struct tcp_tw *tw = tw_new(tcp, c, state, ms);
    bool owes_ack = (c->flags & CONN_ACK_NOW) != 0;
    tcp_state_set(tcp, c, state, WEIR_NONE);
    if (!tw) { /* the connection just ends, as on Linux */
        COUNT(tcp->env, TcpExt, TCPTimeWaitOverflow);
        if (owes_ack)
            tcp_reply_ack_of(tcp, c);
        tcp_end(tcp, c, 0, WEIR_TCP_ABORT_ON_MEMORY);
        return;
    }
    tcp_port_to_tw(tcp, c, tw);
    uint32_t owner = c->ep.owner;
    leave(tcp, c);
    const struct tcp_tuple t = tcp_tw_tuple(tw);
    tcp_hash_node(tcp, &tw->node, &t);
    tcp->tw_count++;
    enlist(tcp, tw);
    arm(tcp);
    if (owes_ack)
        reply_ack(tcp, tw, owner);
}

static void restart(struct tcp *tcp, struct tcp_tw *tw) {
    delist(tcp, tw);
    tcp_state_init(&tw->node, WEIR_TCP_TIME_WAIT);
    tw->expires_ms =
        tcp_now_ms(tcp) + (uint32_t)tcp->env->sysctl.tcp_timewait_len * 1000;
    enlist(tcp, tw);
    arm(tcp);
}

/* FIN_WAIT_2 without a program. False: the segment is dealt with. */
static void fin_wait2(struct tcp *tcp, struct tcp_tw *tw,
                      struct tcp_segment *seg) {
    struct env *env = tcp->env;
    const struct tcp_tuple t = tcp_tw_tuple(tw);
    if (!seq_in(seg->seq, tw->rcv_nxt, tw->node.tw_wnd + 1) &&
        seq_le(seg->end, tw->rcv_nxt)) {
        reply_ack(tcp, tw, 0);
        tcp_segment_drop(env, seg, WEIR_TCP_OLD_SEQUENCE, 0);
        return;
    }
    if (seg_has(seg, WEIR_RST)) {
        tcp_segment_drop(env, seg, WEIR_TCP_RESET, 0);
        if (seq_eq(seg->seq, tw->rcv_nxt))
            tcp_tw_end(tcp, tw, WEIR_TCP_RESET);
        return;
    }
    bool fin = seg_has(seg, WEIR_FIN);
    tcp_seq text_end = seq_add(seg->seq, seg->len);
    if (seg_has(seg, WEIR_SYN) || seq_gt(text_end, tw->rcv_nxt)) {
        /* data for a program that has closed: RFC 2525 2.17 */
        COUNT(env, TcpExt, TCPAbortOnData);
        tcp_reply_reset(tcp, seg, WEIR_TCP_ABORT_ON_DATA);
        tcp_segment_drop(env, seg, WEIR_TCP_ABORT_ON_DATA, 0);
        tcp_tw_end(tcp, tw, WEIR_TCP_ABORT_ON_DATA);
        return;
    }
    if (fin && seq_eq(text_end, tw->rcv_nxt)) {
        tw->rcv_nxt = seq_add(tw->rcv_nxt, 1);
        if (seg->h.opts & TCP_OPT_TS)
            tw->ts_recent = seg->h.ts_val;
        tcp_state_note(tcp, &t, 0, WEIR_TCP_FIN_WAIT2, WEIR_TCP_TIME_WAIT,
                       WEIR_NONE);
        restart(tcp, tw);
        reply_ack(tcp, tw, 0);
    }
}

static bool paws_old(const struct tcp_tw *tw, const struct tcp_segment *seg) {
    return tw->node.tw_flags & TW_TS && seg->h.opts & TCP_OPT_TS &&
           (int32_t)(seg->h.ts_val - tw->ts_recent) < 0;
}

/* RFC 6191 2, RFC 1122 4.2.2.13: is this SYN surely new? */
static bool reopens(const struct tcp_tw *tw, const struct tcp_segment *seg) {
    if (!seg_has(seg, WEIR_SYN) || seg_has(seg, WEIR_RST | WEIR_ACK) ||
        paws_old(tw, seg))
        return false;
    bool later_ts = tw->node.tw_flags & TW_TS && seg->h.opts & TCP_OPT_TS &&
                    (int32_t)(seg->h.ts_val - tw->ts_recent) > 0;
    return seq_gt(seg->seq, tw->rcv_nxt) || later_ts;
}

bool tcp_tw_input(struct tcp *tcp, struct tcp_tw *tw, struct tcp_segment *seg) {
    struct env *env = tcp->env;
    if (tw->node.state == WEIR_TCP_FIN_WAIT2) {
        fin_wait2(tcp, tw, seg);
    } else if (reopens(tw, seg)) {
        COUNT(env, TcpExt, TWRecycled);
        tcp_tw_end(tcp, tw, WEIR_NONE);
        return true;
    } else if (seg_has(seg, WEIR_RST)) {
        /* RFC 1337: a RST kills it only where tcp_rfc1337 is off */
        bool exact = seq_eq(seg->seq, tw->rcv_nxt);
        tcp_segment_drop(env, seg, WEIR_TCP_RESET, 0);
        if (exact && !env->sysctl.tcp_rfc1337)
            tcp_tw_end(tcp, tw, WEIR_TCP_RESET);
    } else if (seg->end.v != seg->seq.v || paws_old(tw, seg)) {
        /* the peer's FIN again, or something late: our last ACK again */
        bool fin_again = seg_has(seg, WEIR_FIN) && !paws_old(tw, seg);
        if (paws_old(tw, seg))
            COUNT(env, TcpExt, PAWSEstab);
        reply_ack(tcp, tw, 0);
        if (fin_again)
            restart(tcp, tw); /* RFC 9293 3.10.7.4, eighth */
        tcp_segment_drop(env, seg, WEIR_TCP_TIMEWAIT_SOCKET, 0);
    }
    if (seg->pkt)
        weir_pkt_free(seg->pkt);
    seg->pkt = NULL;
    return false;
}

/* RFC 6191: connect() may take the place of a TIME_WAIT that has timestamps,
 * as they tell its segments from ours: always where the program insists on the
 * port, else by tcp_tw_reuse: 1 anywhere, 2 on loopback (as Linux does). */
bool tcp_tw_reusable(struct tcp *tcp, const struct tcp_tw *tw, bool bound) {
    const struct sysctl *s = &tcp->env->sysctl;
    struct tcp_tuple t = tcp_tw_tuple(tw);
    if (tw->node.state != WEIR_TCP_TIME_WAIT || !(tw->node.tw_flags & TW_TS))
        return false;
    if (bound)
        return true;
    if (!s->tcp_tw_reuse || (s->tcp_tw_reuse == 2 && t.raddr >> 24 != 127))
        return false;
    uint32_t left_ms = tw->expires_ms - tcp_now_ms(tcp);
    uint32_t age_ms = (uint32_t)s->tcp_timewait_len * 1000 - left_ms;
    return age_ms >= (uint32_t)s->tcp_tw_reuse_delay;
}
