/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One door for state (RFC 9293 3.3.2). Every change passes here: a transition
 * the figure does not draw is a bug of ours and stops the program; each one
 * becomes a STATE event with its reason.
 */
#include <assert.h>

#include "tcp/rooms.h"

/* Where each state may lead. CLOSED is reachable from all. */
static const uint16_t leads_to[16] = {
    [WEIR_TCP_CLOSED] = IN(SYN_SENT) | IN(LISTEN),
    [WEIR_TCP_LISTEN] = IN(SYN_RECV) | IN(SYN_SENT),
    [WEIR_TCP_SYN_SENT] = IN(ESTABLISHED) | IN(SYN_RECV),
    [WEIR_TCP_SYN_RECV] = IN(ESTABLISHED) | IN(FIN_WAIT1) | IN(LISTEN),
    [WEIR_TCP_ESTABLISHED] = IN(FIN_WAIT1) | IN(CLOSE_WAIT),
    [WEIR_TCP_FIN_WAIT1] = IN(FIN_WAIT2) | IN(CLOSING) | IN(TIME_WAIT),
    [WEIR_TCP_FIN_WAIT2] = IN(TIME_WAIT),
    [WEIR_TCP_CLOSE_WAIT] = IN(LAST_ACK),
    [WEIR_TCP_CLOSING] = IN(TIME_WAIT),
    [WEIR_TCP_LAST_ACK] = 0,
    [WEIR_TCP_TIME_WAIT] = 0,
};

struct tcp_tuple tcp_conn_tuple(const struct tcp_conn *c) {
    return (struct tcp_tuple){c->ep.laddr, c->ep.raddr, c->ep.lport,
                              c->ep.rport};
}

void tcp_state_init(struct tcp_node *node, unsigned state) {
    node->state = (uint8_t)state;
}

static struct weir_event *note(struct tcp *tcp, const struct tcp_tuple *t,
                               uint32_t sock, unsigned from, unsigned to,
                               enum weir_reason reason) {
    assert(to == WEIR_TCP_CLOSED || leads_to[from] & 1u << to);
    if (tcp->destroying)
        return NULL;
    struct weir_event *ev = env_record(tcp->env, WEIR_EV_STATE, sock);
    if (!ev)
        return NULL;
    ev->state.local = t->laddr;
    ev->state.remote = t->raddr;
    ev->state.lport = t->lport;
    ev->state.rport = t->rport;
    ev->state.from = (uint8_t)from;
    ev->state.to = (uint8_t)to;
    ev->state.reason = (uint8_t)reason;
    return ev;
}

void tcp_state_note(struct tcp *tcp, const struct tcp_tuple *t, uint32_t sock,
                    unsigned from, unsigned to, enum weir_reason reason) {
    note(tcp, t, sock, from, to, reason);
}

/* Whom Tcp_CurrEstab counts. */
static int is_current(unsigned state) {
    return ((IN(ESTABLISHED) | IN(CLOSE_WAIT)) >> state) & 1;
}

void tcp_state_set(struct tcp *tcp, struct tcp_conn *c, unsigned to,
                   enum weir_reason reason) {
    unsigned from = c->node.state;
    if (from == to)
        return;
    const struct tcp_tuple t = tcp_conn_tuple(c);
    struct weir_event *ev =
        note(tcp, &t, endpoint_sock(&c->ep), from, to, reason);
    if (ev) {
        ev->state.sndq =
            c->work ? seq_diff(c->snd.nxt, c->snd.una) + tcp_unsent(c) : 0;
        ev->state.rcvq = c->work ? c->work->rcvq.bytes : 0;
    }
    c->node.state = (uint8_t)to;
    tcp->env->counters[WEIR_CTR_Tcp_CurrEstab] +=
        (uint64_t)(int64_t)(is_current(to) - is_current(from));
    tcp_touch(tcp, c);
}
