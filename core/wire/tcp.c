/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP headers and options to and from host order (RFC 9293 3.1, RFC 7323,
 * RFC 2018). Parsing trusts no length; emitting lays options out as Linux does:
 * timestamps first and word-aligned, so that a header prediction on either side
 * keeps working.
 */
#include "wire/tcp.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/plain.h"

enum {
    KIND_END = 0,
    KIND_NOP = 1,
    KIND_MSS = 2,
    KIND_WSCALE = 3,
    KIND_SACK_OK = 4,
    KIND_SACK = 5,
    KIND_TS = 8,
};

unsigned tcp_hdr_len(const uint8_t first[TCP_HDR_MIN]) {
    unsigned len = (first[12] >> 4) * 4u;
    return len >= TCP_HDR_MIN ? len : 0;
}

static void parse_sack(const uint8_t *p, unsigned len, struct tcp_hdr *out) {
    if (len < 10 || (len - 2) % 8)
        return;
    out->nsacks = (uint8_t)((len - 2) / 8); /* 4 at most: 40 bytes of options */
    for (unsigned i = 0; i < out->nsacks; i++) {
        out->sack[i].start = get32(p + 2 + 8 * i);
        out->sack[i].end = get32(p + 6 + 8 * i);
    }
    out->opts |= TCP_OPT_SACK;
}

static void parse_option(const uint8_t *p, unsigned len, struct tcp_hdr *out) {
    bool syn = out->flags & WEIR_SYN;
    switch (p[0]) {
    case KIND_MSS:
        if (len == 4 && syn && get16(p + 2)) {
            out->mss = get16(p + 2);
            out->opts |= TCP_OPT_MSS;
        }
        break;
    case KIND_WSCALE:
        if (len == 3 && syn) {
            /* RFC 7323 2.3: a larger shift is taken as 14. */
            out->wscale = p[2] > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : p[2];
            out->opts |= TCP_OPT_WSCALE;
        }
        break;
    case KIND_SACK_OK:
        if (len == 2 && syn)
            out->opts |= TCP_OPT_SACK_OK;
        break;
    case KIND_SACK:
        parse_sack(p, len, out);
        break;
    case KIND_TS:
        if (len == 10) {
            out->ts_val = get32(p + 2);
            out->ts_ecr = get32(p + 6);
            out->opts |= TCP_OPT_TS;
        }
        break;
    default: /* RFC 9293 3.1 (MUST-6): ignore what is unknown */
        break;
    }
}

static void parse_options(const uint8_t *p, unsigned left,
                          struct tcp_hdr *out) {
    while (left > 0) {
        if (p[0] == KIND_END)
            return;
        if (p[0] == KIND_NOP) {
            p++;
            left--;
            continue;
        }
        /* RFC 9293 3.1 (MUST-7): lengths are not to be trusted. */
        if (left < 2 || p[1] < 2 || p[1] > left)
            return;
        unsigned len = p[1];
        parse_option(p, len, out);
        p += len;
        left -= len;
    }
}

bool tcp_hdr_parse(const uint8_t *p, unsigned avail, struct tcp_hdr *out) {
    if (avail < TCP_HDR_MIN)
        return false;
    unsigned len = tcp_hdr_len(p);
    if (!len || len > avail)
        return false;
    out->sport = get16(p);
    out->dport = get16(p + 2);
    out->seq = get32(p + 4);
    out->ack = get32(p + 8);
    out->hlen = (uint8_t)len;
    out->flags = p[13];
    out->window = get16(p + 14);
    out->csum = get16(p + TCP_CSUM_OFFSET);
    out->urgent = get16(p + 18);
    out->opts = 0;
    out->wscale = 0;
    out->mss = 0;
    out->nsacks = 0;
    out->ts_val = out->ts_ecr = 0;
    if (len == PLAIN_TS && get32(p + TCP_HDR_MIN) == PLAIN_TS_WORD) {
        out->ts_val = get32(p + TCP_HDR_MIN + 4);
        out->ts_ecr = get32(p + TCP_HDR_MIN + 8);
        out->opts = TCP_OPT_TS;
    } else {
        parse_options(p + TCP_HDR_MIN, len - TCP_HDR_MIN, out);
    }
    return true;
}

unsigned tcp_hdr_size(const struct tcp_hdr *h) {
    unsigned size = TCP_HDR_MIN;
    if (h->opts & TCP_OPT_MSS)
        size += 4;
    if (h->opts & TCP_OPT_TS)
        size += 12;
    else if (h->opts & TCP_OPT_SACK_OK)
        size += 4;
    if (h->opts & TCP_OPT_WSCALE)
        size += 4;
    if ((h->opts & TCP_OPT_SACK) && h->nsacks)
        size += 4 + 8u * h->nsacks;
    assert(size <= TCP_HDR_MAX);
    return size;
}

/* A word of two no-ops, an option's kind and its length. */
static uint8_t *emit_aligned(uint8_t *p, unsigned kind, unsigned len) {
    p[0] = p[1] = KIND_NOP;
    p[2] = (uint8_t)kind;
    p[3] = (uint8_t)len;
    return p + 4;
}

static uint8_t *emit_options(uint8_t *p, const struct tcp_hdr *h) {
    if (h->opts & TCP_OPT_MSS) {
        p[0] = KIND_MSS;
        p[1] = 4;
        put16(p + 2, h->mss);
        p += 4;
    }
    bool sack_ok = h->opts & TCP_OPT_SACK_OK;
    if (h->opts & TCP_OPT_TS) {
        p = emit_aligned(p, KIND_TS, 10);
        if (sack_ok) { /* in place of the two no-ops */
            p[-4] = KIND_SACK_OK;
            p[-3] = 2;
        }
        put32(p, h->ts_val);
        put32(p + 4, h->ts_ecr);
        p += 8;
    } else if (sack_ok) {
        p = emit_aligned(p, KIND_SACK_OK, 2);
    }
    if (h->opts & TCP_OPT_WSCALE) {
        p[0] = KIND_NOP;
        p[1] = KIND_WSCALE;
        p[2] = 3;
        p[3] = h->wscale;
        p += 4;
    }
    if ((h->opts & TCP_OPT_SACK) && h->nsacks) {
        p = emit_aligned(p, KIND_SACK, 2 + 8u * h->nsacks);
        for (unsigned i = 0; i < h->nsacks; i++, p += 8) {
            put32(p, h->sack[i].start);
            put32(p + 4, h->sack[i].end);
        }
    }
    return p;
}

unsigned tcp_hdr_emit(uint8_t *p, const struct tcp_hdr *h) {
    unsigned size = tcp_hdr_size(h);
    put16(p, h->sport);
    put16(p + 2, h->dport);
    put32(p + 4, h->seq);
    put32(p + 8, h->ack);
    p[12] = (uint8_t)(size / 4 << 4);
    p[13] = h->flags;
    put16(p + 14, h->window);
    put16(p + TCP_CSUM_OFFSET, 0);
    put16(p + 18, h->urgent);
    uint8_t *end = emit_options(p + TCP_HDR_MIN, h);
    assert(end == p + size);
    return size;
}
