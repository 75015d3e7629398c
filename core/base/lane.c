/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks come at the end and go at the beginning; see the header. */
#include "base/lane.h"

static struct lane_block *lane_more(struct lane *l) {
    struct lane_block *b = arena_alloc(l->arena, sizeof(*b));
    if (!b)
        return NULL;
    b->next = NULL;
    b->prev = l->tail;
    return b;
}

bool lane_init(struct lane *l, struct weir_arena *arena) {
    *l = (struct lane){.arena = arena};
    l->head = l->tail = lane_more(l);
    return l->head != NULL;
}

void lane_fini(struct lane *l) {
    while (l->head) {
        struct lane_block *b = l->head;
        l->head = b->next;
        arena_free(l->arena, b, sizeof(*b));
    }
}

struct wtimer **lane_push(struct lane *l, struct wtimer *t) {
    if (l->end == LANE_BLOCK) {
        struct lane_block *b = lane_more(l);
        if (!b)
            return NULL;
        l->tail->next = b;
        l->tail = b;
        l->end = 0;
    }
    struct wtimer **place = &l->tail->place[l->end++];
    *place = t;
    return place;
}

static void lane_trim_head(struct lane *l) {
    while (!lane_empty(l) && !l->head->place[l->first])
        if (++l->first == LANE_BLOCK && l->head != l->tail) {
            struct lane_block *b = l->head;
            l->head = b->next;
            l->head->prev = NULL;
            l->first = 0;
            arena_free(l->arena, b, sizeof(*b));
        }
    if (lane_empty(l))
        l->first = l->end = 0;
}

static void lane_trim_tail(struct lane *l) {
    while (!lane_empty(l) && !l->tail->place[l->end - 1])
        if (--l->end == 0 && l->head != l->tail) {
            struct lane_block *b = l->tail;
            l->tail = b->prev;
            l->tail->next = NULL;
            l->end = LANE_BLOCK;
            arena_free(l->arena, b, sizeof(*b));
        }
}

void lane_remove(struct lane *l, struct wtimer **place) {
    *place = NULL;
    if (place == &l->head->place[l->first])
        lane_trim_head(l);
    else if (place == &l->tail->place[l->end - 1])
        lane_trim_tail(l);
}
