/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv4: routes, what is let in, forwarding, ICMP, path MTU. */
#include "ip_world.h"

#include <errno.h>

static uint32_t gateway_of(struct host *h, struct weir_addr dst) {
    struct weir_route r;
    if (ip_route_lookup(h->ip, &dst, &r) < 0)
        return 1;
    return weir_addr_to_v4(&r.gateway);
}

static void routes(void **state) {
    (void)state;
    struct host *h = start();
    struct weir_route r = {
        .dst = v4(192, 0, 0, 0), .plen = 8, .gateway = v4(10, 0, 0, 8)};
    assert_int_equal(ip_route_add(h->ip, &r), 0);
    r.dst = v4(192, 0, 2, 0);
    r.plen = 24;
    r.gateway = v4(10, 0, 0, 24);
    r.metric = 100;
    assert_int_equal(ip_route_add(h->ip, &r), 0);
    assert_int_equal(ip_route_add(h->ip, &r), -EEXIST);
    r.gateway = v4(10, 0, 0, 50);
    r.metric = 50;
    assert_int_equal(ip_route_add(h->ip, &r), 0);
    r.gateway = v4(10, 0, 0, 25);
    r.plen = 25;
    r.metric = 999; /* the longest prefix wins whatever its metric */
    assert_int_equal(ip_route_add(h->ip, &r), 0);
    assert_int_equal(gateway_of(h, v4(192, 0, 2, 7)), WEIR_IP4(10, 0, 0, 25));
    assert_int_equal(gateway_of(h, v4(192, 0, 2, 200)), WEIR_IP4(10, 0, 0, 50));
    assert_int_equal(gateway_of(h, v4(192, 9, 9, 9)), WEIR_IP4(10, 0, 0, 8));
    assert_int_equal(gateway_of(h, v4(8, 8, 8, 8)), PEER);
    assert_int_equal(gateway_of(h, v4(10, 1, 0, 77)), 0);
    assert_int_equal(ip_route_del(h->ip, &r), 0);
    assert_int_equal(ip_route_del(h->ip, &r), -ESRCH);
    assert_int_equal(gateway_of(h, v4(192, 0, 2, 7)), WEIR_IP4(10, 0, 0, 50));
    r.dst = v4(192, 0, 2, 1); /* host bits set */
    assert_int_equal(ip_route_add(h->ip, &r), -EINVAL);
    r.dst = v4(198, 51, 100, 0);
    r.gateway = v4(203, 0, 113, 1); /* not a neighbour: but by the default */
    assert_int_equal(ip_route_add(h->ip, &r), -ENETUNREACH);
    /* Of a link that is down, nothing counts. */
    ip_if_set_up(h->ip, 2, false);
    assert_int_equal(gateway_of(h, v4(8, 8, 8, 8)), 1);
    ip_if_set_up(h->ip, 2, true);
    assert_int_equal(gateway_of(h, v4(8, 8, 8, 8)), PEER);
    /* With the address goes its network. */
    struct weir_addr self = v4(10, 0, 0, 1);
    assert_int_equal(ip_addr_del(h->ip, 2, &self), 0);
    assert_false(ip_is_local(h->ip, &self));
    stop(h);
}

static int way(struct host *h, struct weir_addr dst, struct weir_addr *src,
               struct ip_way *w) {
    return ip_route(h->ip, src, &dst, 0, false, w);
}

static void sources(void **state) {
    (void)state;
    struct host *h = start();
    struct weir_addr any = weir_addr_v4(0), src = any;
    struct ip_way w;
    assert_int_equal(way(h, v4(10, 1, 0, 9), &src, &w), 0);
    assert_int_equal(weir_addr_to_v4(&src), WEIR_IP4(10, 1, 0, 1));
    assert_int_equal(w.mtu, 1000);
    src = any;
    assert_int_equal(way(h, v4(8, 8, 8, 8), &src, &w), 0);
    assert_int_equal(weir_addr_to_v4(&src), SELF);
    src = any; /* to ourselves, from that address */
    assert_int_equal(way(h, v4(10, 1, 0, 1), &src, &w), 0);
    assert_int_equal(weir_addr_to_v4(&src), WEIR_IP4(10, 1, 0, 1));
    assert_true(w.loopback);
    src = any; /* Linux: 127.0.0.5 is asked from 127.0.0.1 */
    assert_int_equal(way(h, v4(127, 0, 0, 5), &src, &w), 0);
    assert_int_equal(weir_addr_to_v4(&src), WEIR_IP4(127, 0, 0, 1));
    src = v4(10, 9, 9, 9);
    assert_int_equal(way(h, v4(10, 0, 0, 2), &src, &w), -EINVAL);
    src = v4(127, 0, 0, 1); /* RFC 1122 3.2.1.3 (g) */
    assert_int_equal(way(h, v4(10, 0, 0, 2), &src, &w), -EINVAL);
    src = any;
    assert_int_equal(way(h, v4(10, 0, 0, 255), &src, &w), -EACCES);
    const struct weir_route def = {.dst = weir_addr_v4(0)};
    assert_int_equal(ip_route_del(h->ip, &def), 0);
    assert_int_equal(way(h, v4(8, 8, 8, 8), &src, &w), -ENETUNREACH);
    assert_int_equal(h->env.last_reason, WEIR_NO_ROUTE);
    stop(h);
}

