/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_WIRE_UDP_H
#define WEIR_CORE_WIRE_UDP_H
/* The UDP header (RFC 768). */
#include <stdint.h>

#include "base/bytes.h"

enum {
    UDP_HDR = 8,
    UDP_CSUM_OFFSET = 6,
    UDP_PAYLOAD_MAX = 65535 - 20 - UDP_HDR,
};

struct udp_hdr {
    uint16_t sport, dport;
    uint16_t len;  /* header included */
    uint16_t csum; /* 0: the sender did not sum */
};

/* `p` holds UDP_HDR bytes. */
static inline struct udp_hdr udp_hdr_parse(const uint8_t *p) {
    return (struct udp_hdr){get16(p), get16(p + 2), get16(p + 4), get16(p + 6)};
}

static inline void udp_hdr_emit(uint8_t *p, const struct udp_hdr *h) {
    put16(p, h->sport);
    put16(p + 2, h->dport);
    put16(p + 4, h->len);
    put16(p + 6, h->csum);
}

#endif
