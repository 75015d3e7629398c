/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TESTS_WORLD_H
#define WEIR_TESTS_WORLD_H
/*
 * A host of the lower rooms alone (IP and UDP, no TCP, no socket layer), its
 * clock in the test's hand, its frames given and taken one by one.
 */
#include "unit.h"

#include <string.h>

#include "base/bytes.h"
#include "ip/ip.h"
#include "udp/udp.h"
#include "wire/arp.h"
#include "wire/ether.h"
#include "wire/icmp.h"
#include "wire/ip4.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#define SEC UINT64_C(1000000000)
#define MSEC UINT64_C(1000000)

struct host {
    struct env env;
    struct ip *ip;
    struct udp *udp;
    struct weir_recorder rec;
    struct weir_event bulk[4096], rare[4096];
};

static inline struct weir_addr v4(unsigned a, unsigned b, unsigned c,
                                  unsigned d) {
    return weir_addr_v4(WEIR_IP4(a, b, c, d));
}

static inline struct host *host_new(struct weir_arena *arena, uint8_t number) {
    struct host *h = calloc(1, sizeof(*h));
    h->rec = (struct weir_recorder){
        .next = 1 + ((uint64_t)number << 48),
        .bulk = {0, 4095, h->bulk},
        .rare = {0, 4095, h->rare},
    };
    h->env.arena = arena;
    h->env.host = number;
    h->env.now = 1000 * SEC;
    h->env.outside.rec = &h->rec;
    rng_seed(&h->env.rng, (const uint8_t[32]){number});
    sysctl_defaults(&h->env.sysctl);
    h->env.wheel = wheel_create(arena, h->env.now);
    h->ip = ip_create(&h->env, (const uint8_t[16]){number});
    h->udp = udp_create(&h->env, h->ip);
    ip_register(h->ip, &udp_proto, h->udp);
    return h;
}

static inline void host_gone(struct host *h) {
    udp_destroy(h->udp);
    ip_destroy(h->ip);
    wheel_destroy(h->env.arena, h->env.wheel);
    free(h);
}

/* An Ethernet interface with MAC 02:00:00:00:HOST:N; returns its index. */
static inline unsigned host_if(struct host *h, uint32_t mtu) {
    struct weir_if config = {.up = true, .mtu = mtu};
    unsigned n = 2;
    struct weir_if seen;
    while (ip_if_get(h->ip, n, &seen) == 0)
        n++;
    const uint8_t mac[6] = {2, 0, 0, 0, h->env.host, (uint8_t)n};
    memcpy(config.mac, mac, 6);
    memcpy(config.name, "eth", 3);
    config.name[3] = (char)('0' + n);
    assert_int_equal(ip_if_add(h->ip, &config), n);
    return n;
}

static inline void host_addr(struct host *h, unsigned ifindex,
                             struct weir_addr addr, unsigned plen) {
    assert_int_equal(ip_addr_add(h->ip, ifindex, &addr, plen), 0);
}

/* Timers that are due, then what lo carries. */
static inline void host_poll(struct host *h) {
    struct wtimer *t;
    enum wtimer_kind kind;
    while ((t = wheel_expire(h->env.wheel, h->env.now, &kind))) {
        if (kind == WTIMER_NEIGH)
            ip_neigh_timer(h->ip, t);
        else
            ip_frag_timer(h->ip, t);
    }
    while (ip_loop(h->ip))
        ;
}

static inline void host_advance(struct host *h, uint64_t ns) {
    uint64_t until = h->env.now + ns;
    for (;;) {
        uint64_t next = wheel_deadline(h->env.wheel);
        if (next > until)
            break;
        if (next > h->env.now)
            h->env.now = next;
        host_poll(h);
    }
    h->env.now = until;
    host_poll(h);
}

/* The next frame out, or NULL; of whatever interface. */
static inline struct weir_pkt *host_take(struct host *h) {
    static struct weir_pkt *rest; /* of the list that was taken last */
    unsigned ifindex;
    if (!rest)
        rest = ip_take_output(h->ip, &ifindex);
    struct weir_pkt *pkt = rest;
    if (pkt) {
        rest = pkt->next;
        pkt->next = NULL;
    }
    return pkt;
}

/* The next frame out, as flat bytes: how many, 0: none. */
static inline uint32_t host_take_bytes(struct host *h, uint8_t *out) {
    struct weir_pkt *pkt = host_take(h);
    if (!pkt)
        return 0;
    uint32_t len = pkt->len;
    weir_pkt_copy_out(pkt, 0, out, len);
    weir_pkt_free(pkt);
    return len;
}

static inline void host_give_bytes(struct host *h, unsigned ifindex,
                                   const uint8_t *p, uint32_t len) {
    struct weir_pkt *pkt = weir_pkt_alloc(h->env.arena, 0);
    struct weir_buf *buf = weir_buf_alloc(h->env.arena, len ? len : 1);
    memcpy(buf->data, p, len);
    weir_pkt_append(pkt, buf, 0, len);
    ip_input(h->ip, ifindex, pkt);
}

/* An IPv4 frame from a stranger (MAC 02:99..) to interface 2 of host 1, with
 * its checksum. Returns its length. */
static inline uint32_t frame_ip4(uint8_t *out, const struct ip4_hdr *ip,
                                 const void *payload, uint32_t len) {
    static const uint8_t to[6] = {2, 0, 0, 0, 1, 2}, from[6] = {2, 0x99};
    struct ip4_hdr h = *ip;
    ether_emit(out, to, from, ETHER_IP4);
    h.len = (uint16_t)(len + 20);
    h.ttl = h.ttl ? h.ttl : 64;
    ip4_emit(out + 14, &h);
    memcpy(out + 34, payload, len);
    return 34 + len;
}

static inline uint32_t frame_arp(uint8_t *out, const struct arp *arp,
                                 const uint8_t *to) {
    ether_emit(out, to, arp->sender_mac, ETHER_ARP);
    arp_emit(out + 14, arp);
    return 42;
}

/* The last event of a kind, or NULL. */
static inline const struct weir_event *last_event(const struct host *h,
                                                  unsigned kind) {
    const struct weir_ring *ring =
        weir_event_is_rare(kind) ? &h->rec.rare : &h->rec.bulk;
    for (uint64_t n = ring->head; n > 0; n--)
        if (ring->slot[(n - 1) & ring->mask].kind == kind)
            return &ring->slot[(n - 1) & ring->mask];
    return NULL;
}

#endif
