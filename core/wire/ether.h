/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_WIRE_ETHER_H
#define WEIR_CORE_WIRE_ETHER_H
/* The Ethernet II header (RFC 894). */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

enum {
    ETHER_HDR = 14,
    ETHER_MAC = 6,
    ETHER_IP4 = 0x0800,
    ETHER_ARP = 0x0806,
};

/* Destination, source, type: `p` holds ETHER_HDR bytes. */
static inline void ether_emit(uint8_t *p, const uint8_t dst[ETHER_MAC],
                              const uint8_t src[ETHER_MAC], uint16_t type) {
    memcpy(p, dst, ETHER_MAC);
    memcpy(p + ETHER_MAC, src, ETHER_MAC);
    put16(p + 12, type);
}

/* Broadcast counts: its group bit is set too. */
static inline bool ether_is_multicast(const uint8_t mac[ETHER_MAC]) {
    return mac[0] & 1;
}

#endif
