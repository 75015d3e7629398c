/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the program sent and the peer has not acknowledged: slices of counted
 * buffers in sequence order. A copying send fills buffers of our own, appending
 * to the last one as long as it has room (nobody holds bytes past its end); a
 * send of slices takes references. Segments and retransmissions refer to the
 * same bytes. `cur` remembers where new data begins, so that sending is
 * constant work however long the queue is.
 */
#include <assert.h>

#include "tcp/rooms.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/hint.h"

enum { BUF_FIRST = 256, BUF_MIN = 1024, BUF_MAX = 32768, RING_MIN = 8 };

static struct weir_slice *slot(struct tcp_sendq *q, uint32_t i) {
    return &q->ring[i & q->mask];
}

SELDOM static bool grow_ring(struct tcp *tcp, struct tcp_sendq *q) {
    struct weir_arena *a = tcp->env->arena;
    uint32_t old = q->mask + 1, n = q->ring == q->few ? RING_MIN : old * 2;
    struct weir_slice *ring = arena_alloc(a, n * sizeof(*ring));
    if (!ring)
        return false;
    for (uint32_t i = q->head; i != q->tail; i++)
        ring[i & (n - 1)] = *slot(q, i);
    if (q->ring != q->few)
        arena_free(a, q->ring, old * sizeof(*ring));
    q->ring = ring;
    q->mask = n - 1;
    return true;
}

static inline bool room_for_slice(struct tcp *tcp, struct tcp_sendq *q) {
    return q->tail - q->head <= q->mask || grow_ring(tcp, q);
}

/* The first slice of new data may be the one just added. */
static void add_slice(struct tcp_sendq *q, struct weir_slice s) {
    *slot(q, q->tail++) = s;
    q->bytes += s.len;
}

/* Into a buffer of ours, summed on the way where segments are large enough that
 * the sum will be of use. */
static void copy_in(const struct tcp_work *w, struct weir_buf *buf,
                    uint32_t off, const uint8_t *src, uint32_t len) {
    if (!w->way_sums || buf->summed != off || off % 2) {
        bytes_copy(buf->data + off, src, len);
        return;
    }
    uint64_t sum = csum_copy(buf->data + off, src, len, arena_cpu(buf->arena));
    buf->sum = csum_fold((off ? buf->sum : 0) + csum_fold(sum));
    buf->summed = off + len;
}

static uint32_t append_tail(const struct tcp_work *w, struct tcp_sendq *q,
                            const uint8_t *src, uint32_t len) {
    if (!q->own_tail || q->head == q->tail)
        return 0;
    struct weir_slice *s = slot(q, q->tail - 1);
    uint32_t room = s->buf->size - (s->off + s->len);
    uint32_t n = len < room ? len : room;
    copy_in(w, s->buf, s->off + s->len, src, n);
    s->len += n;
    q->bytes += n;
    return n;
}

/* Buffers grow with what is written at once, and where much is queued; a byte
 * to and fro now and then needs little. */
static uint32_t buf_size(const struct tcp_sendq *q, uint32_t len) {
    uint32_t want = len > q->bytes / 4 ? len : q->bytes / 4;
    uint32_t size = q->bytes ? BUF_MIN : BUF_FIRST;
    while (size < want + sizeof(struct weir_buf) && size < BUF_MAX)
        size *= 2;
    return size - (uint32_t)sizeof(struct weir_buf);
}

/* Small requests and answers come one at a time: the buffer of the last one
 * does for the next. */
static struct weir_buf *new_tail(struct tcp *tcp, struct tcp_sendq *q,
                                 uint32_t len) {
    struct weir_buf *buf = q->spare;
    if (!buf || len > buf->size)
        return weir_buf_alloc(tcp->env->arena, buf_size(q, len));
    q->spare = NULL;
    buf->summed = 0;
    return buf;
}

static void emptied(struct tcp_sendq *q, struct weir_buf *buf) {
    if (!q->spare && q->own_tail && buf->refs == 1 && buf->size <= BUF_MIN)
        q->spare = buf;
    else
        weir_buf_unref(buf);
}

/* Into an empty queue, and the buffer of the last small request is there. */
static inline bool copy_small(struct tcp_work *w, const uint8_t *src,
                              uint32_t len) {
    struct tcp_sendq *q = &w->sendq;
    struct weir_buf *buf = q->spare;
    if (!len || q->head != q->tail || !buf || len > buf->size || w->way_sums)
        return false;
    q->spare = NULL;
    buf->summed = 0;
    bytes_copy(buf->data, src, len);
    *slot(q, q->tail++) = (struct weir_slice){buf, 0, len};
    q->bytes = len;
    q->own_tail = true;
    return true;
}

static uint32_t copy_any(struct tcp *tcp, struct tcp_conn *c,
                         const uint8_t *src, uint32_t len) {
    struct tcp_sendq *q = &c->work->sendq;
    uint32_t done = append_tail(c->work, q, src, len);
    while (done < len) {
        if (!room_for_slice(tcp, q))
            break;
        struct weir_buf *buf = new_tail(tcp, q, len - done);
        if (!buf)
            break;
        uint32_t n = len - done < buf->size ? len - done : buf->size;
        copy_in(c->work, buf, 0, src + done, n);
        add_slice(q, (struct weir_slice){buf, 0, n});
        q->own_tail = true;
        done += n;
    }
    return done;
}

