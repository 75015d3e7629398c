/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments past a gap (RFC 9293 3.10.7.4: SHLD-31). They are kept as islands:
 * runs of contiguous packets with a gap before each, ascending. What is there
 * already is trimmed from a newcomer, so no byte is kept twice, and the islands
 * are what SACK reports, the latest changed first (RFC 2018 4), after a DSACK
 * (RFC 2883 4) where a duplicate came.
 */
#include <assert.h>

#include "tcp/rooms.h"

#include "pkt/pkt.h"

static struct tcp_island *island_new(struct tcp *tcp, struct tcp_segment *seg) {
    struct tcp_island *is = arena_zalloc(tcp->env->arena, sizeof(*is));
    if (!is)
        return NULL;
    is->head = is->tail = seg->pkt;
    is->start = seg->seq;
    is->end = seq_add(seg->seq, seg->len);
    return is;
}

static void island_free(struct tcp *tcp, struct tcp_island *is) {
    arena_free(tcp->env->arena, is, sizeof(*is));
}

static void island_append(struct tcp_island *is, struct tcp_segment *seg) {
    is->tail->next = seg->pkt;
    is->tail = seg->pkt;
    is->end = seq_add(seg->seq, seg->len);
}

/* Keep `seg` from `start` for `len` bytes. */
static void cut(struct tcp_segment *seg, tcp_seq start, uint32_t len) {
    uint32_t front = (uint32_t)seq_diff(start, seg->seq);
    if (front)
        pkt_trim_front(seg->pkt, front);
    pkt_trim_to(seg->pkt, len);
    seg->seq = start;
    seg->len = len;
}

/* `b` follows `a` without a gap now: one island. */
static void join(struct tcp *tcp, struct tcp_ofo *o, struct tcp_island *a) {
    struct tcp_island *b = a->next;
    if (!b || !seq_eq(a->end, b->start))
        return;
    a->tail->next = b->head;
    a->tail = b->tail;
    a->end = b->end;
    a->fin |= b->fin;
    a->next = b->next;
    if (o->tail == b)
        o->tail = a;
    island_free(tcp, b);
}

/* A piece that overlaps nothing goes in after `prev` (NULL: first). */
static bool place(struct tcp *tcp, struct tcp_conn *c, struct tcp_island *prev,
                  struct tcp_segment *seg) {
    struct tcp_ofo *o = &c->work->ofo;
    seg->pkt->next = NULL;
    seg->pkt->flags = 0;
    if (prev && seq_eq(prev->end, seg->seq)) {
        island_append(prev, seg);
    } else {
        struct tcp_island *is = island_new(tcp, seg);
        if (!is)
            return false;
        is->next = prev ? prev->next : o->head;
        if (prev)
            prev->next = is;
        else
            o->head = is;
        if (!is->next)
            o->tail = is;
        prev = is;
    }
    join(tcp, o, prev);
    o->bytes += seg->len;
    c->work->rcvq.charge += tcp_charge(seg->len);
    seg->pkt = NULL;
    return true;
}

/* The last island that begins at or before `at`, or NULL. */
static struct tcp_island *island_before(const struct tcp_ofo *o, tcp_seq at) {
    if (o->tail && seq_le(o->tail->start, at))
        return o->tail; /* the usual case: at the end */
    struct tcp_island *prev = NULL;
    for (struct tcp_island *is = o->head; is && seq_le(is->start, at);
         is = is->next)
        prev = is;
    return prev;
}

/* Where `seg` spans islands, a piece of it (a clone) fills each gap. */
static void fill_gaps(struct tcp *tcp, struct tcp_conn *c,
                      struct tcp_segment *seg) {
    struct tcp_ofo *o = &c->work->ofo;
    tcp_seq at = seg->seq, end = seq_add(seg->seq, seg->len);
    while (seg->pkt && seq_lt(at, end)) {
        struct tcp_island *prev = island_before(o, at);
        if (prev && seq_gt(prev->end, at)) {
            at = prev->end;
            continue;
        }
        const struct tcp_island *next = prev ? prev->next : o->head;
        tcp_seq stop = next ? seq_min(next->start, end) : end;
        bool last = !next || seq_le(end, next->end);
        struct tcp_segment piece = *seg;
        if (last)
            seg->pkt = NULL;
        else
            piece.pkt = weir_pkt_clone(seg->pkt);
        if (!piece.pkt)
            return;
        cut(&piece, at, (uint32_t)seq_diff(stop, at));
        if (!place(tcp, c, prev, &piece)) {
            tcp_segment_drop(tcp->env, &piece, WEIR_NOMEM, 0);
            return;
        }
        at = stop;
    }
}

