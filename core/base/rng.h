/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_RNG_H
#define WEIR_CORE_BASE_RNG_H
/*
 * Seeded randomness (xoshiro256**) and a keyed hash (SipHash-2-4): the same
 * seed, the same run. Sequence numbers and ports come from the keyed hash.
 */
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, const uint8_t seed[32]);
uint64_t rng_u64(struct rng *r);
/* Uniform in 0..n-1; n > 0. */
uint32_t rng_below(struct rng *r, uint32_t n);
uint64_t siphash(const uint8_t key[16], const void *data, size_t len);

#endif
