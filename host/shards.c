/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stacks, their links and their threads. A thread's pass polls its links,
 * runs its stack and hands its frames on; it sleeps on the descriptor of its
 * link when nothing has come for a while.
 */
#include "host/shards.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "links/ring.h"
#include "links/spread.h"

struct thread {
    pthread_t id;
    bool runs;
    int result;
    int wake;
};

struct shards {
    struct shards_config config;
    struct weir_rss rss;
    _Atomic bool stop;
    struct shard shard[WEIR_SHARDS_MAX];
    struct thread thread[WEIR_SHARDS_MAX];
};

static uint64_t clock_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* splitmix64 */
static uint64_t draw(uint64_t *seed) {
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void *map(size_t bytes) {
    void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return mem == MAP_FAILED ? NULL : mem;
}

static size_t ring_bytes(const struct shards *s) {
    return s->config.records * sizeof(struct weir_event);
}

static bool give_memory(struct shards *s, struct shard *sh) {
    void *mem = map(s->config.arena_bytes);
    sh->arena = mem ? weir_arena_init(mem, s->config.arena_bytes) : NULL;
    sh->rec.next = ((uint64_t)(s->config.host + sh->index) << 48) + 1;
    sh->rec.bulk.mask = sh->rec.rare.mask = s->config.records - 1;
    sh->rec.bulk.slot = map(ring_bytes(s));
    sh->rec.rare.slot = map(ring_bytes(s));
    return sh->arena && sh->rec.bulk.slot && sh->rec.rare.slot;
}

static int boot(struct shards *s, struct shard *sh, uint64_t *seed) {
    const struct shards_config *c = &s->config;
    struct weir_config config = {.arena = sh->arena,
                                 .rec = &sh->rec,
                                 .now_ns = clock_ns(),
                                 .host = (uint8_t)(c->host + sh->index)};
    uint64_t own[4] = {draw(seed), draw(seed), draw(seed), draw(seed)};
    memcpy(config.seed, own, sizeof(config.seed));
    snprintf(config.name, sizeof(config.name), "%.12s/%u", c->name, sh->index);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        config.cpu |= WEIR_CPU_AVX2;
#endif
    sh->stack = weir_create(&config);
    if (!sh->stack)
        return -ENOMEM;
    struct weir_if eth = {
        .name = "eth0", .up = true, .mtu = c->mtu, .features = c->features};
    memcpy(eth.mac, c->mac, sizeof(eth.mac));
    int ifindex = weir_if_add(sh->stack, &eth);
    int err = ifindex < 0 ? ifindex
                          : weir_addr_add(sh->stack, (unsigned)ifindex,
                                          &c->addr, c->plen);
    return err ? err : weir_set_shard(sh->stack, &s->rss, sh->index, c->n);
}

struct shards *shards_create(const struct shards_config *config) {
    unsigned n = config->n, records = config->records;
    if (n == 0 || n > WEIR_SHARDS_MAX || config->host + n > 256 ||
        (records & (records - 1))) {
        errno = EINVAL;
        return NULL;
    }
    struct shards *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->config = *config;
    s->config.records = records ? records : 1u << 17;
    if (!s->config.arena_bytes)
        s->config.arena_bytes = (size_t)4 << 30;
    uint64_t seed = config->seed, key[WEIR_RSS_KEY / 8];
    for (unsigned i = 0; i < WEIR_RSS_KEY / 8; i++)
        key[i] = draw(&seed);
    weir_rss_init(&s->rss, config->key ? config->key : (const uint8_t *)key);
    for (unsigned i = 0; i < n; i++)
        s->thread[i].wake = -1;
    int err = 0;
    for (unsigned i = 0; i < n && !err; i++) {
        struct shard *sh = &s->shard[i];
        sh->all = s;
        sh->index = i;
        s->thread[i].wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (s->thread[i].wake < 0)
            err = -errno;
        else
            err = give_memory(s, sh) ? boot(s, sh, &seed) : -ENOMEM;
    }
    if (!err)
        return s;
    shards_destroy(s);
    errno = -err;
    return NULL;
}

void shards_destroy(struct shards *s) {
    for (unsigned i = 0; i < s->config.n; i++) {
        struct shard *sh = &s->shard[i];
        if (sh->stack)
            weir_destroy(sh->stack);
        if (sh->link)
            sh->link->ops->close(sh->link);
        if (sh->arena)
            munmap(sh->arena, s->config.arena_bytes);
        if (sh->rec.bulk.slot)
            munmap(sh->rec.bulk.slot, ring_bytes(s));
        if (sh->rec.rare.slot)
            munmap(sh->rec.rare.slot, ring_bytes(s));
        if (s->thread[i].wake >= 0)
            close(s->thread[i].wake);
    }
    free(s);
}

unsigned shards_count(const struct shards *s) {
    return s->config.n;
}

struct shard *shards_at(struct shards *s, unsigned index) {
    return index < s->config.n ? &s->shard[index] : NULL;
}

const struct weir_rss *shards_rss(const struct shards *s) {
    return &s->rss;
}

/* ---- links ---- */

static void deliver(void *to, struct weir_link *from, struct weir_pkt *list,
                    uint64_t now) {
    struct shard *sh = to;
    (void)from;
    weir_clock(sh->stack, now);
    weir_input(sh->stack, 2, list);
}

/* Who a link belongs to, for its events. */
static void name(struct weir_link *link, struct shard *sh) {
    const struct shards_config *c = &sh->all->config;
    link->rec = &sh->rec;
    link->host = (uint8_t)(c->host + sh->index);
    link->id = 1;
    memcpy(link->mac, c->mac, sizeof(link->mac));
    snprintf(link->name, sizeof(link->name), "%.6s/%u:eth0", c->name,
             sh->index);
}

static void plug(struct shard *sh, struct weir_link *link) {
    name(link, sh);
    link->deliver = deliver;
    link->to = sh;
    sh->link = link;
}

static void close_all(struct weir_link **link, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        if (link[i])
            link[i]->ops->close(link[i]);
}

struct weir_link *shards_port(struct shards *s, struct weir_arena *arena,
                              uint32_t mtu) {
    struct weir_link *near[WEIR_SHARDS_MAX] = {0}, *far[WEIR_SHARDS_MAX] = {0};
    struct weir_link *port = NULL;
    unsigned n = s->config.n, i = 0;
    for (; i < n && !s->shard[i].link; i++) {
        struct ring *ring = ring_create(0);
        if (!ring)
            break;
        near[i] = ring_end(ring, 0, s->shard[i].arena, "", s->config.mtu);
        far[i] = ring_end(ring, 1, arena, "port", mtu);
        ring_release(ring);
        if (!near[i] || !far[i])
            break;
    }
    if (i == n)
        port = spread_create(far, n, &s->rss);
    if (!port) {
        close_all(near, n);
        close_all(far, n);
        return NULL;
    }
    for (i = 0; i < n; i++)
        plug(&s->shard[i], near[i]);
    return port;
}

/* All of the legs of one shard as one link. */
static int plug_legs(struct shard *sh, struct weir_link **leg,
                     struct shards *peer) {
    for (unsigned i = 0; i < peer->config.n; i++)
        name(leg[i], sh);
    struct weir_link *link = spread_create(leg, peer->config.n, &peer->rss);
    if (!link)
        return -errno;
    plug(sh, link);
    return 0;
}

static int cable(struct shard *a, struct shard *b, struct weir_link **x,
                 struct weir_link **y) {
    struct ring *ring = ring_create(0);
    if (!ring)
        return -errno;
    *x = ring_end(ring, 0, a->arena, "", a->all->config.mtu);
    *y = ring_end(ring, 1, b->arena, "", b->all->config.mtu);
    ring_release(ring);
    return *x && *y ? 0 : -ENOMEM;
}

int shards_join(struct shards *a, struct shards *b) {
    unsigned na = a->config.n, nb = b->config.n;
    struct weir_link **leg = calloc((size_t)2 * na * nb, sizeof(*leg));
    if (!leg)
        return -ENOMEM;
    struct weir_link **of_a = leg, **of_b = leg + na * nb;
    int err = a->shard[0].link || b->shard[0].link ? -EBUSY : 0;
    for (unsigned i = 0; i < na && !err; i++)
        for (unsigned j = 0; j < nb && !err; j++)
            err = cable(&a->shard[i], &b->shard[j], &of_a[i * nb + j],
                        &of_b[j * na + i]);
    if (err)
        close_all(leg, 2 * na * nb);
    for (unsigned i = 0; i < na && !err; i++)
        err = plug_legs(&a->shard[i], of_a + i * nb, b);
    for (unsigned j = 0; j < nb && !err; j++)
        err = plug_legs(&b->shard[j], of_b + j * na, a);
    free(leg);
    return err;
}

static void pass_on(void *to, struct weir_link *from, struct weir_pkt *list,
                    uint64_t now) {
    struct weir_link *link = to;
    (void)from;
    link->ops->send(link, list, now);
}

void shards_bridge(struct weir_link *a, struct weir_link *b) {
    a->deliver = b->deliver = pass_on;
    a->to = b;
    b->to = a;
}

/* ---- working ---- */

bool shard_pass(struct shard *sh, uint64_t now) {
    const struct shards_config *c = &sh->all->config;
    struct weir_stack *stack = sh->stack;
    bool any = sh->link && sh->link->ops->poll(sh->link, now);
    weir_clock(stack, now);
    if (!any && weir_deadline(stack) > now)
        return false;
    weir_poll(stack);
    unsigned ifindex;
    struct weir_pkt *list;
    while ((list = weir_output(stack, &ifindex)) && sh->link)
        sh->link->ops->send(sh->link, list, now);
    struct weir_ready r;
    while (weir_ready_next(stack, &r))
        if (c->ready)
            c->ready(sh, &r, c->ctx);
    return true;
}

uint64_t shard_deadline(struct shard *sh) {
    uint64_t due = weir_deadline(sh->stack);
    uint64_t link = sh->link ? sh->link->ops->deadline(sh->link) : WEIR_NEVER;
    return link < due ? link : due;
}

static void sleep_until(struct shard *sh, int wake, uint64_t due,
                        uint64_t now) {
    struct pollfd p[2] = {
        {.fd = wake, .events = POLLIN},
        {.fd = sh->link ? sh->link->ops->fd(sh->link) : -1, .events = POLLIN}};
    uint64_t ns = due > now ? due - now : 0;
    struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000u),
                          .tv_nsec = (long)(ns % 1000000000u)};
    ppoll(p, 2, due == WEIR_NEVER ? NULL : &ts, NULL);
}

