/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_FLOW_H
#define WEIR_FLOW_H
/*
 * Flows, and which of several stacks behind one address has them. The hash is
 * Toeplitz's, as network cards compute it for receive-side scaling, and a shard
 * is chosen as by a card's table of 128 entries that repeats 0, 1, .. n - 1: so
 * a card can do the spreading, or links/spread.h.
 */
#include <stdint.h>

struct weir_stack;

#define WEIR_RSS_KEY 40
#define WEIR_SHARDS_MAX 64

/* A flow as the packets that arrive say it; host order. */
struct weir_flow {
    uint32_t src, dst; /* IPv4 */
    uint16_t sport, dport;
};

/* A key, made ready. */
struct weir_rss {
    uint32_t nibble[24][16];
};
void weir_rss_init(struct weir_rss *rss, const uint8_t key[WEIR_RSS_KEY]);
uint32_t weir_rss_hash(const struct weir_rss *rss,
                       const struct weir_flow *flow);

/* Which of n (1..WEIR_SHARDS_MAX) has the flows of that hash: 0..n-1. */
static inline unsigned weir_rss_shard(uint32_t hash, unsigned n) {
    return (hash & 127) % n;
}

/* Tell a stack that it is number `index` of n with the same addresses, among
 * which arriving packets are spread by `rss` (copied): connect() then takes a
 * port whose answers come here, and refuses one given by bind() whose answers
 * do not (-EADDRNOTAVAIL). n 1: it is alone. 0, -EINVAL, -ENOMEM. */
int weir_set_shard(struct weir_stack *s, const struct weir_rss *rss,
                   unsigned index, unsigned n);

#endif
