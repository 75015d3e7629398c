/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_PERCENTILE_H
#define BENCH_PERCENTILE_H
/*
 * Times in ns, counted in buckets 1/32 of an octave wide (3 % apart): adding
 * one costs a few ns. Printed in microseconds as p50=, p99=, p999=.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

struct percentile {
    uint64_t n, bucket[64 * 32];
};

static inline void percentile_add(struct percentile *p, double ns) {
    uint64_t v = ns > 32 ? (uint64_t)ns : 32;
    unsigned top = 63 - (unsigned)__builtin_clzll(v);
    p->bucket[top * 32 + ((v >> (top - 5)) & 31)]++;
    p->n++;
}

/* The middle of the bucket below which the share lies. */
static inline double percentile_us(const struct percentile *p, double share) {
    uint64_t want = (uint64_t)((double)p->n * share), seen = 0;
    for (unsigned i = 0; i < 64 * 32; i++)
        if ((seen += p->bucket[i]) > want)
            return ldexp(1 + (i % 32 + 0.5) / 32, (int)(i / 32)) / 1e3;
    return 0;
}

static inline void percentile_print(const struct percentile *p) {
    if (p->n)
        printf(" p50=%.3f p99=%.3f p999=%.3f", percentile_us(p, 0.5),
               percentile_us(p, 0.99), percentile_us(p, 0.999));
}

#endif
