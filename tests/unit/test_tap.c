/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel sends through a TAP arrives whole, also at a host of two
 * shards; needs root. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/shards.h"
#include "links/tap.h"

#define ARENA ((size_t)64 << 20)
#define MTU 65521 /* with the Ethernet header: the longest a TAP may have */

static struct weir_arena *arena;
static struct weir_link *tap;
static int sock = -1;
static struct weir_pkt *got, **tail = &got;

static void keep(void *to, struct weir_link *from, struct weir_pkt *list,
                 uint64_t now) {
    (void)to;
    (void)from;
    (void)now;
    for (struct weir_pkt *next; list; list = next) {
        uint8_t type[2];
        next = list->next;
        list->next = NULL;
        weir_pkt_copy_out(list, 12, type, 2);
        if (type[0] != 0x88 || type[1] != 0xb5) { /* the kernel's own */
            weir_pkt_free(list);
            continue;
        }
        *tail = list;
        tail = &list->next;
    }
}

static struct weir_pkt *next_got(void) {
    for (int i = 0; !got && i < 1000; i++) {
        struct pollfd p = {.fd = tap->ops->fd(tap), .events = POLLIN};
        poll(&p, 1, 10);
        tap->ops->poll(tap, 0);
    }
    struct weir_pkt *pkt = got;
    assert_non_null(pkt);
    if (!(got = pkt->next))
        tail = &got;
    return pkt;
}

