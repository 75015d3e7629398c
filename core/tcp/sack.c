/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sender's scoreboard (RFC 2018, RFC 2883): which records the peer says it
 * has. Blocks are checked against what can be true before they are believed.
 */
#include "tcp/rooms.h"

/* RFC 2883 4: a first block below the ACK, or within the second, tells of a
 * duplicate. */
static bool is_dsack(const struct tcp_segment *seg) {
    if (!seg->h.nsacks)
        return false;
    const struct tcp_sack *b = seg->h.sack;
    if (seq_le(seq_of(b[0].end), seg->ack))
        return true;
    return seg->h.nsacks > 1 &&
           seq_ge(seq_of(b[0].start), seq_of(b[1].start)) &&
           seq_le(seq_of(b[0].end), seq_of(b[1].end));
}

static void take_dsack(struct tcp *tcp, struct tcp_conn *c,
                       const struct tcp_segment *seg,
                       struct tcp_ack_sample *s) {
    struct tcp_work *w = c->work;
    tcp_seq start = seq_of(seg->h.sack[0].start);
    tcp_seq end = seq_of(seg->h.sack[0].end);
    if (seq_ge(start, end) || seq_gt(end, c->snd.nxt))
        return;
    COUNT(tcp->env, TcpExt, TCPDSACKRecv);
    s->dsack = true;
    s->dsack_range = (struct tcp_range){start, end};
    /* each retransmission found needless counts down to the undo */
    if (w->loss.undo_possible && w->loss.undo_retrans > 0 &&
        seq_ge(start, w->loss.undo_una))
        w->loss.undo_retrans--;
}

static void tag(struct tcp *tcp, struct tcp_conn *c, struct tcp_tx *tx,
                const struct tcp_segment *seg, struct tcp_ack_sample *s) {
    uint32_t len = (uint32_t)seq_diff(tx->end, tx->seq);
    if (tx->flags & TX_SACKED)
        return;
    s->sacked += len;
    s->delivered += len;
    tcp_rack_delivered(tcp, c, tx, seg);
    if (!(tx->flags & TX_RETRANS)) {
        s->orig_sacked = true;
        s->sack_rtt_ns = tcp->env->now - tx->sent_ns;
    }
    tcp_tx_set_sacked(c->work, tx);
}

static void take_block(struct tcp *tcp, struct tcp_conn *c,
                       const struct tcp_segment *seg,
                       const struct tcp_sack *block, struct tcp_ack_sample *s) {
    struct tcp_work *w = c->work;
    tcp_seq start = seq_of(block->start), end = seq_of(block->end);
    if (seq_ge(start, end) || seq_gt(end, c->snd.nxt) ||
        seq_lt(start, c->snd.una) || seq_le(end, seg->ack))
        return;
    struct tcp_tx *tx = w->tx.head;
    if (w->tx.sack_top && seq_ge(start, w->tx.sack_top->seq))
        tx = w->tx.sack_top; /* the usual case: the topmost block grows */
    for (; tx && seq_lt(tx->seq, end); tx = tx->next) {
        if (seq_le(tx->end, start) || tx->flags & TX_SACKED)
            continue;
        if (seq_lt(tx->seq, start)) {
            if (!tcp_tx_split(tcp, c, tx, start))
                return;
            continue; /* the second half is next */
        }
        if (seq_gt(tx->end, end) && !tcp_tx_split(tcp, c, tx, end))
            return;
        tag(tcp, c, tx, seg, s);
    }
}

void tcp_sack_input(struct tcp *tcp, struct tcp_conn *c,
                    const struct tcp_segment *seg, struct tcp_ack_sample *s) {
    if (!(c->flags & CONN_SACK) || !seg->h.nsacks)
        return;
    unsigned i = 0;
    if (is_dsack(seg)) {
        take_dsack(tcp, c, seg, s);
        i = 1;
    }
    for (; i < seg->h.nsacks; i++)
        take_block(tcp, c, seg, &seg->h.sack[i], s);
}
