/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stack: the rooms put together, and the pass. Everything lies in the
 * arena; the two tables of functions below are the only things that point out
 * of it and are set anew by weir_attach.
 *
 * A pass (weir_poll) fires due timers, lets TCP send once, and delivers what
 * that put on `lo`; it repeats while `lo` carries anything, up to a bound, so
 * that a conversation of a host with itself needs no wait but cannot starve
 * the rest.
 */
#include <assert.h>
#include <errno.h>

#include "sock/sock.h"

#define LOOP_ROUNDS 64 /* rounds of `lo` in one pass */

static void fire_tcp(struct env *env, struct wtimer *t) {
    tcp_timer(((struct weir_stack *)env->rooms)->tcp, t);
}

static void fire_rest(struct env *env, struct wtimer *t) {
    tcp_visit_timer(((struct weir_stack *)env->rooms)->tcp, t);
}

static void fire_listen(struct env *env, struct wtimer *t) {
    tcp_listen_timer(((struct weir_stack *)env->rooms)->tcp, t);
}

static void fire_timewait(struct env *env, struct wtimer *t) {
    tcp_timewait_timer(((struct weir_stack *)env->rooms)->tcp, t);
}

static void fire_neigh(struct env *env, struct wtimer *t) {
    ip_neigh_timer(((struct weir_stack *)env->rooms)->ip, t);
}

static void fire_frag(struct env *env, struct wtimer *t) {
    ip_frag_timer(((struct weir_stack *)env->rooms)->ip, t);
}

static void (*const fire[WTIMER_MAX])(struct env *, struct wtimer *) = {
    [WTIMER_TCP] = fire_tcp,       [WTIMER_REST] = fire_rest,
    [WTIMER_LISTEN] = fire_listen, [WTIMER_TIMEWAIT] = fire_timewait,
    [WTIMER_NEIGH] = fire_neigh,   [WTIMER_FRAG] = fire_frag,
};

void weir_attach(struct weir_stack *s, struct weir_recorder *rec) {
    s->env.outside.rec = rec;
    s->env.outside.fire = fire;
    ip_register(s->ip, &tcp_proto, s->tcp);
    ip_register(s->ip, &udp_proto, s->udp);
}

struct weir_stack *weir_create(const struct weir_config *config) {
    struct weir_stack *s = arena_zalloc(config->arena, sizeof(*s));
    if (!s)
        return NULL;
    struct env *env = &s->env;
    env->arena = config->arena;
    env_clock(env, config->now_ns);
    env->host = config->host;
    arena_set_cpu(config->arena, config->cpu);
    env->rooms = s;
    env->outside.rec = config->rec;
    env->outside.fire = fire;
    memcpy(s->name, config->name, sizeof(s->name));
    s->name[sizeof(s->name) - 1] = 0;
    rng_seed(&env->rng, config->seed);
    uint64_t key[2] = {rng_u64(&env->rng), rng_u64(&env->rng)};
    memcpy(env->hash_key, key, sizeof(key));
    sysctl_defaults(&env->sysctl);
    key[0] = rng_u64(&env->rng);
    key[1] = rng_u64(&env->rng);
    env->wheel = wheel_create(env->arena, env->now);
    s->ip = env->wheel ? ip_create(env, (const uint8_t *)key) : NULL;
    s->udp = s->ip ? udp_create(env, s->ip) : NULL;
    s->tcp = s->udp ? tcp_create(env, s->ip) : NULL;
    if (!s->tcp) {
        weir_destroy(s);
        return NULL;
    }
    weir_attach(s, config->rec);
    return s;
}

void weir_destroy(struct weir_stack *s) {
    struct weir_arena *arena = s->env.arena;
    s->env.outside.rec = NULL; /* power is off: nothing is observed any more */
    if (s->tcp)
        tcp_destroy(s->tcp);
    if (s->udp)
        udp_destroy(s->udp);
    if (s->ip)
        ip_destroy(s->ip);
    if (s->env.wheel)
        wheel_destroy(arena, s->env.wheel);
    handles_destroy(s);
    if (s->env.rss)
        arena_free(arena, s->env.rss, sizeof(*s->env.rss));
    arena_free(arena, s, sizeof(*s));
}

int weir_set_shard(struct weir_stack *s, const struct weir_rss *rss,
                   unsigned index, unsigned n) {
    struct env *env = &s->env;
    if (n == 0 || n > WEIR_SHARDS_MAX || index >= n)
        return -EINVAL;
    if (!env->rss && !(env->rss = arena_alloc(env->arena, sizeof(*rss))))
        return -ENOMEM;
    *env->rss = *rss;
    env->shard = index;
    env->shards = n;
    return 0;
}

