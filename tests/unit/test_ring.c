/* SPDX-License-Identifier: BSD-2-Clause */
/* Two ends of a ring, each with an arena of its own. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "links/ring.h"
#include "links/ring_in.h"

#define ARENA ((size_t)64 << 20)

static struct weir_event bulk[256], rare[256];
static struct weir_recorder rec;
static struct ring *ring;
static struct weir_arena *arena[2];
static struct weir_link *end[2];
static struct weir_pkt *got; /* what side 1 was given, in order */
static struct weir_pkt **got_tail;

static void keep(void *to, struct weir_link *from, struct weir_pkt *list,
                 uint64_t now) {
    (void)to;
    (void)from;
    (void)now;
    *got_tail = list;
    while (*got_tail)
        got_tail = &(*got_tail)->next;
}

static int set_up(void **state) {
    (void)state;
    rec = (struct weir_recorder){
        .next = 1, .bulk = {0, 255, bulk}, .rare = {0, 255, rare}};
    ring = ring_create(8);
    assert_non_null(ring);
    for (unsigned i = 0; i < 2; i++) {
        arena[i] = weir_arena_init(aligned_alloc(4096, ARENA), ARENA);
        end[i] = ring_end(ring, i, arena[i], i ? "b:eth0" : "a:eth0", 1500);
        assert_non_null(end[i]);
        end[i]->deliver = keep;
        end[i]->rec = &rec;
    }
    assert_null(ring_end(ring, 0, arena[0], "again", 1500));
    ring_release(ring); /* lives on with its ends */
    got = NULL;
    got_tail = &got;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        end[i]->ops->close(end[i]);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(weir_arena_used(arena[i]), 0);
        free(arena[i]);
    }
    return 0;
}

static uint8_t byte_of(uint32_t n, uint32_t i) {
    return (uint8_t)(n * 131 + i * 7 + (i >> 8));
}

/* Frame n: `head` bytes in the head, the rest in slices of up to 5000. */
static struct weir_pkt *frame(struct weir_arena *a, uint32_t n, uint32_t len,
                              uint32_t head) {
    struct weir_pkt *pkt = weir_pkt_alloc(a, n % 5);
    assert_non_null(pkt);
    head = head < len ? head : len;
    for (uint32_t i = 0; i < head; i++)
        pkt->head[pkt->head_off + i] = byte_of(n, i);
    pkt->head_len = (uint16_t)head;
    pkt->len = head;
    while (pkt->len < len) {
        uint32_t part = len - pkt->len < 5000 ? len - pkt->len : 5000;
        struct weir_buf *buf = weir_buf_alloc(a, part + 3);
        assert_non_null(buf);
        for (uint32_t i = 0; i < part; i++)
            buf->data[3 + i] = byte_of(n, pkt->len + i);
        assert_int_equal(weir_pkt_append(pkt, buf, 3, part), 0);
    }
    pkt->event = n + 1000;
    return pkt;
}

static void is_frame(const struct weir_pkt *pkt, uint32_t n, uint32_t len) {
    assert_int_equal(pkt->len, len);
    assert_int_equal(pkt->event, n + 1000);
    uint8_t *b = malloc(len + 1);
    weir_pkt_copy_out(pkt, 0, b, len);
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(b[i], byte_of(n, i));
    free(b);
}

static struct weir_pkt *next_got(void) {
    struct weir_pkt *pkt = got;
    assert_non_null(pkt);
    got = pkt->next;
    if (!got)
        got_tail = &got;
    return pkt;
}

/* Every way a frame may lie: short, past the near bytes, past the head's room,
 * all of it in slices, 64 KiB. */
static void crosses(void **state) {
    static const uint32_t lens[] = {14,   28,   60,   96,    97,
                                    128,  191,  192,  193,   300,
                                    1514, 5000, 9000, 20001, 65549};
    static const uint32_t heads[] = {0, 14, 54, 66, 120, 187};
    (void)state;
    uint32_t n = 0;
    for (unsigned l = 0; l < sizeof(lens) / sizeof(lens[0]); l++)
        for (unsigned h = 0; h < sizeof(heads) / sizeof(heads[0]); h++, n++) {
            struct weir_pkt *pkt = frame(arena[0], n, lens[l], heads[h]);
            end[0]->ops->send(end[0], pkt, n);
            assert_int_equal(end[1]->ops->poll(end[1], n), 1);
            pkt = next_got();
            assert_ptr_equal(pkt->arena, arena[1]);
            is_frame(pkt, n, lens[l]);
            weir_pkt_free(pkt);
        }
    assert_int_equal(end[1]->stats.rx_frames, n);
    assert_int_equal(weir_arena_used(arena[1]), 0);
}

