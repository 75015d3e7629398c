/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_ARENA_H
#define WEIR_CORE_BASE_ARENA_H
/*
 * Memory of everything the core keeps: size classes carved from one mapping.
 * The caller remembers sizes, so an object costs nothing beside itself.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/pkt.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

enum {
    ARENA_GRAIN = 16,
    ARENA_FINE = 512, /* classes of every ARENA_GRAIN bytes up to here */
    ARENA_FINE_CLASSES = ARENA_FINE / ARENA_GRAIN,
    ARENA_CLASSES = ARENA_FINE_CLASSES + 8 * 40,
};

struct arena_block {
    struct arena_block *next;
};

struct arena_class {
    struct arena_block *free;
    uint8_t *run, *run_end; /* rest of the run it is cutting */
};

struct weir_arena {
    uint8_t *rest, *end; /* never touched yet */
    size_t size, used, peak;
    uint32_t cpu; /* enum weir_cpu */
    struct arena_class classes[ARENA_CLASSES];
};

static inline unsigned arena_class_of(size_t bytes) {
    if (bytes <= ARENA_FINE)
        return bytes ? (unsigned)((bytes - 1) / ARENA_GRAIN) : 0;
    /* bytes - 1 lies in [2^top, 2^(top+1)): its next three bits choose. */
    unsigned top = 63 - (unsigned)__builtin_clzll(bytes - 1);
    unsigned eighth = (unsigned)((bytes - 1) >> (top - 3)) & 7;
    return ARENA_FINE_CLASSES + (top - 9) * 8 + eighth;
}

static inline size_t arena_class_bytes(unsigned c) {
    if (c < ARENA_FINE_CLASSES)
        return (size_t)(c + 1) * ARENA_GRAIN;
    unsigned top = (c - ARENA_FINE_CLASSES) / 8 + 9,
             eighth = (c - ARENA_FINE_CLASSES) % 8;
    return ((size_t)1 << top) + ((size_t)(eighth + 1) << (top - 3));
}

void *arena_alloc_more(struct weir_arena *a, size_t bytes);
void arena_free_poisoned(struct weir_arena *a, void *mem, size_t bytes);

/* NULL where the arena is full; not zeroed. Sizes up to half the arena. In
 * line: what was freed last is handed out again. */
static inline void *arena_alloc(struct weir_arena *a, size_t bytes) {
#ifndef ARENA_ASAN
    unsigned c = arena_class_of(bytes);
    struct arena_block *b = a->classes[c].free;
    if (b && bytes <= a->size / 2) {
        a->classes[c].free = b->next;
        a->used += arena_class_bytes(c);
        if (a->used > a->peak)
            a->peak = a->used;
        return b;
    }
#endif
    return arena_alloc_more(a, bytes);
}
void *arena_zalloc(struct weir_arena *a, size_t bytes);
/* `bytes` as it was asked for. */
static inline void arena_free(struct weir_arena *a, void *mem, size_t bytes) {
    assert((uint8_t *)mem > (uint8_t *)a && (uint8_t *)mem < a->end);
#ifndef ARENA_ASAN
    unsigned c = arena_class_of(bytes);
    assert(a->used >= arena_class_bytes(c));
    a->used -= arena_class_bytes(c);
    struct arena_block *b = mem;
    b->next = a->classes[c].free;
    a->classes[c].free = b;
#else
    arena_free_poisoned(a, mem, bytes);
#endif
}
/* Which SIMD may be used on what lies here (enum weir_cpu): whoever has a
 * packet has its arena. 0 until it is set. */
void arena_set_cpu(struct weir_arena *a, uint32_t cpu);
uint32_t arena_cpu(const struct weir_arena *a);
/* `bytes` as it was asked for. */
void arena_free(struct weir_arena *a, void *mem, size_t bytes);

#endif
