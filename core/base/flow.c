/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Toeplitz's hash: the sum (exclusive or) of the 32-bit windows into the key at
 * each bit of the input that is set. The windows' sums for each value of four
 * bits are made once.
 */
#include "weir/flow.h"

#include "base/env.h"

/* 32 bits of the key from bit `at`. */
static uint32_t window(const uint8_t key[WEIR_RSS_KEY], unsigned at) {
    uint64_t bits = 0;
    for (unsigned i = 0; i < 5; i++)
        bits = bits << 8 | key[(at / 8 + i) % WEIR_RSS_KEY];
    return (uint32_t)(bits >> (8 - at % 8));
}

void weir_rss_init(struct weir_rss *rss, const uint8_t key[WEIR_RSS_KEY]) {
    for (unsigned at = 0; at < 24; at++)
        for (unsigned v = 0; v < 16; v++) {
            uint32_t sum = 0;
            for (unsigned bit = 0; bit < 4; bit++)
                if (v & 8u >> bit)
                    sum ^= window(key, at * 4 + bit);
            rss->nibble[at][v] = sum;
        }
}

static uint32_t add(const uint32_t (*at)[16], uint32_t word) {
    uint32_t sum = 0;
    for (unsigned i = 0; i < 8; i++)
        sum ^= at[i][word >> (28 - 4 * i) & 15];
    return sum;
}

uint32_t weir_rss_hash(const struct weir_rss *rss, const struct weir_flow *f) {
    return add(rss->nibble, f->src) ^ add(rss->nibble + 8, f->dst) ^
           add(rss->nibble + 16, (uint32_t)f->sport << 16 | f->dport);
}

bool env_has_flow(const struct env *env, const struct weir_flow *flow) {
    return !env->rss || weir_rss_shard(weir_rss_hash(env->rss, flow),
                                       env->shards) == env->shard;
}
