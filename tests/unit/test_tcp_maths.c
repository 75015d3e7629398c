/* SPDX-License-Identifier: BSD-2-Clause */
/* Sequence numbers, round-trip time, congestion control, windows, ports. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "tcp/cc.h"
#include "tcp_fixture.h"

static void seq_wraps(void **state) {
    (void)state;
    tcp_seq a = seq_of(0xfffffffe), b = seq_add(a, 5);
    assert_int_equal(b.v, 3);
    assert_true(seq_lt(a, b) && seq_gt(b, a) && seq_le(a, a) && seq_ge(b, b));
    assert_int_equal(seq_diff(b, a), 5);
    assert_int_equal(seq_diff(a, b), -5);
    assert_true(seq_in(seq_of(0), a, 5));
    assert_false(seq_in(b, a, 5));
    assert_false(seq_in(seq_sub(a, 1), a, 5));
    assert_int_equal(seq_max(a, b).v, 3);
    assert_int_equal(seq_min(a, b).v, 0xfffffffe);
}

/* RFC 6298 2: by its own formulas, 200 ms under the variance term. */
static void rto_follows(void **state) {
    (void)state;
    fixture_open(0);
    assert_int_equal(tcp_rto_base_ns(tcp, conn), NS_PER_S);
    tcp_rtt_sample(tcp, conn, 100 * NS_PER_MS);
    assert_int_equal(conn->srtt_us / 8, 100000);
    assert_int_equal(conn->rttvar_us / 4, 50000);
    assert_int_equal(tcp_rto_base_ns(tcp, conn), 300 * NS_PER_MS);
    double srtt = 100000, var = 50000;
    for (int i = 0; i < 20; i++) {
        double r = i % 2 ? 300000 : 100000;
        double err = srtt > r ? srtt - r : r - srtt;
        var = 0.75 * var + 0.25 * err;
        srtt = 0.875 * srtt + 0.125 * r;
        tcp_rtt_sample(tcp, conn, (uint64_t)r * 1000);
    }
    assert_in_range(conn->srtt_us / 8, (uint64_t)(srtt * 0.99),
                    (uint64_t)(srtt * 1.01));
    assert_in_range(conn->rttvar_us / 4, (uint64_t)(var * 0.98),
                    (uint64_t)(var * 1.02));
    conn->work->backoff = 3;
    assert_int_equal(tcp_rto_ns(tcp, conn), tcp_rto_base_ns(tcp, conn) * 8);
    conn->work->backoff = 30;
    assert_int_equal(tcp_rto_ns(tcp, conn), 120 * NS_PER_S);
    fixture_close();
}

/* RFC 5681 3.1: doubling in slow start, one segment a window after it. */
static void reno_grows(void **state) {
    (void)state;
    struct cc_window w = {10000, 20000, 1000, 0};
    struct cc_sample s = {.delivered = 10000, .cwnd_limited = 1};
    cc_reno.on_ack(&w, &s);
    assert_int_equal(w.cwnd, 20000);
    s.delivered = 1000;
    for (int i = 0; i < 20; i++)
        cc_reno.on_ack(&w, &s);
    assert_int_equal(w.cwnd, 21000);
    s.cwnd_limited = 0; /* a window that is not used says nothing */
    cc_reno.on_ack(&w, &s);
    assert_int_equal(w.cwnd, 21000);
    s.in_flight = 21000;
    assert_int_equal(cc_reno.ssthresh(&w, &s), 10500);
    s.in_flight = 1000;
    assert_int_equal(cc_reno.ssthresh(&w, &s), 2000);
}

/* What Linux announces: win 64240 on Ethernet, 65160 with timestamps, 65495 on
 * lo; window scale 7 for 6 MiB. */
static void first_windows(void **state) {
    (void)state;
    uint8_t shift;
    fixture_open(0);
    assert_int_equal(tcp_first_window(tcp, 131072, 1460, true, &shift), 64240);
    assert_int_equal(shift, 7);
    assert_int_equal(tcp_first_window(tcp, 131072, 1448, true, &shift), 65160);
    assert_int_equal(tcp_first_window(tcp, 131072, 65495, false, &shift),
                     65495);
    assert_int_equal(shift, 0);
    assert_int_equal(tcp_mss_of_mtu(1500), 1460);
    assert_int_equal(tcp_mss_of_mtu(65536), 65495);
    fixture_close();
}

