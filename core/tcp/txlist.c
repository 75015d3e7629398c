/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transmission records: one for each segment in flight, kept by sequence
 * number and by the time it was last sent (RFC 8985 5.1). A record is in the
 * list by time while it is in the pipe; SACKED and LOST ones are not. Their
 * sums are kept as they change, so that the pipe is known at once.
 */
#include <assert.h>

#include "tcp/rooms.h"

static uint32_t tx_len(const struct tcp_tx *tx) {
    return (uint32_t)seq_diff(tx->end, tx->seq);
}

struct tcp_tx *tcp_tx_take(struct tcp *tcp) {
    struct tcp_tx *tx = tcp->tx_pool;
    if (!tx)
        return arena_alloc(tcp->env->arena, sizeof(*tx));
    tcp->tx_pool = tx->next;
    return tx;
}

static struct tcp_tx *tx_new(struct tcp *tcp) {
    struct tcp_tx *tx = tcp_tx_take(tcp);
    if (tx)
        *tx = (struct tcp_tx){0};
    return tx;
}

static void tx_give_back(struct tcp *tcp, struct tcp_tx *tx) {
    if (tcp->destroying) {
        arena_free(tcp->env->arena, tx, sizeof(*tx));
        return;
    }
    tx->next = tcp->tx_pool;
    tcp->tx_pool = tx;
}

static void time_link(struct tcp_txlist *l, struct tcp_tx *tx) {
    tx->tnext = NULL;
    tx->tprev = l->ttail;
    if (l->ttail)
        l->ttail->tnext = tx;
    else
        l->thead = tx;
    l->ttail = tx;
}

static bool time_linked(const struct tcp_txlist *l, const struct tcp_tx *tx) {
    return tx->tprev || l->thead == tx;
}

static void time_unlink(struct tcp_txlist *l, struct tcp_tx *tx) {
    if (!time_linked(l, tx))
        return;
    if (tx->tprev)
        tx->tprev->tnext = tx->tnext;
    else
        l->thead = tx->tnext;
    if (tx->tnext)
        tx->tnext->tprev = tx->tprev;
    else
        l->ttail = tx->tprev;
    tx->tnext = tx->tprev = NULL;
}

struct tcp_tx *tcp_tx_add(struct tcp *tcp, struct tcp_conn *c, tcp_seq end,
                          uint8_t flags) {
    struct tcp_txlist *l = &c->work->tx;
    struct tcp_tx *tx = tx_new(tcp);
    if (!tx)
        return NULL;
    tx->seq = c->snd.nxt;
    tx->end = end;
    tx->flags = flags;
    tx->prev = l->tail;
    if (l->tail)
        l->tail->next = tx;
    else
        l->head = tx;
    l->tail = tx;
    return tx;
}

void tcp_tx_add_alone(struct tcp_work *w, struct tcp_tx *tx, tcp_seq seq,
                      tcp_seq end, uint64_t now) {
    struct tcp_txlist *l = &w->tx;
    *tx = (struct tcp_tx){
        .seq = seq, .end = end, .sent_ns = now, .nth = 1, .flags = TX_PSH};
    l->head = l->tail = l->thead = l->ttail = tx;
}

static void sent_again(struct tcp_work *w, struct tcp_tx *tx) {
    struct tcp_txlist *l = &w->tx;
    tcp_tx_clear_lost(w, tx);
    if (!(tx->flags & TX_IN_FLIGHT))
        l->retrans_bytes += tx_len(tx);
    tx->flags |= TX_RETRANS | TX_IN_FLIGHT;
    time_unlink(l, tx);
}

void tcp_tx_sent(struct tcp *tcp, struct tcp_conn *c, struct tcp_tx *tx) {
    struct tcp_work *w = c->work;
    if (tx->nth)
        sent_again(w, tx);
    if (tx->nth < UINT16_MAX)
        tx->nth++;
    tx->sent_ns = tcp->env->now;
    if (w->loss.state == CA_RECOVERY)
        w->loss.prr_out += tx_len(tx);
    time_link(&w->tx, tx);
}

/* No longer in the pipe as a retransmission. */
static void clear_in_flight(struct tcp_txlist *l, struct tcp_tx *tx) {
    if (tx->flags & TX_IN_FLIGHT) {
        l->retrans_bytes -= tx_len(tx);
        tx->flags = (uint8_t)(tx->flags & ~TX_IN_FLIGHT);
    }
}

void tcp_tx_clear_lost(struct tcp_work *w, struct tcp_tx *tx) {
    if (!(tx->flags & TX_LOST))
        return;
    tx->flags = (uint8_t)(tx->flags & ~TX_LOST);
    w->tx.lost_bytes -= tx_len(tx);
}

void tcp_tx_set_lost(struct tcp_work *w, struct tcp_tx *tx) {
    struct tcp_txlist *l = &w->tx;
    if (tx->flags & (TX_LOST | TX_SACKED))
        return;
    clear_in_flight(l, tx);
    time_unlink(l, tx);
    tx->flags |= TX_LOST;
    l->lost_bytes += tx_len(tx);
    if (!l->lost_hint || seq_lt(tx->seq, l->lost_hint->seq))
        l->lost_hint = tx;
}