/* A TAP, up, without ARP; and a packet socket on it. */
static void set_up(const char *name, bool offload, int mtu) {
    struct ifreq ifr = {.ifr_mtu = mtu};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    arena = weir_arena_init(aligned_alloc(4096, ARENA), ARENA);
    tap = tap_open(arena, name, offload);
    if (!tap && (errno == EPERM || errno == ENOENT || errno == EACCES))
        skip();
    assert_non_null(tap);
    tap->deliver = keep;
    assert_int_equal(ioctl(s, SIOCSIFMTU, &ifr), 0);
    ifr.ifr_flags = IFF_UP | IFF_NOARP;
    assert_int_equal(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
    close(s);
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(0x88b5),
                             .sll_ifindex = (int)if_nametoindex(name)};
    sock = socket(AF_PACKET, SOCK_RAW, 0);
    assert_true(sock >= 0);
    assert_int_equal(bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
}

static void shut(void) {
    tap->ops->close(tap);
    close(sock);
    assert_int_equal(weir_arena_used(arena), 0);
    free(arena);
}

static void send_frame(uint32_t n, uint32_t len) {
    static uint8_t b[65536];
    memset(b, 2, 12);
    b[12] = 0x88; /* for experiments (IEEE 802) */
    b[13] = 0xb5;
    for (uint32_t i = 14; i < len; i++)
        b[i] = (uint8_t)(n + i * 7 + (i >> 8));
    assert_int_equal(send(sock, b, len, 0), len);
}

static void is_frame(const struct weir_pkt *pkt, uint32_t n, uint32_t len) {
    static uint8_t b[65536];
    assert_int_equal(pkt->len, len);
    weir_pkt_copy_out(pkt, 0, b, len);
    for (uint32_t i = 14; i < len; i++)
        assert_int_equal(b[i], (uint8_t)(n + i * 7 + (i >> 8)));
}

/* Lengths about every edge between the head and the buffers. */
static void whole(void **state) {
    static const uint32_t edges[] = {60, 192, 2048, 10048, 34368, 65534};
    (void)state;
    set_up("big", true, MTU);
    uint32_t n = 0;
    for (unsigned i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
        for (uint32_t len = edges[i] - 1; len <= edges[i] + 1; len++, n++) {
            send_frame(n, len);
            struct weir_pkt *pkt = next_got();
            is_frame(pkt, n, len);
            weir_pkt_free(pkt);
        }
    shut();
}

static void without_offload(void **state) {
    (void)state;
    set_up("plain", false, 1500);
    send_frame(1, 1514);
    struct weir_pkt *pkt = next_got();
    is_frame(pkt, 1, 1514);
    weir_pkt_free(pkt);
    shut();
}

static void a_queue_of_small_ones(void **state) {
    (void)state;
    set_up("small", true, 1500);
    for (uint32_t n = 0; n < 400; n++)
        send_frame(n, 100);
    struct weir_pkt *all[400];
    for (uint32_t n = 0; n < 400; n++) {
        all[n] = next_got();
        is_frame(all[n], n, 100);
    }
    /* The packets, and what stands ready for the next read. */
    assert_true(weir_arena_used(arena) <
                400 * (sizeof(struct weir_pkt) + 64) + 80000);
    for (uint32_t n = 0; n < 400; n++)
        weir_pkt_free(all[n]);
    shut();
}

/* ---- the kernel's connections to a host of two shards ---- */

static unsigned accepted[2];

static int begin(struct shard *sh, void *ctx) {
    struct weir_endpoint at = {.addr = weir_addr_v4(0), .port = 80};
    int l = weir_socket(sh->stack, AF_INET, SOCK_STREAM, 0);
    (void)ctx;
    return weir_bind(sh->stack, l, &at) || weir_listen(sh->stack, l, 128);
}

static void serve(struct shard *sh, const struct weir_ready *r, void *ctx) {
    struct weir_sockinfo info;
    char x;
    struct iovec iov = {&x, 1};
    (void)ctx;
    if (weir_sockinfo(sh->stack, r->sock, &info))
        return;
    if (info.state == WEIR_TCP_LISTEN)
        while (weir_accept(sh->stack, r->sock, NULL) >= 0)
            accepted[sh->index]++;
    else if (weir_recv(sh->stack, r->sock, &iov, 1, 0, NULL, NULL) == 1)
        weir_send(sh->stack, r->sock, &iov, 1, 0, NULL);
}

/* Forty connections of the kernel, a byte to and fro on each. */
static void *ask(void *arg) {
    uintptr_t good = 0;
    (void)arg;
    for (int i = 0; i < 40; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(0x0a080002),
                                 .sin_port = htons(80)};
        struct timeval limit = {.tv_sec = 10};
        int s = socket(AF_INET, SOCK_STREAM, 0);
        char x = 'x';
        setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        good += !connect(s, (struct sockaddr *)&at, sizeof(at)) &&
                write(s, &x, 1) == 1 && read(s, &x, 1) == 1 && x == 'x';
        close(s);
    }
    atomic_store((_Atomic bool *)arg, true);
    return (void *)good;
}

static void the_kernel_and_two_shards(void **state) {
    struct shards_config config = {.n = 2,
                                   .host = 1,
                                   .name = "www",
                                   .addr = weir_addr_v4(WEIR_IP4(10, 8, 0, 2)),
                                   .plen = 24,
                                   .mac = {2, [5] = 2},
                                   .mtu = 1500,
                                   .features = WEIR_LINK_CSUM | WEIR_LINK_GSO,
                                   .begin = begin,
                                   .ready = serve};
    struct ifreq ifr = {.ifr_name = "kernel"};
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(0x0a080001)};
    _Atomic bool over = false;
    pthread_t kernel;
    void *good;
    (void)state;
    struct shards *s = shards_create(&config);
    assert_non_null(s);
    set_up("kernel", true, 1500);
    memcpy(&ifr.ifr_addr, &own, sizeof(own));
    int c = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(ioctl(c, SIOCSIFADDR, &ifr), 0);
    ifr.ifr_flags = IFF_UP; /* ARP again */
    assert_int_equal(ioctl(c, SIOCSIFFLAGS, &ifr), 0);
    close(c);
    struct weir_link *port = shards_port(s, arena, 1500);
    assert_non_null(port);
    shards_bridge(port, tap);
    assert_int_equal(shards_start(s), 0);
    pthread_create(&kernel, NULL, ask, (void *)&over);
    while (!over) {
        struct pollfd p[2] = {{.fd = tap->ops->fd(tap), .events = POLLIN},
                              {.fd = port->ops->fd(port), .events = POLLIN}};
        if (port->ops->deadline(port))
            poll(p, 2, 100);
        tap->ops->poll(tap, 0);
        port->ops->poll(port, 0);
    }
    pthread_join(kernel, &good);
    assert_int_equal(shards_stop(s), 0);
    assert_int_equal((uintptr_t)good, 40);
    assert_int_equal(accepted[0] + accepted[1], 40);
    assert_true(accepted[0] > 5 && accepted[1] > 5);
    port->ops->close(port);
    shards_destroy(s);
    shut();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(without_offload),
        cmocka_unit_test(a_queue_of_small_ones),
        cmocka_unit_test(the_kernel_and_two_shards),
    };
    if (unshare(CLONE_NEWNET)) {
        printf("1..0 # SKIP no network namespace: %s\n", strerror(errno));
        return 0;
    }
    return cmocka_run_group_tests_name("tap", tests, NULL, NULL);
}
