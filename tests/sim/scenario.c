/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One scenario a test, in virtual time: what TCP does when, against the numbers
 * of the RFCs and of Linux.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net.h"

static struct net n;

static void open_net(uint64_t delay, double loss) {
    struct net_params p = {.mtu = 1500, .delay = delay, .loss = loss};
    net_open(&n, 42, 2, &p);
    if (getenv("SIM_VERBOSE"))
        n.verbose = stderr;
}

static void close_net(void) {
    net_close(&n);
}

static void wait_ns(uint64_t ns) {
    net_run(&n, n.now + ns);
}

static int listen_on(unsigned h, uint16_t port, int backlog) {
    int s = weir_socket(n.host[h], AF_INET, SOCK_STREAM, 0), on = 1;
    struct weir_endpoint at = net_at(&n, h, port);
    weir_setsockopt(n.host[h], s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(weir_bind(n.host[h], s, &at), 0);
    assert_int_equal(weir_listen(n.host[h], s, backlog), 0);
    return s;
}

static int connect_to(unsigned h, unsigned peer, uint16_t port) {
    int s = weir_socket(n.host[h], AF_INET, SOCK_STREAM, 0);
    struct weir_endpoint to = net_at(&n, peer, port);
    assert_int_equal(weir_connect(n.host[h], s, &to), -EINPROGRESS);
    return s;
}

static struct weir_sockinfo info(unsigned h, int s) {
    struct weir_sockinfo i;
    assert_int_equal(weir_sockinfo(n.host[h], s, &i), 0);
    return i;
}

static int so_error(unsigned h, int s) {
    int e = 0;
    uint32_t len = sizeof(e);
    weir_getsockopt(n.host[h], s, SOL_SOCKET, SO_ERROR, &e, &len);
    return e;
}

/* A connection a -> b, established and accepted. */
static void pair_up(int *a, int *b) {
    int l = listen_on(1, 80, 5);
    *a = connect_to(0, 1, 80);
    wait_ns(2 * S);
    *b = weir_accept(n.host[1], l, NULL);
    assert_true(*b >= 0);
    weir_close(n.host[1], l);
    assert_int_equal(info(0, *a).state, WEIR_TCP_ESTABLISHED);
}

static ssize_t put(unsigned h, int s, size_t len) {
    static char buf[1 << 20];
    struct iovec v = {buf, len};
    ssize_t r = weir_send(n.host[h], s, &v, 1, 0, NULL);
    net_settle(&n);
    return r;
}

static ssize_t get(unsigned h, int s, size_t len) {
    static char buf[1 << 20];
    struct iovec v = {buf, len};
    ssize_t r = weir_recv(n.host[h], s, &v, 1, 0, NULL, NULL);
    net_settle(&n);
    return r;
}

static uint64_t counter(unsigned h, enum weir_counter c) {
    return weir_counter(n.host[h], c);
}
#define CTR(h, name) counter(h, WEIR_CTR_TcpExt_##name)

/* Times (ms) at which host `h` sent TCP segments that match, since `from`. */
static unsigned sent_times(unsigned h, uint8_t mask, uint8_t flags,
                           uint64_t from, uint64_t *ms, unsigned most) {
    struct weir_recorder *r = &n.rec[h];
    unsigned k = 0;
    uint64_t first =
        r->bulk.head > r->bulk.mask ? r->bulk.head - r->bulk.mask : 0;
    for (uint64_t i = first; i < r->bulk.head && k < most; i++) {
        const struct weir_event *e = &r->bulk.slot[i & r->bulk.mask];
        if (e->kind == WEIR_EV_SEGMENT_SENT && e->seg.proto == 6 &&
            (e->seg.tcp_flags & mask) == flags && e->t_ns >= from)
            ms[k++] = (e->t_ns - from) / MS;
    }
    return k;
}

/* Drops what a test says. */
static uint8_t drop_mask, drop_flags;
static int drop_from = -1;
static unsigned drop_left, drop_skip;
static uint32_t drop_len;
static bool drop_some(void *ctx, const struct frame_info *f) {
    (void)ctx;
    if (drop_from >= 0 && (unsigned)drop_from != f->from)
        return false;
    if ((f->flags & drop_mask) != drop_flags || f->len < drop_len)
        return false;
    if (drop_skip) {
        drop_skip--;
        return false;
    }
    if (!drop_left)
        return false;
    drop_left--;
    return true;
}

static void drop(int from, uint8_t mask, uint8_t flags, uint32_t len,
                 unsigned skip, unsigned count) {
    drop_from = from;
    drop_mask = mask;
    drop_flags = flags;
    drop_len = len;
    drop_skip = skip;
    drop_left = count;
    n.filter = drop_some;
}

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
        cmocka_unit_test(syn_backoff),
        cmocka_unit_test(synack_backoff),
        cmocka_unit_test(refused),
        cmocka_unit_test(simultaneous_open),
        cmocka_unit_test(accept_overflow),
        cmocka_unit_test(accept_overflow_at_ack),
        cmocka_unit_test(four_way_close),
        cmocka_unit_test(reset_on_unread),
        cmocka_unit_test(write_after_close),
        cmocka_unit_test(fin_wait2_timeout),
        cmocka_unit_test(time_wait_reopened),
        cmocka_unit_test(linger_zero),
        cmocka_unit_test(retries2),
        cmocka_unit_test(retries2_unreachable),
        cmocka_unit_test(user_timeout),
        cmocka_unit_test(keepalive),
        cmocka_unit_test(peer_rebooted),
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
