/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_HOST_SHARDS_H
#define WEIR_HOST_SHARDS_H
/*
 * One host on several cores: n stacks (shards) with the same address, each with
 * an arena, a recorder and a thread of its own. Flows are spread among them by
 * hash ("weir/flow.h", links/spread.h), as cards and SO_REUSEPORT do it, so a
 * connection lives and dies in one shard and nothing is shared on its path. A
 * service listens in every shard; a shard that connects gets a port whose
 * answers come back to it.
 *
 *     struct shards *s = shards_create(&config);     n stacks, no thread yet
 *     link = shards_port(s, arena, 1500);            where their frames go
 *     shards_start(s);                               begin() in each thread,
 *     ...                                            then ready() as it comes
 *     shards_stop(s);
 *     shards_destroy(s);
 *
 * Whoever has threads already calls shard_pass from them instead.
 */
#include <stdbool.h>
#include <stdint.h>

#include "weir/flow.h"
#include "weir/socket.h"

struct shards;

struct shard {
    struct shards *all;
    unsigned index; /* 0..n-1 */
    struct weir_stack *stack;
    struct weir_link *link; /* below eth0 (ifindex 2); NULL: none yet */
    struct weir_arena *arena;
    struct weir_recorder rec;
    void *own; /* the program's */
};

struct shards_config {
    unsigned n;    /* 1..WEIR_SHARDS_MAX */
    uint8_t host;  /* number of shard 0 in events; the others follow */
    char name[16]; /* "www": the stacks are www/0, www/1, ... */
    struct weir_addr addr;
    unsigned plen;
    uint8_t mac[6];
    uint32_t mtu, features; /* of eth0; enum weir_link_feature */
    uint64_t seed;          /* of all randomness */
    /* Of the spreading, WEIR_RSS_KEY bytes; NULL: from the seed, so that nobody
     * can aim at one shard. */
    const uint8_t *key;
    size_t arena_bytes; /* address space of each; 0: 4 GiB */
    unsigned records;   /* in each of a recorder's rings, a power of two;
                         * 0: 2^17 */
    /* For threads of shards_start: */
    const int *cpu;   /* n of them, to run on; NULL: anywhere */
    uint64_t spin_ns; /* look for work so long before sleeping; UINT64_MAX:
                       * never sleep */
    /* Called in the shard's thread. begin: once, before anything else; not 0
     * ends the thread (shards_stop returns it). ready: a socket's readiness
     * changed. pass (may be NULL): each time round; true: something was done.
     */
    int (*begin)(struct shard *sh, void *ctx);
    void (*ready)(struct shard *sh, const struct weir_ready *r, void *ctx);
    bool (*pass)(struct shard *sh, uint64_t now, void *ctx);
    void *ctx;
};

/* NULL with errno. */
struct shards *shards_create(const struct shards_config *config);
/* Threads stopped, and those at the other ends of its links. */
void shards_destroy(struct shards *s);

unsigned shards_count(const struct shards *s);
struct shard *shards_at(struct shards *s, unsigned index);
/* How arriving packets are to be spread among them. */
const struct weir_rss *shards_rss(const struct shards *s);

/* The cable of the whole host, for one thread: a link that spreads what is sent
 * among the shards and delivers what they send. Its owner gives it to a stack,
 * or bridges it with a TAP (shards_bridge). The caller's to close. Before
 * shards_start; once. NULL with errno. */
struct weir_link *shards_port(struct shards *s, struct weir_arena *arena,
                              uint32_t mtu);
/* Every shard of one host by every shard of the other. 0 or -errno. */
int shards_join(struct shards *a, struct shards *b);
/* What arrives at one link leaves by the other. */
void shards_bridge(struct weir_link *a, struct weir_link *b);

/* Frames in, what is due, frames and readiness out. False: there was nothing.
 * In the shard's thread. */
bool shard_pass(struct shard *sh, uint64_t now);
/* When it must be called again though no frame comes; frames that come from
 * here on ring the descriptor of sh->link. */
uint64_t shard_deadline(struct shard *sh);

/* 0 or -errno; 0 or what a begin() returned. */
int shards_start(struct shards *s);
int shards_stop(struct shards *s);

/* All events in the order of time (CLOCK_MONOTONIC, one for all cores), then of
 * id; an id's top 16 bits are its shard's host number, so causes are found
 * across shards. Threads stopped. Start with a zeroed cursor; NULL: no more. */
struct shards_cursor {
    uint64_t bulk[WEIR_SHARDS_MAX], rare[WEIR_SHARDS_MAX];
};
const struct weir_event *shards_next_event(struct shards *s,
                                           struct shards_cursor *c);

#endif
