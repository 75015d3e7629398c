/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_RING_IN_H
#define WEIR_LINKS_RING_IN_H
/*
 * What lies between the two threads of a ring: for ring.c, and for tests that
 * play a peer who writes nonsense.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/pkt.h"

#define RING_NEAR 96u /* bytes of a frame beside what is said of it */
#define RING_FRAME_MAX (14u + 60u + 65535u)

struct ring_frame {
    uint32_t owner;
    uint64_t event;
    uint16_t copied; /* the frame's first bytes: in `near`, then `far` */
    uint8_t extents; /* the others: where they lie with the writer */
    uint8_t flags, copies, pad[5];
    uint16_t csum_start, csum_offset, gso_size;
} __attribute__((packed, aligned(4)));

/* Two cache lines. `turn` is n + 1 (mod 2^32) while frame n lies here; it is
 * written last and is all that the reader looks at until then. */
struct ring_slot {
    _Alignas(128) _Atomic uint32_t turn;
    struct ring_frame frame;
    uint8_t near[RING_NEAR];
};
_Static_assert(offsetof(struct ring_slot, near) + RING_NEAR == 128, "no gap");

struct ring_extent {
    uint64_t off; /* from the start of the writer's arena */
    uint32_t len, pad;
};

/* Touched for frames longer than `near`. */
struct ring_more {
    uint8_t far[WEIR_PKT_ROOM - RING_NEAR];
    struct ring_extent extent[WEIR_PKT_SLICES];
};

/* One way. */
struct ring_lane {
    _Alignas(128) _Atomic uint64_t taken;  /* reader: frames done with */
    _Alignas(128) _Atomic uint32_t sleeps; /* reader sets, writer clears */
    int fd;                                /* reader's eventfd */
    struct ring_slot *slot;
    struct ring_more *more;
};

struct ring {
    struct ring_lane lane[2]; /* lane[i]: what side i reads */
    unsigned frames;
    _Atomic unsigned refs; /* its maker, its ends */
    bool barrier;          /* a sleeper can make the other side's stores seen */
    const struct weir_arena *arena[2];
    size_t bytes;
};

#endif
