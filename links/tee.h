/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_TEE_H
#define WEIR_LINKS_TEE_H
/*
 * A link around another that writes what passes, both ways, into a capture:
 * completed frames (cut to the MTU, checksums summed), as they would be on a
 * wire.
 */
#include "links/pcapng.h"
#include "weir/link.h"

/* Takes `inner` over (closed with it); the capture stays the caller's. wall_ns:
 * CLOCK_REALTIME minus CLOCK_MONOTONIC. `who` (may be NULL) says in words who
 * sent a frame, for its comment. NULL where memory is out. */
struct weir_link *tee_wrap(struct weir_link *inner, struct pcapng *capture,
                           int64_t wall_ns,
                           const char *(*who)(void *ctx, uint32_t pid),
                           void *ctx);

/* Write one frame as tee would: for what does not pass a link (`lo`). */
void tee_frame(struct pcapng *capture, int interface,
               const struct weir_pkt *pkt, enum pcapng_direction direction,
               uint64_t wall_ns, const char *comment);

#endif
