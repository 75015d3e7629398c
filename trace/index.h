/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_INDEX_H
#define WEIR_TRACE_INDEX_H
/* A multimap from hashes to the numbers 0, 1, 2, ... of an array's elements, in
 * the order they are added. Equal hashes are given latest first; whether the
 * element is the one looked for, the caller compares. */
#include <stdint.h>

struct index {
    uint32_t *bucket; /* number + 1; 0: empty */
    uint32_t *next;   /* of each number, the same way */
    uint64_t *hash;   /* of each number */
    uint32_t nbuckets, n, room;
};

uint64_t index_hash(uint64_t a, uint64_t b);
/* The next number gets this hash: 0 or -ENOMEM. */
int index_add(struct index *ix, uint64_t hash);
/* The latest with that hash, and the one before `n`: number + 1, or 0. */
uint32_t index_first(const struct index *ix, uint64_t hash);
uint32_t index_before(const struct index *ix, uint32_t n);
void index_free(struct index *ix);

#endif
