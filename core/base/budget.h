/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_BUDGET_H
#define WEIR_CORE_BASE_BUDGET_H
/*
 * The arena is the memory budget. As it runs out things are refused in this
 * order, the dearest and most easily asked for again first, so that what is
 * already connected can go on to its end:
 *
 *     less than 1/8 left    new half-open connections (the SYN is dropped: the
 *                           client tries again)
 *     less than 1/16 left   new sockets (ENOBUFS)
 *     less than 1/32 left   bytes out of order (they were not acknowledged)
 *     nothing left          whatever comes next: a call fails with ENOMEM,
 *                           ENOBUFS or EAGAIN, a packet is dropped (NOMEM)
 */
#include <stdbool.h>

#include "base/arena.h"

enum budget { /* refused where less than this part of the arena is left */
              BUDGET_HALF_OPEN = 8,
              BUDGET_SOCKET = 16,
              BUDGET_OUT_OF_ORDER = 32,
};

static inline bool budget_allows(const struct weir_arena *a, enum budget what) {
    return a->size - a->used >= a->size / (unsigned)what;
}

#endif
