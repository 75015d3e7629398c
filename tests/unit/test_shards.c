/* SPDX-License-Identifier: BSD-2-Clause */
/* Several stacks behind one address: every packet to the one that has its flow.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "host/shards.h"

#define SERVER WEIR_IP4(10, 0, 0, 1)
#define CLIENT WEIR_IP4(10, 0, 0, 2)

/* ---- two hosts ---- */

static uint64_t now;

static struct shards *host(unsigned n, uint32_t addr, uint8_t number) {
    struct shards_config c = {.n = n,
                              .host = number,
                              .name = "h",
                              .addr = weir_addr_v4(addr),
                              .plen = 24,
                              .mac = {2, [5] = number},
                              .mtu = 1500,
                              .seed = number,
                              .arena_bytes = (size_t)64 << 20,
                              .records = 4096};
    struct shards *s = shards_create(&c);
    assert_non_null(s);
    return s;
}

static bool pass(struct shards *s) {
    bool any = false;
    for (unsigned i = 0; i < shards_count(s); i++)
        any |= shard_pass(shards_at(s, i), now);
    return any;
}

static void settle(struct shards *a, struct shards *b) {
    for (int i = 0; i < 10000; i++) {
        now += 1000;
        bool any = pass(a);
        if (!(any | pass(b)))
            return;
    }
    fail_msg("it never ends");
}

static struct weir_endpoint at(uint32_t addr, uint16_t port) {
    return (struct weir_endpoint){.addr = weir_addr_v4(addr), .port = port};
}

static int tcp(struct shard *sh) {
    return weir_socket(sh->stack, AF_INET, SOCK_STREAM, 0);
}

static void listen_all(struct shards *s, int *l) {
    struct weir_endpoint ep = at(0, 80);
    for (unsigned i = 0; i < shards_count(s); i++) {
        l[i] = tcp(shards_at(s, i));
        assert_int_equal(weir_bind(shards_at(s, i)->stack, l[i], &ep), 0);
        assert_int_equal(weir_listen(shards_at(s, i)->stack, l[i], 128), 0);
    }
}

/* Nothing went where nobody knew it. */
static void nothing_astray(struct shards *s) {
    for (unsigned i = 0; i < shards_count(s); i++) {
        struct weir_stack *st = shards_at(s, i)->stack;
        assert_int_equal(weir_drops(st, WEIR_NO_SOCKET), 0);
        assert_int_equal(weir_counter(st, WEIR_CTR_Tcp_OutRsts), 0);
        assert_int_equal(weir_counter(st, WEIR_CTR_Tcp_RetransSegs), 0);
        assert_int_equal(weir_drops(st, WEIR_IP_INVALID_DEST), 0);
    }
}

static void say(struct shard *from, int out, struct shard *to, int in,
                struct shards *a, struct shards *b) {
    char word[4] = "abc", got[4] = "";
    struct iovec o = {word, 3}, i = {got, 3};
    assert_int_equal(weir_send(from->stack, out, &o, 1, 0, NULL), 3);
    settle(a, b);
    assert_int_equal(weir_recv(to->stack, in, &i, 1, 0, NULL, NULL), 3);
    assert_string_equal(got, "abc");
}

/* Each shard of `from` connects in turn; each connection is accepted by exactly
 * the shard the hash says, and answers come back to where it was opened. */
static void flows(unsigned nfrom, unsigned nto) {
    struct shards *from = host(nfrom, CLIENT, 20), *to = host(nto, SERVER, 1);
    int l[WEIR_SHARDS_MAX], per[WEIR_SHARDS_MAX] = {0};
    struct weir_endpoint ep = at(SERVER, 80), local;
    assert_int_equal(shards_join(from, to), 0);
    listen_all(to, l);
    for (unsigned k = 0; k < 40 * nto; k++) {
        struct shard *c = shards_at(from, k % nfrom);
        int sock = tcp(c), peer = -1;
        assert_int_equal(weir_connect(c->stack, sock, &ep), -EINPROGRESS);
        settle(from, to);
        assert_true(weir_ready(c->stack, sock) & WEIR_OUT);
        weir_getsockname(c->stack, sock, &local);
        struct weir_flow flow = {CLIENT, SERVER, local.port, 80},
                         back = {SERVER, CLIENT, 80, local.port};
        unsigned s = weir_rss_shard(weir_rss_hash(shards_rss(to), &flow), nto);
        assert_int_equal(
            weir_rss_shard(weir_rss_hash(shards_rss(from), &back), nfrom),
            k % nfrom);
        for (unsigned i = 0; i < nto; i++) {
            int a = weir_accept(shards_at(to, i)->stack, l[i], NULL);
            assert_int_equal(a >= 0, i == s);
            peer = a >= 0 ? a : peer;
        }
        per[s]++;
        say(c, sock, shards_at(to, s), peer, from, to);
        say(shards_at(to, s), peer, c, sock, from, to);
        if (k % 2)
            weir_close(c->stack, sock);
        settle(from, to);
    }
    for (unsigned i = 0; i < nto; i++)
        assert_in_range(per[i], 20, 60); /* of 40 */
    nothing_astray(from);
    nothing_astray(to);
    shards_destroy(from);
    shards_destroy(to);
}

