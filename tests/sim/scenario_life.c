/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening, ending and silence, in virtual time: what TCP does when, against the
 * numbers of the RFCs and of Linux.
 */
#include "stage.h"

/* ---- opening ---- */

/* Linux: SYN at 0, 1, 3, 7, 15, 31, 63 s, ETIMEDOUT at 127 s. */
static void syn_backoff(void **state) {
    (void)state;
    uint64_t t[16];
    open_net(MS, 0);
    drop(0, 0xff, WEIR_SYN, 0, 0, 99);
    int s = connect_to(0, 1, 80);
    uint64_t start = n.now;
    wait_ns(126 * S);
    assert_int_equal(sent_times(0, 0x3f, WEIR_SYN, start, t, 16), 7);
    const uint64_t want[] = {0, 1000, 3000, 7000, 15000, 31000, 63000};
    for (unsigned i = 1; i < 7; i++)
        assert_in_range(t[i], want[i], want[i] + 20);
    assert_int_equal(weir_ready(n.host[0], s), 0);
    wait_ns(2 * S);
    assert_int_equal(so_error(0, s), ETIMEDOUT);
    assert_int_equal(info(0, s).reason, WEIR_TCP_SYN_TIMEOUT);
    close_net();
}

/* Row F10: SYN+ACK again after 1, 3, 7, 15, 31 s, forgotten at 63 s. */
static void synack_backoff(void **state) {
    (void)state;
    uint64_t t[16];
    open_net(MS, 0);
    drop(1, 0x3f, WEIR_SYN | WEIR_ACK, 0, 0, 99);
    listen_on(1, 80, 5);
    int s = connect_to(0, 1, 80);
    wait_ns(20 * MS);
    n.cut = true; /* no more SYNs that would draw a SYN+ACK */
    uint64_t start = 5 * S;
    wait_ns(70 * S);
    unsigned k = sent_times(1, 0x3f, WEIR_SYN | WEIR_ACK, start, t, 16);
    assert_int_equal(k, 6);
    const uint64_t want[] = {0, 1000, 3000, 7000, 15000, 31000};
    for (unsigned i = 1; i < 6; i++)
        assert_in_range(t[i] - t[0], want[i], want[i] + 20);
    struct weir_sockinfo si;
    uint64_t cursor = 0;
    while (weir_sockinfo_next(n.host[1], &cursor, &si))
        assert_int_not_equal(si.state, WEIR_TCP_SYN_RECV);
    weir_close(n.host[0], s);
    close_net();
}

static void refused(void **state) {
    (void)state;
    open_net(MS, 0);
    int s = connect_to(0, 1, 81);
    wait_ns(S);
    assert_int_equal(weir_ready(n.host[0], s),
                     WEIR_IN | WEIR_OUT | WEIR_ERR | WEIR_HUP | WEIR_RDHUP);
    assert_int_equal(so_error(0, s), ECONNREFUSED);
    assert_int_equal(info(0, s).reason, WEIR_TCP_REFUSED);
    close_net();
}

/* Row S9. */
static void simultaneous_open(void **state) {
    (void)state;
    open_net(10 * MS, 0);
    int s[2];
    for (unsigned h = 0; h < 2; h++) {
        struct weir_endpoint at = net_at(&n, h, 700), to = net_at(&n, !h, 700);
        s[h] = weir_socket(n.host[h], AF_INET, SOCK_STREAM, 0);
        assert_int_equal(weir_bind(n.host[h], s[h], &at), 0);
        assert_int_equal(weir_connect(n.host[h], s[h], &to), -EINPROGRESS);
    }
    wait_ns(S);
    for (unsigned h = 0; h < 2; h++)
        assert_int_equal(info(h, s[h]).state, WEIR_TCP_ESTABLISHED);
    put(0, s[0], 5);
    wait_ns(S);
    assert_int_equal(get(1, s[1], 10), 5);
    /* simultaneous close: CLOSING on both sides, then TIME_WAIT */
    weir_shutdown(n.host[0], s[0], SHUT_WR);
    weir_shutdown(n.host[1], s[1], SHUT_WR);
    wait_ns(15 * MS);
    assert_int_equal(info(0, s[0]).state, WEIR_TCP_CLOSING);
    assert_int_equal(info(1, s[1]).state, WEIR_TCP_CLOSING);
    wait_ns(S);
    assert_int_equal(get(0, s[0], 10), 0);
    assert_int_equal(get(1, s[1], 10), 0);
    close_net();
}

