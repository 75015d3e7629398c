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
    uint64_t v;
    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
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

struct sip {
    uint64_t a, b, c, d;
};

/* By value, so that the state stays in registers: this runs for each packet. */
static inline struct sip sip_round(struct sip v) {
    v.a += v.b;
    v.b = rotl(v.b, 13) ^ v.a;
    v.a = rotl(v.a, 32);
    v.c += v.d;
    v.d = rotl(v.d, 16) ^ v.c;
    v.a += v.d;
    v.d = rotl(v.d, 21) ^ v.a;
    v.c += v.b;
    v.b = rotl(v.b, 17) ^ v.c;
    v.c = rotl(v.c, 32);
    return v;
}

static inline struct sip sip_word(struct sip v, uint64_t m) {
    v.d ^= m;
    v = sip_round(sip_round(v));
    v.a ^= m;
    return v;
}

uint64_t siphash(const uint8_t key[16], const void *data, size_t len) {
    const uint8_t *p = data;
    uint64_t k0 = load64le(key), k1 = load64le(key + 8);
    struct sip v = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
                    k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    uint64_t last = (uint64_t)len << 56;
    for (; len >= 8; len -= 8, p += 8)
        v = sip_word(v, load64le(p));
    for (size_t i = 0; i < len; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v = sip_word(v, last);
    v.c ^= 0xff;
    v = sip_round(sip_round(sip_round(sip_round(v))));
    return v.a ^ v.b ^ v.c ^ v.d;
}
