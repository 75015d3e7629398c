/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buckets.h"

static size_t segment_bytes(unsigned n) {
    return sizeof(struct chain) *
           (n == 0 ? BUCKETS_FIRST : (size_t)BUCKETS_FIRST << (n - 1));
}

bool buckets_init(struct buckets *b, struct weir_arena *arena) {
    *b = (struct buckets){.arena = arena};
    b->segment[0] = arena_zalloc(arena, segment_bytes(0));
    b->n = BUCKETS_FIRST;
    b->mask = BUCKETS_FIRST - 1;
    return b->segment[0] != NULL;
}

void buckets_fini(struct buckets *b) {
    for (unsigned i = 0; i < BUCKETS_SEGMENTS; i++)
        if (b->segment[i])
            arena_free(b->arena, b->segment[i], segment_bytes(i));
    *b = (struct buckets){0};
}

bool buckets_split(struct buckets *b, struct buckets_split *out) {
    size_t from = b->n - (b->mask + 1), to = b->n;
    if (from == 0) {
        unsigned top = 63 - (unsigned)__builtin_clzll(to);
        unsigned n = top - BUCKETS_FIRST_BITS + 1;
        if (n >= BUCKETS_SEGMENTS)
            return false;
        if (!b->segment[n])
            b->segment[n] = arena_alloc(b->arena, segment_bytes(n));
        if (!b->segment[n])
            return false;
    }
    *out = (struct buckets_split){buckets_at(b, from), buckets_at(b, to),
                                  b->mask + 1};
    out->to->next = NULL;
    if (++b->n == 2 * (b->mask + 1))
        b->mask = 2 * b->mask + 1;
    return true;
}
