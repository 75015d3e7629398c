/* SPDX-License-Identifier: BSD-2-Clause */
/* ARP: asking, answering, and how sure a neighbour is. Times and counts are
 * Linux's defaults (arp(7), neigh/default sysctls). */
#include "world.h"

#include <errno.h>

static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t peer_mac[6] = {2, 0x99, 1, 2, 3, 4};
#define PEER WEIR_IP4(10, 0, 0, 2)
#define SELF WEIR_IP4(10, 0, 0, 1)

static struct {
    int calls, error;
    uint64_t at;
    struct weir_addr dst;
} told;
static struct host *told_host;

static void hear(void *room, struct weir_pkt *pkt, const struct ip_rx *rx) {
    (void)room;
    (void)rx;
    weir_pkt_free(pkt);
}

static void hear_error(void *room, const struct ip_rx_error *err) {
    (void)room;
    told.calls++;
    told.error = err->error;
    told.at = told_host->env.now;
    told.dst = err->dst;
}

static const struct ip_proto listener = {
    .proto = 200, .input = hear, .error = hear_error};

static struct host *start(void) {
    struct host *h = host_new(arena_new(4 << 20), 1);
    unsigned eth = host_if(h, 1500);
    host_addr(h, eth, v4(10, 0, 0, 1), 24);
    ip_register(h->ip, &listener, NULL);
    memset(&told, 0, sizeof(told));
    told_host = h;
    return h;
}

static void stop(struct host *h) {
    struct weir_arena *a = h->env.arena;
    host_gone(h);
    assert_int_equal(weir_arena_used(a), 0);
    arena_gone(a);
}

static int send_to(struct host *h, struct weir_addr dst) {
    struct weir_pkt *pkt = weir_pkt_alloc(h->env.arena, 64);
    memset(pkt_push(pkt, 16), 7, 16);
    struct weir_event *ev = env_record(&h->env, WEIR_EV_SEGMENT_SENT, 0);
    pkt->event = ev->id;
    const struct ip_flow flow = {
        .src = v4(10, 0, 0, 1), .dst = dst, .proto = 200};
    return ip_output(h->ip, pkt, &flow);
}

static unsigned state_of(struct host *h, uint32_t addr) {
    struct weir_neigh n;
    for (unsigned i = 0; ip_neigh_get(h->ip, i, &n) == 0; i++)
        if (weir_addr_to_v4(&n.addr) == addr)
            return n.state;
    return 0;
}

/* The next frame is an ARP request for PEER; to whom it went. */
static void expect_request(struct host *h, const uint8_t *to) {
    uint8_t f[100];
    struct arp arp;
    assert_int_equal(host_take_bytes(h, f), 42);
    assert_memory_equal(f, to, 6);
    assert_int_equal(get16(f + 12), ETHER_ARP);
    assert_true(arp_parse(f + 14, &arp));
    assert_int_equal(arp.op, ARP_REQUEST);
    assert_int_equal(arp.sender, SELF);
    assert_int_equal(arp.target, PEER);
}

static void hear_arp(struct host *h, uint16_t op, uint32_t sender,
                     const uint8_t *mac, uint32_t target, const uint8_t *to) {
    uint8_t f[42];
    struct arp arp = {.op = op, .sender = sender, .target = target};
    memcpy(arp.sender_mac, mac, 6);
    host_give_bytes(h, 2, f, frame_arp(f, &arp, to));
}

static const uint8_t self_mac[6] = {2, 0, 0, 0, 1, 2};

