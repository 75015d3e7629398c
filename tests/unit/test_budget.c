/* SPDX-License-Identifier: BSD-2-Clause */
/* The order in which memory is refused (base/budget.h). */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "weir/socket.h"

enum { ARENA = 8 << 20, CLIENT_ARENA = 4 << 20, HOLD = 4096 };

static void *memory[2];
static struct weir_stack *client, *server; /* an arena each */
static struct weir_buf *held[ARENA / HOLD];
static unsigned nheld;
static uint64_t now = 1;

static struct weir_stack *host(unsigned n, size_t bytes) {
    memory[n] = aligned_alloc(4096, bytes);
    struct weir_config config = {.arena = weir_arena_init(memory[n], bytes),
                                 .seed = {(uint8_t)(n + 1)},
                                 .now_ns = now,
                                 .host = (uint8_t)(n + 1)};
    struct weir_stack *s = weir_create(&config);
    struct weir_if eth = {.name = "eth0",
                          .mac = {2, [5] = (uint8_t)(n + 1)},
                          .up = true,
                          .mtu = 1500};
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, 0, n + 1));
    weir_addr_add(s, (unsigned)weir_if_add(s, &eth), &addr, 24);
    return s;
}

static void half(struct weir_stack *from, struct weir_stack *to) {
    unsigned ifindex;
    struct weir_pkt *list;
    weir_poll(from);
    while ((list = weir_output(from, &ifindex)))
        weir_input(to, 2, list);
}

static void turns(int n) {
    for (; n > 0; n--) {
        now += 1000000;
        weir_clock(client, now);
        weir_clock(server, now);
        half(client, server);
        half(server, client);
    }
}

static int connecting(void) {
    struct weir_endpoint at = {.addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 2)),
                               .port = 7};
    int s = weir_socket(client, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(weir_connect(client, s, &at), -EINPROGRESS);
    turns(3);
    return s;
}

/* Until less than 1/part of the server's memory is left. */
static void fill(unsigned part) {
    struct weir_arena *a = weir_arena(server);
    while (ARENA - weir_arena_used(a) >= ARENA / part)
        held[nheld++] = weir_buf_alloc(a, HOLD - sizeof(struct weir_buf));
}

static bool byte_crosses(int from, int to) {
    char x = 'x';
    struct iovec v = {&x, 1};
    assert_int_equal(weir_send(client, from, &v, 1, 0, NULL), 1);
    turns(3);
    return weir_recv(server, to, &v, 1, 0, NULL, NULL) == 1;
}

static void order_of_refusal(void **state) {
    (void)state;
    client = host(0, CLIENT_ARENA);
    server = host(1, ARENA);
    struct weir_endpoint at = {.addr = weir_addr_v4(0), .port = 7};
    int l = weir_socket(server, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(weir_bind(server, l, &at), 0);
    assert_int_equal(weir_listen(server, l, 8), 0);
    int c = connecting(), s = weir_accept(server, l, NULL);
    assert_true(s >= 0);

    fill(7); /* enough for all */
    connecting();
    assert_true(weir_accept(server, l, NULL) >= 0);
    assert_true(weir_socket(server, AF_INET, SOCK_STREAM, 0) >= 0);

    fill(8); /* no more SYNs, but sockets */
    uint64_t drops = weir_drops(server, WEIR_NOMEM);
    connecting();
    assert_int_equal(weir_accept(server, l, NULL), -EAGAIN);
    assert_true(weir_drops(server, WEIR_NOMEM) > drops);
    assert_true(weir_counter(server, WEIR_CTR_TcpExt_ListenDrops) > 0);
    assert_true(weir_socket(server, AF_INET, SOCK_STREAM, 0) >= 0);

    fill(16); /* no more sockets; what is connected goes on */
    assert_int_equal(weir_socket(server, AF_INET, SOCK_STREAM, 0), -ENOBUFS);
    assert_int_equal(weir_last_reason(server), WEIR_NOMEM);
    assert_true(byte_crosses(c, s));
    fill(32);
    assert_true(byte_crosses(c, s));

    while (nheld) /* and all comes back */
        weir_buf_unref(held[--nheld]);
    assert_true(weir_socket(server, AF_INET, SOCK_STREAM, 0) >= 0);
    connecting();
    assert_true(weir_accept(server, l, NULL) >= 0);
    weir_destroy(client);
    weir_destroy(server);
    free(memory[0]);
    free(memory[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
