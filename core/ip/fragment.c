/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragmentation (RFC 791 3.2). The fragments share the payload; each has its
 * own header. Options that are not to be copied (RFC 791 3.1) are no-ops in all
 * but the first.
 */
#include "base/bytes.h"
#include "ip/state.h"
#include "wire/ether.h"

static void free_fragments(struct weir_pkt *list) {
    while (list) {
        struct weir_pkt *next = list->next;
        weir_pkt_free(list);
        list = next;
    }
}

static void blank_options(uint8_t *p, unsigned hlen) {
    enum { END = 0, NOP = 1, COPIED = 0x80 };
    for (unsigned i = IP4_HDR_MIN; i < hlen && p[i] != END;) {
        unsigned len = p[i] == NOP || i + 1 >= hlen ? 1 : p[i + 1];
        if (len < 1 || len > hlen - i)
            len = hlen - i;
        if (!(p[i] & COPIED))
            memset(p + i, NOP, len);
        i += len;
    }
}

static struct weir_pkt *fragment_of(const struct weir_pkt *pkt,
                                    const struct ip4_hdr *h, uint32_t off,
                                    uint32_t len) {
    struct weir_pkt *piece =
        weir_pkt_alloc(pkt->arena, ETHER_HDR + (unsigned)h->hlen);
    if (!piece)
        return NULL;
    uint8_t *p = pkt_push(piece, h->hlen);
    memcpy(p, pkt->head + pkt->head_off, h->hlen);
    if (off)
        blank_options(p, h->hlen);
    bool last = h->hlen + off + len == pkt->len;
    put16(p + 2, h->hlen + len);
    put16(p + 6, (h->df ? 0x4000u : 0u) | (last && !h->mf ? 0 : 0x2000u) |
                     (h->frag_off + off) / 8);
    ip4_csum_set(p, h->hlen);
    piece->event = pkt->event;
    piece->owner = pkt->owner;
    piece->copies = pkt->copies;
    piece->ifindex = pkt->ifindex;
    if (!pkt_append_range(piece, pkt, h->hlen + off, len)) {
        weir_pkt_free(piece);
        return NULL;
    }
    return piece;
}

struct weir_pkt *ip_fragment(struct ip *ip, struct weir_pkt *pkt,
                             uint32_t mtu) {
    struct ip4_hdr h;
    weir_pkt_checksum(pkt); /* no piece could complete it */
    ip4_parse(pkt->head + pkt->head_off, &h);
    uint32_t payload = pkt->len - h.hlen, size = (mtu - h.hlen) & ~7u;
    struct pkt_queue list = {0};
    for (uint32_t off = 0; off < payload; off += size) {
        uint32_t n = payload - off;
        struct weir_pkt *piece = fragment_of(pkt, &h, off, n < size ? n : size);
        if (!piece) {
            free_fragments(list.head);
            const struct drop_info info = drop_info_of(pkt, h.hlen, &h);
            COUNT(ip->env, Ip, FragFails);
            pkt_drop(ip->env, pkt, WEIR_NOMEM, &info);
            return NULL;
        }
        pkt_queue_push(&list, piece);
    }
    weir_pkt_free(pkt);
    return list.head;
}
