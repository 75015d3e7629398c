/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TESTS_SIM_NET_H
#define WEIR_TESTS_SIM_NET_H
/*
 * Two or three stacks in virtual time, joined by a network in memory that
 * delays, loses, doubles, reorders and corrupts by a seed.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "weir/socket.h"
#include "weir/weir.h"

#define MS 1000000ull
#define S 1000000000ull

struct net_params {
    uint64_t delay, jitter; /* ns, one way; jitter alone reorders */
    double loss, dup, corrupt, reorder;
    uint32_t features, mtu;
    uint64_t rate;  /* bits a second; 0: no limit */
    uint32_t queue; /* frames a limited link holds */
};

struct net;
struct frame_info { /* of an IPv4 TCP frame; see net_filter */
    unsigned from;
    const struct weir_pkt *pkt;
    uint8_t flags;
    uint32_t len, seq, ack;
    uint16_t sport, dport;
};

struct net {
    struct weir_stack *host[3];
    struct weir_recorder rec[3];
    struct weir_addr addr[3];
    unsigned nhosts;
    uint64_t now;
    struct net_params p;
    bool cut;
    bool fill; /* TEST: corrupt nothing but count */
    struct weir_arena *arena;
    void *mem;
    struct inflight *heap;
    unsigned nheap, room;
    uint64_t order, rng[2];
    uint64_t busy_until[3];
    unsigned queued[3];
    uint64_t sent, lost, doubled, corrupted;
    FILE *verbose;
    weir_event_id shown[3];
    uint64_t digest; /* of all events of all hosts */
    bool bytes;      /* and of all bytes sent */
    /* Return true to drop the frame. */
    bool (*filter)(void *ctx, const struct frame_info *f);
    void *filter_ctx;
};

void net_open(struct net *n, uint64_t seed, unsigned nhosts,
              const struct net_params *p);
/* Asserts that nothing leaked. */
void net_close(struct net *n);
/* Run everything up to `until` (ns). */
void net_run(struct net *n, uint64_t until);
/* Let what was called take effect now, without time passing. */
void net_settle(struct net *n);
uint64_t net_random(struct net *n);
uint64_t net_below(struct net *n, uint64_t limit);
bool net_chance(struct net *n, double p);
struct weir_endpoint net_at(const struct net *n, unsigned host, uint16_t port);
/* The last event of that kind on the host that fits; NULL: none. */
const struct weir_event *net_event(struct net *n, unsigned host, unsigned kind,
                                   weir_event_id after);
void net_show(struct net *n);
/* Counters and drops into the digest, but for those of header prediction. */
void net_digest_counters(struct net *n);

#endif