/* RFC 9293 3.8.6.2: the right edge never moves back; no silly windows. */
static void window_never_shrinks(void **state) {
    (void)state;
    fixture_open(0);
    conn->rcv_wscale = 0;
    conn->rcvbuf = 60000;
    conn->rcv.wnd = 20000;
    conn->work->rcv_mss = 1000;
    tcp_seq edge = seq_add(conn->rcv.wup, conn->rcv.wnd);
    for (uint32_t charge = 0; charge <= 60000; charge += 1500) {
        conn->work->rcvq.charge = charge;
        uint32_t w = tcp_select_window(tcp, conn);
        assert_true(seq_ge(seq_add(conn->rcv.nxt, w), edge));
        edge = seq_add(conn->rcv.nxt, w);
        if (charge && seq_diff(edge, seq_add(conn->rcv.nxt, 500)) > 0)
            conn->rcv.nxt = seq_add(conn->rcv.nxt, 500);
    }
    conn->rcv.nxt = edge; /* all of it used: closed until it is worth it */
    conn->work->rcvq.charge = 59000;
    assert_int_equal(tcp_select_window(tcp, conn), 0);
    conn->work->rcvq.charge = 20000;
    assert_in_range(tcp_select_window(tcp, conn), 19000, 20000);
    conn->work->rcvq.charge = 0;
    fixture_close();
}

static struct tcp_conn *bound(uint32_t addr, uint16_t port, uint16_t flags,
                              int *r) {
    struct tcp_conn *c = tcp_conn_of(tcp_socket(tcp));
    c->ep.laddr = addr;
    c->ep.flags |= flags;
    *r = tcp_port_bind(tcp, c, port);
    return c;
}

/* As Linux answers the same binds. */
static void bind_conflicts(void **state) {
    (void)state;
    const uint32_t a = WEIR_IP4(127, 0, 0, 1), b = WEIR_IP4(127, 0, 0, 2);
    int r;
    fixture_open(0);
    bound(a, 80, 0, &r);
    assert_int_equal(r, 0);
    bound(a, 80, 0, &r);
    assert_int_equal(r, -EADDRINUSE);
    bound(b, 80, 0, &r);
    assert_int_equal(r, 0);
    bound(0, 80, 0, &r); /* any overlaps both */
    assert_int_equal(r, -EADDRINUSE);
    bound(a, 80, EP_REUSEADDR, &r); /* both must want it */
    assert_int_equal(r, -EADDRINUSE);
    bound(a, 81, EP_REUSEADDR, &r);
    assert_int_equal(r, 0);
    struct tcp_conn *c = bound(0, 81, EP_REUSEADDR, &r);
    assert_int_equal(r, 0);
    struct endpoint *ep = &c->ep; /* two may bind, one may listen */
    assert_int_equal(tcp_listen(tcp, &ep, 1), 0);
    bound(a, 81, EP_REUSEADDR, &r);
    assert_int_equal(r, -EADDRINUSE);
    bound(a, 82, EP_REUSEPORT, &r);
    assert_int_equal(r, 0);
    bound(a, 82, EP_REUSEPORT, &r);
    assert_int_equal(r, 0);
    bound(a, 82, EP_REUSEADDR, &r);
    assert_int_equal(r, -EADDRINUSE);
    fixture_close();
}

static void sizes(void **state) {
    (void)state;
    assert_true(sizeof(struct tcp_conn) <= 256);
    assert_true(sizeof(struct tcp_tw) <= 64);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seq_wraps),
        cmocka_unit_test(rto_follows),
        cmocka_unit_test(reno_grows),
        cmocka_unit_test(first_windows),
        cmocka_unit_test(window_never_shrinks),
        cmocka_unit_test(bind_conflicts),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
