/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a frame crosses. Headers and up to 192 bytes of frame are copied through
 * the slot: a small frame moves in two cache lines, and its sender is done with
 * it. What is longer stays where it lies: the slot names its extents in the
 * writer's arena, the reader copies them once into a buffer of its own, and
 * the writer frees its packet when it sees the reader's count go past it (the
 * count is the way back: no second ring). Counts of references are not atomic
 * and never cross; bytes that are referred to do not change while they are.
 *
 * The reader looks at the slot itself, not at an index beside it: one transfer
 * of a line tells both that a frame is there and what is in it. The writer
 * looks at the reader's count only when the ring may be full or a packet waits
 * to be freed.
 *
 * A reader about to sleep sets `sleeps`, then looks once more; the writer
 * stores a frame, then looks at `sleeps`. Each needs its store seen before its
 * load; membarrier(2) lets the sleeper pay for both.
 *
 * Nothing that stands in a slot is believed: it is read once, and lengths and
 * places that cannot be end in a drop.
 */
#include "links/ring.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "links/ring_in.h"

#define BATCH 64 /* frames given out in one poll */

struct end {
    struct weir_link link;
    struct ring *ring;
    unsigned side;
    uint32_t mask;
    /* Reading. */
    struct ring_lane *in;
    uint64_t next; /* the frame to come */
    bool armed;
    /* Writing. */
    struct ring_lane *out;
    uint64_t sent;
    uint64_t seen;  /* the peer's count when last looked at */
    uint64_t freed; /* packets before this frame are freed */
    unsigned held, idle;
    struct weir_pkt **hold; /* by slot: a packet whose bytes are referred to */
};

static void prefetch(const void *p) {
    __builtin_prefetch(p, 0);
}

/* ---- writing ---- */

/* Look how far the peer is; a count that cannot be is not believed. */
static void look(struct end *e) {
    uint64_t taken = atomic_load_explicit(&e->out->taken, memory_order_acquire);
    if (taken - e->seen <= e->sent - e->seen)
        e->seen = taken;
    for (; e->freed < e->seen; e->freed++) {
        if (!e->held) {
            e->freed = e->seen;
            break;
        }
        struct weir_pkt **pkt = &e->hold[e->freed & e->mask];
        if (*pkt) {
            weir_pkt_free(*pkt);
            *pkt = NULL;
            e->held--;
        }
    }
}