static void let_in(void **state) {
    (void)state;
    struct host *h = start();
    uint8_t f[200], data[32] = {1};
    struct ip4_hdr ip = {.src = PEER, .dst = SELF, .proto = 200};
    give(h, ip, data, 32);
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.len, 32);
    /* Padding is cut off; a short packet is dropped. */
    uint32_t len = frame_ip4(f, &ip, data, 4);
    host_give_bytes(h, 2, f, len + 8);
    assert_int_equal(got.len, 4);
    host_give_bytes(h, 2, f, len - 1);
    assert_int_equal(h->env.drops[WEIR_PKT_TOO_SMALL], 1);
    f[14 + 10] ^= 1;
    host_give_bytes(h, 2, f, len);
    assert_int_equal(h->env.drops[WEIR_IP_CSUM], 1);
    f[14] = 0x65;
    host_give_bytes(h, 2, f, len);
    f[14] = 0x44;
    host_give_bytes(h, 2, f, len);
    assert_int_equal(h->env.drops[WEIR_IP_INHDR], 2);
    frame_ip4(f, &ip, data, 4);
    f[5] ^= 1;
    host_give_bytes(h, 2, f, len);
    assert_int_equal(h->env.drops[WEIR_OTHERHOST], 1);
    assert_int_equal(got.calls, 2);
    for (uint32_t n = 0; n < len; n++)
        host_give_bytes(h, 2, f, n);
    assert_int_equal(got.calls, 2);
    stop(h);
}

/* RFC 1122 3.2.1.3, RFC 1812 5.3.7. */
static void martians(void **state) {
    (void)state;
    struct host *h = start();
    h->env.sysctl.ip_forward = 1;
    const uint32_t sources[] = {
        WEIR_IP4(127, 0, 0, 1),
        WEIR_IP4(224, 0, 0, 1),
        UINT32_MAX,
        WEIR_IP4(0, 0, 0, 5),
        SELF,
        WEIR_IP4(10, 0, 0, 255),
    };
    unsigned n = sizeof(sources) / sizeof(sources[0]);
    for (unsigned i = 0; i < n; i++)
        give(h, (struct ip4_hdr){.src = sources[i], .dst = SELF, .proto = 200},
             "x", 1);
    assert_int_equal(h->env.drops[WEIR_IP_INVALID_SOURCE], n);
    give(h,
         (struct ip4_hdr){
             .src = PEER, .dst = WEIR_IP4(127, 0, 0, 1), .proto = 200},
         "x", 1);
    give(h,
         (struct ip4_hdr){
             .src = PEER, .dst = WEIR_IP4(0, 1, 1, 1), .proto = 200},
         "x", 1);
    h->env.sysctl.ip_forward = 0;
    give(h, (struct ip4_hdr){.src = PEER, .dst = FAR, .proto = 200}, "x", 1);
    assert_int_equal(h->env.drops[WEIR_IP_INVALID_DEST], 3);
    assert_int_equal(got.calls, 0);
    assert_null(host_take(h)); /* and not a word about it */
    give(h,
         (struct ip4_hdr){
             .src = PEER, .dst = WEIR_IP4(10, 0, 0, 255), .proto = 200},
         "x", 1);
    give(h, (struct ip4_hdr){.src = PEER, .dst = UINT32_MAX, .proto = 200}, "x",
         1);
    assert_int_equal(got.calls, 2);
    stop(h);
}

