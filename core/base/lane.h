/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_LANE_H
#define WEIR_CORE_BASE_LANE_H
/*
 * A queue of timers whose deadlines ascend (the wheel's: wheel.c). Places lie
 * in blocks, one behind another, so that who is next, and who comes after that,
 * is known without a look at any timer; to take one out leaves its place empty
 * and touches no neighbour. The first and the last place are never empty.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct wtimer;

enum { LANE_BLOCK = 510 }; /* places; a block is 4 KiB */

struct lane_block {
    struct lane_block *next, *prev;
    struct wtimer *place[LANE_BLOCK];
};

struct lane {
    struct weir_arena *arena;
    struct lane_block *head, *tail;
    unsigned first,
        end;       /* in head: the first place; in tail: behind the last */
    uint64_t last; /* deadline of who came last, when it came */
};

/* False where the arena is full. */
bool lane_init(struct lane *l, struct weir_arena *arena);
void lane_fini(struct lane *l);
/* A place at the end; NULL: no memory. */
struct wtimer **lane_push(struct lane *l, struct wtimer *t);
void lane_remove(struct lane *l, struct wtimer **place);

static inline bool lane_empty(const struct lane *l) {
    return l->head == l->tail && l->first == l->end;
}

/* Who is first; NULL: nobody. */
static inline struct wtimer *lane_first(const struct lane *l) {
    return lane_empty(l) ? NULL : l->head->place[l->first];
}

/* Who is so many places behind the first, where that is said quickly; NULL:
 * nobody, or it is not. */
static inline struct wtimer *lane_ahead(const struct lane *l, unsigned n) {
    unsigned at = l->first + n;
    return at < (l->head == l->tail ? l->end : LANE_BLOCK) ? l->head->place[at]
                                                           : NULL;
}

#endif
