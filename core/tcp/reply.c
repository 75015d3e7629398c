/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments without a connection to send them: RST (RFC 9293 3.10.7.1, 3.5.2),
 * the ACKs of TIME_WAIT; and the challenge ACK (RFC 5961), which has one. They
 * wait in a list until the pass ends, as input never sends.
 */
#include "tcp/rooms.h"

struct tcp_reply *tcp_reply_new(struct tcp *tcp) {
    struct tcp_reply *r = tcp->reply_pool;
    if (tcp->destroying)
        return NULL;
    if (r)
        tcp->reply_pool = r->next;
    else if (!(r = arena_alloc(tcp->env->arena, sizeof(*r))))
        return NULL;
    *r = (struct tcp_reply){.cause = tcp->env->cause};
    r->out.nth = 1;
    r->out.df = true;
    if (tcp->replies_tail)
        tcp->replies_tail->next = r;
    else
        tcp->replies = r;
    tcp->replies_tail = r;
    return r;
}

void tcp_replies_send(struct tcp *tcp) {
    struct env *env = tcp->env;
    while (tcp->replies) {
        struct tcp_reply *r = tcp->replies;
        tcp->replies = r->next;
        if (!tcp->replies)
            tcp->replies_tail = NULL;
        if (!tcp->destroying) {
            env->cause = r->cause;
            tcp_segment_send(env, tcp->ip,
                             weir_pkt_alloc(env->arena, WEIR_PKT_ROOM),
                             &r->out);
        }
        r->next = tcp->reply_pool;
        tcp->reply_pool = r;
    }
}

/* RFC 9293 3.5.2: placed so that the other side believes it. */
void tcp_reply_reset(struct tcp *tcp, const struct tcp_segment *seg,
                     enum weir_reason reason) {
    struct tcp_reply *r = tcp_reply_new(tcp);
    if (!r)
        return;
    r->out.t = seg->t;
    r->out.reason = (uint8_t)reason;
    if (seg_has(seg, WEIR_ACK)) {
        r->out.h.seq = seg->ack.v;
        r->out.h.flags = WEIR_RST;
    } else {
        r->out.h.ack = seg->end.v;
        r->out.h.flags = WEIR_RST | WEIR_ACK;
    }
    COUNT(tcp->env, Tcp, OutRsts);
}

void tcp_reply_ack_of(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_reply *r = tcp_reply_new(tcp);
    if (r)
        tcp_out_fill(tcp, c, &r->out, WEIR_ACK, c->snd.nxt);
}

void tcp_reply_abort(struct tcp *tcp, struct tcp_conn *c,
                     enum weir_reason reason) {
    struct tcp_reply *r = tcp_reply_new(tcp);
    if (!r)
        return;
    tcp_out_fill(tcp, c, &r->out, WEIR_RST | WEIR_ACK, c->snd.nxt);
    r->out.reason = (uint8_t)reason;
    COUNT(tcp->env, Tcp, OutRsts);
}

/* RFC 5961 7: at most tcp_challenge_ack_limit a second of all connections, and
 * on one connection one each tcp_invalid_ratelimit ms would do; the global
 * limit is what protects. */
void tcp_challenge_ack(struct tcp *tcp, struct tcp_conn *c) {
    struct env *env = tcp->env;
    uint64_t second = env->now / NS_PER_S;
    if (tcp->challenge_second != second) {
        tcp->challenge_second = second;
        tcp->challenge_left = (uint32_t)env->sysctl.tcp_challenge_ack_limit;
    }
    if (!tcp->challenge_left)
        return;
    tcp->challenge_left--;
    COUNT(env, TcpExt, TCPChallengeACK);
    tcp_ack_now(tcp, c);
}