int tcp_sendq_copy(struct tcp *tcp, struct tcp_conn *c, const uint8_t *src,
                   uint32_t len) {
    uint32_t done =
        copy_small(c->work, src, len) ? len : copy_any(tcp, c, src, len);
    COUNT_N(tcp->env, Weir, BytesCopiedIn, done);
    return (int)done;
}

int tcp_sendq_slice(struct tcp *tcp, struct tcp_conn *c,
                    const struct weir_slice *slice) {
    struct tcp_sendq *q = &c->work->sendq;
    if (!room_for_slice(tcp, q))
        return -ENOBUFS;
    add_slice(q, *slice);
    q->own_tail = false;
    return 0;
}

/* All of it lies in the slice where new data begins, which stays that slice. */
ALONG bool tcp_sendq_refer_one(const struct tcp_work *w, struct weir_pkt *pkt,
                               tcp_seq seq, uint32_t len) {
    const struct tcp_sendq *q = &w->sendq;
    if (q->cur + 1 != q->tail || pkt->nslices)
        return false;
    const struct weir_slice *s = slot((struct tcp_sendq *)q, q->cur);
    uint32_t skip = (uint32_t)seq_diff(seq, q->cur_seq);
    if (skip >= s->len || len > s->len - skip ||
        (len == s->len - skip && !q->own_tail))
        return false;
    weir_buf_ref(s->buf);
    pkt->slice[0] = (struct weir_slice){s->buf, s->off + skip, len};
    pkt->nslices = 1;
    pkt->len += len;
    return true;
}

uint32_t tcp_sendq_refer(struct tcp_work *w, struct weir_pkt *pkt, tcp_seq seq,
                         uint32_t len, bool new_data) {
    struct tcp_sendq *q = &w->sendq;
    if (tcp_sendq_refer_one(w, pkt, seq, len))
        return len;
    uint32_t i = q->head, done = 0;
    tcp_seq at = q->base;
    if (seq_ge(seq, q->cur_seq) && (int32_t)(q->cur - q->head) >= 0) {
        i = q->cur;
        at = q->cur_seq;
    }
    while (done < len && i != q->tail) {
        const struct weir_slice *s = slot(q, i);
        uint32_t skip = (uint32_t)seq_diff(seq_add(seq, done), at);
        if (skip < s->len) {
            uint32_t n =
                s->len - skip < len - done ? s->len - skip : len - done;
            weir_buf_ref(s->buf);
            if (weir_pkt_append(pkt, s->buf, s->off + skip, n) < 0) {
                weir_buf_unref(s->buf);
                break;
            }
            done += n;
            if (skip + n < s->len)
                break; /* the next new byte lies in this slice too */
        }
        if (i + 1 == q->tail && q->own_tail)
            break; /* it may still grow */
        at = seq_add(at, s->len);
        i++;
    }
    if (new_data) {
        q->cur = i;
        q->cur_seq = at;
    }
    return done;
}

/* All of it is acknowledged, and was one piece. */
static inline bool advance_all(struct tcp_sendq *q, tcp_seq una) {
    if (q->head + 1 != q->tail || q->cur != q->head ||
        una.v - q->base.v != q->bytes)
        return false;
    struct weir_slice *s = slot(q, q->head);
    q->base = q->cur_seq = una;
    q->bytes = 0;
    q->head = q->cur = q->tail;
    emptied(q, s->buf);
    q->own_tail = false;
    return true;
}

void tcp_sendq_advance(struct tcp *tcp, struct tcp_work *w, tcp_seq una) {
    struct tcp_sendq *q = &w->sendq;
    (void)tcp;
    if (advance_all(q, una))
        return;
    while (q->head != q->tail && seq_lt(q->base, una)) {
        struct weir_slice *s = slot(q, q->head);
        uint32_t n = (uint32_t)seq_diff(una, q->base);
        if (n > s->len)
            n = s->len;
        bool cur_here = q->cur == q->head;
        s->off += n;
        s->len -= n;
        q->base = seq_add(q->base, n);
        q->bytes -= n;
        if (cur_here)
            q->cur_seq = q->base;
        if (s->len)
            return;
        q->head++;
        if (q->head == q->tail)
            emptied(q, s->buf);
        else
            weir_buf_unref(s->buf);
        if (cur_here)
            q->cur = q->head;
    }
    if (q->head == q->tail) {
        q->own_tail = false;
        q->cur = q->head;
        q->cur_seq = q->base;
    }
}

void tcp_sendq_init(struct tcp_work *w, tcp_seq base) {
    struct tcp_sendq *q = &w->sendq;
    *q = (struct tcp_sendq){.base = base, .cur_seq = base};
    q->ring = q->few;
    q->mask = sizeof(q->few) / sizeof(q->few[0]) - 1;
}

void tcp_sendq_clear(struct tcp *tcp, struct tcp_work *w) {
    struct tcp_sendq *q = &w->sendq;
    for (; q->head != q->tail; q->head++)
        weir_buf_unref(slot(q, q->head)->buf);
    if (q->ring != q->few)
        arena_free(tcp->env->arena, q->ring,
                   (q->mask + 1) * sizeof(q->ring[0]));
    if (q->spare)
        weir_buf_unref(q->spare);
    tcp_sendq_init(w, q->base);
}

uint32_t tcp_send_space(const struct tcp_conn *c) {
    uint32_t queued = c->work ? c->work->sendq.bytes : 0;
    return queued < c->sndbuf ? c->sndbuf - queued : 0;
}
