/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP as Linux has it: names, conflicts, errors, limits. */
#include "world.h"

#include <errno.h>

#include "base/abi.h"

static struct host *start(void) {
    struct host *h = host_new(arena_new(16 << 20), 1);
    host_addr(h, host_if(h, 1500), v4(10, 0, 0, 1), 24);
    return h;
}

static void stop(struct host *h) {
    struct weir_arena *a = h->env.arena;
    uint8_t frame[2000];
    while (host_take_bytes(h, frame))
        ;
    host_gone(h);
    assert_int_equal(weir_arena_used(a), 0);
    arena_gone(a);
}

static struct weir_endpoint at(struct weir_addr addr, uint16_t port) {
    return (struct weir_endpoint){addr, port, 0};
}

static struct weir_endpoint lo(uint16_t port) {
    return at(v4(127, 0, 0, 1), port);
}

static struct endpoint *sock(struct host *h) {
    static int32_t handle;
    struct endpoint *ep = udp_socket(h->udp);
    ep->handle = handle++;
    return ep;
}

static int bind_to(struct host *h, struct endpoint *ep,
                   struct weir_endpoint local) {
    return udp_bind(h->udp, ep, &local);
}

static struct endpoint *bound(struct host *h, struct weir_endpoint local) {
    struct endpoint *ep = sock(h);
    assert_int_equal(bind_to(h, ep, local), 0);
    return ep;
}

static int connect_to(struct host *h, struct endpoint *ep,
                      struct weir_endpoint peer) {
    return udp_connect(h->udp, ep, &peer);
}

static ssize_t send_to(struct host *h, struct endpoint *ep, const void *p,
                       size_t n, const struct weir_endpoint *to) {
    const struct iovec iov = {(void *)(uintptr_t)p, n};
    ssize_t r = udp_send(h->udp, ep, &iov, 1, 0, to, NULL);
    host_poll(h);
    return r;
}

static uint8_t in[70000];
static struct weir_dgram last;

static int flags_out;

static ssize_t recv_from(struct host *h, struct endpoint *ep, size_t n,
                         int flags) {
    struct iovec iov[2] = {{in, n / 3}, {in + n / 3, n - n / 3}};
    flags_out = 0;
    return udp_recv(h->udp, ep, iov, 2, flags, &last, &flags_out);
}

static void delivered(void **state) {
    (void)state;
    struct host *h = start();
    struct endpoint *a = bound(h, lo(0)), *b = bound(h, lo(53));
    assert_in_range(a->lport, 32768, 60999);
    struct weir_endpoint to = lo(53);
    assert_int_equal(udp_ready(h->udp, b), WEIR_OUT);
    assert_int_equal(send_to(h, a, "hello", 5, &to), 5);
    assert_int_equal(send_to(h, a, "", 0, &to), 0);
    assert_int_equal(udp_ready(h->udp, b), WEIR_OUT | WEIR_IN);
    const struct weir_event *rcvd = last_event(h, WEIR_EV_SEGMENT_RECEIVED);
    assert_true(rcvd->cause == last_event(h, WEIR_EV_SEGMENT_SENT)->id);
    assert_int_equal(rcvd->sock, endpoint_sock(b));
    assert_true(b->cause == rcvd->id);
    assert_int_equal(recv_from(h, b, 100, ABI_MSG_PEEK), 5);
    assert_int_equal(recv_from(h, b, 3, ABI_MSG_PEEK | ABI_MSG_TRUNC), 5);
    assert_int_equal(recv_from(h, b, 3, 0), 3);
    assert_int_equal(flags_out, ABI_MSG_TRUNC);
    assert_memory_equal(in, "hel", 3);
    assert_int_equal(last.from.port, a->lport);
    assert_int_equal(recv_from(h, b, 3, 0), 0); /* the empty one */
    assert_int_equal(flags_out, 0);
    assert_int_equal(recv_from(h, b, 3, 0), -EAGAIN);
    assert_int_equal(h->env.last_reason, WEIR_RCVBUF_EMPTY);
    /* One copy in, the bytes that were taken out. */
    assert_int_equal(h->env.counters[WEIR_CTR_Weir_BytesCopiedIn], 5);
    assert_int_equal(h->env.counters[WEIR_CTR_Udp_OutDatagrams], 2);
    assert_int_equal(h->env.counters[WEIR_CTR_Udp_InDatagrams], 2);
    stop(h);
}