struct weir_recorder *weir_recorder(const struct weir_stack *s) {
    return s->env.outside.rec;
}

uint8_t weir_host(const struct weir_stack *s) {
    return s->env.host;
}

const char *weir_name(const struct weir_stack *s) {
    return s->name;
}

struct weir_arena *weir_arena(const struct weir_stack *s) {
    return s->env.arena;
}

void weir_clock(struct weir_stack *s, uint64_t now_ns) {
    if (now_ns > s->env.now)
        env_clock(&s->env, now_ns);
}

uint64_t weir_now(const struct weir_stack *s) {
    return s->env.now;
}

void weir_cause(struct weir_stack *s, weir_event_id cause) {
    s->env.cause = cause;
}

void weir_input(struct weir_stack *s, unsigned ifindex, struct weir_pkt *list) {
    weir_event_id cause = s->env.cause;
    s->env.cause = 0;
    while (list && list->next && tcp_ahead_pays(s->tcp)) {
        struct weir_pkt *rest = tcp_ahead(s->tcp, list);
        ip_input(s->ip, ifindex, list);
        list = rest;
    }
    ip_input(s->ip, ifindex, list);
    s->env.cause = cause;
}

void weir_poll(struct weir_stack *s) {
    struct env *env = &s->env;
    env->cause = 0;
    struct wtimer *t;
    enum wtimer_kind kind;
    while ((t = wheel_expire(env->wheel, env->now, &kind))) {
        env->outside.fire[kind](env, t);
        env->cause = 0;
    }
    s->more = true;
    for (int i = 0; i < LOOP_ROUNDS && s->more; i++) {
        tcp_output_pass(s->tcp);
        s->more = ip_loop(s->ip);
        env->cause = 0;
    }
}

struct weir_pkt *weir_output(struct weir_stack *s, unsigned *ifindex) {
    return ip_take_output(s->ip, ifindex);
}

uint64_t weir_deadline(const struct weir_stack *s) {
    bool now = s->more || tcp_pending(s->tcp) || ip_pending(s->ip);
    return now ? 0 : wheel_deadline(s->env.wheel);
}

/* ---- what the rooms answer, under its public name ---- */

int weir_if_add(struct weir_stack *s, const struct weir_if *config) {
    return ip_if_add(s->ip, config);
}

int weir_if_get(const struct weir_stack *s, unsigned ifindex,
                struct weir_if *out) {
    return ip_if_get(s->ip, ifindex, out);
}

int weir_if_set_up(struct weir_stack *s, unsigned ifindex, bool up) {
    return ip_if_set_up(s->ip, ifindex, up);
}

void weir_lo_tap(struct weir_stack *s,
                 void (*tap)(void *ctx, const struct weir_pkt *pkt,
                             uint64_t now),
                 void *ctx) {
    ip_lo_tap(s->ip, tap, ctx);
}

int weir_addr_add(struct weir_stack *s, unsigned ifindex,
                  const struct weir_addr *addr, unsigned plen) {
    return ip_addr_add(s->ip, ifindex, addr, plen);
}

int weir_addr_del(struct weir_stack *s, unsigned ifindex,
                  const struct weir_addr *addr) {
    return ip_addr_del(s->ip, ifindex, addr);
}

int weir_addr_get(const struct weir_stack *s, unsigned n,
                  struct weir_ifaddr *out) {
    return ip_addr_get(s->ip, n, out);
}

int weir_route_add(struct weir_stack *s, const struct weir_route *r) {
    return ip_route_add(s->ip, r);
}

int weir_route_del(struct weir_stack *s, const struct weir_route *r) {
    return ip_route_del(s->ip, r);
}

int weir_route_get(const struct weir_stack *s, unsigned n,
                   struct weir_route *out) {
    return ip_route_get(s->ip, n, out);
}

int weir_route_lookup(const struct weir_stack *s, const struct weir_addr *dst,
                      struct weir_route *out) {
    return ip_route_lookup(s->ip, dst, out);
}

int weir_neigh_get(const struct weir_stack *s, unsigned n,
                   struct weir_neigh *out) {
    return ip_neigh_get(s->ip, n, out);
}

uint64_t weir_counter(const struct weir_stack *s, enum weir_counter c) {
    return (unsigned)c < WEIR_CTR_MAX ? s->env.counters[c] : 0;
}

uint64_t weir_drops(const struct weir_stack *s, enum weir_reason r) {
    return (unsigned)r < WEIR_REASON_MAX ? s->env.drops[r] : 0;
}
