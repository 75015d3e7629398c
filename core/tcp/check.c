/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold between passes, asserted: the simulation calls it after each
 * step. Written from the structures, not from the code that keeps them.
 */
#include <assert.h>

#include "tcp/rooms.h"

static uint32_t len_of(const struct tcp_tx *tx) {
    return (uint32_t)seq_diff(tx->end, tx->seq);
}

static void check_tx(const struct tcp_conn *c) {
    const struct tcp_txlist *l = &c->work->tx;
    uint32_t sacked = 0, lost = 0, retrans = 0, timed = 0, n = 0;
    tcp_seq at = c->snd.una;
    for (const struct tcp_tx *tx = l->head; tx; tx = tx->next) {
        assert(seq_eq(tx->seq, at) && seq_gt(tx->end, tx->seq));
        assert(tx->next ? tx->next->prev == tx : l->tail == tx);
        assert(!(tx->flags & TX_SACKED && tx->flags & TX_LOST));
        assert(tx->nth > 0);
        at = tx->end;
        if (tx->flags & TX_SACKED)
            sacked += len_of(tx);
        if (tx->flags & TX_LOST)
            lost += len_of(tx);
        if (tx->flags & TX_IN_FLIGHT)
            retrans += len_of(tx);
        if (!(tx->flags & (TX_SACKED | TX_LOST)))
            n++;
        if (tx->flags & TX_SACKED)
            assert(l->sack_top == NULL || seq_le(tx->seq, l->sack_top->seq));
    }
    if (l->head)
        assert(seq_eq(at, c->snd.nxt));
    assert(sacked == l->sacked_bytes && lost == l->lost_bytes &&
           retrans == l->retrans_bytes);
    uint64_t before = 0;
    for (const struct tcp_tx *tx = l->thead; tx; tx = tx->tnext) {
        assert(!(tx->flags & (TX_SACKED | TX_LOST)));
        assert(tx->sent_ns >= before);
        before = tx->sent_ns;
        timed++;
    }
    assert(timed == n);
    assert(tcp_pipe(c) <= (uint32_t)seq_diff(c->snd.nxt, c->snd.una));
}

static void check_sendq(const struct tcp_conn *c) {
    const struct tcp_sendq *q = &c->work->sendq;
    uint32_t bytes = 0;
    for (uint32_t i = q->head; i != q->tail; i++) {
        const struct weir_slice *s = &q->ring[i & q->mask];
        assert(s->len > 0 && s->off + s->len <= s->buf->size);
        assert(s->buf->refs > 0);
        bytes += s->len;
    }
    assert(bytes == q->bytes);
    if (bytes)
        assert(seq_eq(q->base, c->snd.una) ||
               tcp_in(c, IN(SYN_SENT) | IN(SYN_RECV)));
    assert(seq_ge(q->cur_seq, q->base));
}

static void check_recvq(const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    uint32_t bytes = 0, islands = 0;
    for (const struct weir_pkt *p = w->rcvq.head; p; p = p->next) {
        assert(p->len > 0 && (p->next || w->rcvq.tail == p));
        bytes += p->len;
    }
    assert(bytes == w->rcvq.bytes);
    assert(w->rcvq.charge >= bytes);
    if (!tcp_in(c, IN(CLOSED) | IN(SYN_SENT))) {
        uint32_t fin = (c->flags & CONN_FIN_RCVD) != 0;
        assert(seq_eq(seq_add(w->copied, bytes + fin), c->rcv.nxt));
    }
    tcp_seq at = c->rcv.nxt;
    for (const struct tcp_island *is = w->ofo.head; is; is = is->next) {
        uint32_t sum = 0;
        assert(seq_gt(is->start, at) && seq_gt(is->end, is->start));
        for (const struct weir_pkt *p = is->head; p; p = p->next)
            sum += p->len;
        assert(sum == (uint32_t)seq_diff(is->end, is->start));
        assert(is->next || w->ofo.tail == is);
        islands += sum;
        at = is->end;
    }
    assert(islands == w->ofo.bytes);
}

static bool armed_by(const struct wtimer *t, uint64_t due) {
    return wtimer_armed(t) && t->deadline <= due;
}

static void check_timers(const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    if (w->tx.head)
        assert(w->xmit_timer == XMIT_REXMIT || w->xmit_timer == XMIT_TLP ||
               w->xmit_timer == XMIT_REORDER);
    assert(w->conn == c);
    if (w->xmit_timer != XMIT_NONE)
        assert(armed_by(&c->timer, w->xmit_due) ||
               armed_by(&w->visit, w->xmit_due));
    if (c->flags & CONN_ACK_LATER)
        assert(armed_by(&c->timer, w->delack_due) || !list_empty(&w->owing));
    if (!w->tx.head && tcp_unsent(c) &&
        tcp_in(c, IN(ESTABLISHED) | IN(CLOSE_WAIT) | IN(FIN_WAIT1)))
        assert(w->xmit_timer == XMIT_PERSIST);
}

static void check_conn(const struct tcp_conn *c) {
    assert(c->node.kind == TCP_NODE_CONN);
    assert(seq_le(c->snd.una, c->snd.nxt));
    assert(!(c->flags & CONN_GONE));
    if (tcp_in(c, IN(CLOSED)))
        assert(!(c->flags & CONN_HASHED));
    if (!c->work) {
        if (!tcp_in(c, IN(CLOSED)))
            assert(seq_eq(c->snd.una, c->snd.nxt));
        return;
    }
    check_tx(c);
    check_sendq(c);
    check_recvq(c);
    if (!(c->flags & CONN_DIRTY) && !tcp_in(c, IN(CLOSED)))
        check_timers(c);
}

static void check_listener(const struct tcp_listener *l) {
    uint32_t n = 0, waiting = 0;
    for (const struct tcp_request *r = l->requests; r; r = r->next) {
        assert(r->listener == l && r->node.state == WEIR_TCP_SYN_RECV);
        assert(wtimer_armed(&r->timer));
        n++;
    }
    for (const struct tcp_conn *c = l->accept_head; c;
         c = c->work->accept_next) {
        assert(c->work->parent == l);
        waiting++;
    }
    assert(n == l->half_open && waiting == l->waiting);
    assert(waiting <= l->backlog + 1 || waiting <= 65536);
}

void tcp_check(struct tcp *tcp) {
    uint32_t nodes = 0, tws = 0;
    struct tcp_walk at = {0};
    struct tcp_node *n;
    while ((n = tcp_walk(tcp, &at))) {
        nodes++;
        if (n->kind == TCP_NODE_CONN)
            check_conn(tcp_conn_of_node(n));
        tws += n->kind == TCP_NODE_TW;
    }
    assert(nodes == tcp->table.count + tcp->loose.count);
    assert(tws == tcp->tw_count);
    if (tws)
        assert(wtimer_armed(&tcp->tw_timer));
    for (unsigned i = 0; i < TCP_LISTEN_BUCKETS; i++)
        for (struct tcp_listener *l = tcp->listeners[i]; l; l = l->next)
            check_listener(l);
}