static void sizes(void **state) {
    (void)state;
    struct host *h = start();
    static uint8_t out[65508];
    struct endpoint *a = sock(h), *b = bound(h, lo(53));
    struct weir_endpoint to = lo(53), far = at(v4(10, 0, 0, 2), 53);
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 31);
    assert_int_equal(send_to(h, a, out, 65508, &to), -EMSGSIZE);
    const size_t lens[] = {1, 127, 128, 129, 1472, 9000, 65507};
    for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        assert_int_equal(send_to(h, a, out, lens[i], &to), lens[i]);
        assert_int_equal(recv_from(h, b, sizeof(in), 0), lens[i]);
        assert_memory_equal(in, out, lens[i]);
    }
    /* ip(7): DO never fragments, WANT does what does not fit. */
    a->pmtudisc = ABI_IP_PMTUDISC_DO;
    assert_int_equal(send_to(h, a, out, 1472, &far), 1472);
    assert_int_equal(send_to(h, a, out, 1473, &far), -EMSGSIZE);
    a->pmtudisc = ABI_IP_PMTUDISC_WANT;
    assert_int_equal(send_to(h, a, out, 1473, &far), 1473);
    stop(h);
}

/* Linux 6.18 on x86-64, 212992 bytes of buffer: so many datagrams fit. */
static void receive_buffer(void **state) {
    (void)state;
    static const struct {
        size_t len;
        int fit;
    } linux_618[] = {{0, 256},   {1, 256},    {100, 256},
                     {1000, 92}, {1472, 92},  {4000, 25},
                     {9000, 12}, {20000, 10}, {65507, 3}};
    struct host *h = start();
    struct endpoint *a = sock(h), *b = bound(h, lo(53));
    struct weir_endpoint to = lo(53);
    uint64_t lost = 0;
    for (unsigned i = 0; i < sizeof(linux_618) / sizeof(linux_618[0]); i++) {
        int n = 0;
        for (int k = 0; k < 300; k++)
            send_to(h, a, in, linux_618[i].len, &to);
        while (recv_from(h, b, sizeof(in), 0) >= 0)
            n++;
        assert_int_equal(n, linux_618[i].fit);
        lost += (uint64_t)(300 - n);
    }
    assert_int_equal(h->env.drops[WEIR_SOCKET_RCVBUFF], lost);
    assert_int_equal(h->env.counters[WEIR_CTR_Udp_RcvbufErrors], lost);
    assert_int_equal(last_event(h, WEIR_EV_DROP)->sock, endpoint_sock(b));
    struct weir_sockinfo info;
    udp_info(h->udp, b, &info);
    assert_int_equal(info.drops, lost);
    /* Doubled, and no less than 2304; clamped to rmem_max. */
    int32_t v = 0;
    uint32_t len = sizeof(v);
    assert_int_equal(
        udp_setsockopt(h->udp, b, ABI_SOL_SOCKET, ABI_SO_RCVBUF, &v, sizeof(v)),
        0);
    udp_getsockopt(h->udp, b, ABI_SOL_SOCKET, ABI_SO_RCVBUF, &v, &len);
    assert_int_equal(v, 2304);
    v = 1 << 30;
    udp_setsockopt(h->udp, b, ABI_SOL_SOCKET, ABI_SO_RCVBUF, &v, sizeof(v));
    udp_getsockopt(h->udp, b, ABI_SOL_SOCKET, ABI_SO_RCVBUF, &v, &len);
    assert_int_equal(v, 2 * 212992);
    stop(h);
}

