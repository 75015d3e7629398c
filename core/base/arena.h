/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_ARENA_H
#define WEIR_CORE_BASE_ARENA_H
/*
 * Memory of everything the core keeps: size classes carved from one mapping.
 * The caller remembers sizes, so an object costs nothing beside itself.
 */
#include <stddef.h>

#include "weir/pkt.h"

/* NULL where the arena is full; not zeroed. Sizes up to half the arena. */
void *arena_alloc(struct weir_arena *a, size_t bytes);
void *arena_zalloc(struct weir_arena *a, size_t bytes);
/* `bytes` as it was asked for. */
void arena_free(struct weir_arena *a, void *mem, size_t bytes);

#endif
