/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_BYTES_H
#define WEIR_CORE_BASE_BYTES_H
/* Network order (big-endian) to and from host order, at any alignment. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTES_NET16(v) __builtin_bswap16(v)
#define BYTES_NET32(v) __builtin_bswap32(v)
#else
#define BYTES_NET16(v) (v)
#define BYTES_NET32(v) (v)
#endif

static inline uint16_t get16(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return BYTES_NET16(v);
}

static inline uint32_t get32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return BYTES_NET32(v);
}

static inline void put16(uint8_t *p, uint32_t v) {
    uint16_t net = BYTES_NET16((uint16_t)v);
    memcpy(p, &net, sizeof(net));
}

static inline void put32(uint8_t *p, uint32_t v) {
    uint32_t net = BYTES_NET32(v);
    memcpy(p, &net, sizeof(net));
}

/* memcpy, in line where there is little of it: requests of a few bytes. */
static inline void bytes_copy(uint8_t *to, const uint8_t *from, size_t n) {
    uint64_t a, b;
    if (n >= 8 && n <= 16) { /* the halves may overlap */
        memcpy(&a, from, 8);
        memcpy(&b, from + n - 8, 8);
        memcpy(to, &a, 8);
        memcpy(to + n - 8, &b, 8);
    } else if (n < 8) {
        for (; n; n--)
            *to++ = *from++;
    } else {
        memcpy(to, from, n);
    }
}

#endif
