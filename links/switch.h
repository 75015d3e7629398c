/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_SWITCH_H
#define WEIR_LINKS_SWITCH_H
/*
 * An Ethernet switch in memory with any number of ports. A frame handed to one
 * port waits at the port its destination was learnt on (or at all others) and
 * is delivered by that port's poll. Bytes are shared, never copied; checksums
 * and 64 KiB segments pass as they are.
 */
#include "weir/link.h"

struct mswitch;

/* Ports share the arena; NULL where memory is out. */
struct mswitch *switch_create(struct weir_arena *arena);
/* Every port must be closed first. */
void switch_destroy(struct mswitch *sw);

/* A new port, a link of its own (close it with its ops). Features CSUM | GSO.
 * `queue_frames`: how many frames may wait at it, 0: 10000. */
struct weir_link *switch_port(struct mswitch *sw, const char *name,
                              uint32_t mtu, unsigned queue_frames);

#endif
