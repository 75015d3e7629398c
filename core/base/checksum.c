/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071).
 *
 * The sum does not care for byte order (RFC 1071 2(B)), so words are added as
 * the machine loads them and the result is swapped once. 32-bit halves go into
 * 64-bit lanes: carries need no care before 2^32 words, and the compiler has
 * independent additions to run side by side in whatever vectors the target has.
 */
#include "base/checksum.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "weir/weir.h"

typedef uint64_t lanes __attribute__((vector_size(16)));

static uint64_t sum_blocks(const uint8_t *p, size_t blocks) {
    lanes even = {0, 0}, odd = {0, 0};
    const lanes low = {0xffffffff, 0xffffffff};
    while (blocks--) {
        lanes a, b;
        memcpy(&a, p, sizeof(a));
        memcpy(&b, p + sizeof(a), sizeof(b));
        even += (a & low) + (b & low);
        odd += (a >> 32) + (b >> 32);
        p += sizeof(a) + sizeof(b);
    }
    even += odd;
    return (even[0] & 0xffffffff) + (even[0] >> 32) + (even[1] & 0xffffffff) +
           (even[1] >> 32);
}

#if defined(__x86_64__)
/*
 * Pairs of 16-bit words are added into 32 bits in one step, which takes them as
 * signed: the top bit of each is turned, and what that took away is added back.
 */
enum { BIAS = 0x8000, WORDS_MOST = 1 << 14 /* blocks before a lane is full */ };

/* One step: two vectors into two sums. */
#define SUM_STEP(even, odd, a, b)                                              \
    do {                                                                       \
        (a) = _mm256_madd_epi16(_mm256_xor_si256(a, bias), one);               \
        (b) = _mm256_madd_epi16(_mm256_xor_si256(b, bias), one);               \
        (even) = _mm256_add_epi32(even, a);                                    \
        (odd) = _mm256_add_epi32(odd, b);                                      \
    } while (0)

__attribute__((target("avx2"))) static uint64_t
lanes_avx2(__m256i even, __m256i odd, size_t blocks) {
    int32_t lane[16];
    _mm256_storeu_si256((void *)lane, even);
    _mm256_storeu_si256((void *)(lane + 8), odd);
    int64_t sum = (int64_t)blocks * 32 * BIAS;
    for (unsigned i = 0; i < 16; i++)
        sum += lane[i];
    return (uint64_t)sum;
}

__attribute__((target("avx2"))) static uint64_t sum_some_avx2(const uint8_t *p,
                                                              size_t blocks) {
    const __m256i bias = _mm256_set1_epi16((short)BIAS);
    const __m256i one = _mm256_set1_epi16(1);
    __m256i even = _mm256_setzero_si256(), odd = even;
    for (size_t i = 0; i < blocks; i++, p += 64) {
        __m256i a = _mm256_loadu_si256((const void *)p);
        __m256i b = _mm256_loadu_si256((const void *)(p + 32));
        SUM_STEP(even, odd, a, b);
    }
    return lanes_avx2(even, odd, blocks);
}

__attribute__((target("avx2"))) static uint64_t
copy_some_avx2(uint8_t *to, const uint8_t *p, size_t blocks) {
    const __m256i bias = _mm256_set1_epi16((short)BIAS);
    const __m256i one = _mm256_set1_epi16(1);
    __m256i even = _mm256_setzero_si256(), odd = even;
    for (size_t i = 0; i < blocks; i++, p += 64, to += 64) {
        __m256i a = _mm256_loadu_si256((const void *)p);
        __m256i b = _mm256_loadu_si256((const void *)(p + 32));
        _mm256_storeu_si256((void *)to, a);
        _mm256_storeu_si256((void *)(to + 32), b);
        SUM_STEP(even, odd, a, b);
    }
    return lanes_avx2(even, odd, blocks);
}

static uint64_t sum_avx2(uint8_t *to, const uint8_t *p, size_t blocks) {
    uint64_t sum = 0;
    while (blocks) {
        size_t n = blocks < WORDS_MOST ? blocks : WORDS_MOST;
        sum += to ? copy_some_avx2(to, p, n) : sum_some_avx2(p, n);
        to = to ? to + n * 64 : NULL;
        p += n * 64;
        blocks -= n;
    }
    return sum;
}
#endif

uint64_t csum_long(const uint8_t *p, size_t len, uint32_t cpu) {
    uint64_t native = 0;
#if defined(__x86_64__)
    if (len >= 128 && cpu & WEIR_CPU_AVX2) {
        native = sum_avx2(NULL, p, len / 64);
        p += len / 64 * 64;
        len %= 64;
    }
#endif
    (void)cpu;
    native += sum_blocks(p, len / 32);
    p += len / 32 * 32;
    len %= 32;
    return native + csum_header(p, (unsigned)len & ~3u) +
           csum_tail(p + (len & ~(size_t)3), len & 3);
}

uint64_t csum_copy(uint8_t *to, const uint8_t *from, size_t len, uint32_t cpu) {
#if defined(__x86_64__)
    if (len >= 128 && cpu & WEIR_CPU_AVX2) {
        size_t whole = len / 64 * 64;
        uint64_t native = sum_avx2(to, from, len / 64);
        memcpy(to + whole, from + whole, len - whole);
        return native + csum_bytes(from + whole, len - whole, 0);
    }
#endif
    memcpy(to, from, len);
    return csum_bytes(from, len, cpu);
}

uint16_t csum_add(const void *data, size_t len, uint32_t sum) {
    return csum_fold((uint64_t)sum + csum_network(csum_bytes(data, len, 0)));
}
