/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_WIRE_PLAIN_H
#define WEIR_CORE_WIRE_PLAIN_H
/*
 * The TCP header nearly every segment of an open connection has: no options, or
 * timestamps alone in the layout of RFC 7323 appendix A. Read and written in
 * line; everything else is wire/tcp.c's.
 */
#include "base/bytes.h"
#include "wire/tcp.h"

enum { PLAIN_TS = 32, PLAIN_TS_WORD = 0x0101080a };

struct tcp_plain {
    uint16_t sport, dport;
    uint32_t seq, ack, ts_val, ts_ecr;
    uint16_t window;
    uint8_t flags;
    bool ts;
};

static inline unsigned tcp_plain_size(const struct tcp_plain *h) {
    return h->ts ? PLAIN_TS : TCP_HDR_MIN;
}

static inline uint32_t tcp_plain_ports(const struct tcp_plain *h) {
    return (uint32_t)h->sport << 16 | h->dport;
}
static inline uint32_t tcp_plain_word(const struct tcp_plain *h) {
    return (h->ts ? PLAIN_TS / 4u << 28 : TCP_HDR_MIN / 4u << 28) |
           (uint32_t)h->flags << 16 | h->window;
}

/* The sum of its words, in host order; checksum 0. */
static inline uint64_t tcp_plain_sum(const struct tcp_plain *h) {
    uint64_t sum =
        (uint64_t)tcp_plain_ports(h) + h->seq + h->ack + tcp_plain_word(h);
    return h->ts ? sum + PLAIN_TS_WORD + h->ts_val + h->ts_ecr : sum;
}

/* As tcp_hdr_emit; `sum` into the checksum field. */
static inline void tcp_plain_emit(uint8_t *p, const struct tcp_plain *h,
                                  uint16_t sum) {
    put32(p, tcp_plain_ports(h));
    put32(p + 4, h->seq);
    put32(p + 8, h->ack);
    put32(p + 12, tcp_plain_word(h));
    put32(p + TCP_CSUM_OFFSET, (uint32_t)sum << 16);
    if (!h->ts)
        return;
    put32(p + 20, PLAIN_TS_WORD);
    put32(p + 24, h->ts_val);
    put32(p + 28, h->ts_ecr);
}

/* False where the header, of which `avail` bytes are there, is not plain. */
static inline bool tcp_plain_parse(const uint8_t *p, unsigned avail,
                                   struct tcp_plain *h) {
    if (avail < TCP_HDR_MIN)
        return false;
    h->ts = p[12] == PLAIN_TS / 4 << 4;
    if (h->ts ? avail < PLAIN_TS || get32(p + 20) != PLAIN_TS_WORD
              : p[12] != TCP_HDR_MIN / 4 << 4)
        return false;
    h->sport = get16(p);
    h->dport = get16(p + 2);
    h->seq = get32(p + 4);
    h->ack = get32(p + 8);
    h->flags = p[13];
    h->window = get16(p + 14);
    h->ts_val = h->ts ? get32(p + 24) : 0;
    h->ts_ecr = h->ts ? get32(p + 28) : 0;
    return true;
}

#endif