static void flows_land(void **state) {
    (void)state;
    flows(1, 3);
}

static void answers_come_back(void **state) {
    (void)state;
    flows(4, 1);
}

static void both_sharded(void **state) {
    (void)state;
    flows(3, 4);
}

static void bound_port_elsewhere(void **state) {
    struct shards *s = host(2, SERVER, 1), *peer = host(1, CLIENT, 20);
    struct weir_endpoint ep = at(CLIENT, 80), own = at(0, 5000);
    (void)state;
    assert_int_equal(shards_join(s, peer), 0);
    for (;; own.port++) {
        struct weir_flow back = {CLIENT, SERVER, 80, own.port};
        if (weir_rss_shard(weir_rss_hash(shards_rss(s), &back), 2) == 1)
            break;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct shard *sh = shards_at(s, i);
        int sock = tcp(sh);
        assert_int_equal(weir_bind(sh->stack, sock, &own), 0);
        assert_int_equal(weir_connect(sh->stack, sock, &ep),
                         i == 1 ? -EINPROGRESS : -EADDRNOTAVAIL);
    }
    shards_destroy(s);
    shards_destroy(peer);
}

/* ---- UDP, errors, fragments ---- */

static int udp(struct shard *sh, uint16_t port) {
    struct weir_endpoint ep = at(0, port);
    int s = weir_socket(sh->stack, AF_INET, SOCK_DGRAM, 0);
    if (port)
        assert_int_equal(weir_bind(sh->stack, s, &ep), 0);
    return s;
}

static void errors_come_back(void **state) {
    struct shards *s = host(3, SERVER, 1), *peer = host(1, CLIENT, 20);
    struct weir_endpoint ep = at(CLIENT, 9);
    char x = 'x';
    struct iovec iov = {&x, 1};
    (void)state;
    assert_int_equal(shards_join(s, peer), 0);
    /* The peer's bucket of ICMP errors would refuse most of them. */
    int err = weir_sysctl_set(shards_at(peer, 0)->stack, "icmp_ratelimit", "0");
    assert_int_equal(err, 0);
    for (unsigned k = 0; k < 30; k++) {
        struct shard *sh = shards_at(s, k % 3);
        int sock = udp(sh, 0), error = 0;
        uint32_t len = sizeof(error);
        assert_int_equal(weir_connect(sh->stack, sock, &ep), 0);
        assert_int_equal(weir_send(sh->stack, sock, &iov, 1, 0, NULL), 1);
        settle(s, peer);
        weir_getsockopt(sh->stack, sock, SOL_SOCKET, SO_ERROR, &error, &len);
        assert_int_equal(error, ECONNREFUSED);
        weir_close(sh->stack, sock);
    }
    nothing_astray(s);
    shards_destroy(s);
    shards_destroy(peer);
}

static void datagrams_in_fragments(void **state) {
    struct shards *s = host(3, SERVER, 1), *peer = host(1, CLIENT, 20);
    struct weir_endpoint ep = at(SERVER, 53), local;
    struct shard *c = shards_at(peer, 0);
    static char out[9000], in[sizeof(out) + 1];
    int sock[3];
    (void)state;
    assert_int_equal(shards_join(s, peer), 0);
    for (unsigned i = 0; i < 3; i++)
        sock[i] = udp(shards_at(s, i), 53);
    for (unsigned k = 0; k < 30; k++) {
        int from = udp(c, (uint16_t)(3000 + k));
        struct iovec o = {out, sizeof(out)}, iov = {in, sizeof(in)};
        assert_int_equal(weir_send(c->stack, from, &o, 1, 0, &ep), sizeof(out));
        settle(s, peer);
        weir_getsockname(c->stack, from, &local);
        struct weir_flow flow = {CLIENT, SERVER, local.port, 53};
        unsigned to = weir_rss_shard(weir_rss_hash(shards_rss(s), &flow), 3);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(weir_recv(shards_at(s, i)->stack, sock[i], &iov, 1,
                                       0, NULL, NULL),
                             i == to ? (int)sizeof(out) : -EAGAIN);
    }
    shards_destroy(s);
    shards_destroy(peer);
}