/* Rows S5, S6, S8: backlog 1 takes 2; the next client is delayed. */
static void accept_overflow(void **state) {
    (void)state;
    open_net(MS, 0);
    int l = listen_on(1, 80, 1), c[3];
    for (unsigned i = 0; i < 2; i++) {
        c[i] = connect_to(0, 1, 80);
        wait_ns(100 * MS);
        assert_int_equal(info(0, c[i]).state, WEIR_TCP_ESTABLISHED);
    }
    assert_int_equal(info(1, l).rx_queue, 2);
    c[2] = connect_to(0, 1, 80);
    wait_ns(500 * MS);
    assert_int_equal(info(0, c[2]).state, WEIR_TCP_SYN_SENT);
    assert_true(CTR(1, ListenOverflows) > 0 && CTR(1, ListenDrops) > 0);
    assert_true(weir_accept(n.host[1], l, NULL) >= 0);
    wait_ns(4 * S);
    assert_int_equal(info(0, c[2]).state, WEIR_TCP_ESTABLISHED);
    close_net();
}

/* The final ACK is dropped where the queue filled after the SYN came. */
static void accept_overflow_at_ack(void **state) {
    (void)state;
    open_net(10 * MS, 0);
    int l = listen_on(1, 80, 0);
    int c0 = connect_to(0, 1, 80), c1 = connect_to(0, 1, 80);
    wait_ns(500 * MS);
    (void)c0;
    /* the client believes it is connected; the server asks again */
    assert_int_equal(info(1, l).rx_queue, 1);
    wait_ns(2 * S);
    assert_true(weir_accept(n.host[1], l, NULL) >= 0);
    wait_ns(8 * S);
    assert_int_equal(info(0, c1).state, WEIR_TCP_ESTABLISHED);
    assert_true(weir_accept(n.host[1], l, NULL) >= 0);
    close_net();
}

/* ---- ending ---- */

/* Row F2, the states on both sides and 60 s of TIME_WAIT. */
static void four_way_close(void **state) {
    (void)state;
    open_net(10 * MS, 0);
    int a, b;
    pair_up(&a, &b);
    weir_close(n.host[0], a);
    wait_ns(15 * MS);
    assert_int_equal(info(1, b).state, WEIR_TCP_CLOSE_WAIT);
    assert_int_equal(get(1, b, 10), 0);
    wait_ns(100 * MS);
    weir_close(n.host[1], b);
    wait_ns(S);
    struct weir_sockinfo si;
    uint64_t cursor = 0;
    assert_int_equal(weir_sockinfo_next(n.host[1], &cursor, &si), 0);
    cursor = 0;
    assert_int_equal(weir_sockinfo_next(n.host[0], &cursor, &si), 1);
    assert_int_equal(si.state, WEIR_TCP_TIME_WAIT);
    wait_ns(58 * S);
    cursor = 0;
    assert_int_equal(weir_sockinfo_next(n.host[0], &cursor, &si), 1);
    wait_ns(2 * S);
    cursor = 0;
    assert_int_equal(weir_sockinfo_next(n.host[0], &cursor, &si), 0);
    close_net();
}

static bool pure_ack_of_b(void *ctx, const struct frame_info *f) {
    (void)ctx;
    return f->from == 1 && f->flags == WEIR_ACK && !f->len;
}

/* One segment acknowledges the FIN of a closed socket and brings the peer's: it
 * is in TIME_WAIT at once, and the peer need not send its FIN again. */
