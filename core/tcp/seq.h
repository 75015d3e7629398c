/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_TCP_SEQ_H
#define WEIR_CORE_TCP_SEQ_H
/*
 * Sequence numbers, a type of their own: arithmetic modulo 2^32 (RFC 9293
 * 3.4). `seq_lt` and its like are meaningful within 2^31 of each other.
 */
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t v;
} tcp_seq;

static inline tcp_seq seq_of(uint32_t v) {
    return (tcp_seq){v};
}

static inline tcp_seq seq_add(tcp_seq a, uint32_t n) {
    return (tcp_seq){a.v + n};
}

static inline tcp_seq seq_sub(tcp_seq a, uint32_t n) {
    return (tcp_seq){a.v - n};
}

/* Bytes from `b` to `a`; negative where `a` comes before `b`. */
static inline int32_t seq_diff(tcp_seq a, tcp_seq b) {
    return (int32_t)(a.v - b.v);
}

static inline bool seq_eq(tcp_seq a, tcp_seq b) {
    return a.v == b.v;
}

static inline bool seq_lt(tcp_seq a, tcp_seq b) {
    return seq_diff(a, b) < 0;
}

static inline bool seq_le(tcp_seq a, tcp_seq b) {
    return seq_diff(a, b) <= 0;
}

static inline bool seq_gt(tcp_seq a, tcp_seq b) {
    return seq_diff(a, b) > 0;
}

static inline bool seq_ge(tcp_seq a, tcp_seq b) {
    return seq_diff(a, b) >= 0;
}

static inline tcp_seq seq_max(tcp_seq a, tcp_seq b) {
    return seq_lt(a, b) ? b : a;
}

static inline tcp_seq seq_min(tcp_seq a, tcp_seq b) {
    return seq_lt(a, b) ? a : b;
}

/* first <= s < first + len */
static inline bool seq_in(tcp_seq s, tcp_seq first, uint32_t len) {
    return s.v - first.v < len;
}

#endif
