/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash table of embedded nodes: chains over base/buckets. */
#include "base/hash.h"

#include <assert.h>

bool hash_init(struct hash *h, struct weir_arena *arena) {
    h->count = 0;
    return buckets_init(&h->buckets, arena);
}

void hash_fini(struct hash *h) {
    buckets_fini(&h->buckets);
    h->count = 0;
}

static struct hash_node *node_of(struct chain *link) {
    return (struct hash_node *)link;
}

static void split(struct hash *h) {
    struct buckets_split s;
    if (!buckets_split(&h->buckets, &s))
        return;
    struct chain *stay = s.from, *go = s.to;
    while (stay->next) {
        struct chain *link = stay->next;
        if (node_of(link)->hash & s.bit) { /* in the order they were in */
            stay->next = link->next;
            link->next = NULL;
            go = go->next = link;
        } else {
            stay = link;
        }
    }
}

void hash_insert(struct hash *h, struct hash_node *node, uint64_t hash) {
    if (++h->count > h->buckets.n)
        split(h);
    struct chain *head = buckets_home(&h->buckets, hash);
    node->hash = hash;
    node->link.next = head->next;
    head->next = &node->link;
}

void hash_remove(struct hash *h, struct hash_node *node) {
    struct chain *before = buckets_home(&h->buckets, node->hash);
    while (before->next != &node->link) {
        assert(before->next);
        before = before->next;
    }
    before->next = node->link.next;
    node->link.next = NULL;
    h->count--;
}

static struct hash_node *match(struct chain *link, uint64_t hash) {
    while (link && node_of(link)->hash != hash)
        link = link->next;
    return node_of(link);
}

struct hash_node *hash_first(const struct hash *h, uint64_t hash) {
    return match(buckets_home(&h->buckets, hash)->next, hash);
}

struct hash_node *hash_next(const struct hash_node *node) {
    return match(node->link.next, node->hash);
}

struct hash_node *hash_bucket(const struct hash *h, size_t n) {
    return node_of(buckets_at(&h->buckets, n)->next);
}