static void forwarding(void **state) {
    (void)state;
    struct host *h = start();
    uint8_t f[2000], data[1400] = {5};
    h->env.sysctl.ip_forward = 1;
    struct ip4_hdr ip = {.src = PEER,
                         .dst = WEIR_IP4(10, 1, 0, 2),
                         .proto = 17,
                         .ttl = 2,
                         .df = true};
    give(h, ip, data, 100);
    assert_int_equal(host_take_bytes(h, f), 134);
    assert_int_equal(f[14 + 8], 1);
    assert_true(ip4_csum_ok(f + 14, 20));
    assert_int_equal(last_event(h, WEIR_EV_SEGMENT_FORWARDED)->seg.win, 1);
    ip.ttl = 1;
    give(h, ip, data, 100);
    assert_int_equal(expect_icmp(h, f, 11, 0, PEER), 34 + 8 + 120);
    assert_memory_equal(f + 42 + 20, data, 100);
    assert_int_equal(f[42 + 8], 1); /* their header as it was */
    assert_int_equal(h->env.drops[WEIR_IP_TTL], 1);
    assert_int_equal(last_event(h, WEIR_EV_DROP)->seg.reason, WEIR_IP_TTL);
    /* RFC 1191 4: too large for the next link. */
    ip.ttl = 64;
    give(h, ip, data, 1200);
    assert_int_equal(expect_icmp(h, f, 3, 4, PEER), 14 + 576);
    assert_int_equal(get16(f + 40), 1000);
    ip.df = false; /* then it is cut: 976 is the most that divides by 8 */
    give(h, ip, data, 1200);
    assert_int_equal(host_take_bytes(h, f), 14 + 20 + 976);
    assert_int_equal(get16(f + 20), 0x2000);
    assert_int_equal(host_take_bytes(h, f), 14 + 20 + 224);
    assert_int_equal(get16(f + 20), 976 / 8);
    const struct weir_route def = {.dst = weir_addr_v4(0)};
    ip_route_del(h->ip, &def);
    ip.dst = FAR;
    give(h, ip, data, 10);
    expect_icmp(h, f, 3, 0, PEER);
    /* No error about an error (RFC 1122 3.2.2). */
    uint8_t icmp[8] = {3, 1};
    ip.proto = 1;
    give(h, ip, icmp, 8);
    assert_null(host_take(h));
    stop(h);
}

static void echo(void **state) {
    (void)state;
    struct host *h = start();
    uint8_t f[2000], icmp[64] = {8, 0, 0, 0, 0x12, 0x34, 0, 1, 9, 9, 9};
    put16(icmp + 2, (uint16_t)~csum_add(icmp, 64, 0));
    struct ip4_hdr ip = {.src = PEER, .dst = SELF, .proto = 1, .tos = 0x10};
    give(h, ip, icmp, 64);
    const struct weir_event *in = last_event(h, WEIR_EV_SEGMENT_RECEIVED);
    const struct weir_event *out = last_event(h, WEIR_EV_SEGMENT_SENT);
    assert_int_equal(in->seg.sport, 0x0800);
    assert_int_equal(in->seg.dport, 0x1234);
    assert_true(out->cause == in->id);
    assert_int_equal(expect_icmp(h, f, 0, 0, PEER), 34 + 64);
    assert_memory_equal(f + 38, icmp + 4, 60);
    assert_int_equal(get32(f + 26), SELF);
    assert_int_equal(f[15], 0x10);
    icmp[20] ^= 1;
    give(h, ip, icmp, 64);
    assert_int_equal(h->env.drops[WEIR_ICMP_CSUM], 1);
    icmp[20] ^= 1;
    ip.dst = WEIR_IP4(10, 0, 0, 255); /* ignored, as Linux does */
    give(h, ip, icmp, 64);
    assert_null(host_take(h));
    stop(h);
}

/* Six at once, then one a second (icmp_ratelimit 1000 ms). */
static void error_rate(void **state) {
    (void)state;
    struct host *h = start();
    uint8_t f[2000];
    int n = 0;
    for (int i = 0; i < 20; i++)
        give(h, (struct ip4_hdr){.src = PEER, .dst = SELF, .proto = 201},
             "12345678", 8);
    while (host_take_bytes(h, f))
        n++;
    assert_int_equal(n, 6);
    assert_int_equal(h->env.drops[WEIR_IP_NOPROTO], 20);
    host_advance(h, 999 * MSEC);
    give(h, (struct ip4_hdr){.src = PEER, .dst = SELF, .proto = 201}, "1", 1);
    assert_null(host_take(h));
    host_advance(h, MSEC);
    give(h, (struct ip4_hdr){.src = PEER, .dst = SELF, .proto = 201}, "1", 1);
    expect_icmp(h, f, 3, 2, PEER);
    stop(h);
}

