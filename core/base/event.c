/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding an event by its id. Ids ascend within a ring, so a binary search does
 * it, but for records marked WEIR_EVF_AGAIN: these lie among newer ones and are
 * stepped over, and looked for one by one only where the id is older than all
 * that ascends (their first record has been washed out by definition).
 */
#include "weir/event.h"

#include <stddef.h>

static struct weir_event *at(const struct weir_ring *ring, uint64_t n) {
    return &ring->slot[n & ring->mask];
}

static struct weir_event *find_again(const struct weir_ring *ring,
                                     uint64_t oldest, weir_event_id id) {
    for (uint64_t n = ring->head; n-- > oldest;)
        if (at(ring, n)->id == id)
            return at(ring, n);
    return NULL;
}

/* `younger`: how many ids are younger than this one; so at most so many records
 * lie behind its own, and for a recent event there is little to search. */
static struct weir_event *ring_find(const struct weir_ring *ring,
                                    weir_event_id id, uint64_t younger,
                                    bool again) {
    uint64_t oldest =
        ring->head > ring->mask + 1 ? ring->head - (ring->mask + 1) : 0;
    uint64_t low = oldest, high = ring->head; /* in [low, high) */
    if (high - low > younger + 1)
        low = high - (younger + 1);
    while (low < high) {
        uint64_t mid = low + (high - low) / 2, probe = mid;
        while (probe < high && (at(ring, probe)->flags & WEIR_EVF_AGAIN))
            probe++;
        if (probe == high) {
            high = mid;
            continue;
        }
        if (at(ring, probe)->id == id)
            return at(ring, probe);
        if (at(ring, probe)->id < id)
            low = probe + 1;
        else
            high = mid;
    }
    while (oldest < ring->head && (at(ring, oldest)->flags & WEIR_EVF_AGAIN)) {
        if (at(ring, oldest)->id == id)
            return at(ring, oldest);
        oldest++;
    }
    if (again && oldest < ring->head && id < at(ring, oldest)->id)
        return find_again(ring, oldest, id);
    return NULL;
}

struct weir_event *weir_event_find(struct weir_recorder *rec,
                                   weir_event_id id) {
    if (!rec || !id || id >= rec->next)
        return NULL;
    uint64_t younger = rec->next - 1 - id;
    struct weir_event *ev = ring_find(&rec->rare, id, younger, false);
    return ev ? ev : ring_find(&rec->bulk, id, younger, true);
}
