/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_ENV_H
#define WEIR_CORE_BASE_ENV_H
/*
 * What every room of one stack shares: time, memory, randomness, settings,
 * counters, the recorder and the cause of what happens now. One per stack, in
 * its arena; only the members under "outside" point out of the arena and are
 * set anew by weir_attach.
 */
#include "base/arena.h"
#include "base/rng.h"
#include "base/sysctl.h"
#include "base/wheel.h"
#include "weir/counter.h"
#include "weir/event.h"
#include "weir/flow.h"
#include "weir/link.h"

struct endpoint;
struct env;

struct env_outside {
    struct weir_recorder *rec;
    /* By enum wtimer_kind: what a due timer does. Filled in by stack.c. */
    void (*const *fire)(struct env *env, struct wtimer *timer);
};

struct env {
    struct weir_arena *arena;
    struct wheel *wheel;
    uint64_t now;        /* ns; constant during a pass: env_clock */
    uint32_t now_ms;     /* the same, modulo 2^32 */
    weir_event_id cause; /* of what happens now */
    struct env_outside outside;
    struct rng rng;
    uint8_t hash_key[16]; /* siphash */
    uint8_t host;
    struct weir_rss *rss;   /* NULL: the stack is alone. Else it is `shard` */
    unsigned shard, shards; /* of so many ("weir/flow.h") */
    enum weir_reason last_reason; /* behind the last -errno of a call */
    struct endpoint *ready_head, *ready_tail; /* see endpoint_touch */
    struct sysctl sysctl;
    uint64_t counters[WEIR_CTR_MAX];
    uint64_t drops[WEIR_REASON_MAX];
    void *rooms; /* struct weir_stack, for env->outside.fire */
};

static inline void env_clock(struct env *env, uint64_t now_ns) {
    env->now = now_ns;
    env->now_ms = (uint32_t)(now_ns / 1000000);
}

#define COUNT(env, group, name) ((env)->counters[WEIR_CTR_##group##_##name]++)
#define COUNT_N(env, group, name, n)                                           \
    ((env)->counters[WEIR_CTR_##group##_##name] += (uint64_t)(n))

static inline struct weir_event *
env_record(struct env *env, enum weir_event_kind kind, uint32_t sock) {
    return weir_record(env->outside.rec, kind, env->host, sock, env->cause,
                       env->now);
}

/* Do packets of this flow arrive here, or at another shard? */
bool env_has_flow(const struct env *env, const struct weir_flow *flow);

/* A call fails: remember why, return -error. */
static inline int env_fail(struct env *env, int error, enum weir_reason why) {
    env->last_reason = why;
    return -error;
}

#endif
