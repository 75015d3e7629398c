/* SPDX-License-Identifier: BSD-2-Clause */
/* So many connections that stacks look ahead (tcp/ahead.c) and visit work
 * blocks many at a time: each gets its own bytes, and what it costs is given
 * back. */
#include "unit.h"

#include <string.h>
#include <sys/socket.h>

#include "sock/sock.h"
#include "tcp/tcp.h"
#include "weir/socket.h"

enum { MANY = 20000, BATCH = 500, PORT = 7 };

static struct weir_stack *client, *server;
static uint64_t now_ns = 1;
static int near[MANY], far[MANY];

static struct weir_stack *host(struct weir_arena *a, uint8_t number) {
    struct weir_config config = {
        .arena = a, .seed = {number}, .host = number, .now_ns = now_ns};
    struct weir_stack *s = weir_create(&config);
    struct weir_if eth = {
        .name = "eth0", .mac = {2, [5] = number}, .up = true, .mtu = 1500};
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, 0, number));
    assert_int_equal(weir_addr_add(s, (unsigned)weir_if_add(s, &eth), &addr, 8),
                     0);
    weir_sysctl_set(s, "ip_local_port_range", "1024 65535");
    weir_sysctl_set(s, "somaxconn", "65535");
    return s;
}

/* In front of the list: a frame that is none of TCP's, of any length. */
static struct weir_pkt *odd_frame(struct weir_stack *to, struct weir_pkt *list,
                                  unsigned n) {
    struct weir_pkt *pkt = weir_pkt_alloc(weir_arena(to), WEIR_PKT_ROOM);
    pkt->head_off = WEIR_PKT_ROOM - 60;
    pkt->head_len = (uint16_t)(n % 60);
    pkt->len = pkt->head_len;
    memset(pkt->head + pkt->head_off, (int)n, 60);
    pkt->next = list;
    return pkt;
}

static void half(struct weir_stack *from, struct weir_stack *to) {
    static unsigned n;
    unsigned ifindex;
    struct weir_pkt *list;
    weir_poll(from);
    while ((list = weir_output(from, &ifindex)))
        weir_input(to, 2, odd_frame(to, list, n++));
}

static void turn(uint64_t ns) {
    struct weir_ready r;
    now_ns += ns;
    weir_clock(client, now_ns);
    weir_clock(server, now_ns);
    half(client, server);
    half(server, client);
    while (weir_ready_next(client, &r) || weir_ready_next(server, &r))
        ;
}

/* Number `i` itself, from one end to the other. */
static void send_number(struct weir_stack *s, int sock, uint32_t i) {
    struct iovec iov = {&i, sizeof(i)};
    assert_int_equal(weir_send(s, sock, &iov, 1, 0, NULL), sizeof(i));
}

static uint32_t recv_number(struct weir_stack *s, int sock) {
    uint32_t i = UINT32_MAX;
    struct iovec iov = {&i, sizeof(i)};
    assert_int_equal(weir_recv(s, sock, &iov, 1, 0, NULL, NULL), sizeof(i));
    return i;
}

static void open_all(int listener) {
    struct weir_endpoint to = {.addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 2)),
                               .port = PORT};
    for (unsigned i = 0; i < MANY; i++) {
        near[i] = weir_socket(client, AF_INET, SOCK_STREAM, 0);
        assert_int_equal(weir_connect(client, near[i], &to), -EINPROGRESS);
        if ((i + 1) % BATCH)
            continue;
        for (int n = 0; n < 4; n++)
            turn(1000);
        for (unsigned j = i + 1 - BATCH; j <= i; j++)
            send_number(client, near[j], j);
        turn(1000);
        for (unsigned j = 0; j < BATCH; j++) {
            int s = weir_accept(server, listener, NULL);
            assert_true(s >= 0);
            far[recv_number(server, s)] = s;
        }
    }
}

static void talk(void) {
    for (unsigned i = 0; i < MANY; i++)
        send_number(server, far[(i * 7919u) % MANY], (i * 7919u) % MANY);
    turn(1000);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(recv_number(client, near[i]), i);
}

static void many(void **state) {
    (void)state;
    struct weir_arena *a = arena_new((size_t)256 << 20);
    client = host(a, 1);
    server = host(a, 2);
    struct weir_endpoint at = {.addr = weir_addr_v4(0), .port = PORT};
    int listener = weir_socket(server, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(weir_bind(server, listener, &at), 0);
    assert_int_equal(weir_listen(server, listener, 65535), 0);
    struct weir_endpoint closed = {.addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 2)),
                                   .port = PORT + 1};
    int s = weir_socket(client, AF_INET, SOCK_STREAM, 0);
    weir_connect(client, s,
                 &closed); /* who is asked for is known from now on */
    for (int i = 0; i < 4; i++)
        turn(1000);
    size_t before = weir_arena_used(a);
    open_all(listener);
    talk();
    assert_true(tcp_ahead_pays(client->tcp));
    for (int i = 0; i < 20; i++) /* delayed ACKs go out, work blocks back */
        turn(50000000);
    /* And the records of what was sent at once, which stay in their pool. */
    assert_true(weir_arena_used(a) - before < (2 * 256 + 64) * MANY);
    talk();
    for (unsigned i = 0; i < MANY; i++) {
        weir_close(client, near[i]);
        weir_close(server, far[i]);
    }
    for (int i = 0; i < 100; i++)
        turn(1000000000);
    assert_int_equal(weir_counter(client, WEIR_CTR_Tcp_CurrEstab), 0);
    assert_int_equal(weir_counter(client, WEIR_CTR_Tcp_RetransSegs), 0);
    assert_int_equal(weir_counter(server, WEIR_CTR_Tcp_RetransSegs), 0);
    weir_destroy(client);
    weir_destroy(server);
    arena_gone(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
