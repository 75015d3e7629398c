/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets: bytes wherever they lie, sums over odd pieces, segmentation; and the
 * TCP header to and from the wire. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/rng.h"
#include "pkt/pkt.h"
#include "wire/ether.h"
#include "wire/ip4.h"
#include "wire/tcp.h"

/* A packet of `len` counted bytes: some in the head, the rest in slices of odd
 * lengths. */
static struct weir_pkt *counted(struct weir_arena *a, struct rng *r,
                                uint32_t len) {
    struct weir_pkt *pkt = weir_pkt_alloc(a, rng_below(r, 100));
    uint32_t n = rng_below(r, 90), at = 0;
    n = n < len ? n : len;
    for (; at < n; at++)
        pkt->head[pkt->head_off + at] = (uint8_t)(at * 7);
    pkt->head_len = (uint16_t)n;
    pkt->len = n;
    while (at < len) {
        uint32_t part = 1 + rng_below(r, 300), off = rng_below(r, 5);
        if (part > len - at || pkt->nslices == WEIR_PKT_SLICES - 2)
            part = len - at;
        struct weir_buf *buf = weir_buf_alloc(a, part + 9);
        for (uint32_t i = 0; i < part; i++, at++)
            buf->data[off + i] = (uint8_t)(at * 7);
        assert_int_equal(weir_pkt_append(pkt, buf, off, part), 0);
    }
    return pkt;
}

static void check_bytes(const struct weir_pkt *pkt, uint32_t first,
                        uint32_t len) {
    static uint8_t out[70000];
    assert_int_equal(pkt->len, len);
    weir_pkt_copy_out(pkt, 0, out, len);
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(out[i], (uint8_t)((first + i) * 7));
}

static void pull_and_trim(void **state) {
    (void)state;
    struct weir_arena *a = arena_new(4 << 20);
    struct rng r;
    rng_seed(&r, (const uint8_t[32]){9});
    for (int round = 0; round < 3000; round++) {
        uint32_t len = rng_below(&r, 1500), first = 0;
        struct weir_pkt *pkt = counted(a, &r, len);
        for (int step = 0; step < 6; step++) {
            uint32_t n = rng_below(&r, 193);
            uint8_t *p = pkt_pull(pkt, n);
            assert_int_equal(p != NULL, n <= len);
            for (uint32_t i = 0; p && i < n; i++)
                assert_int_equal(p[i], (uint8_t)((first + i) * 7));
            n = rng_below(&r, len / 4 + 1);
            pkt_trim_front(pkt, n);
            first += n;
            len -= n;
            n = rng_below(&r, len / 4 + 1);
            pkt_trim_to(pkt, len - n);
            len -= n;
            struct weir_pkt *copy = weir_pkt_clone(pkt);
            check_bytes(copy, first, len);
            weir_pkt_free(copy);
        }
        weir_pkt_free(pkt);
    }
    assert_int_equal(weir_arena_used(a), 0);
    arena_gone(a);
}

static void sum_over_odd_pieces(void **state) {
    (void)state;
    struct weir_arena *a = arena_new(4 << 20);
    struct rng r;
    rng_seed(&r, (const uint8_t[32]){10});
    for (int round = 0; round < 2000; round++) {
        uint32_t len = rng_below(&r, 1500), off = rng_below(&r, len + 1);
        struct weir_pkt *pkt = counted(a, &r, len);
        uint8_t flat[1500];
        weir_pkt_copy_out(pkt, 0, flat, len);
        assert_int_equal(pkt_sum(pkt, off, 0x1234),
                         csum_add(flat + off, len - off, 0x1234));
        weir_pkt_free(pkt);
    }
    arena_gone(a);
}

static void slices_run_out(void **state) {
    (void)state;
    struct weir_arena *a = arena_new(1 << 20);
    struct weir_pkt *pkt = weir_pkt_alloc(a, 0);
    struct weir_buf *buf = weir_buf_alloc(a, 100);
    for (uint32_t i = 0; i < WEIR_PKT_SLICES; i++) {
        weir_buf_ref(buf);
        assert_int_equal(weir_pkt_append(pkt, buf, 2 * i, 1), 0);
    }
    assert_int_equal(weir_pkt_append(pkt, buf, 60, 1), -ENOSPC);
    /* What follows the last byte is the same slice. */
    assert_int_equal(weir_pkt_append(pkt, buf, 2 * WEIR_PKT_SLICES - 1, 10), 0);
    assert_int_equal(pkt->nslices, WEIR_PKT_SLICES);
    assert_int_equal(pkt->len, WEIR_PKT_SLICES + 10);
    weir_pkt_free(pkt);
    assert_int_equal(weir_arena_used(a), 0);
    arena_gone(a);
}

