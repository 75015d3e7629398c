/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv4 headers to and from host order (RFC 791 3.1). */
#include "wire/ip4.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "wire/tcp.h"

enum { DF = 0x4000, MF = 0x2000, OFFSET = 0x1fff, CSUM = 10, TTL = 8 };

bool ip4_parse(const uint8_t *p, struct ip4_hdr *out) {
    unsigned hlen = ip4_hdr_len(p[0]);
    out->hlen = (uint8_t)hlen;
    out->tos = p[1];
    out->len = get16(p + 2);
    out->id = get16(p + 4);
    uint16_t frag = get16(p + 6);
    out->df = frag & DF;
    out->mf = frag & MF;
    out->frag_off = (uint16_t)((frag & OFFSET) * 8);
    out->ttl = p[TTL];
    out->proto = p[9];
    out->csum = get16(p + CSUM);
    out->src = get32(p + 12);
    out->dst = get32(p + 16);
    return hlen && out->len >= hlen;
}

bool ip4_csum_ok(const uint8_t *p, unsigned hlen) {
    return csum_add(p, hlen, 0) == 0xffff;
}

void ip4_csum_set(uint8_t *p, unsigned hlen) {
    put16(p + CSUM, 0);
    put16(p + CSUM, (uint16_t)~csum_add(p, hlen, 0));
}

void ip4_emit(uint8_t *p, const struct ip4_hdr *h) {
    p[0] = 0x45;
    p[1] = h->tos;
    put16(p + 2, h->len);
    put16(p + 4, h->id);
    put16(p + 6, (h->df ? DF : 0u) | (h->mf ? MF : 0u) | h->frag_off / 8u);
    p[TTL] = h->ttl;
    p[9] = h->proto;
    put32(p + 12, h->src);
    put32(p + 16, h->dst);
    ip4_csum_set(p, IP4_HDR_MIN);
}

void ip4_ttl_decrement(uint8_t *p) {
    uint16_t from = get16(p + TTL);
    p[TTL]--;
    put16(p + CSUM, csum_update(get16(p + CSUM), from, get16(p + TTL)));
}
