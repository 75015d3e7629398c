/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_CHECKSUM_H
#define WEIR_CORE_BASE_CHECKSUM_H
/* The Internet checksum (RFC 1071). Sums are of 16-bit words in network order,
 * as host-order numbers, not complemented. */
#include <stddef.h>
#include <stdint.h>

/* Fold a sum to 16 bits, carries added back in. */
static inline uint16_t csum_fold(uint64_t sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* The sum of a piece that begins at an odd byte (RFC 1071 2(B)). */
static inline uint16_t csum_swap(uint16_t sum) {
    return (uint16_t)(sum << 8 | sum >> 8);
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
