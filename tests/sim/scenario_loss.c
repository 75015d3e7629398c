/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Windows, loss and what is got through in spite of it, in virtual time.
 */
#include "stage.h"

static void zero_window(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b;
    pair_up(&a, &b);
    while (put(0, a, 1 << 18) > 0)
        wait_ns(100 * MS);
    wait_ns(10 * S);
    assert_int_equal(info(0, a).snd_window, 0);
    assert_int_equal(info(0, a).timer, 4);
    assert_true(CTR(0, TCPWinProbe) >= 3);
    wait_ns(1000 * S); /* answered probes keep it open for ever */
    assert_int_equal(info(0, a).state, WEIR_TCP_ESTABLISHED);
    ssize_t r;
    uint64_t sum = 0, queued = info(0, a).written;
    for (int i = 0; i < 1000 && sum < queued; i++) {
        if ((r = get(1, b, 1 << 16)) > 0)
            sum += (uint64_t)r;
        wait_ns(20 * MS);
    }
    assert_int_equal(sum, queued);
    close_net();
}

/* ---- loss ---- */

static void rack_before_rto(void **state) {
    (void)state;
    open_net(20 * MS, 0);
    int a, b;
    pair_up(&a, &b);
    drop(0, WEIR_ACK, WEIR_ACK, 1000, 2, 1);
    put(0, a, 14000);
    wait_ns(150 * MS); /* RTO would be 240 ms and more */
    assert_int_equal(info(1, b).rx_queue, 14000);
    assert_int_equal(CTR(0, TCPTimeouts), 0);
    assert_int_equal(CTR(0, TCPSackRecovery), 1);
    assert_int_equal(CTR(0, TCPFastRetrans), 1);
    close_net();
}

static void tail_loss_probe(void **state) {
    (void)state;
    open_net(20 * MS, 0);
    int a, b;
    pair_up(&a, &b);
    drop(0, WEIR_PSH, WEIR_PSH, 1, 0, 1); /* the last segment */
    put(0, a, 14000);
    wait_ns(350 * MS);
    assert_int_equal(info(1, b).rx_queue, 14000);
    assert_int_equal(CTR(0, TCPTimeouts), 0);
    assert_int_equal(CTR(0, TCPLossProbes), 1);
    close_net();
}

/* A pause longer than the RTO: nothing was lost, and the window comes back. */
static void spurious_rto(void **state) {
    (void)state;
    open_net(20 * MS, 0);
    int a, b;
    weir_sysctl_set(n.host[0], "tcp_slow_start_after_idle", "0");
    pair_up(&a, &b);
    put(0, a, 100000);
    wait_ns(S);
    while (get(1, b, 1 << 20) > 0)
        ;
    wait_ns(200 * MS);
    uint32_t cwnd = info(0, a).cwnd;
    n.p.delay = 600 * MS;
    put(0, a, 20000);
    wait_ns(3 * S);
    assert_true(CTR(0, TCPTimeouts) > 0);
    assert_int_equal(CTR(0, TCPSpuriousRTOs), 1);
    assert_true(info(0, a).cwnd >= cwnd);
    close_net();
}

/* RFC 7323 5: an old segment from an earlier wrap is refused. */
static const struct weir_pkt *kept;
static bool keep_first(void *ctx, const struct frame_info *f) {
    (void)ctx;
    if (!kept && f->from == 0 && f->len > 0)
        kept = weir_pkt_clone(f->pkt);
    return false;
}

static void paws(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b;
    pair_up(&a, &b);
    kept = NULL;
    n.filter = keep_first;
    put(0, a, 100);
    wait_ns(S);
    put(0, a, 100);
    wait_ns(S);
    assert_non_null(kept);
    uint64_t before = CTR(1, PAWSEstab);
    weir_input(n.host[1], 2, weir_pkt_clone(kept));
    net_settle(&n);
    assert_int_equal(CTR(1, PAWSEstab), before + 1);
    assert_int_equal(info(1, b).rx_queue, 200);
    weir_pkt_free((struct weir_pkt *)kept);
    close_net();
}

static double goodput(double loss, uint64_t delay, uint64_t seconds) {
    open_net(delay, 0);
    int a, b;
    pair_up(&a, &b);
    n.p.loss = loss;
    uint64_t start = n.now, got = 0;
    while (n.now < start + seconds * S) {
        ssize_t r;
        while (put(0, a, 1 << 16) > 0)
            ;
        while ((r = get(1, b, 1 << 20)) > 0)
            got += (uint64_t)r;
        wait_ns(5 * MS);
    }
    close_net();
    return (double)got * 8 / (double)seconds;
}

/* Mathis: MSS / RTT * 1.22 / sqrt(p); 1 % and 20 ms: 7.07 Mbit/s. */
static void goodput_under_loss(void **state) {
    (void)state;
    double bps = goodput(0.01, 10 * MS, 60), mathis = 1448 * 8 / 0.02 * 12.2;
    print_message("# goodput %.2f Mbit/s, Mathis %.2f\n", bps / 1e6,
                  mathis / 1e6);
    assert_true(bps > mathis * 0.6 && bps < mathis * 1.6);
}

/* The window grows with the path: 100 Mbit/s takes 1.25 MB at 100 ms. */
static void goodput_long_path(void **state) {
    (void)state;
    double bps = goodput(0, 50 * MS, 20);
    print_message("# goodput %.2f Mbit/s at 100 ms\n", bps / 1e6);
    assert_true(bps > 60e6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_window),
        cmocka_unit_test(rack_before_rto),
        cmocka_unit_test(tail_loss_probe),
        cmocka_unit_test(spurious_rto),
        cmocka_unit_test(paws),
        cmocka_unit_test(goodput_under_loss),
        cmocka_unit_test(goodput_long_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
