/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a link cannot do is done here: checksums are completed and a TCP segment
 * of up to 64 KiB is cut to the size its sender chose (gso_size). The pieces
 * share the payload; only headers are copied. Works on whole frames, so that
 * links and the IP layer use the same code; the offsets are those of RFC 791
 * and RFC 9293.
 */
#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "pkt/pkt.h"

enum {
    ETHER = 14,
    IP_LEN = 2,
    IP_ID = 4,
    IP_FRAG = 6,
    IP_PROTO = 9,
    IP_CSUM = 10,
    IP_SRC = 12,
    TCP_SEQ = 4,
    TCP_FLAGS = 13,
    TCP_CSUM = 16,
    PROTO_TCP = 6,
    FIN_PSH = 0x09,
    CWR = 0x80,
};

/* A byte of the frame, to be written. */
static uint8_t *byte_at(struct weir_pkt *pkt, uint32_t off) {
    if (off < pkt->head_len)
        return pkt->head + pkt->head_off + off;
    off -= pkt->head_len;
    unsigned i = 0;
    while (off >= pkt->slice[i].len)
        off -= pkt->slice[i++].len;
    assert(pkt->slice[i].buf->refs == 1);
    return pkt->slice[i].buf->data + pkt->slice[i].off + off;
}

void weir_pkt_checksum(struct weir_pkt *pkt) {
    if (!(pkt->flags & WEIR_PKT_CSUM_PARTIAL))
        return;
    pkt->flags &= (uint8_t)~WEIR_PKT_CSUM_PARTIAL;
    uint32_t field = (uint32_t)pkt->csum_start + pkt->csum_offset;
    if (field + 2 > pkt->len)
        return;
    if (field + 2 <= WEIR_PKT_ROOM)
        pkt_pull(pkt, field + 2);
    uint16_t sum = (uint16_t)~pkt_sum(pkt, pkt->csum_start, 0);
    /* RFC 768: zero means that UDP did not sum. Of TCP it is the sum, and its
     * other form is taken for a fault (RFC 1624 3). UDP's lies at 6. */
    if (sum == 0 && pkt->csum_offset == 6)
        sum = 0xffff;
    *byte_at(pkt, field) = (uint8_t)(sum >> 8);
    *byte_at(pkt, field + 1) = (uint8_t)sum;
}

/* Header bytes up to the TCP payload; 0 where it is not TCP over IPv4. */
static uint32_t headers(struct weir_pkt *pkt) {
    const uint8_t *p = pkt_pull(pkt, ETHER + 20);
    if (!p || get16(p + 12) != 0x0800 || p[ETHER] >> 4 != 4)
        return 0;
    uint32_t ip = (p[ETHER] & 15u) * 4;
    if (ip < 20 || p[ETHER + IP_PROTO] != PROTO_TCP ||
        (get16(p + ETHER + IP_FRAG) & 0x3fff))
        return 0;
    p = pkt_pull(pkt, ETHER + ip + 20);
    if (!p)
        return 0;
    uint32_t tcp = (p[ETHER + ip + 12] >> 4) * 4u;
    if (tcp < 20 || !pkt_pull(pkt, ETHER + ip + tcp))
        return 0;
    return ETHER + ip + tcp;
}

/* Make the copied headers those of the piece at `off` of the payload. */
static void fix_headers(struct weir_pkt *piece, unsigned nth, uint32_t off,
                        bool last) {
    uint8_t *ip = piece->head + piece->head_off + ETHER;
    uint32_t ip_len = (ip[0] & 15u) * 4;
    uint8_t *tcp = ip + ip_len;
    uint32_t total = piece->len - ETHER;
    put16(ip + IP_LEN, total);
    put16(ip + IP_ID, get16(ip + IP_ID) + nth);
    put16(ip + IP_CSUM, 0);
    put16(ip + IP_CSUM, (uint16_t)~csum_add(ip, ip_len, 0));
    put32(tcp + TCP_SEQ, get32(tcp + TCP_SEQ) + off);
    if (!last)
        tcp[TCP_FLAGS] &= (uint8_t)~FIN_PSH;
    if (nth > 0)
        tcp[TCP_FLAGS] &= (uint8_t)~CWR; /* RFC 3168 6.1.2: once */
    put16(tcp + TCP_CSUM, 0);
    uint32_t pseudo = csum_add(ip + IP_SRC, 8, PROTO_TCP + (total - ip_len));
    put16(tcp + TCP_CSUM, (uint16_t)~pkt_sum(piece, ETHER + ip_len, pseudo));
}

static struct weir_pkt *piece_of(const struct weir_pkt *pkt, uint32_t hlen,
                                 uint32_t off, uint32_t len) {
    struct weir_pkt *piece = weir_pkt_alloc(pkt->arena, pkt->head_off);
    if (!piece)
        return NULL;
    memcpy(piece->head + piece->head_off, pkt->head + pkt->head_off, hlen);
    piece->head_len = (uint16_t)hlen;
    piece->len = hlen;
    piece->event = pkt->event;
    piece->t_ns = pkt->t_ns;
    piece->owner = pkt->owner;
    piece->copies = pkt->copies;
    piece->ifindex = pkt->ifindex;
    piece->flags = pkt->flags & (uint8_t)~WEIR_PKT_CSUM_PARTIAL;
    if (!pkt_append_range(piece, pkt, hlen + off, len)) {
        weir_pkt_free(piece);
        return NULL;
    }
    return piece;
}

static void free_list(struct weir_pkt *list) {
    while (list) {
        struct weir_pkt *next = list->next;
        weir_pkt_free(list);
        list = next;
    }
}

struct weir_pkt *weir_pkt_segment(struct weir_pkt *pkt) {
    uint32_t hlen = pkt->gso_size ? headers(pkt) : 0;
    if (!hlen || pkt->len - hlen <= pkt->gso_size) {
        pkt->gso_size = 0;
        pkt->next = NULL;
        weir_pkt_checksum(pkt);
        return pkt;
    }
    struct weir_pkt *first = NULL, **tail = &first;
    uint32_t payload = pkt->len - hlen;
    unsigned nth = 0;
    for (uint32_t off = 0; off < payload; off += pkt->gso_size, nth++) {
        uint32_t n = payload - off;
        if (n > pkt->gso_size)
            n = pkt->gso_size;
        struct weir_pkt *piece = piece_of(pkt, hlen, off, n);
        if (!piece) {
            free_list(first);
            first = NULL;
            break;
        }
        fix_headers(piece, nth, off, off + n == payload);
        *tail = piece;
        tail = &piece->next;
    }
    weir_pkt_free(pkt);
    return first;
}