static void fin_with_the_ack(void **state) {
    (void)state;
    open_net(10 * MS, 0);
    int a, b;
    pair_up(&a, &b);
    n.filter = pure_ack_of_b;
    weir_close(n.host[0], a);
    wait_ns(15 * MS);
    assert_int_equal(info(1, b).state, WEIR_TCP_CLOSE_WAIT);
    weir_close(n.host[1], b);
    wait_ns(25 * MS);
    n.filter = NULL;
    struct weir_sockinfo si;
    uint64_t cursor = 0;
    assert_int_equal(weir_sockinfo_next(n.host[1], &cursor, &si), 0);
    cursor = 0;
    assert_int_equal(weir_sockinfo_next(n.host[0], &cursor, &si), 1);
    assert_int_equal(si.state, WEIR_TCP_TIME_WAIT);
    assert_int_equal(weir_counter(n.host[1], WEIR_CTR_Tcp_RetransSegs), 0);
    wait_ns(61 * S);
    close_net();
}

/* Rows S16, F4: close with unread data resets; then ECONNRESET once, 0, EPIPE.
 */
static void reset_on_unread(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b;
    pair_up(&a, &b);
    put(0, a, 100);
    wait_ns(S);
    uint64_t before = n.now;
    weir_close(n.host[1], b);
    wait_ns(S);
    uint64_t t[4];
    assert_int_equal(sent_times(1, WEIR_RST, WEIR_RST, before, t, 4), 1);
    assert_int_equal(CTR(1, TCPAbortOnClose), 1);
    assert_int_equal(weir_ready(n.host[0], a),
                     WEIR_IN | WEIR_OUT | WEIR_ERR | WEIR_HUP | WEIR_RDHUP);
    assert_int_equal(get(0, a, 10), -ECONNRESET);
    assert_int_equal(get(0, a, 10), 0);
    assert_int_equal(put(0, a, 10), -EPIPE);
    close_net();
}

/* What was written before the close that resets arrives first, though all
 * happens in one pass; SO_LINGER 0 and AF_UNSPEC alike. */
static void written_before_reset(void **state) {
    (void)state;
    struct linger linger = {.l_onoff = 1};
    struct iovec six = {"nihao!", 6};
    for (int how = 0; how < 3; how++) {
        open_net(MS, 0);
        int a, b;
        pair_up(&a, &b);
        if (how == 0)
            put(0, a, 100);
        wait_ns(S);
        assert_int_equal(weir_send(n.host[1], b, &six, 1, 0, NULL), 6);
        if (how == 1)
            assert_int_equal(weir_setsockopt(n.host[1], b, SOL_SOCKET,
                                             SO_LINGER, &linger,
                                             sizeof(linger)),
                             0);
        if (how == 2)
            weir_connect(n.host[1], b, NULL);
        weir_close(n.host[1], b);
        wait_ns(S);
        assert_int_equal(get(0, a, 10), 6);
        assert_int_equal(get(0, a, 10), -ECONNRESET);
        close_net();
    }
}

/* Row F5: the first write after the peer has closed succeeds. */
static void write_after_close(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b;
    pair_up(&a, &b);
    weir_close(n.host[1], b);
    wait_ns(S);
    assert_int_equal(put(0, a, 10), 10);
    wait_ns(S);
    assert_int_equal(put(0, a, 10), -EPIPE); /* RST in CLOSE_WAIT */
    assert_int_equal(put(0, a, 10), -EPIPE);
    close_net();
}

static void fin_wait2_timeout(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b;
    pair_up(&a, &b);
    weir_close(n.host[0], a);
    wait_ns(S);
    struct weir_sockinfo si;
    uint64_t cursor = 0;
    assert_int_equal(weir_sockinfo_next(n.host[0], &cursor, &si), 1);
    assert_int_equal(si.state, WEIR_TCP_FIN_WAIT2);
    wait_ns(60 * S);
    cursor = 0;
    assert_int_equal(weir_sockinfo_next(n.host[0], &cursor, &si), 0);
    /* the other side learns of it when it writes (row F5) */
    assert_int_equal(put(1, b, 10), 10);
    wait_ns(S);
    assert_int_equal(so_error(1, b), EPIPE);
    close_net();
}

