/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TESTS_IP_WORLD_H
#define WEIR_TESTS_IP_WORLD_H
/* What the tests of IP share: a host with two links, and a transport (protocol
 * 200) that remembers what it was given. */
#include "base/checksum.h"
#include "world.h"

#define SELF WEIR_IP4(10, 0, 0, 1)
#define PEER WEIR_IP4(10, 0, 0, 2)
#define FAR WEIR_IP4(192, 0, 2, 7)

static const uint8_t peer_mac[6] = {2, 0x99};
static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* What a transport was given. */
static struct {
    int calls;
    uint32_t len, src, dst;
    uint8_t bytes[70000];
    struct weir_event before;
} got;
static struct {
    int calls;
    struct ip_rx_error err;
} told;

static inline void hear(void *room, struct weir_pkt *pkt,
                        const struct ip_rx *rx) {
    (void)room;
    got.calls++;
    got.len = pkt->len;
    got.src = weir_addr_to_v4(&rx->src);
    got.dst = weir_addr_to_v4(&rx->dst);
    weir_pkt_copy_out(pkt, 0, got.bytes, pkt->len);
    weir_pkt_free(pkt);
}

static inline void hear_error(void *room, const struct ip_rx_error *err) {
    (void)room;
    told.calls++;
    told.err = *err;
}

static const struct ip_proto listener = {
    .proto = 200, .input = hear, .error = hear_error};

/* 10.0.0.1/24 on eth2 (MTU 1500), 10.1.0.1/24 on eth3 (MTU 1000); 10.0.0.2 is
 * a neighbour whose MAC is known, and the default gateway. */
static inline struct host *start(void) {
    struct host *h = host_new(arena_new(16 << 20), 1);
    host_addr(h, host_if(h, 1500), v4(10, 0, 0, 1), 24);
    host_addr(h, host_if(h, 1000), v4(10, 1, 0, 1), 24);
    const struct weir_route def = {.dst = weir_addr_v4(0),
                                   .gateway = v4(10, 0, 0, 2)};
    assert_int_equal(ip_route_add(h->ip, &def), 0);
    ip_register(h->ip, &listener, NULL);
    memset(&got, 0, sizeof(got));
    memset(&told, 0, sizeof(told));
    uint8_t f[100];
    for (unsigned i = 0; i < 2; i++) {
        struct arp arp = {
            .op = 1, .sender = PEER + (i << 16), .target = SELF + (i << 16)};
        memcpy(arp.sender_mac, peer_mac, 6);
        host_give_bytes(h, 2 + i, f, frame_arp(f, &arp, all));
        assert_int_equal(host_take_bytes(h, f), 42);
    }
    return h;
}

static inline void stop(struct host *h) {
    struct weir_arena *a = h->env.arena;
    host_gone(h);
    assert_int_equal(weir_arena_used(a), 0);
    arena_gone(a);
}

static inline void give(struct host *h, struct ip4_hdr ip, const void *payload,
                        uint32_t len) {
    static uint8_t f[70000];
    host_give_bytes(h, 2, f, frame_ip4(f, &ip, payload, len));
    host_poll(h);
}

/* The next frame is a well-formed ICMP message; returns its offset 34. */
static inline uint32_t expect_icmp(struct host *h, uint8_t *f, uint8_t type,
                                   uint8_t code, uint32_t dst) {
    uint32_t len = host_take_bytes(h, f);
    struct ip4_hdr ip;
    assert_true(len >= 42);
    assert_true(ip4_csum_ok(f + 14, 20));
    assert_true(ip4_parse(f + 14, &ip));
    assert_int_equal(ip.dst, dst);
    assert_int_equal(ip.proto, 1);
    assert_int_equal(f[34], type);
    assert_int_equal(f[35], code);
    assert_int_equal(csum_add(f + 34, len - 34, 0), 0xffff);
    return len;
}

#endif
