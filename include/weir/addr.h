/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_ADDR_H
#define WEIR_ADDR_H
/*
 * One address type for both IP versions: 16 bytes in network order, an IPv4
 * address in its IPv4-mapped form (RFC 4291 2.5.5.2). Ports are host order.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct weir_addr {
    uint8_t b[16];
};

/* A transport address: where a socket is bound or whom it talks to. */
struct weir_endpoint {
    struct weir_addr addr;
    uint16_t port;    /* host order; 0: not chosen */
    uint16_t ifindex; /* scope of the address; 0: any interface */
};

#define WEIR_IP4(a, b, c, d)                                                   \
    (((uint32_t)(a) << 24) | ((uint32_t)(b) << 16) | ((uint32_t)(c) << 8) |    \
     (uint32_t)(d))

/* The bytes of an address as numbers, so that one is copied, compared and taken
 * apart in a few steps: words of network order in the order they lie. */
static inline uint64_t weir_addr_high(const struct weir_addr *a) {
    uint64_t v;
    memcpy(&v, a->b, sizeof(v));
    return v;
}
static inline uint32_t weir_addr_word(const struct weir_addr *a, unsigned n) {
    uint32_t v;
    memcpy(&v, a->b + 4 * n, sizeof(v));
    return v;
}
static inline uint32_t weir_addr_swap(uint32_t v) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

/* The unspecified address 0.0.0.0 (INADDR_ANY), as an IPv4-mapped address. */
static inline struct weir_addr weir_addr_v4(uint32_t host_order) {
    struct weir_addr a = {{[10] = 0xff, [11] = 0xff}};
    uint32_t v = weir_addr_swap(host_order);
    memcpy(a.b + 12, &v, sizeof(v));
    return a;
}

static inline bool weir_addr_is_v4(const struct weir_addr *a) {
    return weir_addr_high(a) == 0 &&
           weir_addr_word(a, 2) == weir_addr_swap(0x0000ffff);
}

/* The IPv4 address in host order; meaningful only where weir_addr_is_v4(). */
static inline uint32_t weir_addr_to_v4(const struct weir_addr *a) {
    return weir_addr_swap(weir_addr_word(a, 3));
}

static inline bool weir_addr_eq(const struct weir_addr *a,
                                const struct weir_addr *b) {
    return weir_addr_word(a, 3) == weir_addr_word(b, 3) &&
           weir_addr_word(a, 2) == weir_addr_word(b, 2) &&
           weir_addr_high(a) == weir_addr_high(b);
}

/* Unspecified: 0.0.0.0 or ::. */
static inline bool weir_addr_is_any(const struct weir_addr *a) {
    static const struct weir_addr zero;
    return weir_addr_eq(a, &zero) ||
           (weir_addr_is_v4(a) && weir_addr_to_v4(a) == 0);
}

/* 127.0.0.0/8 (RFC 1122 3.2.1.3) or ::1. */
static inline bool weir_addr_is_loopback(const struct weir_addr *a) {
    static const struct weir_addr one = {{[15] = 1}};
    return weir_addr_eq(a, &one) ||
           (weir_addr_is_v4(a) && weir_addr_to_v4(a) >> 24 == 127);
}

/* 224.0.0.0/4 or ff00::/8. */
static inline bool weir_addr_is_multicast(const struct weir_addr *a) {
    return weir_addr_is_v4(a) ? weir_addr_to_v4(a) >> 28 == 14 : a->b[0] == 255;
}

#endif
