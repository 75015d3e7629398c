/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bulk between two programs on one network: who reads goes first.
 *
 * A program that writes faster than its peer reads would fill what TCP's
 * windows allow, megabytes that leave the processor's cache before anybody
 * reads them. So nothing is taken from a writer's carrier while AHEAD bytes
 * wait in the core for a carrier that is full, as long as its program reads:
 * the bytes stay where they are, in the writer's carrier, whose limit holds it
 * back. A reader that has taken nothing for STALL_NS is one that does not read;
 * from then on queues fill and the window closes as they always do.
 *
 * The peer is looked for when a connection has moved PACE_BULK bytes, and again
 * when twice as many, and so on: it may not have been accepted yet.
 */
#include <string.h>

#include "run/serve_in.h"

#define AHEAD 131072u
#define STALL_NS 10000000u

static bool same(const struct weir_endpoint *a, const struct weir_endpoint *b) {
    return a->port == b->port && !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static uint64_t find_peer(struct end *e) {
    struct weir_sockinfo mine, theirs;
    if (weir_sockinfo(end_stack(e), e->sock, &mine))
        return 0;
    for (unsigned i = 0; i < ENDS; i++)
        for (struct end *p = e->sv->end[i]; p; p = p->next)
            if (p != e && p->state == END_CONNECTED && end_stack(p) &&
                weir_sockinfo(end_stack(p), p->sock, &theirs) == 0 &&
                same(&theirs.local, &mine.peer) &&
                same(&theirs.peer, &mine.local))
                return p->inode;
    return 0;
}

struct end *pace_peer(struct end *e) {
    if (!e->peer && e->bytes_out >= e->look_at) {
        e->peer = find_peer(e);
        e->look_at = 2 * e->bytes_out;
    }
    return e->peer ? end_get(e->sv, e->peer) : NULL;
}

static void leave(struct end *e) {
    struct end **at = &e->sv->paced;
    while (*at != e)
        at = &(*at)->next_paced;
    *at = e->next_paced;
    e->paced = false;
}

void pace_forget(struct end *e) {
    if (e->paced)
        leave(e);
}

bool pace_waits(struct end *e) {
    struct serve *sv = e->sv;
    if (e->bytes_out < PACE_BULK || e->urgent || e->ending)
        return false;
    struct end *p = pace_peer(e);
    struct weir_queues q;
    if (!p || p->state != END_CONNECTED || !p->wants_room || !p->full ||
        loop_now(sv->loop) > p->moved_ns + STALL_NS || !end_stack(p) ||
        weir_queues(end_stack(p), p->sock, &q) || q.rx_queue < AHEAD)
        return false;
    if (!e->paced) {
        e->paced = true;
        e->next_paced = sv->paced;
        sv->paced = e;
    }
    e->due_ns = p->moved_ns + STALL_NS + 1;
    return true;
}

void pace_moved(struct end *p) {
    struct serve *sv = p->sv;
    p->moved_ns = loop_now(sv->loop);
    for (struct end *e = sv->paced; e; e = e->next_paced)
        if (e->peer == p->inode) {
            leave(e);
            relay_out_again(e); /* waits again where it still must */
            return;
        }
}

uint64_t pace_deadline(const struct serve *sv) {
    uint64_t due = UINT64_MAX;
    for (const struct end *e = sv->paced; e; e = e->next_paced)
        due = e->due_ns < due ? e->due_ns : due;
    return due;
}

void pace_pass(struct serve *sv, uint64_t now) {
    for (struct end *e = sv->paced, *next; e; e = next) {
        next = e->next_paced;
        if (now < e->due_ns)
            continue;
        leave(e);
        relay_out_again(e);
        return; /* it may have gone, and others: the loop comes again */
    }
}
