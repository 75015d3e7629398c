/* SPDX-License-Identifier: BSD-2-Clause */
/* Transmission records, the SACK scoreboard, RACK. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "tcp_fixture.h"

/* `n` segments in flight, 1 ms apart; their bytes lie in the send queue. */
static void send_segments(unsigned n) {
    static uint8_t bytes[TEST_MSS];
    for (unsigned i = 0; i < n; i++) {
        tcp_sendq_copy(tcp, conn, bytes, TEST_MSS);
        struct tcp_tx *tx =
            tcp_tx_add(tcp, conn, seq_add(conn->snd.nxt, TEST_MSS), 0);
        conn->snd.nxt = tx->end;
        tcp_tx_sent(tcp, conn, tx);
        fixture_pass(NS_PER_MS);
    }
    conn->work->sendq.base = seq_of(TEST_ISS);
    tcp_xmit_arm(tcp, conn, XMIT_REXMIT, weir_now(stack) + NS_PER_S);
}

static struct tcp_segment ack_of(uint32_t ack, unsigned nsacks, ...) {
    struct tcp_segment seg = {.ack = seq_of(TEST_ISS + ack)};
    seg.seq = seg.end = conn->rcv.nxt;
    seg.h.flags = WEIR_ACK;
    seg.h.window = 65535;
    seg.h.nsacks = (uint8_t)nsacks;
    seg.h.opts = nsacks ? TCP_OPT_SACK : 0;
    va_list ap;
    va_start(ap, nsacks);
    for (unsigned i = 0; i < nsacks; i++) {
        seg.h.sack[i].start = TEST_ISS + va_arg(ap, unsigned);
        seg.h.sack[i].end = TEST_ISS + va_arg(ap, unsigned);
    }
    va_end(ap);
    return seg;
}

static void give(struct tcp_segment seg) {
    enum weir_reason why;
    assert_true(tcp_ack(tcp, conn, &seg, &why));
    tcp_check(tcp);
}

static void records_split(void **state) {
    (void)state;
    fixture_open(CONN_SACK);
    send_segments(4);
    assert_int_equal(tcp_pipe(conn), 4000);
    struct tcp_tx *tx = conn->work->tx.head->next;
    assert_true(tcp_tx_split(tcp, conn, tx, seq_of(TEST_ISS + 1300)));
    tcp_check(tcp);
    assert_int_equal(seq_diff(tx->end, tx->seq), 300);
    tcp_tx_set_lost(conn->work, tx);
    assert_int_equal(tcp_pipe(conn), 3700);
    tcp_tx_set_sacked(conn->work, tx->next);
    assert_int_equal(tcp_pipe(conn), 3000);
    tcp_check(tcp);
    tcp_tx_unlose(conn->work, tx);
    assert_int_equal(tcp_pipe(conn), 3300);
    tcp_check(tcp);
    fixture_close();
}

/* RFC 2018: blocks mark exactly what they cover, however they lie. */
static void blocks_mark(void **state) {
    (void)state;
    fixture_open(CONN_SACK);
    fixture_pass(0);
    send_segments(10);
    fixture_pass(20 * NS_PER_MS);
    give(ack_of(0, 2, 2500, 4000, 6000, 7000));
    assert_int_equal(conn->work->tx.sacked_bytes, 2500);
    give(ack_of(0, 1, 2500, 4500)); /* the block grows */
    assert_int_equal(conn->work->tx.sacked_bytes, 3000);
    give(ack_of(0, 1, 50000, 60000)); /* never sent */
    give(ack_of(0, 1, 5000, 5000));   /* empty */
    assert_int_equal(conn->work->tx.sacked_bytes, 3000);
    give(ack_of(4500, 1, 6000, 7000));
    assert_int_equal(conn->work->tx.sacked_bytes, 1000);
    fixture_close();
}