/* RFC 1122 4.2.2.13, RFC 6191: a new SYN reopens what is in TIME_WAIT. */
static void time_wait_reopened(void **state) {
    (void)state;
    open_net(MS, 0);
    int l = listen_on(1, 80, 5), on = 1;
    for (int round = 0; round < 3; round++) {
        int c = weir_socket(n.host[0], AF_INET, SOCK_STREAM, 0);
        struct weir_endpoint at = net_at(&n, 0, 5000), to = net_at(&n, 1, 80);
        weir_setsockopt(n.host[0], c, SOL_SOCKET, SO_REUSEADDR, &on,
                        sizeof(on));
        assert_int_equal(weir_bind(n.host[0], c, &at), 0);
        assert_int_equal(weir_connect(n.host[0], c, &to), -EINPROGRESS);
        wait_ns(S);
        assert_int_equal(info(0, c).state, WEIR_TCP_ESTABLISHED);
        int b = weir_accept(n.host[1], l, NULL);
        assert_true(b >= 0);
        weir_close(n.host[1], b); /* TIME_WAIT is on the listener's side */
        wait_ns(S);
        weir_close(n.host[0], c);
        wait_ns(3 * S);
    }
    assert_int_equal(CTR(1, TWRecycled), 2);
    close_net();
}

