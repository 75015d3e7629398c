/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timing wheel (Varghese and Lauck, 1987, scheme 7): levels of 64 slots, a
 * slot of a level as wide as all of the level below it; the finest is 1.024 us.
 *
 * A timer lies on the level of the highest group of six bits in which its tick
 * differs from the wheel's. So whatever lies on a lower level comes before all
 * of a higher one, the first occupied slot holds the earliest timer, and moving
 * the wheel forward to (not past) that slot changes no other timer's place. A
 * slot above the finest level is spread over lower levels when its time begins.
 *
 * Ticks only sort: a timer is due by its exact deadline, so none is early; and
 * wheel_deadline answers the earliest deadline exactly, or, where that would
 * mean to look at many timers, the beginning of a slot that has not begun yet:
 * so that each wheel_expire makes progress, and few wake-ups find nothing due.
 *
 * Lanes: many timers have one of a few delays that never change. Those that
 * have the same wait in a queue of their own (base/lane.h), which is in order
 * without effort: no slot has to be spread for them. Where the deadline is
 * earlier than that of the last in the lane, or no memory is left for a place
 * in it, a slot takes the timer.
 *
 * `quiet`: as a rule nothing is due, and this says so without a look at lists.
 *
 * A timer's kind is kept in the low bits of its `prev` link. Of one in a lane
 * `next` is its place, and `prev` which lane, a small number.
 */
#include "base/wheel.h"

#include <assert.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/lane.h"
#include "weir/link.h"

enum {
    TICK_BITS = 10,
    GROUP_BITS = 6,
    SLOTS = 1 << GROUP_BITS,
    LEVELS = (64 - TICK_BITS + GROUP_BITS - 1) / GROUP_BITS,
    KIND_MASK = 7,
    LANE_MASK = 31,
    LANE_SHIFT = 3,
    LOOK_AT = 16, /* timers that wheel_deadline looks at, as a rule */
};
_Static_assert(WTIMER_MAX <= KIND_MASK + 1, "kinds fit beside a pointer");
_Static_assert(_Alignof(struct wtimer) > KIND_MASK, "low bits are free");

struct slot {
    struct wtimer head; /* a circular list; its deadline is not used */
};

struct wheel {
    uint64_t tick;             /* where the wheel stands */
    uint64_t quiet;            /* ns; nothing begins or is due before */
    uint32_t levels;           /* a bit a level that is not empty */
    uint64_t occupied[LEVELS]; /* a bit a slot */
    struct lane lanes[WHEEL_LANES];
    struct slot slots[LEVELS][SLOTS];
};

static struct wtimer *prev_of(const struct wtimer *t) {
    return (struct wtimer *)((uintptr_t)t->prev & ~(uintptr_t)KIND_MASK);
}

static enum wtimer_kind kind_of(const struct wtimer *t) {
    return (enum wtimer_kind)((uintptr_t)t->prev & KIND_MASK);
}

static void set_prev(struct wtimer *t, struct wtimer *prev, unsigned kind) {
    t->prev = (struct wtimer *)((uintptr_t)prev | kind);
}

/* No timer lies at so low an address. */
static bool in_lane(const struct wtimer *t) {
    return (uintptr_t)t->prev <= (LANE_MASK << LANE_SHIFT | KIND_MASK);
}

static unsigned lane_of(const struct wtimer *t) {
    return (unsigned)((uintptr_t)t->prev >> LANE_SHIFT);
}

struct wheel *wheel_create(struct weir_arena *a, uint64_t now) {
    struct wheel *w = arena_zalloc(a, sizeof(*w));
    if (!w)
        return NULL;
    for (unsigned i = 0; i < WHEEL_LANES; i++) {
        if (!lane_init(&w->lanes[i], a)) {
            wheel_destroy(a, w);
            return NULL;
        }
    }
    w->tick = now >> TICK_BITS;
    for (unsigned level = 0; level < LEVELS; level++) {
        for (unsigned i = 0; i < SLOTS; i++) {
            struct wtimer *head = &w->slots[level][i].head;
            head->next = head->prev = head;
        }
    }
    return w;
}

void wheel_destroy(struct weir_arena *a, struct wheel *w) {
    for (unsigned i = 0; i < WHEEL_LANES; i++)
        lane_fini(&w->lanes[i]);
    arena_free(a, w, sizeof(*w));
}

static void quiet_until(struct wheel *w, uint64_t ns) {
    if (ns < w->quiet)
        w->quiet = ns;
}

static void link_in(struct wheel *w, struct wtimer *t, enum wtimer_kind kind) {
    uint64_t tick = t->deadline >> TICK_BITS;
    if (tick < w->tick)
        tick = w->tick;
    uint64_t differs = tick ^ w->tick;
    unsigned level =
        differs ? (63 - (unsigned)__builtin_clzll(differs)) / GROUP_BITS : 0;
    unsigned shift = level * GROUP_BITS;
    unsigned i = (unsigned)(tick >> shift) & (SLOTS - 1);
    struct wtimer *head = &w->slots[level][i].head, *last = prev_of(head);
    t->next = head;
    set_prev(t, last, kind);
    last->next = t;
    set_prev(head, t, 0);
    w->occupied[level] |= (uint64_t)1 << i;
    w->levels |= 1u << level;
    quiet_until(w, tick >> shift << shift << TICK_BITS);
}

