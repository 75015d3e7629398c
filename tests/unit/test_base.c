/* SPDX-License-Identifier: BSD-2-Clause */
/* base: checksum, randomness, arena, hash table, finding events. */
#include "unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/checksum.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/rng.h"
#include "base/sysctl.h"
#include "weir/counter.h"
#include "weir/event.h"
#include "weir/weir.h"

/* RFC 1071 3: the worked example sums to 2ddf0, folded ddf2. */
static void checksum_rfc1071(void **state) {
    (void)state;
    const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    assert_int_equal(csum_add(bytes, 8, 0), 0xddf2);
    assert_int_equal(csum_add(bytes + 2, 6, 0x0001), 0xddf2);
    assert_int_equal(csum_add(bytes, 0, 0x1fffe), 0xffff);
}

/* RFC 1624 4: m = 5555 becomes 3285 under a checksum of dd2f: 0000 (not ffff
 * by equation 3). */
static void checksum_rfc1624(void **state) {
    (void)state;
    assert_int_equal(csum_update(0xdd2f, 0x5555, 0x3285), 0x0000);
}

static uint16_t naive_sum(const uint8_t *p, size_t len) {
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void checksum_any_length(void **state) {
    (void)state;
    struct rng r;
    rng_seed(&r, (const uint8_t[32]){1});
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i % 3 ? 0xff : (uint8_t)rng_u64(&r);
    for (size_t off = 0; off < 9; off++)
        for (size_t len = 0; off + len <= sizeof(bytes); len++)
            assert_int_equal(csum_add(bytes + off, len, 0),
                             naive_sum(bytes + off, len));
}

/* Vectors, copies and sums that were kept say what the plain sum says. */
static void checksum_ways(void **state) {
    (void)state;
    static uint8_t bytes[70000], copy[70000];
    struct rng r;
    rng_seed(&r, (const uint8_t[32]){2});
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i % 1000 < 400 ? 0xff : (uint8_t)rng_u64(&r);
    const uint32_t cpu = __builtin_cpu_supports("avx2") ? WEIR_CPU_AVX2 : 0;
    for (unsigned i = 0; i < 3000; i++) {
        size_t off = rng_below(&r, 40);
        size_t len = rng_below(&r, i % 10 ? 2000 : sizeof(bytes) - 40);
        uint16_t want = naive_sum(bytes + off, len);
        const uint8_t *p = bytes + off;
        assert_int_equal(csum_network(csum_bytes(p, len, cpu)), want);
        assert_int_equal(csum_network(csum_bytes(p, len, 0)), want);
        assert_int_equal(csum_network(csum_copy(copy, p, len, cpu)), want);
        assert_memory_equal(copy, p, len);
    }
}

/* The test vector of the SipHash paper, appendix A. */
static void siphash_vector(void **state) {
    (void)state;
    uint8_t key[16], in[15];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        in[i] = i;
    assert_true(siphash(key, in, 15) == 0xa129ca6149be45e5);
}

static void rng_is_seeded(void **state) {
    (void)state;
    struct rng a, b;
    uint8_t seed[32] = {7};
    rng_seed(&a, seed);
    rng_seed(&b, seed);
    unsigned seen[7] = {0};
    for (int i = 0; i < 7000; i++) {
        uint32_t v = rng_below(&a, 7);
        assert_int_equal(v, rng_below(&b, 7));
        assert_true(v < 7);
        seen[v]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 850, 1150);
}

static void arena_reuses(void **state) {
    (void)state;
    struct weir_arena *a = arena_new(1 << 20);
    void *p = arena_alloc(a, 100), *q = arena_alloc(a, 100);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 16, 0);
    memset(p, 1, 100);
    memset(q, 2, 100);
    arena_free(a, p, 100);
    assert_ptr_equal(arena_alloc(a, 97), p); /* the same class, 112 bytes */
    assert_int_equal(weir_arena_used(a), 224);
    arena_free(a, p, 97);
    arena_free(a, q, 100);
    assert_int_equal(weir_arena_used(a), 0);
    assert_int_equal(weir_arena_peak(a), 224);
    arena_gone(a);
}

/* Whatever was freed serves again when nothing fresh is left. */
static void arena_divides_when_full(void **state) {
    (void)state;
    struct weir_arena *a = arena_new(1 << 20);
    void *big = arena_alloc(a, 500000);
    assert_non_null(big);
    arena_free(a, big, 500000);
    size_t n = 0;
    void *first = NULL;
    for (void *p; (p = arena_alloc(a, 64)); n++) {
        memset(p, 0xee, 64);
        first = first ? first : p;
    }
    /* All but the arena's own bookkeeping and page ends. */
    assert_in_range(n, 15000, (1 << 20) / 64);
    assert_null(arena_alloc(a, 64));
    arena_free(a, first, 64);
    assert_ptr_equal(arena_alloc(a, 64), first);
    assert_null(arena_alloc(a, 600000)); /* over half of it */
    arena_gone(a);
}

static void arena_random(void **state) {
    (void)state;
    struct weir_arena *a = arena_new(8 << 20);
    struct rng r;
    rng_seed(&r, (const uint8_t[32]){3});
    enum { N = 400 };
    uint8_t *mem[N] = {0};
    size_t size[N];
    for (int step = 0; step < 100000; step++) {
        unsigned i = rng_below(&r, N);
        if (mem[i]) {
            for (size_t k = 0; k < size[i]; k += 61)
                assert_int_equal(mem[i][k], (uint8_t)i);
            arena_free(a, mem[i], size[i]);
            mem[i] = NULL;
        } else {
            size[i] = rng_below(&r, rng_below(&r, 8) ? 900 : 70000);
            mem[i] = arena_alloc(a, size[i]);
            assert_non_null(mem[i]);
            memset(mem[i], (int)i, size[i]);
        }
    }
    arena_gone(a);
}

