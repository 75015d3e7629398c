/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_PKT_H
#define WEIR_PKT_H
/*
 * A packet: headers in its own room, payload as slices of reference-counted
 * buffers.
 *
 *      head[]                                       slice[0..nslices)
 *     | free room | head_off .. head_off+head_len | buf.off..+len | ...
 *                 ^ first byte of the frame         ^ the bulk, never copied
 *
 * A packet has one owner: passing `struct weir_pkt *` gives it away, `const
 * struct weir_pkt *` lends it. The bytes below it are counted, so a segment on
 * the wire, its retransmission and the receiver's queue refer to one copy.
 * Buffers and packets live in an arena; stacks, links and doors that exchange
 * packets share one arena and one thread.
 */
#include <stddef.h>
#include <stdint.h>

#define WEIR_PKT_SLICES 18 /* a 64 KiB segment of 4 KiB buffers, unaligned */
#define WEIR_PKT_ROOM 192  /* Ethernet, IP and TCP headers with options */

struct weir_arena;

/* Reference-counted bytes. `data` is written only while `refs` is 1, or past
 * the end of every slice that was handed out (append). */
struct weir_buf {
    uint32_t refs;
    uint32_t size; /* capacity of data[] in bytes */
    struct weir_arena *arena;
    uint32_t summed; /* the core's: the sum of data[0..summed) is known; */
    uint32_t sum;    /* this, of 16-bit words as the machine loads them */
    uint8_t data[];
};

struct weir_slice {
    struct weir_buf *buf;
    uint32_t off, len;
};

enum weir_pkt_flag {
    /* Transmit: the 16-bit checksum at csum_start + csum_offset holds the sum
     * of the pseudo header (not complemented); sum from csum_start to the end
     * of the frame, complement, store there. Receive: the sender is on this
     * machine and never summed; the bytes are good. */
    WEIR_PKT_CSUM_PARTIAL = 1 << 0,
    /* Receive: the transport checksum has been verified. */
    WEIR_PKT_CSUM_VALID = 1 << 1,
    /* Link-layer destination was broadcast or multicast. */
    WEIR_PKT_LINK_BROADCAST = 1 << 2,
};

struct weir_pkt {
    struct weir_pkt *next; /* list link; NULL in the last one */
    struct weir_arena *arena;
    uint64_t event; /* id of the event that sent this frame: travels with it */
    uint64_t t_ns;  /* arrival (receive) or hand-over to the link (transmit) */
    uint32_t len;   /* head_len plus all slices, bytes */
    uint32_t owner; /* the sending socket's owner (a process id), 0: none */
    uint16_t head_off, head_len;
    uint16_t csum_start;  /* from the frame's first byte */
    uint16_t csum_offset; /* from csum_start */
    uint16_t gso_size;    /* TCP payload bytes per segment; 0: not to be cut */
    uint16_t ifindex;     /* interface it arrived on */
    uint8_t nslices;
    uint8_t flags;  /* enum weir_pkt_flag */
    uint8_t copies; /* made of the payload since its program had it (T10) */
    uint8_t pad[5];
    struct weir_slice slice[WEIR_PKT_SLICES];
    uint8_t head[WEIR_PKT_ROOM];
};

/* Prepare `bytes` of memory at `mem` (16-byte aligned; any size from 1 MiB) as
 * an arena. Untouched memory is never written, so a large sparse mapping is
 * fine. Returns NULL where it is too small. The arena is a view on `mem`:
 * nothing to destroy. */
struct weir_arena *weir_arena_init(void *mem, size_t bytes);

/* Bytes handed out now, and the most there ever were. */
size_t weir_arena_used(const struct weir_arena *a);
size_t weir_arena_peak(const struct weir_arena *a);
/* The size of the memory it lies at the start of. */
size_t weir_arena_bytes(const struct weir_arena *a);

/* An empty packet with `headroom` bytes (<= WEIR_PKT_ROOM) free in front; NULL
 * where the arena is full. Owned by the caller. */
struct weir_pkt *weir_pkt_alloc(struct weir_arena *a, unsigned headroom);

/* Free a packet and release its slices. To drop one with a reason: the owner
 * of the reason does that (links: weir_link_drop). */
void weir_pkt_free(struct weir_pkt *pkt);

/* A second packet with the same bytes: the head copied, the slices shared. */
struct weir_pkt *weir_pkt_clone(const struct weir_pkt *pkt);

/* A buffer of `size` bytes with one reference, owned by the caller. */
struct weir_buf *weir_buf_alloc(struct weir_arena *a, uint32_t size);
void weir_buf_ref(struct weir_buf *buf);
void weir_buf_unref(struct weir_buf *buf);

/* Append a slice; the packet takes over the caller's reference. One that goes
 * on where the last one ends becomes part of it; an empty one is not kept.
 * Returns 0, or -ENOSPC where all slices are in use (the reference stays the
 * caller's). */
int weir_pkt_append(struct weir_pkt *pkt, struct weir_buf *buf, uint32_t off,
                    uint32_t len);

/* Copy `len` bytes of the frame from `off` to `dst`; they must exist. */
void weir_pkt_copy_out(const struct weir_pkt *pkt, uint32_t off, void *dst,
                       uint32_t len);

/* Cut a frame with gso_size into frames that fit the link and complete every
 * checksum (Ethernet frames with IPv4; others pass as they are). Takes `pkt`,
 * returns a list; NULL where the arena is full (the packet is freed). */
struct weir_pkt *weir_pkt_segment(struct weir_pkt *pkt);

/* Complete a WEIR_PKT_CSUM_PARTIAL checksum in place (the head must hold it,
 * or a slice that nobody else refers to). */
void weir_pkt_checksum(struct weir_pkt *pkt);

#endif