void wheel_disarm(struct wheel *w, struct wtimer *t) {
    if (!wtimer_armed(t))
        return;
    struct wtimer *prev = prev_of(t), *next = t->next;
    if (in_lane(t)) {
        lane_remove(&w->lanes[lane_of(t)], (struct wtimer **)(void *)t->next);
        t->next = t->prev = NULL;
        return;
    }
    prev->next = next;
    set_prev(next, prev, kind_of(next));
    t->next = t->prev = NULL;
    if (prev == next) { /* only the head is left */
        size_t n = (size_t)((struct slot *)(void *)next - &w->slots[0][0]);
        assert(n < (size_t)LEVELS * SLOTS);
        w->occupied[n / SLOTS] &= ~((uint64_t)1 << (n % SLOTS));
        if (!w->occupied[n / SLOTS])
            w->levels &= ~(1u << n / SLOTS);
    }
}

void wheel_arm(struct wheel *w, struct wtimer *t, enum wtimer_kind kind,
               uint64_t deadline) {
    wheel_disarm(w, t);
    t->deadline = deadline;
    link_in(w, t, kind);
}

void wheel_arm_lane(struct wheel *w, struct wtimer *t, enum wtimer_kind kind,
                    uint64_t deadline, enum wheel_lane lane) {
    wheel_disarm(w, t);
    t->deadline = deadline;
    struct lane *l = &w->lanes[lane];
    bool ascends = lane_empty(l) || deadline >= l->last;
    struct wtimer **place = ascends ? lane_push(l, t) : NULL;
    if (!place) {
        link_in(w, t, kind);
        return;
    }
    l->last = deadline;
    t->next = (struct wtimer *)(void *)place;
    t->prev = (struct wtimer *)((uintptr_t)lane << LANE_SHIFT | kind);
    quiet_until(w, deadline);
}

const struct wtimer *wheel_lane_ahead(const struct wheel *w,
                                      enum wheel_lane lane, unsigned n) {
    return lane_ahead(&w->lanes[lane], n);
}

/* Of all lanes; NULL: they are empty. */
static struct wtimer *lanes_first(const struct wheel *w) {
    struct wtimer *first = NULL;
    for (unsigned lane = 0; lane < WHEEL_LANES; lane++) {
        struct wtimer *t = lane_first(&w->lanes[lane]);
        if (t && (!first || t->deadline < first->deadline))
            first = t;
    }
    return first;
}

/* The first occupied slot: false where there is none. No slot before the
 * wheel's own place is ever occupied. */
static bool first_slot(const struct wheel *w, unsigned *level, unsigned *i) {
    if (!w->levels)
        return false;
    *level = (unsigned)__builtin_ctz(w->levels);
    *i = (unsigned)__builtin_ctzll(w->occupied[*level]);
    return true;
}

/* The tick at which a slot begins. */
static uint64_t slot_tick(const struct wheel *w, unsigned level, unsigned i) {
    unsigned shift = level * GROUP_BITS;
    unsigned above = shift + GROUP_BITS;
    uint64_t upper = above < 64 ? w->tick >> above << above : 0;
    return upper | (uint64_t)i << shift;
}

/* Spread a coarse slot, whose time has begun, over the levels below. */
static void spread(struct wheel *w, unsigned level, unsigned i) {
    struct wtimer *head = &w->slots[level][i].head;
    w->tick = slot_tick(w, level, i);
    while (head->next != head) {
        struct wtimer *t = head->next;
        enum wtimer_kind kind = kind_of(t);
        wheel_disarm(w, t);
        link_in(w, t, kind);
    }
}

static void move_to(struct wheel *w, uint64_t tick) {
    if (tick > w->tick)
        w->tick = tick;
}

/* Of the slots, the next one due. */
static struct wtimer *slots_expire(struct wheel *w, uint64_t now) {
    uint64_t target = now >> TICK_BITS;
    unsigned level, i;
    while (first_slot(w, &level, &i)) {
        uint64_t begins = slot_tick(w, level, i);
        if (begins > target)
            break;
        if (level > 0) {
            spread(w, level, i);
            continue;
        }
        w->tick = begins;
        struct wtimer *head = &w->slots[0][i].head;
        for (struct wtimer *t = head->next; t != head; t = t->next)
            if (t->deadline <= now)
                return t;
        return NULL;
    }
    move_to(w, target);
    return NULL;
}

struct wtimer *wheel_expire(struct wheel *w, uint64_t now,
                            enum wtimer_kind *kind) {
    if (now < w->quiet) {
        move_to(w, now >> TICK_BITS);
        return NULL;
    }
    struct wtimer *lane = lanes_first(w);
    bool lane_due = lane && lane->deadline <= now;
    struct wtimer *t = slots_expire(w, lane_due ? lane->deadline : now);
    if (!t && lane_due)
        t = lane;
    if (t) {
        *kind = kind_of(t);
        wheel_disarm(w, t);
        return t;
    }
    unsigned level = 0, i = 0;
    w->quiet = first_slot(w, &level, &i) ? slot_tick(w, level, i) << TICK_BITS
                                         : WEIR_NEVER;
    if (lane)
        quiet_until(w, lane->deadline);
    return NULL;
}

uint64_t wheel_deadline(const struct wheel *w) {
    unsigned level, i, seen = 0;
    const struct wtimer *lane = lanes_first(w);
    uint64_t earliest = lane ? lane->deadline : WEIR_NEVER;
    if (!first_slot(w, &level, &i))
        return earliest;
    const struct wtimer *head = &w->slots[level][i].head;
    uint64_t begins = slot_tick(w, level, i);
    for (const struct wtimer *t = head->next; t != head; t = t->next) {
        if (++seen > LOOK_AT && begins > w->tick) {
            begins <<= TICK_BITS;
            return begins < earliest ? begins : earliest;
        }
        if (t->deadline < earliest)
            earliest = t->deadline;
    }
    return earliest;
}