static void offload_crosses(void **state) {
    (void)state;
    struct weir_pkt *pkt = frame(arena[0], 1, 60000, 66);
    pkt->flags = WEIR_PKT_CSUM_PARTIAL | WEIR_PKT_LINK_BROADCAST;
    pkt->csum_start = 34;
    pkt->csum_offset = 16;
    pkt->gso_size = 1448;
    pkt->owner = 77;
    pkt->copies = 2;
    end[0]->ops->send(end[0], pkt, 1);
    end[1]->ops->poll(end[1], 5);
    pkt = next_got();
    assert_int_equal(pkt->flags, WEIR_PKT_CSUM_PARTIAL);
    assert_int_equal(pkt->csum_start, 34);
    assert_int_equal(pkt->csum_offset, 16);
    assert_int_equal(pkt->gso_size, 1448);
    assert_int_equal(pkt->owner, 77);
    assert_int_equal(pkt->copies, 2);
    assert_int_equal(pkt->t_ns, 5);
    weir_pkt_free(pkt);
}

static void full(void **state) {
    (void)state;
    for (uint32_t n = 0; n < 9; n++)
        end[0]->ops->send(end[0], frame(arena[0], n, 1514, 66), n);
    assert_int_equal(end[0]->stats.tx_dropped, 1);
    assert_int_equal(rec.rare.slot[0].seg.reason, WEIR_LINK_QUEUE_FULL);
    assert_int_equal(end[1]->ops->poll(end[1], 9), 8);
    for (uint32_t n = 0; n < 8; n++) {
        struct weir_pkt *pkt = next_got();
        is_frame(pkt, n, 1514);
        weir_pkt_free(pkt);
    }
    end[0]->ops->send(end[0], frame(arena[0], 9, 60, 60), 10);
    assert_int_equal(weir_arena_used(arena[0]), 0); /* the eight came back */
}

/* ---- a peer who writes nonsense ---- */

static void malformed(void (*harm)(struct ring_slot *, struct ring_more *),
                      uint32_t len) {
    static uint32_t at;
    at = (uint32_t)(end[0]->stats.tx_frames % 8);
    uint64_t drops = rec.rare.head, dropped = end[1]->stats.rx_dropped;
    end[0]->ops->send(end[0], frame(arena[0], 1, len, 66), 1);
    harm(&ring->lane[1].slot[at], &ring->lane[1].more[at]);
    end[1]->ops->poll(end[1], 2);
    assert_null(got);
    assert_int_equal(end[1]->stats.rx_dropped, dropped + 1);
    assert_int_equal(rec.rare.head, drops + 1);
    assert_int_equal(rec.rare.slot[drops].seg.reason, WEIR_LINK_MALFORMED);
    assert_int_equal(rec.rare.slot[drops].cause, 1001);
}

static void too_much(struct ring_slot *s, struct ring_more *m) {
    (void)m;
    s->frame.copied = WEIR_PKT_ROOM + 1;
}
static void many_extents(struct ring_slot *s, struct ring_more *m) {
    (void)m;
    s->frame.extents = 255;
}
static void far_away(struct ring_slot *s, struct ring_more *m) {
    (void)s;
    m->extent[0].off = UINT64_MAX - 10;
}
static void over_the_end(struct ring_slot *s, struct ring_more *m) {
    (void)s;
    m->extent[0].off = ARENA - 100;
}
static void too_long(struct ring_slot *s, struct ring_more *m) {
    (void)s;
    m->extent[0].len = UINT32_MAX;
}
static void sums_too_long(struct ring_slot *s, struct ring_more *m) {
    s->frame.extents = WEIR_PKT_SLICES;
    for (unsigned i = 0; i < WEIR_PKT_SLICES; i++) {
        m->extent[i].off = 0;
        m->extent[i].len = 60000;
    }
}

static void sum_past_the_end(struct ring_slot *s, struct ring_more *m) {
    (void)m;
    s->frame.flags = WEIR_PKT_CSUM_PARTIAL;
    s->frame.csum_start = 59;
}
static void sum_in_the_data(struct ring_slot *s, struct ring_more *m) {
    (void)m;
    s->frame.flags = WEIR_PKT_CSUM_PARTIAL;
    s->frame.csum_start = s->frame.csum_offset = 500;
}

