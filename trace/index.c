/* SPDX-License-Identifier: BSD-2-Clause */
/* Chains are threaded through arrays that grow with the elements; buckets are
 * doubled when they are as many as the elements. */
#include "trace/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t index_hash(uint64_t a, uint64_t b) { /* splitmix64's mixing */
    uint64_t z = a * 0x9e3779b97f4a7c15u + b;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void link_in(struct index *ix, uint32_t n) {
    uint32_t *b = &ix->bucket[ix->hash[n] & (ix->nbuckets - 1)];
    ix->next[n] = *b;
    *b = n + 1;
}

static int grow(struct index *ix) {
    uint32_t room = ix->room ? ix->room * 2 : 256;
    uint32_t *next = realloc(ix->next, room * sizeof(*next));
    ix->next = next ? next : ix->next;
    uint64_t *hash = realloc(ix->hash, room * sizeof(*hash));
    ix->hash = hash ? hash : ix->hash;
    uint32_t *bucket = calloc(room, sizeof(*bucket));
    if (!next || !hash || !bucket) {
        free(bucket);
        return -ENOMEM;
    }
    free(ix->bucket);
    ix->bucket = bucket;
    ix->nbuckets = ix->room = room;
    for (uint32_t i = 0; i < ix->n; i++) /* oldest first: latest in front */
        link_in(ix, i);
    return 0;
}

int index_add(struct index *ix, uint64_t hash) {
    int err = ix->n == ix->room ? grow(ix) : 0;
    if (err)
        return err;
    ix->hash[ix->n] = hash;
    link_in(ix, ix->n++);
    return 0;
}

static uint32_t same(const struct index *ix, uint32_t at, uint64_t hash) {
    while (at && ix->hash[at - 1] != hash)
        at = ix->next[at - 1];
    return at;
}

uint32_t index_first(const struct index *ix, uint64_t hash) {
    return ix->n ? same(ix, ix->bucket[hash & (ix->nbuckets - 1)], hash) : 0;
}

uint32_t index_before(const struct index *ix, uint32_t n) {
    return same(ix, ix->next[n], ix->hash[n]);
}

void index_free(struct index *ix) {
    free(ix->bucket);
    free(ix->next);
    free(ix->hash);
    memset(ix, 0, sizeof(*ix));
}