struct thing {
    struct hash_node node;
    uint32_t key;
    bool in;
};

static struct thing *thing_find(const struct hash *h, uint32_t key,
                                uint64_t hash) {
    for (struct hash_node *n = hash_first(h, hash); n; n = hash_next(n))
        if (container_of(n, struct thing, node)->key == key)
            return container_of(n, struct thing, node);
    return NULL;
}

static void hash_grows(void **state) {
    (void)state;
    enum { N = 20000 };
    struct weir_arena *a = arena_new(8 << 20);
    struct hash h;
    struct rng r;
    rng_seed(&r, (const uint8_t[32]){5});
    static struct thing things[N];
    uint8_t key[16] = {0};
    assert_true(hash_init(&h, a));
    for (int step = 0; step < 6 * N; step++) {
        uint32_t i = rng_below(&r, N);
        uint64_t hash = siphash(key, &i, sizeof(i)) & ~(uint64_t)15;
        struct thing *t = &things[i];
        t->key = i;
        assert_ptr_equal(thing_find(&h, i, hash), t->in ? t : NULL);
        if (t->in)
            hash_remove(&h, &t->node);
        else
            hash_insert(&h, &t->node, hash);
        t->in = !t->in;
    }
    size_t in = 0, seen = 0;
    for (uint32_t i = 0; i < N; i++)
        in += things[i].in;
    for (size_t b = 0; b < h.buckets.n; b++)
        for (struct hash_node *n = hash_bucket(&h, b); n; n = hash_along(n))
            seen++;
    assert_int_equal(seen, in);
    assert_int_equal(h.count, in);
    hash_fini(&h);
    assert_int_equal(weir_arena_used(a), 0);
    arena_gone(a);
}

static void events_are_found(void **state) {
    (void)state;
    static struct weir_event bulk[64], rare[16];
    struct weir_recorder rec = {
        .next = 1, .bulk = {0, 63, bulk}, .rare = {0, 15, rare}};
    for (int i = 0; i < 300; i++)
        weir_record(&rec, i % 5 ? WEIR_EV_CALL : WEIR_EV_STATE, 1, 0, 0, 0);
    assert_null(weir_event_find(&rec, 0));
    assert_null(weir_event_find(&rec, 301));
    for (weir_event_id id = 1; id <= 300; id++) {
        const struct weir_event *ev = weir_event_find(&rec, id);
        bool is_rare = (id - 1) % 5 == 0;
        bool kept = is_rare ? (300 - id) / 5 < 16 : id > 300 - 80;
        assert_int_equal(ev != NULL, kept);
        if (ev)
            assert_int_equal(ev->id, id);
    }
    /* A call that outlived the ring, written again under its old id. */
    struct weir_event *again = weir_record(&rec, WEIR_EV_CALL, 1, 0, 0, 0);
    again->id = 7;
    again->flags = WEIR_EVF_AGAIN;
    assert_ptr_equal(weir_event_find(&rec, 7), again);
    for (weir_event_id id = 240; id <= 300; id++)
        assert_non_null(weir_event_find(&rec, id));
}

static void names(void **state) {
    (void)state;
    assert_string_equal(weir_event_name(WEIR_EV_SEGMENT_SENT), "SEGMENT_SENT");
    assert_string_equal(weir_call_name(WEIR_CALL_connect), "connect");
    assert_string_equal(weir_tcp_state_name(WEIR_TCP_TIME_WAIT), "TIME_WAIT");
    assert_string_equal(weir_timer_name(WEIR_TIMER_REXMIT), "retransmit");
    assert_string_equal(weir_reason_name(WEIR_NO_SOCKET), "NO_SOCKET");
    assert_string_equal(weir_counter_group(WEIR_CTR_TcpExt_TW), "TcpExt");
    assert_string_equal(weir_counter_name(WEIR_CTR_TcpExt_TW), "TW");
    for (unsigned i = 0; i < WEIR_REASON_MAX; i++) {
        assert_string_not_equal(weir_reason_name(i), "?");
        assert_string_not_equal(weir_reason_text(i), "?");
    }
    for (unsigned i = 1; i < WEIR_EV_MAX; i++)
        assert_string_not_equal(weir_event_name(i), "?");
    for (unsigned i = 0; i < WEIR_TIMER_MAX; i++)
        assert_string_not_equal(weir_timer_name(i), "?");
    assert_string_equal(weir_event_name(1000), "?");
}

static void defaults(void **state) {
    (void)state;
    struct sysctl s;
    sysctl_defaults(&s);
    assert_int_equal(s.tcp_retries2, 15);
    assert_int_equal(s.tcp_rmem[2], 6291456);
    assert_int_equal(s.ip_local_port_range[0], 32768);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum_rfc1071),
        cmocka_unit_test(checksum_rfc1624),
        cmocka_unit_test(checksum_any_length),
        cmocka_unit_test(checksum_ways),
        cmocka_unit_test(siphash_vector),
        cmocka_unit_test(rng_is_seeded),
        cmocka_unit_test(arena_reuses),
        cmocka_unit_test(arena_divides_when_full),
        cmocka_unit_test(arena_random),
        cmocka_unit_test(hash_grows),
        cmocka_unit_test(events_are_found),
        cmocka_unit_test(names),
        cmocka_unit_test(defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