static void nonsense(void **state) {
    (void)state;
    malformed(too_much, 60);
    malformed(many_extents, 60);
    malformed(many_extents, 1514);
    malformed(far_away, 1514);
    malformed(over_the_end, 1514);
    malformed(too_long, 1514);
    malformed(sums_too_long, 1514);
    malformed(sum_past_the_end, 60);
    malformed(sum_in_the_data, 1514);
    /* And the next one passes. */
    end[0]->ops->send(end[0], frame(arena[0], 3, 1514, 66), 1);
    end[1]->ops->poll(end[1], 2);
    struct weir_pkt *pkt = next_got();
    is_frame(pkt, 3, 1514);
    weir_pkt_free(pkt);
}

/* A count beyond what was sent frees nothing that the peer may still read. */
static void count_not_believed(void **state) {
    (void)state;
    end[0]->ops->send(end[0], frame(arena[0], 1, 1514, 66), 1);
    size_t used = weir_arena_used(arena[0]);
    ring->lane[1].taken = 1000;
    for (int i = 0; i < 200; i++)
        end[0]->ops->poll(end[0], 2);
    assert_int_equal(weir_arena_used(arena[0]), used);
    end[1]->ops->poll(end[1], 3);
    weir_pkt_free(next_got());
}

/* ---- sleeping ---- */

static bool rings(const struct weir_link *link) {
    struct pollfd p = {.fd = link->ops->fd(link), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void rings_for_sleepers(void **state) {
    (void)state;
    end[0]->ops->send(end[0], frame(arena[0], 1, 60, 60), 1);
    assert_false(rings(end[1])); /* nobody said that it would sleep */
    assert_int_equal(end[1]->ops->deadline(end[1]), 0);
    end[1]->ops->poll(end[1], 1);
    assert_int_equal(end[1]->ops->deadline(end[1]), WEIR_NEVER);
    assert_false(rings(end[1]));
    end[0]->ops->send(end[0], frame(arena[0], 2, 60, 60), 2);
    assert_true(rings(end[1]));
    end[0]->ops->send(end[0], frame(arena[0], 3, 60, 60), 2);
    assert_int_equal(end[1]->ops->poll(end[1], 3), 2);
    assert_false(rings(end[1]));
    end[0]->ops->send(end[0], frame(arena[0], 4, 60, 60), 4);
    assert_false(rings(end[1])); /* awake since */
    end[1]->ops->poll(end[1], 5);
    while (got)
        weir_pkt_free(next_got());
}

#define MANY 200000u

static uint32_t len_of(uint32_t n) {
    return 14 + n * 2654435761u % (n % 50 ? 300 : 60000);
}

/* Sends as fast as there is room, in lists of up to 5. */
static void *writer(void *arg) {
    (void)arg;
    for (uint32_t n = 0; n < MANY;) {
        struct weir_pkt *list = NULL, **tail = &list;
        uint64_t room = 8 - (end[0]->stats.tx_frames - ring->lane[1].taken);
        for (unsigned k = 0; k < 5 && k < room && n < MANY; k++, n++) {
            *tail = frame(arena[0], n, len_of(n), 66);
            tail = &(*tail)->next;
        }
        if (list)
            end[0]->ops->send(end[0], list, 0);
        else
            sched_yield();
    }
    return NULL;
}

static void threads(void **state) {
    (void)state;
    pthread_t t;
    pthread_create(&t, NULL, writer, NULL);
    for (uint32_t n = 0; n < MANY;) {
        while (end[1]->ops->deadline(end[1]) != 0) {
            struct pollfd p = {.fd = end[1]->ops->fd(end[1]), .events = POLLIN};
            assert_int_equal(poll(&p, 1, 20000), 1); /* lost: nobody rings */
            end[1]->ops->poll(end[1], 0);
            if (got)
                break;
        }
        end[1]->ops->poll(end[1], 0);
        for (; got; n++) {
            struct weir_pkt *pkt = next_got();
            is_frame(pkt, n, len_of(n));
            weir_pkt_free(pkt);
        }
    }
    pthread_join(t, NULL);
    assert_int_equal(end[0]->stats.tx_dropped, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(crosses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(offload_crosses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nonsense, set_up, tear_down),
        cmocka_unit_test_setup_teardown(count_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rings_for_sleepers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
