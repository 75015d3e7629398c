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

uint16_t csum_add(const void *data, size_t len, uint32_t sum) {
    const uint8_t *p = data;
    uint64_t native = 0;
    if (len >= 32) {
        native = sum_blocks(p, len / 32);
        p += len / 32 * 32;
        len %= 32;
    }
    for (; len >= 4; len -= 4, p += 4) {
        uint32_t word;
        memcpy(&word, p, sizeof(word));
        native += word;
    }
    if (len) {
        uint32_t word = 0;
        memcpy(&word, p, len);
        native += word;
    }
    uint16_t folded = csum_fold(native);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    folded = csum_swap(folded);
#endif
    return csum_fold((uint64_t)sum + folded);
}
