/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Seeded randomness. xoshiro256** (Blackman and Vigna, 2018) for choices that
 * need not resist an attacker; SipHash-2-4 (Aumasson and Bernstein, 2012) where
 * a peer must not guess or collide: ports, sequence numbers, hash tables.
 */
#include "base/rng.h"

#include <string.h>

static uint64_t rotl(uint64_t x, unsigned k) {
    return x << k | x >> (64 - k);
}

static uint64_t load64le(const uint8_t *p) {
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

void rng_seed(struct rng *r, const uint8_t seed[32]) {
    for (unsigned i = 0; i < 4; i++)
        r->s[i] = load64le(seed + 8 * i);
    /* All zero is the one state it never leaves; and a seed with few bits set
     * takes some steps to spread. */
    if (!(r->s[0] | r->s[1] | r->s[2] | r->s[3]))
        r->s[0] = 0x9e3779b97f4a7c15;
    for (unsigned i = 0; i < 16; i++)
        rng_u64(r);
}

uint64_t rng_u64(struct rng *r) {
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint32_t rng_below(struct rng *r, uint32_t n) {
    /* The high half of a product is uniform but for the values below
     * 2^32 mod n, which are drawn again (Lemire, 2019). */
    uint32_t reject = (uint32_t)-n % n;
    for (;;) {
        uint64_t product = (rng_u64(r) >> 32) * n;
        if ((uint32_t)product >= reject)
            return (uint32_t)(product >> 32);
    }
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

uint64_t siphash(const uint8_t key[16], const void *data, size_t len) {
    const uint8_t *p = data;
    uint64_t k0 = load64le(key), k1 = load64le(key + 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
                     k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    uint64_t last = (uint64_t)len << 56;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t m = load64le(p);
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    for (size_t i = 0; i < len; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