/* Back into the list by time, at the place its time says. */
void tcp_tx_unlose(struct tcp_work *w, struct tcp_tx *tx) {
    struct tcp_txlist *l = &w->tx;
    if (!(tx->flags & TX_LOST))
        return;
    tcp_tx_clear_lost(w, tx);
    struct tcp_tx *after = l->ttail;
    while (after && after->sent_ns > tx->sent_ns)
        after = after->tprev;
    tx->tprev = after;
    tx->tnext = after ? after->tnext : l->thead;
    if (tx->tnext)
        tx->tnext->tprev = tx;
    else
        l->ttail = tx;
    if (after)
        after->tnext = tx;
    else
        l->thead = tx;
}

void tcp_tx_set_sacked(struct tcp_work *w, struct tcp_tx *tx) {
    struct tcp_txlist *l = &w->tx;
    assert(!(tx->flags & TX_SACKED));
    tcp_tx_clear_lost(w, tx);
    clear_in_flight(l, tx);
    time_unlink(l, tx);
    tx->flags |= TX_SACKED;
    l->sacked_bytes += tx_len(tx);
    if (!l->sack_top || seq_gt(tx->seq, l->sack_top->seq))
        l->sack_top = tx;
}

void tcp_tx_clear_sacked(struct tcp_work *w, struct tcp_tx *tx) {
    if (!(tx->flags & TX_SACKED))
        return;
    tx->flags = (uint8_t)(tx->flags & ~TX_SACKED);
    w->tx.sacked_bytes -= tx_len(tx);
    if (w->tx.sack_top == tx) /* none above it; below, it is searched */
        w->tx.sack_top = NULL;
}

void tcp_tx_remove(struct tcp *tcp, struct tcp_conn *c, struct tcp_tx *tx) {
    struct tcp_txlist *l = &c->work->tx;
    if (tx->flags & (TX_LOST | TX_SACKED | TX_IN_FLIGHT)) {
        tcp_tx_clear_lost(c->work, tx);
        tcp_tx_clear_sacked(c->work, tx);
        clear_in_flight(l, tx);
    }
    time_unlink(l, tx);
    if (l->lost_hint == tx)
        l->lost_hint = tx->next;
    if (tx->prev)
        tx->prev->next = tx->next;
    else
        l->head = tx->next;
    if (tx->next)
        tx->next->prev = tx->prev;
    else
        l->tail = tx->prev;
    tx_give_back(tcp, tx);
}

void tcp_tx_remove_alone(struct tcp *tcp, struct tcp_work *w,
                         struct tcp_tx *tx) {
    struct tcp_txlist *l = &w->tx;
    l->head = l->tail = l->thead = l->ttail = l->lost_hint = NULL;
    tx_give_back(tcp, tx);
}

bool tcp_tx_split(struct tcp *tcp, struct tcp_conn *c, struct tcp_tx *tx,
                  tcp_seq at) {
    struct tcp_txlist *l = &c->work->tx;
    assert(seq_gt(at, tx->seq) && seq_lt(at, tx->end));
    struct tcp_tx *rest = tx_new(tcp);
    if (!rest)
        return false;
    *rest = *tx;
    rest->seq = tx->end = at;
    tx->flags = (uint8_t)(tx->flags & ~(TX_FIN | TX_PSH));
    rest->flags = (uint8_t)(rest->flags & ~TX_SYN);
    rest->prev = tx;
    if (tx->next)
        tx->next->prev = rest;
    else
        l->tail = rest;
    tx->next = rest;
    rest->tprev = rest->tnext = NULL;
    if (time_linked(l, tx)) {
        rest->tprev = tx;
        rest->tnext = tx->tnext;
        if (tx->tnext)
            tx->tnext->tprev = rest;
        else
            l->ttail = rest;
        tx->tnext = rest;
    }
    if (l->sack_top == tx)
        l->sack_top = rest;
    return true;
}

void tcp_tx_clear(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_txlist *l = &c->work->tx;
    while (l->head)
        tcp_tx_remove(tcp, c, l->head);
    l->lost_hint = l->sack_top = NULL;
}

/* RFC 6675 4: what is in the network: sent, not known to have arrived, not
 * believed lost. */
uint32_t tcp_pipe(const struct tcp_conn *c) {
    uint32_t sent = (uint32_t)seq_diff(c->snd.nxt, c->snd.una);
    const struct tcp_txlist *l = &c->work->tx;
    uint32_t pipe = sent - l->sacked_bytes - l->lost_bytes;
    if (c->flags & CONN_SACK)
        return pipe;
    /* each duplicate ACK tells of a segment that has left (RFC 5681 3.2) */
    uint32_t left = c->work->loss.dupacks * (uint32_t)c->mss;
    return pipe > left ? pipe - left : 0;
}
