/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linear hashing (Litwin, 1980). With mask + 1 = 2^L and buckets = 2^L + split,
 * the buckets below `split` have been divided in two by one more bit of the
 * hash. Each insertion beyond one node a bucket divides the next one. A segment
 * is allocated whole but touched bucket by bucket, so memory that is not yet
 * needed costs nothing. Where the arena is full chains merely get longer.
 */
#include "base/hash.h"

#include <assert.h>

enum { HASH_BASE = 64 };

/* Segment and place within it of a bucket. */
static struct hash_node **slot(const struct hash *h, size_t bucket) {
    if (bucket < HASH_BASE)
        return &h->segment[0][bucket];
    unsigned top = 63 - (unsigned)__builtin_clzll(bucket);
    return &h->segment[top - 5][bucket - ((size_t)1 << top)];
}
_Static_assert(HASH_BASE == 1 << 6, "slot() counts segments from bit 6");

static size_t segment_bytes(unsigned n) {
    return sizeof(struct hash_node *) *
           (n == 0 ? HASH_BASE : (size_t)HASH_BASE << (n - 1));
}

static struct hash_node **home(const struct hash *h, uint64_t hash) {
    size_t bucket = hash & h->mask;
    if (bucket < h->buckets - (h->mask + 1))
        bucket = hash & (2 * h->mask + 1);
    return slot(h, bucket);
}

bool hash_init(struct hash *h, struct weir_arena *arena) {
    *h = (struct hash){.arena = arena};
    h->segment[0] = arena_zalloc(arena, segment_bytes(0));
    h->buckets = HASH_BASE;
    h->mask = HASH_BASE - 1;
    return h->segment[0] != NULL;
}

void hash_fini(struct hash *h) {
    for (unsigned i = 0; i < HASH_SEGMENTS; i++)
        if (h->segment[i])
            arena_free(h->arena, h->segment[i], segment_bytes(i));
    *h = (struct hash){0};
}

static void split(struct hash *h) {
    size_t from = h->buckets - (h->mask + 1), to = h->buckets;
    if (from == 0) {
        unsigned n = 63 - (unsigned)__builtin_clzll(to) - 5;
        if (n >= HASH_SEGMENTS)
            return;
        if (!h->segment[n])
            h->segment[n] = arena_alloc(h->arena, segment_bytes(n));
        if (!h->segment[n])
            return;
    }
    struct hash_node **stay = slot(h, from), **go = slot(h, to);
    *go = NULL;
    while (*stay) {
        struct hash_node *node = *stay;
        if (node->hash & (h->mask + 1)) { /* in the order they were in */
            *stay = node->next;
            node->next = NULL;
            *go = node;
            go = &node->next;
        } else {
            stay = &node->next;
        }
    }
    if (++h->buckets == 2 * (h->mask + 1))
        h->mask = 2 * h->mask + 1;
}

void hash_insert(struct hash *h, struct hash_node *node, uint64_t hash) {
    if (++h->count > h->buckets)
        split(h);
    struct hash_node **chain = home(h, hash);
    node->hash = hash;
    node->next = *chain;
    *chain = node;
}

void hash_remove(struct hash *h, struct hash_node *node) {
    struct hash_node **at = home(h, node->hash);
    while (*at != node) {
        assert(*at);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    h->count--;
}

static struct hash_node *match(struct hash_node *node, uint64_t hash) {
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct hash_node *hash_first(const struct hash *h, uint64_t hash) {
    return match(*home(h, hash), hash);
}

struct hash_node *hash_next(const struct hash_node *node) {
    return match(node->next, node->hash);
}

struct hash_node *hash_bucket(const struct hash *h, size_t n) {
    return *slot(h, n);
}