/* ---- threads ---- */

static int begin(struct shard *sh, void *ctx) {
    struct weir_endpoint ep = at(0, 80);
    (void)ctx;
    int l = tcp(sh);
    return weir_bind(sh->stack, l, &ep) || weir_listen(sh->stack, l, 128);
}

/* Echo. */
static void ready(struct shard *sh, const struct weir_ready *r, void *ctx) {
    struct weir_sockinfo info;
    char buf[256];
    (void)ctx;
    if (weir_sockinfo(sh->stack, r->sock, &info))
        return;
    if (info.state == WEIR_TCP_LISTEN) {
        while (weir_accept(sh->stack, r->sock, NULL) >= 0)
            ;
        return;
    }
    struct iovec iov = {buf, sizeof(buf)};
    ssize_t n;
    while ((n = weir_recv(sh->stack, r->sock, &iov, 1, 0, NULL, NULL)) > 0)
        weir_send(sh->stack, r->sock, &(struct iovec){buf, (size_t)n}, 1, 0,
                  NULL);
    if (n == 0)
        weir_close(sh->stack, r->sock);
}

static uint64_t real_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Until `sock` is ready: asleep but when there is something to do. */
static void until(struct shard *c, int sock, unsigned mask) {
    uint64_t end = real_ns() + 30000000000u;
    while (!(weir_ready(c->stack, sock) & mask)) {
        uint64_t t = real_ns();
        assert_true(t < end);
        if (shard_pass(c, t))
            continue;
        uint64_t due = shard_deadline(c);
        struct pollfd p = {.fd = c->link->ops->fd(c->link), .events = POLLIN};
        if (due > t)
            poll(&p, 1, due == WEIR_NEVER ? 30000 : (int)((due - t) / 1000000));
    }
}

static void check_events(struct shards *s) {
    struct shards_cursor cursor = {0};
    const struct weir_event *ev;
    uint64_t t = 0, n = 0, per[2] = {0};
    while ((ev = shards_next_event(s, &cursor))) {
        assert_true(ev->t_ns >= t);
        t = ev->t_ns;
        assert_int_equal(ev->id >> 48, ev->host);
        assert_in_range(ev->host, 1, 2);
        per[ev->host - 1]++;
        n++;
    }
    assert_true(n > 500 && per[0] > 100 && per[1] > 100);
}

static void threads_asleep_and_awake(void **state) {
    (void)state;
    struct shards_config config = {.n = 2,
                                   .host = 1,
                                   .name = "www",
                                   .addr = weir_addr_v4(SERVER),
                                   .plen = 24,
                                   .mac = {2, [5] = 1},
                                   .mtu = 1500,
                                   .features = WEIR_LINK_CSUM,
                                   .records = 4096,
                                   .begin = begin,
                                   .ready = ready};
    struct shards *s = shards_create(&config), *peer = host(1, CLIENT, 20);
    struct shard *c = shards_at(peer, 0);
    struct weir_endpoint ep = at(SERVER, 80);
    assert_int_equal(shards_join(s, peer), 0);
    assert_int_equal(shards_start(s), 0);
    for (unsigned k = 0; k < 40; k++) {
        int sock = tcp(c);
        char got[8] = "";
        struct iovec out = {"across", 6}, in = {got, sizeof(got)};
        weir_connect(c->stack, sock, &ep);
        until(c, sock, WEIR_OUT);
        assert_int_equal(weir_send(c->stack, sock, &out, 1, 0, NULL), 6);
        until(c, sock, WEIR_IN);
        assert_int_equal(weir_recv(c->stack, sock, &in, 1, 0, NULL, NULL), 6);
        assert_string_equal(got, "across");
        weir_close(c->stack, sock);
    }
    assert_int_equal(shards_stop(s), 0);
    check_events(s);
    nothing_astray(s);
    shards_destroy(s);
    shards_destroy(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_land),
        cmocka_unit_test(answers_come_back),
        cmocka_unit_test(both_sharded),
        cmocka_unit_test(bound_port_elsewhere),
        cmocka_unit_test(errors_come_back),
        cmocka_unit_test(datagrams_in_fragments),
        cmocka_unit_test(threads_asleep_and_awake),
    };
    return cmocka_run_group_tests_name("shards", tests, NULL, NULL);
}