/* A TCP segment of n bytes as one large packet, checksum left to the link. */
static struct weir_pkt *large(struct weir_arena *a, struct rng *r, uint32_t n,
                              uint16_t mss, uint8_t flags) {
    struct weir_pkt *pkt = counted(a, r, n);
    struct weir_pkt *out = weir_pkt_alloc(a, 120);
    assert_true(pkt_append_range(out, pkt, 0, n));
    weir_pkt_free(pkt);
    const struct tcp_hdr tcp = {.sport = 1,
                                .dport = 2,
                                .seq = 0xfffffff0,
                                .ack = 77,
                                .window = 1000,
                                .flags = flags,
                                .opts = TCP_OPT_TS,
                                .ts_val = 1};
    unsigned hlen = tcp_hdr_size(&tcp);
    tcp_hdr_emit(pkt_push(out, hlen), &tcp);
    put16(out->head + out->head_off + TCP_CSUM_OFFSET,
          wire_pseudo_sum(0x0a000001, 0x0a000002, 6, n + hlen));
    const struct ip4_hdr ip = {.src = 0x0a000001,
                               .dst = 0x0a000002,
                               .len = (uint16_t)(n + hlen + 20),
                               .id = 0xffff,
                               .df = true,
                               .ttl = 64,
                               .proto = 6};
    ip4_emit(pkt_push(out, 20), &ip);
    const uint8_t mac[6] = {2};
    ether_emit(pkt_push(out, 14), mac, mac, ETHER_IP4);
    out->flags = WEIR_PKT_CSUM_PARTIAL;
    out->csum_start = 34;
    out->csum_offset = TCP_CSUM_OFFSET;
    out->gso_size = mss;
    out->event = 99;
    return out;
}

/* Each piece a whole, correct frame; together the same bytes. */
static void segmentation(void **state) {
    (void)state;
    struct weir_arena *a = arena_new(8 << 20);
    struct rng r;
    rng_seed(&r, (const uint8_t[32]){11});
    for (int round = 0; round < 300; round++) {
        uint32_t n = 1 + rng_below(&r, 60000), at = 0;
        uint16_t mss = (uint16_t)(500 + rng_below(&r, 1000));
        if (round == 0)
            n = 1;
        struct weir_pkt *list = weir_pkt_segment(
            large(a, &r, n, mss, WEIR_ACK | WEIR_PSH | WEIR_FIN | 0x80));
        for (unsigned nth = 0; list; nth++) {
            struct weir_pkt *next = list->next;
            const uint8_t *p = pkt_pull(list, 66);
            struct ip4_hdr ip;
            struct tcp_hdr tcp;
            assert_int_equal(list->event, 99);
            assert_int_equal(list->flags & WEIR_PKT_CSUM_PARTIAL, 0);
            assert_true(ip4_csum_ok(p + 14, 20));
            assert_true(ip4_parse(p + 14, &ip));
            assert_int_equal(ip.len, list->len - 14);
            assert_int_equal(ip.id, (uint16_t)(0xffff + nth));
            assert_true(tcp_hdr_parse(p + 34, 32, &tcp));
            assert_int_equal(tcp.seq, 0xfffffff0 + at);
            assert_int_equal(
                pkt_sum(list, 34,
                        wire_pseudo_sum(ip.src, ip.dst, 6, ip.len - 20u)),
                0xffff);
            assert_int_equal(tcp.flags, WEIR_ACK |
                                            (next ? 0 : WEIR_PSH | WEIR_FIN) |
                                            (nth ? 0 : 0x80));
            pkt_trim_front(list, 66);
            assert_true(list->len <= mss && (list->len == mss || !next));
            check_bytes(list, at, list->len);
            at += list->len;
            weir_pkt_free(list);
            list = next;
        }
        assert_int_equal(at, n);
    }
    assert_int_equal(weir_arena_used(a), 0);
    arena_gone(a);
}

