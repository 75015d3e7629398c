/* SPDX-License-Identifier: BSD-2-Clause */
/* The spreading link, frame by frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "links/spread.h"
#include "weir/addr.h"

#define SERVER WEIR_IP4(10, 0, 0, 1)
#define CLIENT WEIR_IP4(10, 0, 0, 2)

/* The verification suite that Microsoft publishes for RSS, IPv4 with ports. */
static void hash_is_that_of_cards(void **state) {
    static const uint8_t key[WEIR_RSS_KEY] = {
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
        0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
        0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
        0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
    static const struct {
        struct weir_flow flow;
        uint32_t hash;
    } rows[] = {
        {{WEIR_IP4(66, 9, 149, 187), WEIR_IP4(161, 142, 100, 80), 2794, 1766},
         0x51ccc178},
        {{WEIR_IP4(199, 92, 111, 2), WEIR_IP4(65, 69, 140, 83), 14230, 4739},
         0xc626b0ea},
        {{WEIR_IP4(24, 19, 198, 95), WEIR_IP4(12, 22, 207, 184), 12898, 38024},
         0x5c2b394a},
        {{WEIR_IP4(38, 27, 205, 30), WEIR_IP4(209, 142, 163, 6), 48228, 2217},
         0xafc7327f},
        {{WEIR_IP4(153, 39, 163, 191), WEIR_IP4(202, 188, 127, 2), 44251, 1303},
         0x10e828a2},
    };
    struct weir_rss rss;
    (void)state;
    weir_rss_init(&rss, key);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(weir_rss_hash(&rss, &rows[i].flow), rows[i].hash);
}

struct leg {
    struct weir_link link;
    struct weir_pkt *got, **tail;
};
static struct leg leg[3];
static struct weir_arena *arena;

static void leg_send(struct weir_link *link, struct weir_pkt *list,
                     uint64_t t) {
    struct leg *l = (struct leg *)link;
    (void)t;
    *l->tail = list;
    while (*l->tail)
        l->tail = &(*l->tail)->next;
}
static unsigned leg_poll(struct weir_link *link, uint64_t t) {
    (void)link;
    return t == UINT64_MAX;
}
static uint64_t leg_deadline(const struct weir_link *link) {
    (void)link;
    return WEIR_NEVER;
}
static int leg_fd(const struct weir_link *link) {
    (void)link;
    return -1;
}
static void leg_close(struct weir_link *link) {
    struct leg *l = (struct leg *)link;
    while (l->got) {
        struct weir_pkt *pkt = l->got;
        l->got = pkt->next;
        weir_pkt_free(pkt);
    }
}
static const struct weir_link_ops leg_ops = {"leg",        leg_send, leg_poll,
                                             leg_deadline, leg_fd,   leg_close};

static struct weir_link *spread_of_three(struct weir_rss *rss) {
    struct weir_link *l[3];
    uint8_t key[WEIR_RSS_KEY];
    for (unsigned i = 0; i < WEIR_RSS_KEY; i++)
        key[i] = (uint8_t)(i * 151 + 7);
    weir_rss_init(rss, key);
    size_t bytes = (size_t)8 << 20;
    arena = weir_arena_init(aligned_alloc(4096, bytes), bytes);
    for (unsigned i = 0; i < 3; i++) {
        leg[i] = (struct leg){.link = {.ops = &leg_ops, .arena = arena}};
        leg[i].tail = &leg[i].got;
        l[i] = &leg[i].link;
    }
    struct weir_link *s = spread_create(l, 3, rss);
    assert_non_null(s);
    return s;
}

static void gone(struct weir_link *s) {
    s->ops->close(s);
    assert_int_equal(weir_arena_used(arena), 0);
    free(arena);
}

static struct weir_pkt *next_of(unsigned i) {
    struct weir_pkt *pkt = leg[i].got;
    if (pkt && !(leg[i].got = pkt->next))
        leg[i].tail = &leg[i].got;
    return pkt;
}

/* UDP 10.0.0.2:SPORT to 10.0.0.1:53, a fragment of `id` at `off`; all of it in
 * a slice where `sliced`. */
static struct weir_pkt *piece(uint16_t sport, uint16_t id, unsigned off,
                              bool more, bool sliced) {
    uint8_t b[14 + 20 + 16] = {[12] = 8, [14] = 0x45, [23] = 17};
    b[17] = 36; /* total length */
    b[18] = (uint8_t)(id >> 8);
    b[19] = (uint8_t)id;
    b[20] = (uint8_t)((more ? 0x20 : 0) | off >> 11);
    b[21] = (uint8_t)(off >> 3);
    b[26] = b[30] = 10;
    b[29] = 2;
    b[33] = 1;
    if (off == 0) {
        b[34] = (uint8_t)(sport >> 8);
        b[35] = (uint8_t)sport;
        b[37] = 53;
    }
    struct weir_pkt *pkt = weir_pkt_alloc(arena, 0);
    if (sliced) {
        struct weir_buf *buf = weir_buf_alloc(arena, sizeof(b));
        memcpy(buf->data, b, sizeof(b));
        weir_pkt_append(pkt, buf, 0, sizeof(b));
    } else {
        memcpy(pkt->head, b, sizeof(b));
        pkt->head_len = sizeof(b);
        pkt->len = sizeof(b);
    }
    pkt->event = off;
    return pkt;
}

static unsigned leg_for(const struct weir_rss *rss, uint16_t sport) {
    struct weir_flow flow = {CLIENT, SERVER, sport, 53};
    return weir_rss_shard(weir_rss_hash(rss, &flow), 3);
}

/* Those that come before the first wait for it and follow it. */
static void later_fragments_wait(void **state) {
    struct weir_rss rss;
    struct weir_link *s = spread_of_three(&rss);
    (void)state;
    for (uint16_t k = 0; k < 200; k++) {
        unsigned to = leg_for(&rss, k);
        s->ops->send(s, piece(k, k, 32, false, k & 1), k);
        s->ops->send(s, piece(k, k, 16, true, k & 1), k);
        for (unsigned i = 0; i < 3; i++)
            assert_null(next_of(i));
        s->ops->send(s, piece(k, k, 0, true, k & 1), k);
        static const unsigned order[] = {0, 32, 16};
        for (unsigned n = 0; n < 3; n++) {
            struct weir_pkt *pkt = next_of(to);
            assert_non_null(pkt);
            assert_int_equal(pkt->event, order[n]);
            weir_pkt_free(pkt);
        }
        for (unsigned i = 0; i < 3; i++)
            assert_null(next_of(i));
        /* All have passed: the same id again is another datagram. */
        s->ops->send(s, piece(k, k, 16, true, false), k);
        assert_null(next_of(to));
        s->ops->send(s, piece((uint16_t)(k + 1), k, 0, true, false), k);
        for (unsigned n = 0; n < 2; n++)
            weir_pkt_free(next_of(leg_for(&rss, (uint16_t)(k + 1))));
        s->ops->send(s, piece(0, k, 32, false, false), k);
        weir_pkt_free(next_of(leg_for(&rss, (uint16_t)(k + 1))));
    }
    assert_int_equal(s->stats.tx_dropped, 0);
    gone(s);
}

static void fragments_are_bounded(void **state) {
    struct weir_rss rss;
    struct weir_link *s = spread_of_three(&rss);
    (void)state;
    for (uint16_t k = 0; k < 1000; k++)
        s->ops->send(s, piece(0, k, 16, true, true), k);
    assert_in_range(s->stats.tx_dropped, 900, 1000);
    assert_true(weir_arena_used(arena) < 100 * 1024);
    /* After half a minute nobody waits for them any more. */
    s->ops->send(s, piece(0, 5000, 16, true, true), 60000000000u);
    assert_int_equal(s->stats.tx_dropped, 1000);
    gone(s);
}

static struct weir_pkt *arp(uint8_t op, uint8_t sender, uint8_t target) {
    struct weir_pkt *pkt = weir_pkt_alloc(arena, 0);
    uint8_t b[42] = {
        [12] = 8,  [13] = 6, [15] = 1, [16] = 8,  [18] = 6, [19] = 4,
        [21] = op, [22] = 2, [27] = 9, [28] = 10, [38] = 10};
    memset(b, 0xff, 6);
    b[31] = sender;
    b[41] = target;
    memcpy(pkt->head, b, sizeof(b));
    pkt->head_len = sizeof(b);
    pkt->len = sizeof(b);
    return pkt;
}

static void arp_to_all(void **state) {
    struct weir_rss rss;
    struct weir_link *s = spread_of_three(&rss);
    (void)state;
    s->ops->send(s, arp(2, 7, 1), 0); /* a reply: as it is */
    for (unsigned i = 0; i < 3; i++) {
        struct weir_pkt *pkt = next_of(i);
        assert_non_null(pkt);
        assert_int_equal(pkt->head[21], 2);
        assert_int_equal(pkt->head[41], 1);
        weir_pkt_free(pkt);
    }
    s->ops->send(s, arp(1, 7, 1), 0); /* a request: one is asked */
    for (unsigned i = 0; i < 3; i++) {
        struct weir_pkt *pkt = next_of(i);
        assert_non_null(pkt);
        assert_int_equal(pkt->head[21], i ? 2 : 1);
        assert_int_equal(pkt->head[31], 7);
        assert_int_equal(pkt->head[41], i ? 7 : 1);
        weir_pkt_free(pkt);
        assert_null(next_of(i));
    }
    gone(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_that_of_cards),
        cmocka_unit_test(later_fragments_wait),
        cmocka_unit_test(fragments_are_bounded),
        cmocka_unit_test(arp_to_all),
    };
    return cmocka_run_group_tests_name("spread", tests, NULL, NULL);
}
