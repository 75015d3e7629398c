/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_WIRE_IP4_H
#define WEIR_CORE_WIRE_IP4_H
/* The IPv4 header (RFC 791 3.1). */
#include <stdbool.h>
#include <stdint.h>

enum {
    IP4_HDR_MIN = 20,
    IP4_HDR_MAX = 60,
    IP4_PACKET_MAX = 65535,
    IP4_PROTO_ICMP = 1,
    IP4_PROTO_TCP = 6,
    IP4_PROTO_UDP = 17,
};

struct ip4_hdr {
    uint32_t src, dst;
    uint16_t len; /* total, header included */
    uint16_t id;
    uint16_t frag_off; /* bytes; a multiple of 8 */
    bool df, mf;
    uint8_t hlen; /* header bytes, 20..60 */
    uint8_t tos, ttl, proto;
    uint16_t csum; /* by parse; emit computes it */
};

/* Bytes of header, from its first: 20..60, or 0 where it is not IPv4 or too
 * short. */
static inline unsigned ip4_hdr_len(uint8_t first) {
    unsigned len = (first & 15u) * 4;
    return first >> 4 == 4 && len >= IP4_HDR_MIN ? len : 0;
}

/* `p` holds the ip4_hdr_len() bytes of the header. Checks the version and
 * lengths against each other; not the checksum. */
bool ip4_parse(const uint8_t *p, struct ip4_hdr *out);
/* Is the header checksum right? */
bool ip4_csum_ok(const uint8_t *p, unsigned hlen);
/* Write the 20 bytes without options (h->hlen is not looked at), checksum
 * included. */
void ip4_emit(uint8_t *p, const struct ip4_hdr *h);
/* Compute the checksum of a header of `hlen` bytes anew. */
void ip4_csum_set(uint8_t *p, unsigned hlen);
/* One hop less, the checksum adjusted (RFC 1624). */
void ip4_ttl_decrement(uint8_t *p);

#endif