/* An ICMP error about a packet of ours to FAR. */
static void give_error(struct host *h, uint8_t type, uint8_t code,
                       uint32_t rest, uint32_t inner_src, uint32_t inner) {
    uint8_t icmp[8 + 20 + 8] = {type, code};
    put32(icmp + 4, rest);
    const struct ip4_hdr ip = {
        .src = inner_src, .dst = FAR, .len = 1500, .ttl = 60, .proto = 200};
    ip4_emit(icmp + 8, &ip);
    memcpy(icmp + 28, "ABCDEFGH", 8);
    put16(icmp + 2, (uint16_t)~csum_add(icmp, 28 + inner, 0));
    give(h, (struct ip4_hdr){.src = PEER, .dst = SELF, .proto = 1}, icmp,
         28 + inner);
}

static void errors_in(void **state) {
    (void)state;
    struct host *h = start();
    static const struct {
        uint8_t type, code;
        int error;
        bool hard;
    } expect[] = {/* Linux: icmp_err_convert */
                  {3, 0, ENETUNREACH, false},   {3, 1, EHOSTUNREACH, false},
                  {3, 2, ENOPROTOOPT, true},    {3, 3, ECONNREFUSED, true},
                  {3, 4, EMSGSIZE, false},      {3, 5, EOPNOTSUPP, false},
                  {3, 6, ENETUNREACH, true},    {3, 7, EHOSTDOWN, true},
                  {3, 8, ENONET, true},         {3, 9, ENETUNREACH, true},
                  {3, 10, EHOSTUNREACH, true},  {3, 11, ENETUNREACH, false},
                  {3, 12, EHOSTUNREACH, false}, {3, 13, EHOSTUNREACH, true},
                  {3, 15, EHOSTUNREACH, true},  {11, 0, EHOSTUNREACH, false},
                  {12, 0, EPROTO, true}};
    int n = 0;
    for (unsigned i = 0; i < sizeof(expect) / sizeof(expect[0]); i++) {
        give_error(h, expect[i].type, expect[i].code, 0, SELF, 8);
        assert_int_equal(told.calls, ++n);
        assert_int_equal(told.err.error, expect[i].error);
        assert_int_equal(told.err.hard, expect[i].hard);
        assert_int_equal(weir_addr_to_v4(&told.err.dst), FAR);
        assert_int_equal(told.err.head_len, 8);
    }
    give_error(h, 3, 3, 0, PEER, 8); /* not a packet of ours */
    give_error(h, 3, 3, 0, SELF, 7); /* RFC 1122 3.2.2: 8 bytes at least */
    give_error(h, 3, 16, 0, SELF, 8);
    give_error(h, 4, 0, 0, SELF, 8); /* RFC 6633: source quench */
    give_error(h, 5, 0, 0, SELF, 8);
    assert_int_equal(told.calls, n);
    give_error(h, 3, 4, 1300, SELF, 8);
    assert_int_equal(told.err.mtu, 1300);
    give_error(h, 3, 4, 0, SELF, 8); /* RFC 1191 7.1: below 1500 comes 1492 */
    assert_int_equal(told.err.mtu, 1492);
    give_error(h, 3, 4, 68, SELF, 8); /* Linux's min_pmtu */
    assert_int_equal(told.err.mtu, 552);
    stop(h);
}

static void path_mtu(void **state) {
    (void)state;
    struct host *h = start();
    struct weir_addr far = weir_addr_v4(FAR), src = weir_addr_v4(0);
    struct ip_way w;
    ip_pmtu_update(h->ip, &far, 1300);
    way(h, far, &src, &w);
    assert_int_equal(w.mtu, 1300);
    ip_pmtu_update(h->ip, &far, 1400); /* RFC 1191 3: never up by a message */
    way(h, far, &src, &w);
    assert_int_equal(w.mtu, 1300);
    ip_pmtu_update(h->ip, &far, 100);
    way(h, far, &src, &w);
    assert_int_equal(w.mtu, 552);
    way(h, v4(192, 0, 2, 8), &src, &w); /* a destination, not a network */
    assert_int_equal(w.mtu, 1500);
    host_advance(h, 600 * SEC);
    way(h, far, &src, &w);
    assert_int_equal(w.mtu, 1500);
    ip_pmtu_update(h->ip, &far, 1300);
    ip_pmtu_update(h->ip, &far, 0);
    way(h, far, &src, &w);
    assert_int_equal(w.mtu, 1500);
    stop(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes),     cmocka_unit_test(sources),
        cmocka_unit_test(let_in),     cmocka_unit_test(martians),
        cmocka_unit_test(forwarding), cmocka_unit_test(echo),
        cmocka_unit_test(error_rate), cmocka_unit_test(errors_in),
        cmocka_unit_test(path_mtu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
