/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_PKT_PKT_H
#define WEIR_CORE_PKT_PKT_H
/*
 * The core's verbs on packets; the struct and the public ones are in
 * "weir/pkt.h".
 */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/checksum.h"
#include "base/env.h"
#include "weir/pkt.h"

/* Pointer to the first `n` bytes, contiguous; moves bytes of a slice into the
 * head where need be (n <= WEIR_PKT_ROOM). NULL: the packet is shorter. */
uint8_t *pkt_pull_slices(struct weir_pkt *pkt, uint32_t n);
static inline uint8_t *pkt_pull(struct weir_pkt *pkt, uint32_t n) {
    return n <= pkt->head_len ? pkt->head + pkt->head_off
                              : pkt_pull_slices(pkt, n);
}
/* Forget the first / keep only the first `n` bytes. */
void pkt_trim_slices(struct weir_pkt *pkt, uint32_t n);
static inline void pkt_trim_front(struct weir_pkt *pkt, uint32_t n) {
    if (n > pkt->head_len) {
        pkt_trim_slices(pkt, n);
        return;
    }
    pkt->head_off = (uint16_t)(pkt->head_off + n);
    pkt->head_len = (uint16_t)(pkt->head_len - n);
    pkt->len -= n;
}
void pkt_trim_to(struct weir_pkt *pkt, uint32_t n);
/* Make room for `n` bytes in front and return them; asserts headroom. */
static inline uint8_t *pkt_push(struct weir_pkt *pkt, uint32_t n) {
    assert(n <= pkt->head_off);
    pkt->head_off = (uint16_t)(pkt->head_off - n);
    pkt->head_len = (uint16_t)(pkt->head_len + n);
    pkt->len += n;
    return pkt->head + pkt->head_off;
}

/* Append bytes [off, off + len) of `from` to `to`: slices are shared, bytes of
 * its head copied. False: no memory, or no slice is left. */
bool pkt_append_range(struct weir_pkt *to, const struct weir_pkt *from,
                      uint32_t off, uint32_t len);

/* The end of a packet: counts the reason, records a DROP event with what is
 * known of the packet (`seg` may be NULL), frees it. */
struct drop_info {
    uint32_t src, dst;
    uint16_t sport, dport;
    uint8_t proto, tcp_flags, ttl;
    uint32_t seq, ack, len;
    uint32_t sock;
};
void pkt_drop(struct env *env, struct weir_pkt *pkt, enum weir_reason reason,
              const struct drop_info *info);

/* Ones' complement sum of the bytes from `off` to the end, added to `sum`
 * (RFC 1071); folded to 16 bits, not complemented. */
uint16_t pkt_sum(const struct weir_pkt *pkt, uint32_t off, uint64_t sum);

/* The same of what is behind the head, as the machine loads it; not folded. */
uint64_t pkt_slices_native(const struct weir_pkt *pkt);

/* In line where it is one short piece, or nothing. */
static inline uint64_t pkt_payload_native(const struct weir_pkt *pkt) {
    enum { FEW = 63 };
    if (!pkt->nslices)
        return 0;
    const struct weir_slice *s = &pkt->slice[0];
    if (pkt->nslices > 1 || s->len > FEW)
        return pkt_slices_native(pkt);
    return csum_bytes(s->buf->data + s->off, s->len, 0);
}

/* The same of all of it. In line where the head is a header of TCP, most of all
 * the one with timestamps alone. */
static inline uint64_t pkt_sum_native(const struct weir_pkt *pkt) {
    enum { PLAIN = 32, MOST = 60 };
    const uint8_t *p = pkt->head + pkt->head_off;
    if (pkt->head_len == PLAIN)
        return csum_header(p, PLAIN) + pkt_payload_native(pkt);
    if (pkt->head_len % 4 == 0 && pkt->head_len <= MOST)
        return csum_header(p, pkt->head_len) + pkt_payload_native(pkt);
    return csum_native(pkt_sum(pkt, 0, 0));
}

#endif
