/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_RING_H
#define WEIR_LINKS_RING_H
/*
 * A cable between two threads: two ends, each a link of one thread with an
 * arena of its own, and between them a ring of frames each way that one side
 * writes and the other reads without a lock. Nothing else is shared. Checksums
 * and 64 KiB segments pass as they are.
 *
 * An end is polled by a thread that spins; one that sleeps waits on fd(). The
 * descriptor is rung only while its owner is about to sleep, and asking the
 * end for its deadline() is what says so: ask, and wait if the answer is not 0.
 */
#include "weir/link.h"

struct ring;

/* Room for `frames` each way (a power of two up to 65536; 0: 512). NULL with
 * errno. */
struct ring *ring_create(unsigned frames);
/* Its maker lets go of it: it ends with the last of its ends. */
void ring_release(struct ring *ring);

/* The end of one side (0, 1; each once), for the thread that owns `arena`.
 * Features CSUM | GSO. The peer reads long frames where they lie in this arena,
 * so it stays mapped, and the end open, until the peer's thread polls no more.
 * NULL with errno. */
struct weir_link *ring_end(struct ring *ring, unsigned side,
                           struct weir_arena *arena, const char *name,
                           uint32_t mtu);

#endif
