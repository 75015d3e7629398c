/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_WHEEL_H
#define WEIR_CORE_BASE_WHEEL_H
/*
 * Hierarchical timing wheel: arm, disarm and re-arm in O(1). A timer names what
 * fires by `kind` (an index into env->fire), never by address.
 */
#include <stdbool.h>
#include <stdint.h>

struct wtimer {
    struct wtimer *next, *prev; /* wheel.c's; NULL next: not armed */
    uint64_t deadline;          /* ns */
};

enum wtimer_kind {
    WTIMER_TCP,    /* struct tcp_conn: its earliest timer */
    WTIMER_REST,   /* struct tcp_work: a look at whether it is needed */
    WTIMER_LISTEN, /* half-open connections: SYN+ACK again */
    WTIMER_TIMEWAIT,
    WTIMER_NEIGH,
    WTIMER_FRAG,
    WTIMER_MAX
};

/* Whose delays are all alike. */
enum wheel_lane { WHEEL_DELACK, WHEEL_REST, WHEEL_SYNACK, WHEEL_LANES };

struct wheel;
struct weir_arena;

struct wheel *wheel_create(struct weir_arena *a, uint64_t now);
void wheel_destroy(struct weir_arena *a, struct wheel *w);
/* Arm, or re-arm where it is armed. A deadline in the past is due at once. */
void wheel_arm(struct wheel *w, struct wtimer *t, enum wtimer_kind kind,
               uint64_t deadline);
/* The same, for deadlines that ascend, as a rule, within a lane: cheaper. */
void wheel_arm_lane(struct wheel *w, struct wtimer *t, enum wtimer_kind kind,
                    uint64_t deadline, enum wheel_lane lane);
/* Who is about so many places behind the first of a lane; NULL: nobody, as far
 * as that is known quickly. To have its memory at hand by then. */
const struct wtimer *wheel_lane_ahead(const struct wheel *w,
                                      enum wheel_lane lane, unsigned n);
void wheel_disarm(struct wheel *w, struct wtimer *t);
static inline bool wtimer_armed(const struct wtimer *t) {
    return t->next != 0;
}
/* The next timer due at `now`, disarmed, in order of deadline to within a
 * slot of the wheel; NULL: none is due. A timer never fires early. */
struct wtimer *wheel_expire(struct wheel *w, uint64_t now,
                            enum wtimer_kind *kind);
/* No later than the earliest deadline (it may be earlier, never later);
 * WEIR_NEVER where none is armed. */
uint64_t wheel_deadline(const struct wheel *w);

#endif
