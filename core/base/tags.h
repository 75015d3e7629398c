/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_TAGS_H
#define WEIR_CORE_BASE_TAGS_H
/*
 * A table that is asked often and is too large for a cache: who looks for a
 * node, finds none, adds one or takes one out touches one cache line of the
 * table and no node but the one that is meant.
 *
 * A line has eight entries of 8 bytes: 27 bits of the hash, and where the node
 * lies in the arena in grains of 16 bytes. They lie together from the first on.
 * What does not fit hangs on the node of the last entry, which says so by a
 * bit; a node's link is an entry too, so that the hash of whoever follows is
 * known. Lines are opened one at a time (linear hashing: Litwin, 1980), with
 * what the entries themselves know of the hash.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum {
    TAGS_LINE = 8, /* entries */
    TAGS_FIRST_BITS = 6,
    TAGS_FIRST = 1 << TAGS_FIRST_BITS, /* lines to begin with */
    TAGS_LOAD = 4,                     /* nodes a line, at most, on average */
    TAGS_SEGMENTS = 1 + 8 * 24,        /* eight to each doubling */
    TAGS_REF_BITS = 36,
    TAGS_HASH_SHIFT = TAGS_REF_BITS + 1,
    TAGS_HASH_BITS = 64 - TAGS_HASH_SHIFT,
};
#define TAGS_MORE ((uint64_t)1 << TAGS_REF_BITS)

/* A member of what is found, at a multiple of 16 bytes in the arena. */
struct tag_node {
    uint64_t link; /* the entry of the next that does not fit; 0: none */
};

struct tag_line {
    uint64_t e[TAGS_LINE];
};

struct tags {
    struct weir_arena *arena;
    struct tag_line *segment[TAGS_SEGMENTS];
    size_t n;    /* lines in use */
    size_t mask; /* size of the last full power of two, less 1 */
    size_t count;
};

/* False where the arena is full. */
bool tags_init(struct tags *t, struct weir_arena *arena);
/* Frees the lines; the nodes are the caller's. */
void tags_fini(struct tags *t);
/* Of the hash the lower 27 bits are used. Never fails: without memory for more
 * lines, more nodes share one. */
void tags_insert(struct tags *t, struct tag_node *node, uint32_t hash);
/* The node must be there, under that hash. */
void tags_remove(struct tags *t, struct tag_node *node, uint32_t hash);
/* `in` takes the place of `out`. */
void tags_replace(struct tags *t, struct tag_node *out, struct tag_node *in,
                  uint32_t hash);
/* Node `place` of line `line` (0..n-1), for iteration; NULL: it has not so
 * many. */
struct tag_node *tags_nth(const struct tags *t, size_t line, size_t place);

static inline struct tag_line *tags_line(const struct tags *t, size_t i) {
    if (i < TAGS_FIRST)
        return &t->segment[0][i];
    unsigned top = 63 - (unsigned)__builtin_clzll(i);
    size_t eighth = i >> (top - 3) & 7;
    return &t->segment[1 + (top - TAGS_FIRST_BITS) * 8 + eighth]
                      [i & (((size_t)1 << (top - 3)) - 1)];
}

static inline struct tag_line *tags_home(const struct tags *t, uint32_t hash) {
    size_t i = hash & t->mask;
    if (i < t->n - (t->mask + 1))
        i = hash & (2 * t->mask + 1);
    return tags_line(t, i);
}

static inline struct tag_node *tags_node(const struct tags *t, uint64_t e) {
    uint64_t ref = e & (TAGS_MORE - 1);
    return (struct tag_node *)(void *)((char *)t->arena + ref * ARENA_GRAIN);
}

static inline bool tags_is(uint64_t e, uint32_t hash) {
    return e >> TAGS_HASH_SHIFT ==
           (hash & (((uint32_t)1 << TAGS_HASH_BITS) - 1));
}

/*
 * Nodes with that hash (and, once in very many times, one whose hash only looks
 * alike):
 *
 *     for (const uint64_t *e = tags_first(t, h); e; e = tags_next(t, e, h))
 *         if (same(tags_node(t, *e), key)) ...
 */
static inline const uint64_t *tags_from(const struct tags *t, const uint64_t *e,
                                        unsigned i, uint32_t hash) {
    for (; i < TAGS_LINE && *e; i++, e++)
        if (tags_is(*e, hash))
            return e;
    if (i < TAGS_LINE)
        return NULL;
    for (e--; *e & TAGS_MORE;) {
        e = &tags_node(t, *e)->link;
        if (tags_is(*e, hash))
            return e;
    }
    return NULL;
}

static inline const uint64_t *tags_first(const struct tags *t, uint32_t hash) {
    return tags_from(t, tags_home(t, hash)->e, 0, hash);
}

/* The line is asked for before it is needed. */
static inline void tags_prefetch(const struct tags *t, uint32_t hash) {
    __builtin_prefetch(tags_home(t, hash));
}

const uint64_t *tags_next(const struct tags *t, const uint64_t *e,
                          uint32_t hash);

#endif
