/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TESTS_UNIT_H
#define WEIR_TESTS_UNIT_H
/* What every unit test includes: cmocka, and an arena of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "weir/pkt.h"

static inline struct weir_arena *arena_new(size_t bytes) {
    void *mem = aligned_alloc(64, bytes);
    assert_non_null(mem);
    return weir_arena_init(mem, bytes);
}

/* An arena begins at its memory. */
static inline void arena_gone(struct weir_arena *a) {
    free(a);
}

#endif
