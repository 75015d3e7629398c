/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_BUCKETS_H
#define WEIR_CORE_BASE_BUCKETS_H
/*
 * The heads of a hash table's chains, in an array that grows by one at a time
 * (linear hashing: Litwin, 1980): no insertion ever pauses to move the whole
 * table, and memory follows the number of nodes. Segment 0 has BUCKETS_FIRST,
 * each further one as many as all before it; a bucket is initialised when it
 * comes into use. Whoever owns the nodes moves them when a bucket is split.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum { BUCKETS_FIRST = 64, BUCKETS_FIRST_BITS = 6, BUCKETS_SEGMENTS = 40 };

/* First member of what is chained, and the head of a chain. */
struct chain {
    struct chain *next;
};

struct buckets {
    struct weir_arena *arena;
    struct chain *segment[BUCKETS_SEGMENTS];
    size_t n;    /* in use */
    size_t mask; /* size of the last full power of two, less 1 */
};

/* False where the arena is full. */
bool buckets_init(struct buckets *b, struct weir_arena *arena);
void buckets_fini(struct buckets *b);

/* Bucket i, 0..n-1. */
static inline struct chain *buckets_at(const struct buckets *b, size_t i) {
    if (i < BUCKETS_FIRST)
        return &b->segment[0][i];
    unsigned top = 63 - (unsigned)__builtin_clzll(i);
    return &b->segment[top - BUCKETS_FIRST_BITS + 1][i - ((size_t)1 << top)];
}

/* The bucket of a hash. */
static inline struct chain *buckets_home(const struct buckets *b,
                                         uint64_t hash) {
    size_t i = hash & b->mask;
    if (i < b->n - (b->mask + 1))
        i = hash & (2 * b->mask + 1);
    return buckets_at(b, i);
}

/* Open one more: the nodes of `from` whose hash has `bit` belong to `to`, which
 * is empty. False: no memory; chains grow instead. */
struct buckets_split {
    struct chain *from, *to;
    uint64_t bit;
};
bool buckets_split(struct buckets *b, struct buckets_split *out);

#endif
