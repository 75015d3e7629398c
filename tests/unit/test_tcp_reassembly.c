/* SPDX-License-Identifier: BSD-2-Clause */
/* Out-of-order segments against a model: an array of bytes that are there. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "tcp_fixture.h"

enum { SPACE = 20000 };

static struct ip_rx rx;

static uint8_t byte_at(uint32_t off) {
    return (uint8_t)(off * 31 + (off >> 8));
}

static struct tcp_segment segment(uint32_t off, uint32_t len, bool fin) {
    struct tcp_segment seg = {.rx = &rx, .len = len};
    seg.seq = seq_of(0xfffffff0u + off);
    seg.end = seq_add(seg.seq, len + fin);
    seg.h.flags = (uint8_t)(WEIR_ACK | (fin ? WEIR_FIN : 0));
    seg.pkt = weir_pkt_alloc(weir_arena(stack), 0);
    struct weir_buf *buf = weir_buf_alloc(weir_arena(stack), len + 1);
    for (uint32_t i = 0; i < len; i++)
        buf->data[i] = byte_at(off + i);
    assert_int_equal(weir_pkt_append(seg.pkt, buf, 0, len), 0);
    return seg;
}

static void arrive(uint32_t off, uint32_t len, bool fin) {
    struct tcp_segment seg = segment(off, len, fin);
    tcp_receive(tcp, conn, &seg);
    if (seg.pkt)
        weir_pkt_free(seg.pkt);
    tcp_check(tcp);
}

static void read_all(uint32_t *done) {
    static uint8_t buf[SPACE];
    struct iovec v = {buf, sizeof(buf)};
    ssize_t r = tcp_recv(tcp, &conn->ep, &v, 1, v.iov_len, 0, NULL);
    for (ssize_t i = 0; i < r; i++)
        assert_int_equal(buf[i], byte_at(*done + (uint32_t)i));
    if (r > 0)
        *done += (uint32_t)r;
}

static void sack_blocks(void **state) {
    (void)state;
    struct tcp_sack s[4];
    fixture_open(CONN_SACK);
    arrive(1000, 100, false);
    arrive(3000, 100, false);
    arrive(2000, 100, false);
    assert_int_equal(tcp_ofo_sacks(tcp, conn, s, 4), 3);
    assert_int_equal(s[0].start, 0xfffffff0u + 2000); /* the latest first */
    arrive(1100, 900, false);                         /* joins two */
    assert_int_equal(tcp_ofo_sacks(tcp, conn, s, 4), 2);
    assert_int_equal(s[0].start, 0xfffffff0u + 1000);
    assert_int_equal(s[0].end - s[0].start, 1100);
    arrive(3000, 100, false); /* RFC 2883: a duplicate is reported first */
    assert_int_equal(tcp_ofo_sacks(tcp, conn, s, 4), 3);
    assert_int_equal(s[0].start, 0xfffffff0u + 3000);
    assert_int_equal(s[0].end - s[0].start, 100);
    fixture_close();
}

static void fin_waits_for_its_place(void **state) {
    (void)state;
    uint32_t done = 0;
    fixture_open(CONN_SACK);
    arrive(500, 100, true);
    assert_int_equal(tcp_state(conn), WEIR_TCP_ESTABLISHED);
    arrive(0, 500, false);
    assert_int_equal(tcp_state(conn), WEIR_TCP_CLOSE_WAIT);
    read_all(&done);
    assert_int_equal(done, 600);
    fixture_close();
}

static void random_arrivals(void **state) {
    (void)state;
    static uint8_t there[SPACE];
    struct rng r;
    uint8_t seed[32] = {1};
    rng_seed(&r, seed);
    for (int round = 0; round < 200; round++) {
        uint32_t done = 0, front = 0;
        memset(there, 0, sizeof(there));
        fixture_open(CONN_SACK);
        while (front < SPACE) {
            uint32_t off = rng_below(&r, SPACE);
            if (rng_below(&r, 3) == 0)
                off = front > 50 ? front - rng_below(&r, 50) : front;
            uint32_t len = 1 + rng_below(&r, rng_below(&r, 2) ? 60 : 1400);
            if (off + len > SPACE)
                len = SPACE - off;
            if (off > front + 15000)
                continue;
            arrive(off, len, false);
            memset(there + off, 1, len);
            while (front < SPACE && there[front])
                front++;
            assert_int_equal(seq_diff(conn->rcv.nxt, seq_of(0xfffffff0u)),
                             front);
            if (rng_below(&r, 4) == 0)
                read_all(&done);
            conn->rcv.wup = conn->rcv.nxt;
            conn->rcv.wnd = 65536;
        }
        read_all(&done);
        assert_int_equal(done, SPACE);
        fixture_close();
    }
}

/* A thousand single bytes do not cost a thousand packets. */
static void small_ones_are_gathered(void **state) {
    (void)state;
    uint32_t done = 0;
    fixture_open(CONN_SACK);
    for (uint32_t i = 0; i < 4000; i++)
        arrive(i, 1, false);
    assert_true(conn->work->rcvq.charge < 8000);
    read_all(&done);
    assert_int_equal(done, 4000);
    assert_int_equal(conn->work->rcvq.charge, 0);
    fixture_close();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sack_blocks),
        cmocka_unit_test(fin_waits_for_its_place),
        cmocka_unit_test(random_arrivals),
        cmocka_unit_test(small_ones_are_gathered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