static void wake(struct end *e) {
    if (e->ring->barrier)
        atomic_signal_fence(memory_order_seq_cst);
    else
        atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&e->out->sleeps, memory_order_relaxed))
        return;
    uint64_t one = 1;
    if (atomic_exchange(&e->out->sleeps, 0))
        while (write(e->out->fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
}

/* A slot in the making: what does not fit its two lines follows them. */
struct made {
    struct ring_slot slot;
    uint8_t far[WEIR_PKT_ROOM - RING_NEAR];
};

/* The first `copied` bytes of the frame, one after the other. */
static void gather(uint8_t *to, const struct weir_pkt *pkt, uint32_t copied) {
    memcpy(to, pkt->head + pkt->head_off, pkt->head_len);
    to += pkt->head_len;
    if (copied == pkt->head_len)
        return;
    for (unsigned i = 0; i < pkt->nslices; i++) {
        const struct weir_slice *from = &pkt->slice[i];
        memcpy(to, from->buf->data + from->off, from->len);
        to += from->len;
    }
}

/* Say of a frame what the reader must know; true: the packet must be held. */
static bool describe(struct end *e, struct made *m,
                     const struct weir_pkt *pkt) {
    struct ring_more *more = &e->out->more[e->sent & e->mask];
    bool hold = pkt->len > WEIR_PKT_ROOM;
    uint32_t copied = hold ? pkt->head_len : pkt->len;
    m->slot.frame = (struct ring_frame){.owner = pkt->owner,
                                        .event = pkt->event,
                                        .copied = (uint16_t)copied,
                                        .extents = hold ? pkt->nslices : 0,
                                        .flags = pkt->flags,
                                        .copies = pkt->copies,
                                        .csum_start = pkt->csum_start,
                                        .csum_offset = pkt->csum_offset,
                                        .gso_size = pkt->gso_size};
    gather((uint8_t *)m + offsetof(struct made, slot.near), pkt, copied);
    if (copied > RING_NEAR)
        memcpy(more->far, m->far, sizeof(m->far));
    for (unsigned i = 0; hold && i < pkt->nslices; i++) {
        const struct weir_slice *from = &pkt->slice[i];
        more->extent[i].off = (uint64_t)(from->buf->data + from->off -
                                         (const uint8_t *)e->link.arena);
        more->extent[i].len = from->len;
    }
    return hold;
}

/* The reader's core spins on the first line and takes it away at any moment:
 * each line is written in one go, the first one last. The last of a list is
 * then moved towards the other core where the processor can (elsewhere cldemote
 * is a no-operation): its reader waits for it. */
static void publish(struct ring_slot *to, const struct ring_slot *made,
                    uint32_t turn, bool last) {
    uint8_t *line = (uint8_t *)to;
    memcpy(line + 64, (const uint8_t *)made + 64, 64);
    memcpy(line + 4, (const uint8_t *)made + 4, 60);
    atomic_store_explicit(&to->turn, turn, memory_order_release);
#if defined(__x86_64__)
    if (!last)
        return;
    __asm__ volatile(".byte 0x0f, 0x1c, 0x07" : : "D"(line));
    __asm__ volatile(".byte 0x0f, 0x1c, 0x07" : : "D"(line + 64));
#endif
}

static void end_send(struct weir_link *link, struct weir_pkt *list,
                     uint64_t now) {
    struct end *e = (struct end *)link;
    if (e->held)
        look(e);
    for (struct weir_pkt *pkt = list, *next; pkt; pkt = next) {
        next = pkt->next;
        if (e->sent - e->seen > e->mask)
            look(e);
        if (e->sent - e->seen > e->mask) {
            weir_link_drop(link, pkt, WEIR_LINK_QUEUE_FULL, now);
            continue;
        }
        struct made made;
        bool hold = describe(e, &made, pkt);
        publish(&e->out->slot[e->sent & e->mask], &made.slot,
                (uint32_t)(e->sent + 1), !next);
        link->stats.tx_frames++;
        link->stats.tx_bytes += pkt->len;
        if (hold) {
            e->hold[e->sent & e->mask] = pkt;
            e->held++;
        } else {
            weir_pkt_free(pkt);
        }
        e->sent++;
    }
    wake(e);
}

/* ---- reading ---- */

static bool arrived(const struct end *e, uint64_t n) {
    return atomic_load_explicit(&e->in->slot[n & e->mask].turn,
                                memory_order_acquire) == (uint32_t)(n + 1);
}

static void drop(struct end *e, enum weir_reason reason, uint64_t event,
                 uint64_t now) {
    e->link.stats.rx_dropped++;
    struct weir_event *ev =
        weir_record(e->link.rec, WEIR_EV_DROP, e->link.host, 0, event, now);
    if (ev)
        ev->seg.reason = (uint8_t)reason;
}

/* Extents, checked and fetched into one buffer. `copied` bytes came before. */
static enum weir_reason fetch(struct end *e, struct weir_pkt *pkt,
                              const struct ring_more *more, unsigned n) {
    struct ring_extent x[WEIR_PKT_SLICES];
    uint32_t total = 0;
    const struct weir_arena *arena = e->ring->arena[!e->side];
    if (n > WEIR_PKT_SLICES || !arena)
        return WEIR_LINK_MALFORMED;
    const uint8_t *far = (const uint8_t *)arena;
    size_t far_bytes = weir_arena_bytes(arena);
    memcpy(x, more->extent, n * sizeof(x[0]));
    for (unsigned i = 0; i < n; i++) {
        if (x[i].len > RING_FRAME_MAX - total || x[i].off > far_bytes ||
            x[i].len > far_bytes - x[i].off)
            return WEIR_LINK_MALFORMED;
        prefetch(far + x[i].off);
        total += x[i].len;
    }
    struct weir_buf *buf = weir_buf_alloc(pkt->arena, total);
    if (!buf)
        return WEIR_NOMEM;
    uint8_t *to = buf->data;
    for (unsigned i = 0; i < n; i++) {
        memcpy(to, far + x[i].off, x[i].len);
        to += x[i].len;
    }
    weir_pkt_append(pkt, buf, 0, total);
    return WEIR_NONE;
}

/* A checksum left to others lies in the headers. */
static bool sum_is_sane(const struct weir_pkt *pkt) {
    uint32_t end = (uint32_t)pkt->csum_start + pkt->csum_offset + 2;
    return !(pkt->flags & WEIR_PKT_CSUM_PARTIAL) ||
           (end <= pkt->len && end <= WEIR_PKT_ROOM);
}

static struct weir_pkt *take(struct end *e, uint64_t n, uint64_t now) {
    const struct ring_slot *s = &e->in->slot[n & e->mask];
    const struct ring_more *more = &e->in->more[n & e->mask];
    const struct ring_frame f = s->frame;
    atomic_signal_fence(memory_order_seq_cst); /* read once, whatever follows */
    if (f.copied > WEIR_PKT_ROOM) {
        drop(e, WEIR_LINK_MALFORMED, f.event, now);
        return NULL;
    }
    struct weir_pkt *pkt = weir_pkt_alloc(e->link.arena, 0);
    if (!pkt) {
        drop(e, WEIR_NOMEM, f.event, now);
        return NULL;
    }
    memcpy(pkt->head, s->near, RING_NEAR);
    if (f.copied > RING_NEAR)
        memcpy(pkt->head + RING_NEAR, more->far, f.copied - RING_NEAR);
    pkt->head_len = f.copied;
    pkt->len = f.copied;
    pkt->event = f.event;
    pkt->owner = f.owner;
    pkt->flags = f.flags & (WEIR_PKT_CSUM_PARTIAL | WEIR_PKT_CSUM_VALID);
    pkt->copies = f.copies;
    pkt->csum_start = f.csum_start;
    pkt->csum_offset = f.csum_offset;
    pkt->gso_size = f.gso_size;
    pkt->t_ns = now;
    enum weir_reason bad =
        f.extents ? fetch(e, pkt, more, f.extents) : WEIR_NONE;
    if (bad == WEIR_NONE && !sum_is_sane(pkt))
        bad = WEIR_LINK_MALFORMED;
    if (bad == WEIR_NONE)
        return pkt;
    weir_pkt_free(pkt);
    drop(e, bad, f.event, now);
    return NULL;
}

static void disarm(struct end *e) {
    uint64_t rung;
    e->armed = false;
    atomic_store_explicit(&e->in->sleeps, 0, memory_order_relaxed);
    while (read(e->in->fd, &rung, sizeof(rung)) < 0 && errno == EINTR)
        ;
}

static unsigned end_poll(struct weir_link *link, uint64_t now) {
    struct end *e = (struct end *)link;
    struct weir_pkt *head = NULL, **tail = &head;
    if (__builtin_expect(e->armed, 0))
        disarm(e);
    if (!arrived(e, e->next)) {
        if (e->held && (++e->idle & 63) == 0)
            look(e);
        return 0;
    }
    unsigned n = 0;
    do {
        struct weir_pkt *pkt = take(e, e->next++, now);
        n++;
        if (!pkt)
            continue;
        link->stats.rx_frames++;
        link->stats.rx_bytes += pkt->len;
        *tail = pkt;
        tail = &pkt->next;
    } while (n < BATCH && arrived(e, e->next));
    atomic_store_explicit(&e->in->taken, e->next, memory_order_release);
    if (head)
        link->deliver(link->to, link, head, now);
    return n;
}

/* 0: there are frames. Else the descriptor rings from here on. */
static uint64_t end_deadline(const struct weir_link *link) {
    struct end *e = (struct end *)(uintptr_t)link;
    if (arrived(e, e->next))
        return 0;
    if (!e->armed ||
        !atomic_load_explicit(&e->in->sleeps, memory_order_relaxed)) {
        e->armed = true;
        atomic_store(&e->in->sleeps, 1);
        if (e->ring->barrier)
            syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
        else
            atomic_thread_fence(memory_order_seq_cst);
    }
    return arrived(e, e->next) ? 0 : WEIR_NEVER;
}

static int end_fd(const struct weir_link *link) {
    return ((const struct end *)link)->in->fd;
}

static void end_close(struct weir_link *link) {
    struct end *e = (struct end *)link;
    for (unsigned i = 0; e->held && i <= e->mask; i++)
        if (e->hold[i]) {
            weir_pkt_free(e->hold[i]);
            e->held--;
        }
    ring_release(e->ring);
    free(e->hold);
    free(e);
}

static const struct weir_link_ops ring_ops = {
    .kind = "ring",
    .send = end_send,
    .poll = end_poll,
    .deadline = end_deadline,
    .fd = end_fd,
    .close = end_close,
};

struct ring *ring_create(unsigned frames) {
    frames = frames ? frames : 512;
    if (frames > 65536 || (frames & (frames - 1))) {
        errno = EINVAL;
        return NULL;
    }
    size_t near = frames * sizeof(struct ring_slot);
    size_t more = frames * sizeof(struct ring_more);
    size_t head = (sizeof(struct ring) + 127) & ~(size_t)127;
    size_t bytes = head + 2 * (near + more);
    uint8_t *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED)
        return NULL;
    struct ring *r = (struct ring *)(void *)mem;
    r->bytes = bytes;
    atomic_store(&r->refs, 1);
    r->frames = frames;
    r->barrier = syscall(SYS_membarrier,
                         MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    for (int i = 0; i < 2; i++) {
        uint8_t *at = mem + head + (size_t)i * (near + more);
        r->lane[i].slot = (struct ring_slot *)(void *)at;
        r->lane[i].more = (struct ring_more *)(void *)(at + near);
        r->lane[i].fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    if (r->lane[0].fd >= 0 && r->lane[1].fd >= 0)
        return r;
    int err = errno;
    ring_release(r);
    errno = err;
    return NULL;
}

void ring_release(struct ring *r) {
    if (atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    for (int i = 0; i < 2; i++)
        if (r->lane[i].fd >= 0)
            close(r->lane[i].fd);
    munmap(r, r->bytes);
}

struct weir_link *ring_end(struct ring *r, unsigned side,
                           struct weir_arena *arena, const char *name,
                           uint32_t mtu) {
    if (side > 1 || r->arena[side]) {
        errno = EINVAL;
        return NULL;
    }
    struct end *e = calloc(1, sizeof(*e));
    struct weir_pkt **hold = calloc(r->frames, sizeof(struct weir_pkt *));
    if (!e || !hold) {
        free(e);
        free(hold);
        return NULL;
    }
    *e = (struct end){.ring = r,
                      .side = side,
                      .mask = r->frames - 1,
                      .in = &r->lane[side],
                      .out = &r->lane[!side],
                      .hold = hold};
    e->link.ops = &ring_ops;
    e->link.arena = arena;
    e->link.mtu = mtu;
    e->link.features = WEIR_LINK_CSUM | WEIR_LINK_GSO;
    snprintf(e->link.name, sizeof(e->link.name), "%s", name);
    r->arena[side] = arena;
    atomic_fetch_add(&r->refs, 1);
    return &e->link;
}