static void no_answer(void **state) {
    (void)state;
    struct host *h = start();
    uint64_t t0 = h->env.now;
    assert_int_equal(send_to(h, v4(10, 0, 0, 2)), 0);
    const struct weir_event *sent = last_event(h, WEIR_EV_SEGMENT_SENT);
    expect_request(h, all);
    /* The request is caused by the packet that needs it. */
    assert_true(last_event(h, WEIR_EV_ARP)->cause == sent->id);
    assert_int_equal(state_of(h, PEER), WEIR_NUD_INCOMPLETE);
    for (int i = 2; i <= 3; i++) {
        host_advance(h, SEC - 1);
        assert_null(host_take(h));
        host_advance(h, 1);
        const struct weir_event *fired = last_event(h, WEIR_EV_TIMER_FIRED);
        assert_int_equal(fired->timer.timer, WEIR_TIMER_ARP);
        assert_int_equal(fired->timer.tries, i - 1);
        assert_true(last_event(h, WEIR_EV_ARP)->cause == fired->id);
        assert_int_equal(last_event(h, WEIR_EV_ARP)->arp.nth, i);
        expect_request(h, all);
    }
    host_advance(h, SEC - 1);
    assert_int_equal(told.calls, 0);
    host_advance(h, 1);
    assert_int_equal(told.calls, 1);
    assert_int_equal(told.error, EHOSTUNREACH);
    assert_true(told.at == t0 + 3 * SEC);
    assert_int_equal(h->env.drops[WEIR_NEIGH_FAILED], 1);
    assert_int_equal(state_of(h, PEER), WEIR_NUD_FAILED);
    const struct weir_event *drop = last_event(h, WEIR_EV_DROP);
    assert_int_equal(drop->seg.dst, PEER);
    assert_true(drop->cause == last_event(h, WEIR_EV_TIMER_FIRED)->id);
    /* The next packet begins anew. */
    assert_int_equal(send_to(h, v4(10, 0, 0, 2)), 0);
    expect_request(h, all);
    stop(h);
}

static void answered(void **state) {
    (void)state;
    struct host *h = start();
    uint8_t f[200];
    send_to(h, v4(10, 0, 0, 2));
    send_to(h, v4(10, 0, 0, 2));
    expect_request(h, all);
    assert_null(host_take(h));
    hear_arp(h, ARP_REPLY, PEER, peer_mac, SELF, self_mac);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(host_take_bytes(h, f), 14 + 20 + 16);
        assert_memory_equal(f, peer_mac, 6);
    }
    assert_null(host_take(h));
    assert_int_equal(state_of(h, PEER), WEIR_NUD_REACHABLE);
    /* Reachable for 15 to 45 s; then stale until somebody sends. */
    host_advance(h, 14 * SEC);
    assert_int_equal(state_of(h, PEER), WEIR_NUD_REACHABLE);
    host_advance(h, 32 * SEC);
    assert_int_equal(state_of(h, PEER), WEIR_NUD_STALE);
    send_to(h, v4(10, 0, 0, 2));
    assert_int_equal(state_of(h, PEER), WEIR_NUD_DELAY);
    assert_int_equal(host_take_bytes(h, f), 50);
    host_advance(h, 5 * SEC - 1);
    assert_null(host_take(h));
    host_advance(h, 1);
    assert_int_equal(state_of(h, PEER), WEIR_NUD_PROBE);
    for (int i = 0; i < 3; i++) {
        expect_request(h, peer_mac); /* asks the address it knows */
        assert_null(host_take(h));
        host_advance(h, SEC);
    }
    assert_int_equal(state_of(h, PEER), WEIR_NUD_FAILED);
    stop(h);
}

/* Upper layers that hear from the peer spare it the probe. */
static void confirmed(void **state) {
    (void)state;
    struct host *h = start();
    struct weir_addr peer = v4(10, 0, 0, 2);
    uint8_t f[200];
    hear_arp(h, ARP_REQUEST, PEER, peer_mac, SELF, all);
    assert_int_equal(state_of(h, PEER), WEIR_NUD_STALE);
    assert_int_equal(host_take_bytes(h, f), 42);
    struct arp arp;
    arp_parse(f + 14, &arp);
    assert_memory_equal(f, peer_mac, 6);
    assert_int_equal(arp.op, ARP_REPLY);
    assert_int_equal(arp.sender, SELF);
    assert_memory_equal(arp.sender_mac, self_mac, 6);
    assert_memory_equal(arp.target_mac, peer_mac, 6);
    send_to(h, peer);
    assert_int_equal(state_of(h, PEER), WEIR_NUD_DELAY);
    ip_confirm(h->ip, PEER);
    assert_int_equal(host_take_bytes(h, f), 50);
    host_advance(h, 5 * SEC);
    assert_int_equal(state_of(h, PEER), WEIR_NUD_REACHABLE);
    assert_null(host_take(h));
    stop(h);
}