static void *run(void *arg) {
    struct shard *sh = arg;
    struct shards *s = sh->all;
    const struct shards_config *c = &s->config;
    struct thread *t = &s->thread[sh->index];
    weir_clock(sh->stack, clock_ns());
    t->result = c->begin ? c->begin(sh, c->ctx) : 0;
    uint64_t worked = clock_ns();
    while (!t->result &&
           !atomic_load_explicit(&s->stop, memory_order_relaxed)) {
        uint64_t now = clock_ns();
        bool any = shard_pass(sh, now);
        if (c->pass)
            any |= c->pass(sh, now, c->ctx);
        if (any)
            worked = now;
        if (any || now - worked < c->spin_ns)
            continue;
        uint64_t due = shard_deadline(sh);
        if (due > now)
            sleep_until(sh, t->wake, due, now);
    }
    return NULL;
}

int shards_start(struct shards *s) {
    atomic_store(&s->stop, false);
    for (unsigned i = 0; i < s->config.n; i++) {
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        if (s->config.cpu) {
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET((unsigned)s->config.cpu[i], &set);
            pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
        }
        int err = pthread_create(&s->thread[i].id, &attr, run, &s->shard[i]);
        pthread_attr_destroy(&attr);
        if (err) {
            shards_stop(s);
            return -err;
        }
        s->thread[i].runs = true;
    }
    return 0;
}