static void conflicts(void **state) {
    (void)state;
    struct host *h = start();
    struct weir_endpoint any = at(weir_addr_v4(0), 99), one = lo(99),
                         eth = at(v4(10, 0, 0, 1), 99);
    struct endpoint *a = bound(h, one), *b = sock(h), *c = sock(h);
    assert_int_equal(bind_to(h, a, lo(100)), -EINVAL); /* has a name */
    assert_int_equal(bind_to(h, b, one), -EADDRINUSE);
    assert_int_equal(h->env.last_reason, WEIR_ADDR_IN_USE);
    assert_int_equal(bind_to(h, b, any), -EADDRINUSE);
    assert_int_equal(bind_to(h, b, at(v4(10, 0, 0, 9), 99)), -EADDRNOTAVAIL);
    b->flags |= EP_REUSEADDR; /* both must want it */
    assert_int_equal(bind_to(h, b, any), -EADDRINUSE);
    a->flags |= EP_REUSEADDR;
    assert_int_equal(bind_to(h, b, any), 0);
    assert_int_equal(bind_to(h, c, eth), -EADDRINUSE);
    c->flags |= EP_REUSEPORT; /* the other kind is no help */
    assert_int_equal(bind_to(h, c, eth), -EADDRINUSE);
    udp_close(h->udp, b);
    assert_int_equal(bind_to(h, c, eth), 0); /* other address: no conflict */
    struct weir_sockinfo info;
    assert_int_equal(udp_holder(h->udp, &one, &info), 0);
    assert_int_equal(info.sock, a->handle);
    uint64_t cursor = 0;
    int n = 0;
    while (udp_info_next(h->udp, &cursor, &info))
        n++;
    assert_int_equal(n, 2);
    stop(h);
}

/* The most specific socket gets it. */
static void demultiplexing(void **state) {
    (void)state;
    struct host *h = start();
    struct endpoint *any = sock(h), *addr = sock(h), *conn = sock(h),
                    *client = bound(h, lo(5000)), *other = bound(h, lo(5001));
    any->flags |= EP_REUSEADDR;
    addr->flags |= EP_REUSEADDR;
    conn->flags |= EP_REUSEADDR;
    struct weir_endpoint to = lo(99), eth = at(v4(10, 0, 0, 1), 99);
    assert_int_equal(bind_to(h, conn, to), 0);
    assert_int_equal(connect_to(h, conn, lo(5000)), 0);
    assert_int_equal(bind_to(h, addr, to), 0);
    assert_int_equal(bind_to(h, any, at(weir_addr_v4(0), 99)), 0);
    send_to(h, client, "1", 1, &to);
    assert_int_equal(recv_from(h, conn, 9, 0), 1);
    send_to(h, other, "22", 2, &to);
    assert_int_equal(recv_from(h, conn, 9, 0), -EAGAIN);
    assert_int_equal(recv_from(h, addr, 9, 0), 2);
    struct endpoint *third = sock(h);
    send_to(h, third, "333", 3, &eth);
    assert_int_equal(recv_from(h, any, 9, 0), 3);
    /* Linux: of equals the one bound last. */
    struct endpoint *later = sock(h);
    later->flags |= EP_REUSEADDR;
    assert_int_equal(bind_to(h, later, to), 0);
    send_to(h, other, "4444", 4, &to);
    assert_int_equal(recv_from(h, later, 9, 0), 4);
    stop(h);
}

