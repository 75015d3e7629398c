/* SPDX-License-Identifier: BSD-2-Clause */
/* The timing wheel against a list of deadlines. */
#include "unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/wheel.h"
#include "weir/link.h"

enum { N = 300 };

struct model {
    struct wtimer timer[N];
    uint64_t due[N]; /* 0: not armed */
};

static uint64_t earliest(const struct model *m) {
    uint64_t t = WEIR_NEVER;
    for (int i = 0; i < N; i++)
        if (m->due[i] && m->due[i] < t)
            t = m->due[i];
    return t;
}

static void exact(void **state) {
    (void)state;
    struct weir_arena *a = arena_new(1 << 20);
    struct wheel *w = wheel_create(a, 1000000);
    struct wtimer t = {0};
    enum wtimer_kind kind;
    assert_true(wheel_deadline(w) == WEIR_NEVER);
    assert_false(wtimer_armed(&t));
    wheel_disarm(w, &t); /* nothing to do */
    wheel_arm(w, &t, WTIMER_FRAG, 1000777);
    assert_true(wheel_deadline(w) <= 1000777);
    assert_null(wheel_expire(w, 1000776, &kind)); /* never early */
    assert_true(wheel_deadline(w) == 1000777);
    assert_ptr_equal(wheel_expire(w, 1000777, &kind), &t);
    assert_int_equal(kind, WTIMER_FRAG);
    assert_false(wtimer_armed(&t));
    wheel_arm(w, &t, WTIMER_TCP, 5); /* in the past: at once */
    assert_true(wheel_deadline(w) <= 1000777);
    assert_ptr_equal(wheel_expire(w, 1000777, &kind), &t);
    wheel_arm(w, &t, WTIMER_TCP, WEIR_NEVER - 1);
    assert_true(wheel_deadline(w) <= WEIR_NEVER - 1);
    wheel_disarm(w, &t);
    assert_true(wheel_deadline(w) == WEIR_NEVER);
    wheel_destroy(a, w);
    arena_gone(a);
}

/* Lanes: in order, and no neighbour is asked; who comes out of order, or finds
 * no memory, is in time all the same. */
static void lanes(void **state) {
    (void)state;
    enum { MANY = 2000 };
    static struct wtimer t[MANY];
    memset(t, 0, sizeof(t));
    struct weir_arena *a = arena_new(1 << 20);
    struct wheel *w = wheel_create(a, 0);
    enum wtimer_kind kind;
    for (unsigned i = 0; i < MANY; i++)
        wheel_arm_lane(w, &t[i], WTIMER_REST, 1000 * (i + 1), WHEEL_REST);
    for (unsigned i = 0; i < MANY; i += 3)
        wheel_disarm(w, &t[i]);
    assert_true(wheel_deadline(w) == 2000);
    assert_ptr_equal(wheel_lane_ahead(w, WHEEL_REST, 0), &t[1]);
    wheel_arm_lane(w, &t[0], WTIMER_REST, 1500, WHEEL_REST); /* earlier */
    assert_true(wheel_deadline(w) <= 1500);
    assert_ptr_equal(wheel_expire(w, 1500, &kind), &t[0]);
    while (arena_alloc(a, 16)) /* nothing is left */
        ;
    wheel_arm_lane(w, &t[0], WTIMER_REST, 1000 * MANY + 5, WHEEL_REST);
    for (unsigned i = 3; i < MANY; i += 3)
        wheel_arm_lane(w, &t[i], WTIMER_REST, 1000 * MANY + 5, WHEEL_REST);
    for (unsigned i = 1; i < MANY; i++) {
        if (i % 3 == 0)
            continue;
        assert_null(wheel_expire(w, 1000 * (i + 1) - 1, &kind));
        assert_ptr_equal(wheel_expire(w, 1000 * (i + 1), &kind), &t[i]);
    }
    assert_null(wheel_expire(w, 1000 * MANY + 4, &kind));
    for (unsigned i = 0; i < MANY; i += 3)
        assert_non_null(wheel_expire(w, 1000 * MANY + 5, &kind));
    assert_true(wheel_deadline(w) == WEIR_NEVER);
    wheel_destroy(a, w);
    arena_gone(a);
}

/* Delays from none to days, in all mixtures. */
static uint64_t some_delay(struct rng *r) {
    return rng_u64(r) >> (10 + rng_below(r, 54));
}

static void expire_all(struct model *m, struct wheel *w, uint64_t now) {
    struct wtimer *t;
    enum wtimer_kind kind;
    while ((t = wheel_expire(w, now, &kind))) {
        size_t i = (size_t)(t - m->timer);
        assert_true(m->due[i] && m->due[i] <= now);
        assert_int_equal(kind, i % WTIMER_MAX);
        m->due[i] = 0;
    }
    assert_true(earliest(m) > now); /* none is late */
}

static void random_against_model(void **state) {
    (void)state;
    struct weir_arena *a = arena_new(1 << 20);
    for (uint8_t seed = 1; seed <= 20; seed++) {
        static struct model m;
        memset(&m, 0, sizeof(m));
        struct rng r;
        rng_seed(&r, (const uint8_t[32]){seed});
        uint64_t now = some_delay(&r);
        struct wheel *w = wheel_create(a, now);
        for (int step = 0; step < 20000; step++) {
            unsigned i = rng_below(&r, N), what = rng_below(&r, 10);
            if (what <
                2) { /* as a rule they ascend; after a jump they do not */
                m.due[i] = now + 5000000 + rng_below(&r, 2) * some_delay(&r);
                wheel_arm_lane(w, &m.timer[i], i % WTIMER_MAX, m.due[i],
                               i % WHEEL_LANES);
            } else if (what < 5) {
                m.due[i] = now + some_delay(&r) + 1;
                wheel_arm(w, &m.timer[i], i % WTIMER_MAX, m.due[i]);
            } else if (what < 6) {
                m.due[i] = 0;
                wheel_disarm(w, &m.timer[i]);
            } else if (what < 9) {
                uint64_t next = wheel_deadline(w);
                assert_true(next <= earliest(&m));
                if (next == WEIR_NEVER)
                    continue;
                now = next > now ? next : now;
                expire_all(&m, w, now);
                /* Progress: whoever sleeps until the deadline gets on. */
                assert_true(wheel_deadline(w) > now);
            } else {
                now += some_delay(&r) >> 8;
                expire_all(&m, w, now);
            }
            assert_int_equal(wtimer_armed(&m.timer[i]), m.due[i] != 0);
        }
        wheel_destroy(a, w);
    }
    arena_gone(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact),
        cmocka_unit_test(lanes),
        cmocka_unit_test(random_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
