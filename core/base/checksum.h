/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_CHECKSUM_H
#define WEIR_CORE_BASE_CHECKSUM_H
/* The Internet checksum (RFC 1071). Sums are of 16-bit words in network order,
 * as host-order numbers, not complemented. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The sum of a piece that begins at an odd byte (RFC 1071 2(B)). */
static inline uint16_t csum_swap(uint16_t sum) {
    return (uint16_t)(sum << 8 | sum >> 8);
}

/* Fold a sum to 16 bits, carries added back in. */
static inline uint16_t csum_fold(uint64_t sum) {
    /* A half added to the other comes out above, its carry brought round. */
    sum += sum >> 32 | sum << 32;
    uint32_t half = (uint32_t)(sum >> 32);
    half += half >> 16 | half << 16;
    return (uint16_t)(half >> 16);
}

/* Sum of `len` bytes, a multiple of 4, as the machine loads them: add such sums
 * and make one csum_network of them. Short headers, in line. */
static inline uint64_t csum_header(const uint8_t *p, unsigned len) {
    uint64_t sum = 0;
#pragma GCC unroll 8
    for (; len >= 4; len -= 4, p += 4) {
        uint32_t word;
        memcpy(&word, p, sizeof(word));
        sum += word;
    }
    return sum;
}
/* The same of any length, with the vectors that `cpu` (enum weir_cpu) has. */
uint64_t csum_long(const uint8_t *p, size_t len, uint32_t cpu);

/* Copy, and sum on the way: no dearer than the copy where there is much of it.
 */
uint64_t csum_copy(uint8_t *to, const uint8_t *from, size_t len, uint32_t cpu);

/* An odd byte is the first of its word. */
static inline uint64_t csum_tail(const uint8_t *p, size_t len) {
    uint64_t sum = 0;
    if (len & 2) {
        uint16_t word;
        memcpy(&word, p, sizeof(word));
        sum = word;
        p += 2;
    }
    if (len & 1) {
        uint16_t word = 0;
        memcpy(&word, p, 1);
        sum += word;
    }
    return sum;
}

static inline uint64_t csum_bytes(const uint8_t *p, size_t len, uint32_t cpu) {
    if (len >= 64)
        return csum_long(p, len, cpu);
    return csum_header(p, (unsigned)len & ~3u) +
           csum_tail(p + (len & ~(size_t)3), len & 3);
}

static inline uint16_t csum_network(uint64_t native) {
    uint16_t folded = csum_fold(native);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    folded = csum_swap(folded);
#endif
    return folded;
}
/* And back. */
static inline uint64_t csum_native(uint16_t sum) {
    return csum_network(sum);
}

/* Sum of 32-bit words in host order, as csum_header says of their bytes on the
 * wire: which half of a sum lies where is all the same (RFC 1071 2(B)). Below
 * 2^33, so that more can be added. */
static inline uint64_t csum_of_words(uint64_t words) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    words = __builtin_bswap64(words);
#endif
    return (uint32_t)words + (words >> 32);
}

/* The checksum field over what sums to `native`, as the machine stores it: in
 * the end no bytes are swapped (RFC 1071 2(B)). */
static inline void csum_put(uint8_t *p, uint64_t native) {
    uint16_t field = (uint16_t)~csum_fold(native);
    memcpy(p, &field, sizeof(field));
}

/* Folded sum of `len` bytes (an odd last one is padded with zero), added to
 * `sum`. */
uint16_t csum_add(const void *data, size_t len, uint32_t sum);

/* The checksum field after a 16-bit word under it changed (RFC 1624 eqn. 3). */
static inline uint16_t csum_update(uint16_t field, uint16_t from, uint16_t to) {
    return (uint16_t)~csum_fold((uint64_t)(uint16_t)~field + (uint16_t)~from +
                                to);
}

#endif
