/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_BENCH_STAGE_H
#define WEIR_BENCH_STAGE_H
/* What the programs with threads or a real clock share. */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "weir/socket.h"

static inline uint64_t clock_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        perror("sched_setaffinity");
}

static inline struct weir_arena *stage_arena(void) {
    size_t bytes = (size_t)4 << 30;
    void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert(mem != MAP_FAILED);
    return weir_arena_init(mem, bytes);
}

/* The flight recorder, as large as that of `weir run`. */
static inline struct weir_recorder *stage_recorder(unsigned shard) {
    size_t records = 1u << 17;
    struct weir_recorder *r = calloc(1, sizeof(*r));
    r->next = ((uint64_t)shard << 48) + 1;
    r->bulk.mask = r->rare.mask = records - 1;
    r->bulk.slot = calloc(records, sizeof(struct weir_event));
    r->rare.slot = calloc(records, sizeof(struct weir_event));
    memset(r->bulk.slot, 0, records * sizeof(struct weir_event));
    return r;
}

static inline uint32_t stage_cpu(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return WEIR_CPU_AVX2;
#endif
    return 0;
}

/* 10.0.0.NUMBER/8 on eth0 (index 2), over `link`. */
static inline struct weir_stack *stage_stack(struct weir_arena *arena,
                                             struct weir_recorder *rec,
                                             uint8_t number, uint32_t mtu,
                                             uint32_t features) {
    struct weir_config config = {.arena = arena,
                                 .rec = getenv("NO_RECORD") ? NULL : rec,
                                 .seed = {number},
                                 .host = number,
                                 .now_ns = clock_ns(),
                                 .cpu = stage_cpu()};
    struct weir_stack *s = weir_create(&config);
    struct weir_if eth = {.name = "eth0",
                          .mac = {2, [5] = number},
                          .up = true,
                          .mtu = mtu,
                          .features = features};
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, 0, number));
    weir_addr_add(s, (unsigned)weir_if_add(s, &eth), &addr, 8);
    return s;
}

static inline int stage_listen(struct weir_stack *s, uint16_t port) {
    struct weir_endpoint at = {.addr = weir_addr_v4(0), .port = port};
    int l = weir_socket(s, AF_INET, SOCK_STREAM, 0);
    int err = weir_bind(s, l, &at);
    err = err ? err : weir_listen(s, l, 65535);
    assert(err == 0);
    return l;
}

/* Give the links what the stack has to send. */
static inline void stage_flush(struct weir_stack *s, struct weir_link *link,
                               uint64_t now) {
    unsigned ifindex;
    struct weir_pkt *list;
    weir_poll(s);
    while ((list = weir_output(s, &ifindex)))
        link->ops->send(link, list, now);
}

static inline void stage_deliver(void *to, struct weir_link *from,
                                 struct weir_pkt *list, uint64_t now) {
    (void)from;
    weir_clock(to, now);
    weir_input(to, 2, list);
}

static int stage_order(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Print the quantiles of n times in ns, as microseconds. */
static inline void stage_quantiles(uint32_t *t, size_t n) {
    qsort(t, n, sizeof(*t), stage_order);
    printf(" p50=%.3f p99=%.3f p999=%.3f\n", t[n / 2] / 1e3,
           t[n - n / 100 - 1] / 1e3, t[n - n / 1000 - 1] / 1e3);
}

#endif