static void reuseport_spreads(void **state) {
    (void)state;
    struct host *h = start();
    struct endpoint *s[4];
    int n[4] = {0};
    for (int i = 0; i < 4; i++) {
        s[i] = sock(h);
        s[i]->flags |= EP_REUSEPORT;
        assert_int_equal(bind_to(h, s[i], lo(99)), 0);
    }
    struct weir_endpoint to = lo(99);
    for (int i = 0; i < 400; i++) {
        struct endpoint *client = sock(h);
        for (int k = 0; k < 2; k++) /* a flow stays where it is */
            send_to(h, client, "x", 1, &to);
        for (int k = 0; k < 4; k++)
            if (recv_from(h, s[k], 9, 0) == 1) {
                n[k]++;
                assert_int_equal(recv_from(h, s[k], 9, 0), 1);
            }
        udp_close(h->udp, client);
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(n[i], 60, 140);
    stop(h);
}

static void refused(void **state) {
    (void)state;
    struct host *h = start();
    struct endpoint *a = sock(h);
    struct weir_endpoint to = lo(9);
    /* Without connect nobody is told (RFC 1122 4.1.3.3; Linux). */
    assert_int_equal(send_to(h, a, "x", 1, &to), 1);
    assert_int_equal(h->env.counters[WEIR_CTR_Udp_NoPorts], 1);
    assert_int_equal(h->env.drops[WEIR_NO_SOCKET], 1);
    assert_int_equal(a->error, 0);
    assert_int_equal(connect_to(h, a, to), 0);
    assert_int_equal(a->laddr, WEIR_IP4(127, 0, 0, 1));
    assert_int_equal(send_to(h, a, "x", 1, NULL), 1);
    assert_int_equal(udp_ready(h->udp, a), WEIR_OUT | WEIR_ERR);
    const struct weir_event *ev = last_event(h, WEIR_EV_ERROR);
    assert_int_equal(ev->error.error, ECONNREFUSED);
    assert_int_equal(ev->error.reason, WEIR_ICMP_PORT_UNREACH);
    assert_int_equal(recv_from(h, a, 9, 0), -ECONNREFUSED);
    assert_int_equal(recv_from(h, a, 9, 0), -EAGAIN);
    send_to(h, a, "x", 1, NULL);
    assert_int_equal(send_to(h, a, "x", 1, NULL), -ECONNREFUSED);
    assert_int_equal(h->env.last_reason, WEIR_ICMP_PORT_UNREACH);
    stop(h);
}

static void names(void **state) {
    (void)state;
    struct host *h = start();
    struct endpoint *a = sock(h);
    assert_int_equal(send_to(h, a, "x", 1, NULL), -EDESTADDRREQ);
    struct weir_endpoint zero = lo(0);
    assert_int_equal(send_to(h, a, "x", 1, &zero), -EINVAL);
    /* connect to 0.0.0.0 is to ourselves. */
    assert_int_equal(connect_to(h, a, at(weir_addr_v4(0), 5555)), 0);
    assert_int_equal(a->raddr, WEIR_IP4(127, 0, 0, 1));
    assert_int_equal(a->laddr, WEIR_IP4(127, 0, 0, 1));
    uint16_t port = a->lport;
    assert_int_not_equal(port, 0);
    /* Dissolved: what bind() did not fix is gone. */
    assert_int_equal(udp_connect(h->udp, a, NULL), 0);
    assert_int_equal(a->lport, 0);
    assert_true(a->laddr == 0);
    struct endpoint *b = bound(h, lo(77));
    assert_int_equal(connect_to(h, b, lo(78)), 0);
    assert_int_equal(udp_connect(h->udp, b, NULL), 0);
    assert_int_equal(b->lport, 77);
    struct endpoint *d = bound(h, lo(0)); /* bind() chose it: not fixed */
    assert_int_not_equal(d->lport, 0);
    assert_int_equal(udp_connect(h->udp, d, NULL), 0);
    assert_int_equal(d->lport, 0);
    assert_int_equal(connect_to(h, b, at(v4(10, 0, 0, 2), 53)), -EINVAL);
    struct endpoint *c = sock(h);
    assert_int_equal(connect_to(h, c, at(v4(8, 8, 8, 8), 53)), -ENETUNREACH);
    stop(h);
}

static void no_ports_left(void **state) {
    (void)state;
    struct host *h = start();
    h->env.sysctl.ip_local_port_range[0] = 40000;
    h->env.sysctl.ip_local_port_range[1] = 40002;
    for (int i = 0; i < 3; i++)
        bound(h, lo(0));
    struct endpoint *a = sock(h);
    assert_int_equal(bind_to(h, a, lo(0)), -EADDRINUSE);
    assert_int_equal(h->env.last_reason, WEIR_NO_PORTS);
    struct weir_endpoint to = lo(9);
    assert_int_equal(send_to(h, a, "x", 1, &to), -EAGAIN);
    stop(h);
}

static void shut(void **state) {
    (void)state;
    struct host *h = start();
    struct endpoint *a = bound(h, lo(50)), *b = bound(h, lo(51));
    assert_int_equal(udp_shutdown(h->udp, a, ABI_SHUT_RD), -ENOTCONN);
    assert_int_equal(udp_ready(h->udp, a), WEIR_IN | WEIR_OUT | WEIR_RDHUP);
    assert_int_equal(recv_from(h, a, 9, 0), -EAGAIN);
    struct weir_endpoint to = lo(50);
    send_to(h, b, "x", 1, &to); /* Linux: still received */
    assert_int_equal(recv_from(h, a, 9, 0), 1);
    assert_int_equal(connect_to(h, a, lo(51)), 0);
    assert_int_equal(udp_shutdown(h->udp, a, ABI_SHUT_WR), 0);
    assert_int_equal(send_to(h, a, "x", 1, NULL), -EPIPE);
    assert_int_equal(udp_ready(h->udp, a),
                     WEIR_IN | WEIR_OUT | WEIR_RDHUP | WEIR_HUP);
    stop(h);
}

static void broadcasts(void **state) {
    (void)state;
    struct host *h = start();
    struct weir_endpoint to = at(v4(10, 0, 0, 255), 67);
    struct endpoint *a = bound(h, at(v4(10, 0, 0, 1), 68)),
                    *b = bound(h, at(weir_addr_v4(0), 67)), *c = sock(h);
    uint8_t f[200];
    assert_int_equal(send_to(h, a, "x", 1, &to), -EACCES);
    a->flags |= EP_BROADCAST;
    assert_int_equal(send_to(h, a, "x", 1, &to), 1);
    assert_int_equal(host_take_bytes(h, f), 14 + 20 + 8 + 1);
    assert_int_equal(f[0], 0xff);
    assert_int_equal(recv_from(h, b, 9, 0), 1); /* and to ourselves */
    b->flags |= EP_REUSEADDR;
    c->flags |= EP_REUSEADDR;
    assert_int_equal(bind_to(h, c, at(weir_addr_v4(0), 67)), 0);
    to.addr = weir_addr_v4(UINT32_MAX);
    assert_int_equal(send_to(h, a, "yy", 2, &to), 2);
    assert_int_equal(recv_from(h, b, 9, 0), 2);
    assert_int_equal(recv_from(h, c, 9, 0), 2); /* to all who want it */
    stop(h);
}

/* Sums from a wire: a bad one, none, and a length that lies. */
static void checksums(void **state) {
    (void)state;
    struct host *h = start();
    struct endpoint *a = bound(h, at(weir_addr_v4(0), 7));
    const struct ip4_hdr ip = {.src = WEIR_IP4(10, 0, 0, 2),
                               .dst = WEIR_IP4(10, 0, 0, 1),
                               .proto = 17};
    uint8_t f[100], d[12] = {0, 9, 0, 7, 0, 12, 0, 0, 'a', 'b', 'c', 'd'};
    uint32_t n = frame_ip4(f, &ip, d, 12);
    host_give_bytes(h, 2, f, n); /* 0: not summed */
    assert_int_equal(recv_from(h, a, 9, 0), 4);
    /* 0a00+0002+0a00+0001+17+12 + 9+7+12+6162+6364 = d902 (RFC 768) */
    put16(f + 40, (uint16_t)~0xd902);
    host_give_bytes(h, 2, f, n);
    assert_int_equal(recv_from(h, a, 9, 0), 4);
    put16(f + 40, 0x1234);
    host_give_bytes(h, 2, f, n);
    assert_int_equal(h->env.drops[WEIR_UDP_CSUM], 1);
    put16(f + 38, 13);
    host_give_bytes(h, 2, f, n);
    put16(f + 38, 7);
    host_give_bytes(h, 2, f, n);
    assert_int_equal(h->env.drops[WEIR_PKT_TOO_SMALL], 2);
    put16(f + 38, 10); /* shorter than IP says: the rest is not ours */
    put16(f + 40, 0);
    host_give_bytes(h, 2, f, n);
    assert_int_equal(recv_from(h, a, 9, 0), 2);
    stop(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivered),      cmocka_unit_test(sizes),
        cmocka_unit_test(receive_buffer), cmocka_unit_test(conflicts),
        cmocka_unit_test(demultiplexing), cmocka_unit_test(reuseport_spreads),
        cmocka_unit_test(refused),        cmocka_unit_test(names),
        cmocka_unit_test(no_ports_left),  cmocka_unit_test(shut),
        cmocka_unit_test(broadcasts),     cmocka_unit_test(checksums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