static void linger_zero(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b;
    pair_up(&a, &b);
    struct linger l = {1, 0};
    weir_setsockopt(n.host[0], a, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    weir_close(n.host[0], a);
    wait_ns(S);
    assert_int_equal(get(1, b, 10), -ECONNRESET);
    close_net();
}

/* ---- silence ---- */

/* Row F6: tcp_retries2 of 15 is 924.6 s from the first transmission. The path
 * below TCP works (a router that drops): ETIMEDOUT. */
static void retries2(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b;
    pair_up(&a, &b);
    drop(-1, 0, 0, 0, 0, 1000);
    uint64_t start = n.now;
    put(0, a, 10);
    wait_ns(900 * S);
    assert_int_equal(info(0, a).state, WEIR_TCP_ESTABLISHED);
    uint64_t t[32];
    unsigned k = sent_times(0, WEIR_PSH, WEIR_PSH, start, t, 32);
    assert_in_range(k, 14, 18);
    wait_ns(200 * S);
    assert_int_equal(info(0, a).state, WEIR_TCP_CLOSED);
    assert_int_equal(get(0, a, 1), -ETIMEDOUT);
    assert_int_equal(get(0, a, 1), 0);
    assert_int_equal(info(0, a).reason, WEIR_TCP_RETRANSMIT_TIMEOUT);
    assert_int_equal(info(1, b).state, WEIR_TCP_ESTABLISHED);
    close_net();
}

/* The cable is out: ARP finds nobody, which is what the program is told. */
static void retries2_unreachable(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b;
    pair_up(&a, &b);
    n.cut = true;
    put(0, a, 10);
    wait_ns(1100 * S);
    assert_int_equal(get(0, a, 1), -EHOSTUNREACH);
    assert_int_equal(get(0, a, 1), 0);
    close_net();
}

static void user_timeout(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b, ms = 5000;
    pair_up(&a, &b);
    weir_setsockopt(n.host[0], a, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
                    sizeof(ms));
    n.cut = true;
    put(0, a, 10);
    wait_ns(4900 * MS);
    assert_int_equal(info(0, a).state, WEIR_TCP_ESTABLISHED);
    wait_ns(300 * MS);
    assert_int_equal(so_error(0, a), ETIMEDOUT);
    assert_int_equal(info(0, a).reason, WEIR_TCP_USER_TIMEOUT);
    close_net();
}

/* Row F7. */
static void keepalive(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b, on = 1, idle = 10, intvl = 2, cnt = 3;
    pair_up(&a, &b);
    weir_setsockopt(n.host[0], a, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    weir_setsockopt(n.host[0], a, IPPROTO_TCP, TCP_KEEPIDLE, &idle,
                    sizeof(idle));
    weir_setsockopt(n.host[0], a, IPPROTO_TCP, TCP_KEEPINTVL, &intvl,
                    sizeof(intvl));
    weir_setsockopt(n.host[0], a, IPPROTO_TCP, TCP_KEEPCNT, &cnt, sizeof(cnt));
    wait_ns(65 * S); /* answered each time */
    assert_int_equal(info(0, a).state, WEIR_TCP_ESTABLISHED);
    assert_in_range(CTR(0, TCPKeepAlive), 5, 7);
    n.cut = true;
    wait_ns(9 * S);
    assert_int_equal(info(0, a).state, WEIR_TCP_ESTABLISHED);
    wait_ns(9 * S); /* at most 10 + 3 * 2 after the last answer */
    assert_int_equal(get(0, a, 1), -ETIMEDOUT);
    assert_int_equal(info(0, a).reason, WEIR_TCP_KEEPALIVE_TIMEOUT);
    assert_int_equal(info(1, b).state, WEIR_TCP_ESTABLISHED);
    close_net();
}

/* Row F8: the peer's host has rebooted. */
/* Requests of all small sizes, one at a time, in pieces of which some are
 * empty: what is read is what was written. */
static void small_requests(void **state) {
    (void)state;
    int a, b;
    open_net(10 * MS, 0);
    pair_up(&a, &b);
    for (size_t len = 1; len < 100; len++) {
        char out[100], in[100] = {0};
        for (size_t i = 0; i < len; i++)
            out[i] = (char)(i * 7 + len);
        struct iovec v[] = {{out, 0},
                            {out, len / 3},
                            {out + len / 3, 0},
                            {out + len / 3, len - len / 3},
                            {out, 0}};
        assert_int_equal(weir_send(n.host[0], a, v, 5, 0, NULL), len);
        wait_ns(1 * S);
        struct iovec all = {in, sizeof(in)};
        assert_int_equal(weir_recv(n.host[1], b, &all, 1, 0, NULL, NULL), len);
        assert_memory_equal(in, out, len);
        struct iovec one = {in, len};
        assert_int_equal(weir_send(n.host[1], b, &one, 1, 0, NULL), len);
        wait_ns(1 * S);
        memset(in, 0, sizeof(in));
        assert_int_equal(weir_recv(n.host[0], a, &all, 1, 0, NULL, NULL), len);
        assert_memory_equal(in, out, len);
    }
    close_net();
}

static void peer_rebooted(void **state) {
    (void)state;
    open_net(MS, 0);
    int a, b;
    pair_up(&a, &b);
    weir_abort(n.host[1], b, WEIR_HOST_DOWN);
    n.cut = true; /* its RST is not seen: the machine lost power */
    wait_ns(MS);
    n.cut = false;
    assert_int_equal(put(0, a, 10), 10);
    wait_ns(S);
    assert_int_equal(get(0, a, 1), -ECONNRESET);
    close_net();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syn_backoff),
        cmocka_unit_test(synack_backoff),
        cmocka_unit_test(refused),
        cmocka_unit_test(simultaneous_open),
        cmocka_unit_test(accept_overflow),
        cmocka_unit_test(accept_overflow_at_ack),
        cmocka_unit_test(four_way_close),
        cmocka_unit_test(fin_with_the_ack),
        cmocka_unit_test(reset_on_unread),
        cmocka_unit_test(written_before_reset),
        cmocka_unit_test(write_after_close),
        cmocka_unit_test(fin_wait2_timeout),
        cmocka_unit_test(time_wait_reopened),
        cmocka_unit_test(linger_zero),
        cmocka_unit_test(retries2),
        cmocka_unit_test(retries2_unreachable),
        cmocka_unit_test(user_timeout),
        cmocka_unit_test(keepalive),
        cmocka_unit_test(small_requests),
        cmocka_unit_test(peer_rebooted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