static void note_fin(struct tcp_conn *c, tcp_seq end) {
    for (struct tcp_island *is = c->work->ofo.head; is; is = is->next)
        if (seq_eq(is->end, end))
            is->fin = true;
}

void tcp_ofo_insert(struct tcp *tcp, struct tcp_conn *c,
                    struct tcp_segment *seg) {
    struct tcp_ofo *o = &c->work->ofo;
    tcp_seq end = seq_add(seg->seq, seg->len);
    uint32_t before = o->bytes;
    COUNT(tcp->env, TcpExt, TCPOFOQueue);
    for (struct tcp_island *is = o->head; is; is = is->next)
        if (seq_lt(seg->seq, is->end) && seq_lt(is->start, end)) {
            tcp_receive_dsack(c, seq_max(seg->seq, is->start),
                              seq_min(end, is->end));
            break;
        }
    c->work->last_ofo = seg->seq;
    fill_gaps(tcp, c, seg);
    if (seg_has(seg, WEIR_FIN))
        note_fin(c, end);
    if (o->bytes == before && seg->pkt) {
        seg->old = true;
        COUNT(tcp->env, TcpExt, TCPOFOMerge);
        tcp_segment_drop(tcp->env, seg, WEIR_TCP_OFOMERGE,
                         endpoint_sock(&c->ep));
    }
}

/* The packets of the first island join the receive queue as they are; what of
 * them is before rcv.nxt was received in order since. */
bool tcp_ofo_deliver(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    struct tcp_ofo *o = &w->ofo;
    bool fin = false;
    while (o->head && seq_le(o->head->start, c->rcv.nxt)) {
        struct tcp_island *is = o->head;
        tcp_seq at = is->start;
        while (is->head) {
            struct weir_pkt *pkt = is->head;
            is->head = pkt->next;
            pkt->next = NULL;
            tcp_seq end = seq_add(at, pkt->len);
            o->bytes -= pkt->len;
            w->rcvq.charge -= tcp_charge(pkt->len);
            if (seq_le(end, c->rcv.nxt)) {
                weir_pkt_free(pkt);
            } else {
                pkt_trim_front(pkt, (uint32_t)seq_diff(c->rcv.nxt, at));
                c->rcv.nxt = end;
                tcp_recvq_add(tcp, c, pkt);
            }
            at = end;
        }
        fin = is->fin && seq_eq(is->end, c->rcv.nxt);
        o->head = is->next;
        if (!o->head)
            o->tail = NULL;
        island_free(tcp, is);
    }
    return fin;
}

void tcp_ofo_clear(struct tcp *tcp, struct tcp_work *w) {
    while (w->ofo.head) {
        struct tcp_island *is = w->ofo.head;
        w->ofo.head = is->next;
        while (is->head) {
            struct weir_pkt *pkt = is->head;
            is->head = pkt->next;
            pkt->next = NULL;
            w->rcvq.charge -= tcp_charge(pkt->len);
            weir_pkt_free(pkt);
        }
        island_free(tcp, is);
    }
    w->ofo = (struct tcp_ofo){0};
}

unsigned tcp_ofo_sacks(struct tcp *tcp, struct tcp_conn *c,
                       struct tcp_sack *out, unsigned max) {
    struct tcp_work *w = c->work;
    unsigned n = 0;
    (void)tcp;
    if (w->dsack.start.v != w->dsack.end.v && n < max) {
        out[n++] = (struct tcp_sack){w->dsack.start.v, w->dsack.end.v};
        w->dsack.start = w->dsack.end; /* RFC 2883 4: reported once */
    }
    const struct tcp_island *first = w->ofo.head;
    while (first && !seq_in(w->last_ofo, first->start,
                            (uint32_t)seq_diff(first->end, first->start)))
        first = first->next;
    if (first && n < max)
        out[n++] = (struct tcp_sack){first->start.v, first->end.v};
    for (const struct tcp_island *is = w->ofo.head; is && n < max;
         is = is->next)
        if (is != first)
            out[n++] = (struct tcp_sack){is->start.v, is->end.v};
    return n;
}
