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
    uint32_t seq, ack, ts_val, ts_ecr;
    uint16_t window;
    uint8_t flags;
    bool ts;
};

static inline bool tcp_hdr_is_plain(const struct tcp_hdr *h) {
    return !(h->opts & ~TCP_OPT_TS);
}

/* As tcp_hdr_emit of a plain header, but for the ports. */
static inline unsigned tcp_plain_emit(uint8_t *p, const struct tcp_hdr *h) {
    bool ts = h->opts & TCP_OPT_TS;
    put32(p + 4, h->seq);
    put32(p + 8, h->ack);
    p[12] = ts ? PLAIN_TS / 4 << 4 : TCP_HDR_MIN / 4 << 4;
    p[13] = h->flags;
    put16(p + 14, h->window);
    put32(p + TCP_CSUM_OFFSET, h->urgent);
    if (!ts)
        return TCP_HDR_MIN;
    put32(p + 20, PLAIN_TS_WORD);
    put32(p + 24, h->ts_val);
    put32(p + 28, h->ts_ecr);
    return PLAIN_TS;
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
    h->seq = get32(p + 4);
    h->ack = get32(p + 8);
    h->flags = p[13];
    h->window = get16(p + 14);
    h->ts_val = h->ts ? get32(p + 24) : 0;
    h->ts_ecr = h->ts ? get32(p + 28) : 0;
    return true;
}

#endif
