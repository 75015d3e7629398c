/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What arrived in order and the program has not read: packets, their headers
 * trimmed away, in a list. Small ones are copied into one buffer of our own, so
 * that a peer who sends single bytes cannot pin a packet for each: memory stays
 * within a small factor of the bytes, and `charge` says how much it is.
 */
#include "tcp/rooms.h"

#include "pkt/pkt.h"

enum {
    PKT_COST = 640,
    SMALL = 512,
    GATHER = 4096,
    GATHERER = 0x80, /* pkt->flags: one of ours, while it is in the queue */
};

uint32_t tcp_charge(uint32_t len) {
    return len + PKT_COST;
}

/* The tail packet's last slice may be appended to: it is a gathering buffer of
 * ours, which nobody else refers to. */
static struct weir_slice *gatherer(struct weir_pkt *tail) {
    if (!tail || !tail->nslices || !(tail->flags & GATHERER))
        return NULL;
    return &tail->slice[tail->nslices - 1];
}

static void link_tail(struct tcp_recvq *q, struct weir_pkt *pkt) {
    pkt->next = NULL;
    if (q->tail)
        q->tail->next = pkt;
    else
        q->head = pkt;
    q->tail = pkt;
}

/* A fresh gathering packet that holds a copy of `pkt`; false: no memory. */
static bool gather_new(struct tcp *tcp, struct tcp_recvq *q,
                       const struct weir_pkt *pkt) {
    struct weir_arena *a = tcp->env->arena;
    struct weir_pkt *home = weir_pkt_alloc(a, 0);
    if (!home)
        return false;
    struct weir_buf *buf = weir_buf_alloc(a, GATHER - sizeof(*buf));
    if (!buf) {
        weir_pkt_free(home);
        return false;
    }
    weir_pkt_copy_out(pkt, 0, buf->data, pkt->len);
    weir_pkt_append(home, buf, 0, pkt->len);
    home->flags = GATHERER;
    link_tail(q, home);
    q->charge += PKT_COST;
    return true;
}

/* Copy a small packet to the end of what was gathered; false: queue it as it
 * is. The first one costs nothing worth a copy. */
static bool gather(struct tcp *tcp, struct tcp_recvq *q,
                   const struct weir_pkt *pkt) {
    if (!q->tail)
        return false;
    struct weir_slice *s = gatherer(q->tail);
    if (s && s->buf->size - (s->off + s->len) >= pkt->len) {
        weir_pkt_copy_out(pkt, 0, s->buf->data + s->off + s->len, pkt->len);
        s->len += pkt->len;
        q->tail->len += pkt->len;
    } else if (!gather_new(tcp, q, pkt)) {
        return false;
    }
    q->charge += pkt->len;
    COUNT(tcp->env, TcpExt, TCPRcvCoalesce);
    COUNT_N(tcp->env, Weir, BytesCopiedInside, pkt->len);
    return true;
}

void tcp_recvq_add(struct tcp *tcp, struct tcp_conn *c, struct weir_pkt *pkt) {
    endpoint_set_copies_in(&c->ep, pkt->copies);
    struct tcp_recvq *q = &c->work->rcvq;
    q->bytes += pkt->len;
    pkt->flags = 0;
    if (pkt->len <= SMALL && gather(tcp, q, pkt)) {
        endpoint_set_copies_in(&c->ep, pkt->copies + 1u);
        weir_pkt_free(pkt);
        return;
    }
    q->charge += tcp_charge(pkt->len);
    link_tail(q, pkt);
}

void tcp_recvq_drop(struct tcp *tcp, struct tcp_work *w, uint32_t bytes) {
    struct tcp_recvq *q = &w->rcvq;
    (void)tcp;
    w->copied = seq_add(w->copied, bytes);
    q->bytes -= bytes;
    while (bytes) {
        struct weir_pkt *pkt = q->head;
        uint32_t n = pkt->len < bytes ? pkt->len : bytes;
        q->charge -= n;
        bytes -= n;
        if (n < pkt->len) {
            pkt_trim_front(pkt, n);
            return;
        }
        q->charge -= PKT_COST;
        q->head = pkt->next;
        if (!q->head)
            q->tail = NULL;
        pkt->next = NULL;
        weir_pkt_free(pkt);
    }
}

void tcp_recvq_clear(struct tcp *tcp, struct tcp_work *w) {
    (void)tcp;
    while (w->rcvq.head) {
        struct weir_pkt *pkt = w->rcvq.head;
        w->rcvq.head = pkt->next;
        pkt->next = NULL;
        weir_pkt_free(pkt);
    }
    w->rcvq = (struct tcp_recvq){0};
}
