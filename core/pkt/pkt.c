/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets and the reference-counted buffers under them: making, sharing,
 * shortening, summing and ending them. Bytes live either in the packet's own
 * head or in slices after it; headers are pulled into the head before anybody
 * reads them, payload stays where it is.
 */
#include "pkt/pkt.h"

#include <assert.h>
#include <errno.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/checksum.h"

struct weir_pkt *weir_pkt_alloc(struct weir_arena *a, unsigned headroom) {
    assert(headroom <= WEIR_PKT_ROOM);
    struct weir_pkt *pkt = arena_alloc(a, sizeof(*pkt));
    if (!pkt)
        return NULL;
    memset(pkt, 0, offsetof(struct weir_pkt, slice));
    pkt->arena = a;
    pkt->head_off = (uint16_t)headroom;
    return pkt;
}

void weir_pkt_free(struct weir_pkt *pkt) {
    for (unsigned i = 0; i < pkt->nslices; i++)
        weir_buf_unref(pkt->slice[i].buf);
    arena_free(pkt->arena, pkt, sizeof(*pkt));
}

struct weir_pkt *weir_pkt_clone(const struct weir_pkt *pkt) {
    struct weir_pkt *copy = arena_alloc(pkt->arena, sizeof(*copy));
    if (!copy)
        return NULL;
    memcpy(copy, pkt, offsetof(struct weir_pkt, slice));
    copy->next = NULL;
    for (unsigned i = 0; i < pkt->nslices; i++) {
        copy->slice[i] = pkt->slice[i];
        weir_buf_ref(copy->slice[i].buf);
    }
    memcpy(copy->head + copy->head_off, pkt->head + pkt->head_off,
           pkt->head_len);
    return copy;
}

struct weir_buf *weir_buf_alloc(struct weir_arena *a, uint32_t size) {
    struct weir_buf *buf = arena_alloc(a, sizeof(*buf) + size);
    if (!buf)
        return NULL;
    buf->refs = 1;
    buf->size = size;
    buf->arena = a;
    buf->summed = 0;
    return buf;
}

void weir_buf_ref(struct weir_buf *buf) {
    assert(buf->refs > 0 && buf->refs < UINT32_MAX);
    buf->refs++;
}

void weir_buf_unref(struct weir_buf *buf) {
    assert(buf->refs > 0);
    if (--buf->refs == 0)
        arena_free(buf->arena, buf, sizeof(*buf) + buf->size);
}

int weir_pkt_append(struct weir_pkt *pkt, struct weir_buf *buf, uint32_t off,
                    uint32_t len) {
    assert(off <= buf->size && len <= buf->size - off);
    struct weir_slice *last =
        pkt->nslices ? &pkt->slice[pkt->nslices - 1] : NULL;
    if (len == 0 ||
        (last && last->buf == buf && last->off + last->len == off)) {
        if (len)
            last->len += len;
        pkt->len += len;
        weir_buf_unref(buf);
        return 0;
    }
    if (pkt->nslices == WEIR_PKT_SLICES)
        return -ENOSPC;
    pkt->slice[pkt->nslices++] = (struct weir_slice){buf, off, len};
    pkt->len += len;
    return 0;
}

void weir_pkt_copy_out(const struct weir_pkt *pkt, uint32_t off, void *dst,
                       uint32_t len) {
    uint8_t *to = dst;
    assert(off <= pkt->len && len <= pkt->len - off);
    if (off < pkt->head_len) {
        uint32_t n = pkt->head_len - off;
        if (n > len)
            n = len;
        memcpy(to, pkt->head + pkt->head_off + off, n);
        to += n;
        len -= n;
        off = 0;
    } else {
        off -= pkt->head_len;
    }
    for (unsigned i = 0; len > 0; i++) {
        const struct weir_slice *s = &pkt->slice[i];
        if (off >= s->len) {
            off -= s->len;
            continue;
        }
        uint32_t n = s->len - off;
        if (n > len)
            n = len;
        memcpy(to, s->buf->data + s->off + off, n);
        to += n;
        len -= n;
        off = 0;
    }
}

/* Remove the first `n` bytes of the slices. */
static void slices_trim_front(struct weir_pkt *pkt, uint32_t n) {
    unsigned gone = 0;
    while (n > 0) {
        struct weir_slice *s = &pkt->slice[gone];
        if (s->len > n) {
            s->off += n;
            s->len -= n;
            break;
        }
        n -= s->len;
        weir_buf_unref(s->buf);
        gone++;
    }
    if (gone) {
        pkt->nslices = (uint8_t)(pkt->nslices - gone);
        memmove(pkt->slice, pkt->slice + gone,
                pkt->nslices * sizeof(pkt->slice[0]));
    }
}

uint8_t *pkt_pull_slices(struct weir_pkt *pkt, uint32_t n) {
    assert(n <= WEIR_PKT_ROOM);
    if (n > pkt->len)
        return NULL;
    if (n > pkt->head_len) {
        uint32_t more = n - pkt->head_len;
        if (pkt->head_off + n > WEIR_PKT_ROOM) {
            /* To the end, not the beginning: what room there is stays in
             * front, for the headers of a packet that is forwarded. */
            uint16_t off = (uint16_t)(WEIR_PKT_ROOM - n);
            memmove(pkt->head + off, pkt->head + pkt->head_off, pkt->head_len);
            pkt->head_off = off;
        }
        weir_pkt_copy_out(pkt, pkt->head_len,
                          pkt->head + pkt->head_off + pkt->head_len, more);
        slices_trim_front(pkt, more);
        pkt->head_len = (uint16_t)n;
    }
    return pkt->head + pkt->head_off;
}

