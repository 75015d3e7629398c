/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of tags against an array of who is in it. */
#include "unit.h"

#include <string.h>

#include "base/list.h"
#include "base/rng.h"
#include "base/tags.h"

enum { N = 3000 };

struct thing {
    struct tag_node tag;
    uint32_t hash;
    bool in;
};

static struct weir_arena *arena;
static struct thing *thing[N];

static struct thing *of(const struct tags *t, uint64_t e) {
    return container_of(tags_node(t, e), struct thing, tag);
}

/* How often `x` is found under its hash; nothing is found that is not in. */
static unsigned found(const struct tags *t, const struct thing *x) {
    unsigned n = 0, seen = 0;
    const uint64_t *e = tags_first(t, x->hash);
    for (; e; e = tags_next(t, e, x->hash)) {
        const struct thing *got = of(t, *e);
        assert_true(got->in);
        n += got == x;
        assert_true(++seen <= N);
    }
    return n;
}

/* All of it is walked over once, each in the line its hash says. */
static void walk(const struct tags *t) {
    size_t n = 0, in = 0;
    struct tag_node *tag;
    for (size_t line = 0; line < t->n; line++)
        for (size_t place = 0; (tag = tags_nth(t, line, place)); place++) {
            const struct thing *x = container_of(tag, struct thing, tag);
            assert_true(x->in);
            assert_ptr_equal(tags_home(t, x->hash), tags_line(t, line));
            n++;
        }
    for (unsigned i = 0; i < N; i++)
        in += thing[i]->in;
    assert_int_equal(n, in);
    assert_int_equal(n, t->count);
}

static void step(struct tags *t, struct rng *r, uint32_t hashes,
                 unsigned adds) {
    struct thing *x = thing[rng_below(r, N)], *y = thing[rng_below(r, N)];
    if (!x->in) {
        if (rng_below(r, 10) < adds) {
            x->hash = rng_below(r, hashes) * 2654435761u;
            x->in = true;
            tags_insert(t, &x->tag, x->hash);
        }
    } else if (!y->in && rng_below(r, 10) == 0) {
        y->hash = x->hash;
        y->in = true;
        x->in = false;
        tags_replace(t, &x->tag, &y->tag, x->hash);
        x = y;
    } else if (rng_below(r, 10) >= adds) {
        tags_remove(t, &x->tag, x->hash);
        x->in = false;
    }
    assert_int_equal(found(t, x), x->in);
}

/* `hashes`: how many there are; few of them: lines overflow. `bytes`: of the
 * arena; little: no further line is ever opened. */
static void against_model(uint32_t hashes, size_t bytes) {
    arena = arena_new((size_t)4 << 20);
    struct tags t;
    struct rng r;
    rng_seed(&r, (const uint8_t[32]){(uint8_t)hashes});
    for (unsigned i = 0; i < N; i++)
        thing[i] = arena_zalloc(arena, sizeof(**thing));
    assert_true(tags_init(&t, arena));
    void *rest = NULL;
    while (!bytes && (rest = arena_alloc(arena, 512)))
        ;
    for (int turn = 0; turn < 6; turn++) {
        for (int i = 0; i < 20000; i++)
            step(&t, &r, hashes, turn % 2 ? 2 : 8);
        walk(&t);
    }
    assert_true(bytes ? t.n > TAGS_FIRST : t.n <= TAGS_FIRST + 8);
    for (unsigned i = 0; i < N; i++) {
        if (thing[i]->in)
            tags_remove(&t, &thing[i]->tag, thing[i]->hash);
        thing[i]->in = false;
    }
    walk(&t);
    tags_fini(&t);
    arena_gone(arena);
}

static void many_hashes(void **state) {
    (void)state;
    against_model(UINT32_MAX, 1);
}

static void few_hashes(void **state) {
    (void)state;
    against_model(40, 1);
}

static void no_memory(void **state) {
    (void)state;
    against_model(100000, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_hashes),
        cmocka_unit_test(few_hashes),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
