/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_WIRE_ICMP_H
#define WEIR_CORE_WIRE_ICMP_H
/* The ICMP header (RFC 792; RFC 1191 4 for the next-hop MTU). */
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    ICMP_HDR = 8,
    ICMP_CSUM = 2, /* offset of the checksum */
};

enum icmp_type {
    ICMP_ECHO_REPLY = 0,
    ICMP_DEST_UNREACH = 3,
    ICMP_SOURCE_QUENCH = 4,
    ICMP_REDIRECT = 5,
    ICMP_ECHO = 8,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAM_PROBLEM = 12,
};

enum icmp_unreach_code {
    ICMP_NET = 0,
    ICMP_HOST = 1,
    ICMP_PROTOCOL = 2,
    ICMP_PORT = 3,
    ICMP_FRAG_NEEDED = 4,
    ICMP_SR_FAILED = 5,
    ICMP_UNREACH_CODES = 16, /* RFC 1812 5.2.7.1: up to 15 */
};

enum icmp_exceeded_code { ICMP_EXC_TTL = 0, ICMP_EXC_FRAGTIME = 1 };

struct icmp_hdr {
    uint8_t type, code;
    uint16_t csum;
    uint32_t rest; /* echo: id << 16 | seq; frag needed: MTU in the low half;
                    * parameter problem: pointer in the top byte */
};

/* `p` holds ICMP_HDR bytes. */
static inline struct icmp_hdr icmp_parse(const uint8_t *p) {
    return (struct icmp_hdr){p[0], p[1], get16(p + 2), get32(p + 4)};
}

/* With a checksum of 0. */
static inline void icmp_emit(uint8_t *p, const struct icmp_hdr *h) {
    p[0] = h->type;
    p[1] = h->code;
    put16(p + ICMP_CSUM, 0);
    put32(p + 4, h->rest);
}

/* Is the message an error (RFC 1122 3.2.2), about which no error is sent? */
static inline bool icmp_is_error(uint8_t type) {
    return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH ||
           type == ICMP_REDIRECT || type == ICMP_TIME_EXCEEDED ||
           type == ICMP_PARAM_PROBLEM;
}

#endif