/* RFC 8985: one segment sent later arrived, and a quarter of the RTT passed. */
static void rack_marks_lost(void **state) {
    (void)state;
    fixture_open(CONN_SACK);
    tcp_rtt_sample(tcp, conn, 40 * NS_PER_MS);
    send_segments(10);
    fixture_pass(30 * NS_PER_MS);
    give(ack_of(1000, 0));
    give(ack_of(1000, 1, 2000, 3000)); /* the second is missing */
    assert_int_equal(conn->work->tx.lost_bytes, 0);
    assert_int_equal(conn->work->xmit_timer, XMIT_REORDER);
    assert_int_equal(conn->work->loss.state, CA_DISORDER);
    fixture_pass(11 * NS_PER_MS);
    tcp_loss_reorder_timer(tcp, conn);
    assert_int_equal(conn->work->tx.lost_bytes, 1000);
    assert_int_equal(conn->work->loss.state, CA_RECOVERY);
    assert_int_equal(conn->ssthresh, 4500); /* FlightSize / 2 */
    fixture_close();
}

/* Three segments above a hole: no reordering was ever seen, so at once. */
static void rack_like_dupthresh(void **state) {
    (void)state;
    fixture_open(CONN_SACK);
    tcp_rtt_sample(tcp, conn, 40 * NS_PER_MS);
    send_segments(10);
    fixture_pass(30 * NS_PER_MS);
    give(ack_of(0, 1, 1000, 4000));
    assert_int_equal(conn->work->tx.lost_bytes, 1000);
    assert_int_equal(conn->work->loss.state, CA_RECOVERY);
    assert_true(conn->cwnd >= tcp_pipe(conn) + TEST_MSS); /* may resend */
    fixture_close();
}

/* RFC 6582: the third duplicate ACK, for a peer without SACK. */
static void newreno_dupacks(void **state) {
    (void)state;
    fixture_open(0);
    tcp_rtt_sample(tcp, conn, 40 * NS_PER_MS);
    conn->snd.wnd = 65535;
    conn->snd.wl1 = conn->rcv.nxt;
    send_segments(10);
    fixture_pass(30 * NS_PER_MS);
    give(ack_of(0, 0));
    give(ack_of(0, 0));
    assert_int_equal(conn->work->tx.lost_bytes, 0);
    give(ack_of(0, 0));
    assert_int_equal(conn->work->tx.lost_bytes, 1000);
    assert_int_equal(conn->work->loss.state, CA_RECOVERY);
    struct tcp_tx *first = conn->work->tx.head;
    tcp_tx_sent(tcp, conn, first);
    give(ack_of(3000, 0)); /* partial: the next hole */
    assert_int_equal(conn->work->tx.lost_bytes, 1000);
    give(ack_of(10000, 0));
    assert_int_equal(conn->work->loss.state, CA_OPEN);
    assert_int_equal(conn->cwnd, conn->ssthresh);
    fixture_close();
}

static void rto_takes_all(void **state) {
    (void)state;
    fixture_open(CONN_SACK);
    send_segments(10);
    give(ack_of(0, 1, 9000, 10000));
    tcp_loss_rto(tcp, conn);
    assert_int_equal(conn->work->tx.lost_bytes, 9000);
    assert_int_equal(conn->cwnd, TEST_MSS);
    assert_int_equal(tcp_pipe(conn), 0);
    fixture_close();
}

/* One timer serves all: the ACK that is owed is not forgotten when it fires for
 * a retransmission. */
static void owed_ack_outlives_rto(void **state) {
    (void)state;
    enum wtimer_kind kind;
    fixture_open(CONN_SACK);
    send_segments(1);
    tcp_xmit_arm(tcp, conn, XMIT_REXMIT, weir_now(stack) + 10 * NS_PER_MS);
    conn->flags |= CONN_ACK_LATER;
    tcp_delack_arm(tcp, conn, 40);
    tcp_delacks_arm(tcp);
    fixture_pass(12 * NS_PER_MS);
    struct wtimer *t = wheel_expire(stack->env.wheel, weir_now(stack), &kind);
    assert_ptr_equal(t, &conn->timer);
    tcp_timer(tcp, t);
    assert_int_equal(conn->work->retries, 1);
    assert_true(wtimer_armed(&conn->timer));
    assert_true(conn->timer.deadline <= conn->work->delack_due);
    tcp_check(tcp);
    fixture_close();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_split),
        cmocka_unit_test(blocks_mark),
        cmocka_unit_test(rack_marks_lost),
        cmocka_unit_test(rack_like_dupthresh),
        cmocka_unit_test(newreno_dupacks),
        cmocka_unit_test(rto_takes_all),
        cmocka_unit_test(owed_ack_outlives_rto),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