/* An odd 40 bytes of options as Linux sends them in a SYN, by hand. */
static void tcp_options(void **state) {
    (void)state;
    static const uint8_t syn[40] = {
        0x9c, 0x40, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0, 0,
        0,    0,    0xa0, 0x02, 0xfa, 0xf0, 0,    0,    0, 0,
        2,    4,    5,    0xb4, 4,    2,    8,    10,   0, 0,
        0x10, 0,    0,    0,    0,    0,    1,    3,    3, 7};
    struct tcp_hdr h;
    assert_true(tcp_hdr_parse(syn, sizeof(syn), &h));
    assert_int_equal(h.opts, TCP_OPT_MSS | TCP_OPT_SACK_OK | TCP_OPT_TS |
                                 TCP_OPT_WSCALE);
    assert_int_equal(h.mss, 1460);
    assert_int_equal(h.wscale, 7);
    assert_int_equal(h.ts_val, 0x1000);
    assert_int_equal(h.sport, 40000);
    uint8_t out[60];
    assert_int_equal(tcp_hdr_emit(out, &h), 40);
    assert_memory_equal(out, syn, 40);
}

static void tcp_options_malformed(void **state) {
    (void)state;
    struct rng r;
    rng_seed(&r, (const uint8_t[32]){12});
    uint8_t p[60] = {0};
    struct tcp_hdr h;
    p[12] = 0x40;
    assert_false(tcp_hdr_parse(p, 60, &h)); /* 16 bytes: less than a header */
    p[12] = 0xf0;
    assert_false(tcp_hdr_parse(p, 59, &h)); /* more than there is */
    /* An option of length 0 or past the end ends the list (MUST-7). */
    p[13] = WEIR_SYN;
    p[20] = 2, p[21] = 4, p[22] = 5, p[23] = 0xb4, p[24] = 3, p[25] = 0;
    assert_true(tcp_hdr_parse(p, 60, &h));
    assert_int_equal(h.opts, TCP_OPT_MSS);
    p[25] = 200;
    assert_true(tcp_hdr_parse(p, 60, &h));
    assert_int_equal(h.opts, TCP_OPT_MSS);
    p[24] = 3, p[25] = 3, p[26] = 200; /* RFC 7323 2.3: 14 at most */
    assert_true(tcp_hdr_parse(p, 60, &h));
    assert_int_equal(h.wscale, 14);
    for (int i = 0; i < 200000; i++) {
        for (int k = 12; k < 60; k++)
            p[k] = (uint8_t)rng_u64(&r);
        p[20] = (uint8_t)rng_below(&r, 9);
        if (tcp_hdr_parse(p, 60, &h)) {
            assert_true(h.nsacks <= TCP_SACK_BLOCKS && h.wscale <= 14);
            assert_true(h.hlen >= 20 && h.hlen <= 60);
        }
    }
}

static void tcp_sack(void **state) {
    (void)state;
    struct tcp_hdr in = {.flags = WEIR_ACK,
                         .opts = TCP_OPT_TS | TCP_OPT_SACK,
                         .nsacks = 3,
                         .sack = {{1, 2}, {3, 4}, {5, 0xffffffff}}},
                   out;
    uint8_t p[60];
    assert_int_equal(tcp_hdr_emit(p, &in), 60);
    assert_true(tcp_hdr_parse(p, 60, &out));
    assert_int_equal(out.nsacks, 3);
    assert_int_equal(out.sack[2].end, 0xffffffff);
    assert_int_equal(out.opts, in.opts);
}

static void ttl(void **state) {
    (void)state;
    uint8_t p[20];
    const struct ip4_hdr h = {
        .src = 1, .dst = 2, .len = 20, .ttl = 64, .proto = 0xff};
    ip4_emit(p, &h);
    for (int i = 0; i < 64; i++) {
        ip4_ttl_decrement(p);
        assert_true(ip4_csum_ok(p, 20));
    }
    assert_int_equal(p[8], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pull_and_trim),
        cmocka_unit_test(sum_over_odd_pieces),
        cmocka_unit_test(slices_run_out),
        cmocka_unit_test(segmentation),
        cmocka_unit_test(tcp_options),
        cmocka_unit_test(tcp_options_malformed),
        cmocka_unit_test(tcp_sack),
        cmocka_unit_test(ttl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
