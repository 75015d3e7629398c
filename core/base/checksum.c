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
typedef uint64_t wide __attribute__((vector_size(32)));

__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *p,
                                                         size_t blocks) {
    wide even = {0}, odd = {0};
    const wide low = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
    while (blocks--) {
        wide a, b;
        memcpy(&a, p, sizeof(a));
        memcpy(&b, p + sizeof(a), sizeof(b));
        even += (a & low) + (b & low);
        odd += (a >> 32) + (b >> 32);
        p += sizeof(a) + sizeof(b);
    }
    even += odd;
    uint64_t sum = 0;
    for (unsigned i = 0; i < 4; i++)
        sum += (even[i] & 0xffffffff) + (even[i] >> 32);
    return sum;
}
#endif

uint64_t csum_long(const uint8_t *p, size_t len, uint32_t cpu) {
    uint64_t native = 0;
#if defined(__x86_64__)
    if (len >= 128 && cpu & WEIR_CPU_AVX2) {
        native = sum_avx2(p, len / 64);
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

uint16_t csum_add(const void *data, size_t len, uint32_t sum) {
    return csum_fold((uint64_t)sum + csum_network(csum_bytes(data, len, 0)));
}