int shards_stop(struct shards *s) {
    int result = 0;
    atomic_store(&s->stop, true);
    for (unsigned i = 0; i < s->config.n; i++) {
        struct thread *t = &s->thread[i];
        if (!t->runs)
            continue;
        eventfd_write(t->wake, 1);
        pthread_join(t->id, NULL);
        eventfd_t rung;
        eventfd_read(t->wake, &rung);
        t->runs = false;
        result = result ? result : t->result;
    }
    return result;
}

/* ---- recorders ---- */

/* The oldest record not yet read of a ring that may have gone round. */
static const struct weir_event *oldest(const struct weir_ring *r,
                                       uint64_t *at) {
    uint64_t first = r->head > r->mask ? r->head - r->mask - 1 : 0;
    *at = *at < first ? first : *at;
    return *at < r->head ? &r->slot[*at & r->mask] : NULL;
}

static bool before(const struct weir_event *a, const struct weir_event *b) {
    return !b || a->t_ns < b->t_ns || (a->t_ns == b->t_ns && a->id < b->id);
}

const struct weir_event *shards_next_event(struct shards *s,
                                           struct shards_cursor *c) {
    const struct weir_event *best = NULL;
    uint64_t *at = NULL;
    for (unsigned i = 0; i < s->config.n; i++) {
        const struct weir_recorder *rec = &s->shard[i].rec;
        const struct weir_event *bulk = oldest(&rec->bulk, &c->bulk[i]);
        const struct weir_event *rare = oldest(&rec->rare, &c->rare[i]);
        if (bulk && before(bulk, best)) {
            best = bulk;
            at = &c->bulk[i];
        }
        if (rare && before(rare, best)) {
            best = rare;
            at = &c->rare[i];
        }
    }
    if (at)
        ++*at;
    return best;
}