static const uint8_t other_mac[6] = {2, 0x99, 9, 9, 9, 9};

static void moved(void **state) {
    (void)state;
    struct host *h = start();
    uint8_t f[200];
    struct weir_neigh n;
    hear_arp(h, ARP_REQUEST, PEER, peer_mac, SELF, all);
    host_take_bytes(h, f);
    /* A reply that nobody asked for does not override a fresh entry... */
    hear_arp(h, ARP_REPLY, PEER, other_mac, SELF, self_mac);
    ip_neigh_get(h->ip, 0, &n);
    assert_memory_equal(n.mac, peer_mac, 6);
    /* ...a gratuitous one does, and so does any after the lock time. */
    hear_arp(h, ARP_REQUEST, PEER, other_mac, PEER, all);
    ip_neigh_get(h->ip, 0, &n);
    assert_memory_equal(n.mac, other_mac, 6);
    host_advance(h, SEC + 1);
    hear_arp(h, ARP_REPLY, PEER, peer_mac, SELF, self_mac);
    ip_neigh_get(h->ip, 0, &n);
    assert_memory_equal(n.mac, peer_mac, 6);
    assert_int_equal(n.state, WEIR_NUD_REACHABLE);
    /* Strangers' talk makes no entries; nor does somebody with our address. */
    hear_arp(h, ARP_REQUEST, WEIR_IP4(10, 0, 0, 9), other_mac,
             WEIR_IP4(10, 0, 0, 8), all);
    hear_arp(h, ARP_REQUEST, SELF, other_mac, SELF, all);
    assert_int_equal(ip_neigh_get(h->ip, 1, &n), -ENOENT);
    assert_null(host_take(h));
    /* RFC 5227: a probe for our address is answered. */
    hear_arp(h, ARP_REQUEST, 0, other_mac, SELF, all);
    assert_int_equal(host_take_bytes(h, f), 42);
    stop(h);
}

static void malformed(void **state) {
    (void)state;
    struct host *h = start();
    uint8_t f[42];
    struct arp arp = {.op = 1, .sender = PEER, .target = SELF};
    memcpy(arp.sender_mac, peer_mac, 6);
    frame_arp(f, &arp, all);
    host_give_bytes(h, 2, f, 41);
    f[14 + 4] = 8; /* hardware address length */
    host_give_bytes(h, 2, f, 42);
    assert_int_equal(h->env.drops[WEIR_ARP_MALFORMED], 2);
    assert_null(host_take(h));
    stop(h);
}

/* unres_qlen packets wait; the oldest gives way. */
static void queue_bounded(void **state) {
    (void)state;
    struct host *h = start();
    for (int i = 0; i < 105; i++)
        send_to(h, v4(10, 0, 0, 2));
    assert_int_equal(h->env.drops[WEIR_NEIGH_QUEUEFULL], 4);
    expect_request(h, all);
    hear_arp(h, ARP_REPLY, PEER, peer_mac, SELF, self_mac);
    uint8_t f[200];
    int n = 0;
    while (host_take_bytes(h, f))
        n++;
    assert_int_equal(n, 101);
    stop(h);
}

static void table_bounded(void **state) {
    (void)state;
    struct host *h = start();
    h->env.sysctl.neigh_gc_thresh3 = 10;
    for (unsigned i = 10; i < 30; i++)
        send_to(h, v4(10, 0, 0, i)); /* all are being resolved */
    assert_int_equal(h->env.drops[WEIR_NEIGH_CREATEFAIL], 10);
    uint8_t f[200];
    while (host_take_bytes(h, f))
        ;
    host_advance(h, 4 * SEC); /* all failed: they may go */
    while (host_take_bytes(h, f))
        ;
    send_to(h, v4(10, 0, 0, 2));
    assert_int_equal(state_of(h, PEER), WEIR_NUD_INCOMPLETE);
    assert_int_equal(h->env.drops[WEIR_NEIGH_CREATEFAIL], 10);
    stop(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_answer),     cmocka_unit_test(answered),
        cmocka_unit_test(confirmed),     cmocka_unit_test(moved),
        cmocka_unit_test(malformed),     cmocka_unit_test(queue_bounded),
        cmocka_unit_test(table_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
