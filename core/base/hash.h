/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_HASH_H
#define WEIR_CORE_BASE_HASH_H
/*
 * A hash table of embedded nodes over buckets that grow one at a time. The
 * caller computes the hash (siphash with env->hash_key where a peer chooses the
 * key) and compares keys itself:
 *
 *     for (struct hash_node *n = hash_first(&t, h); n; n = hash_next(n))
 *         if (same(container_of(n, struct thing, node), key)) ...
 */
#include "base/buckets.h"

struct hash_node {
    struct chain link;
    uint64_t hash;
};

struct hash {
    struct buckets buckets;
    size_t count; /* nodes */
};

/* False where the arena is full. */
bool hash_init(struct hash *h, struct weir_arena *arena);
/* Frees the buckets; the nodes are the caller's. */
void hash_fini(struct hash *h);
void hash_insert(struct hash *h, struct hash_node *node, uint64_t hash);
/* The node must be in the table. */
void hash_remove(struct hash *h, struct hash_node *node);
/* Nodes with that very hash, newest first. */
struct hash_node *hash_first(const struct hash *h, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *node);
/* The chain of bucket n (0..buckets-1), for iteration by hash_along. */
struct hash_node *hash_bucket(const struct hash *h, size_t n);
static inline struct hash_node *hash_along(const struct hash_node *node) {
    return (struct hash_node *)node->link.next;
}

#endif
