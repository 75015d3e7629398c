/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_WIRE_TCP_H
#define WEIR_CORE_WIRE_TCP_H
/*
 * The TCP header (RFC 9293 3.1) and its options, to and from host order.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/checksum.h"

#include "weir/event.h"

enum {
    TCP_HDR_MIN = 20,
    TCP_HDR_MAX = 60,
    TCP_CSUM_OFFSET = 16, /* of the checksum within the header */
    TCP_SACK_BLOCKS = 4,  /* most that fit (RFC 2018 3) */
    TCP_WSCALE_MAX = 14,  /* RFC 7323 2.3 */
};

/* Which options a header carries. */
enum tcp_opt {
    TCP_OPT_MSS = 1 << 0,
    TCP_OPT_WSCALE = 1 << 1,
    TCP_OPT_SACK_OK = 1 << 2,
    TCP_OPT_SACK = 1 << 3, /* nsacks > 0 */
    TCP_OPT_TS = 1 << 4,
};

struct tcp_sack {
    uint32_t start, end; /* first byte, one past the last */
};

struct tcp_hdr {
    uint16_t sport, dport;
    uint32_t seq, ack;
    uint16_t window; /* as on the wire: not scaled */
    uint16_t urgent;
    uint8_t flags;  /* enum weir_tcp_flag, and ECE 0x40, CWR 0x80 */
    uint8_t hlen;   /* header bytes, 20..60: by parse */
    uint8_t opts;   /* enum tcp_opt: what of the following is there */
    uint8_t wscale; /* 0..14: a larger one is taken as 14 */
    uint16_t mss;
    uint16_t csum;  /* by parse; emit writes 0 */
    uint8_t nsacks; /* 0..4 */
    uint32_t ts_val, ts_ecr;
    struct tcp_sack sack[TCP_SACK_BLOCKS];
};

/* How many bytes of TCP header there are, from its first 20: 20..60; 0 where
 * the data offset is less than the header itself. */
unsigned tcp_hdr_len(const uint8_t first[TCP_HDR_MIN]);
/* Parse a header whose tcp_hdr_len() bytes are all at `p`. False where the data
 * offset is too small. Options are believed as far as they are well formed; the
 * first malformed one ends them (as Linux does; RFC 9293 3.1 leaves it open).
 * MSS, window scale and SACK-permitted count only in a SYN (RFC 7323 2.2). */
bool tcp_hdr_parse(const uint8_t *p, unsigned avail, struct tcp_hdr *out);
/* Bytes tcp_hdr_emit will write, 20..60; options are padded to words the way
 * Linux lays them out. nsacks must fit: 4, or 3 with timestamps. */
unsigned tcp_hdr_size(const struct tcp_hdr *h);
/* Write the header with a checksum of 0; returns its size. */
unsigned tcp_hdr_emit(uint8_t *p, const struct tcp_hdr *h);

/* Sum of the pseudo header (RFC 9293 3.1) of an IPv4 packet, folded and not
 * complemented: the start of pkt_sum, and what WEIR_PKT_CSUM_PARTIAL wants in
 * the checksum field. Addresses in host order, `len` with the TCP header. */
static inline uint16_t wire_pseudo_sum(uint32_t src, uint32_t dst,
                                       uint8_t proto, uint32_t len) {
    return csum_fold((uint64_t)src + dst + proto + len); /* halves fold alike */
}
/* The same as the machine loads it, not folded. */
static inline uint64_t wire_pseudo_native(uint32_t src, uint32_t dst,
                                          uint8_t proto, uint32_t len) {
    return (uint64_t)BYTES_NET32(src) + BYTES_NET32(dst) +
           BYTES_NET32(proto + len);
}

#endif