void pkt_trim_slices(struct weir_pkt *pkt, uint32_t n) {
    assert(n <= pkt->len);
    uint32_t head = n < pkt->head_len ? n : pkt->head_len;
    pkt->head_off = (uint16_t)(pkt->head_off + head);
    pkt->head_len = (uint16_t)(pkt->head_len - head);
    pkt->len -= n;
    slices_trim_front(pkt, n - head);
}

void pkt_trim_to(struct weir_pkt *pkt, uint32_t n) {
    assert(n <= pkt->len);
    uint32_t excess = pkt->len - n;
    pkt->len = n;
    while (excess > 0 && pkt->nslices > 0) {
        struct weir_slice *s = &pkt->slice[pkt->nslices - 1];
        if (s->len > excess) {
            s->len -= excess;
            return;
        }
        excess -= s->len;
        weir_buf_unref(s->buf);
        pkt->nslices--;
    }
    pkt->head_len = (uint16_t)(pkt->head_len - excess);
}

bool pkt_append_range(struct weir_pkt *to, const struct weir_pkt *from,
                      uint32_t off, uint32_t len) {
    if (off < from->head_len && len > 0) {
        uint32_t n = from->head_len - off;
        if (n > len)
            n = len;
        struct weir_buf *buf = weir_buf_alloc(to->arena, n);
        if (!buf)
            return false;
        memcpy(buf->data, from->head + from->head_off + off, n);
        if (weir_pkt_append(to, buf, 0, n) < 0) {
            weir_buf_unref(buf);
            return false;
        }
        off += n;
        len -= n;
    }
    off -= from->head_len;
    for (unsigned i = 0; len > 0; i++) {
        const struct weir_slice *s = &from->slice[i];
        if (off >= s->len) {
            off -= s->len;
            continue;
        }
        uint32_t n = s->len - off;
        if (n > len)
            n = len;
        weir_buf_ref(s->buf);
        if (weir_pkt_append(to, s->buf, s->off + off, n) < 0) {
            weir_buf_unref(s->buf);
            return false;
        }
        len -= n;
        off = 0;
    }
    return true;
}

/* Where most of the buffer is asked for and its sum was made while it was
 * copied, what is not asked for is taken off. */
static uint64_t slice_sum(const struct weir_slice *s, uint32_t skip,
                          uint32_t cpu) {
    const struct weir_buf *buf = s->buf;
    uint32_t off = s->off + skip, len = s->len - skip;
    if (buf->summed < off + len || len < buf->summed / 2 || off % 2)
        return csum_bytes(buf->data + off, len, cpu);
    uint64_t rest = csum_bytes(buf->data, off, cpu);
    uint32_t end = off + len;
    uint64_t after = csum_bytes(buf->data + end, buf->summed - end, cpu);
    rest += end % 2 ? csum_swap(csum_fold(after)) : csum_fold(after);
    return (uint64_t)buf->sum + (uint16_t)~csum_fold(rest);
}

/* Slices from `off` of them, where `at` bytes were summed before: an odd number
 * of those swaps what follows. */
static uint64_t slices_sum(const struct weir_pkt *pkt, uint32_t off,
                           uint32_t at) {
    uint64_t total = 0;
    uint32_t cpu = arena_cpu(pkt->arena);
    for (unsigned i = 0; i < pkt->nslices; i++) {
        const struct weir_slice *s = &pkt->slice[i];
        if (off >= s->len) {
            off -= s->len;
            continue;
        }
        uint32_t n = s->len - off;
        uint64_t part = slice_sum(s, off, cpu);
        total += at & 1 ? csum_swap(csum_fold(part)) : csum_fold(part);
        at += n;
        off = 0;
    }
    return total;
}

uint64_t pkt_slices_native(const struct weir_pkt *pkt) {
    if (pkt->nslices == 1)
        return slice_sum(&pkt->slice[0], 0, arena_cpu(pkt->arena));
    return slices_sum(pkt, 0, 0);
}

uint16_t pkt_sum(const struct weir_pkt *pkt, uint32_t off, uint64_t sum) {
    assert(off <= pkt->len);
    if (off >= pkt->head_len)
        return csum_fold(sum +
                         csum_network(slices_sum(pkt, off - pkt->head_len, 0)));
    uint32_t n = pkt->head_len - off;
    const uint8_t *p = pkt->head + pkt->head_off + off;
    uint64_t native = csum_bytes(p, n, 0);
    if (pkt->nslices == 1 && n % 2 == 0)
        native += slice_sum(&pkt->slice[0], 0, arena_cpu(pkt->arena));
    else if (pkt->nslices)
        native = csum_fold(native) + slices_sum(pkt, 0, n);
    return csum_fold(sum + csum_network(native));
}

void pkt_drop(struct env *env, struct weir_pkt *pkt, enum weir_reason reason,
              const struct drop_info *info) {
    static const struct drop_info unknown;
    if (!info)
        info = &unknown;
    env->drops[reason]++;
    COUNT(env, Weir, Drops);
    struct weir_event *ev = env_record(env, WEIR_EV_DROP, info->sock);
    if (ev) {
        ev->seg.src = info->src;
        ev->seg.dst = info->dst;
        ev->seg.sport = info->sport;
        ev->seg.dport = info->dport;
        ev->seg.seq = info->seq;
        ev->seg.ack = info->ack;
        ev->seg.len = info->len;
        ev->seg.win = info->ttl;
        ev->seg.proto = info->proto;
        ev->seg.tcp_flags = info->tcp_flags;
        ev->seg.reason = (uint8_t)reason;
    }
    weir_pkt_free(pkt);
}
