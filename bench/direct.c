/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * direct MODE SECONDS|xTURNS [MTU]: the direct API, both ends in memory in one
 * thread, checksums summed, flight recorder on (unless NO_RECORD is set). One
 * number: rr    microseconds a round trip of 1 byte bulk  Gbit/s; MTU 1500 or
 * 65535 (64 KiB segments) crr   thousands of connections a second (1 byte each
 * way, close) idle  bytes of memory an idle established endpoint
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "weir/socket.h"

static struct weir_arena *arena;
static struct weir_recorder recorder;
static struct weir_stack *a, *b;
static uint64_t virtual_ns = 1;

static long limit; /* turns to run; 0: by time */

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Not at its end yet, by time or by count. */
static bool on(long turns, double begin, double seconds, double *t) {
    *t = now() - begin;
    return limit ? turns < limit : *t < seconds;
}

static struct weir_stack *host(uint8_t number, uint32_t mtu) {
    struct weir_config config = {.arena = arena,
                                 .rec = getenv("NO_RECORD") ? NULL : &recorder,
                                 .seed = {number},
                                 .host = number,
                                 .now_ns = virtual_ns};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        config.cpu = WEIR_CPU_AVX2;
#endif
    struct weir_stack *s = weir_create(&config);
    struct weir_if eth = {.name = "eth0",
                          .mac = {2, [5] = number},
                          .up = true,
                          .mtu = mtu}; /* no offload: sums are made */
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, 0, number));
    weir_addr_add(s, (unsigned)weir_if_add(s, &eth), &addr, 8);
    return s;
}

static void set_up(uint32_t mtu) {
    size_t bytes = (size_t)8 << 30, records = 1u << 17;
    void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    arena = weir_arena_init(mem, bytes);
    recorder.next = 1;
    recorder.bulk.mask = recorder.rare.mask = records - 1;
    recorder.bulk.slot = calloc(records, sizeof(struct weir_event));
    recorder.rare.slot = calloc(records, sizeof(struct weir_event));
    a = host(1, mtu);
    b = host(2, mtu);
    weir_sysctl_set(a, "ip_local_port_range", "1024 65535");
    weir_sysctl_set(a, "tcp_max_tw_buckets", "0"); /* crr: no TIME_WAIT kept */
    weir_sysctl_set(b, "somaxconn", "65535");
}

static void half(struct weir_stack *from, struct weir_stack *to) {
    unsigned ifindex;
    struct weir_pkt *list;
    weir_poll(from);
    while ((list = weir_output(from, &ifindex)))
        weir_input(to, 2, list);
}

/* A microsecond of virtual time a turn: timers never fire in between. */
static void turn(void) {
    virtual_ns += 1000;
    weir_clock(a, virtual_ns);
    weir_clock(b, virtual_ns);
    half(a, b);
    half(b, a);
    struct weir_ready r;
    while (weir_ready_next(a, &r) || weir_ready_next(b, &r))
        ;
}

static int listener(uint16_t port) {
    struct weir_endpoint at = {.addr = weir_addr_v4(0), .port = port};
    int l = weir_socket(b, AF_INET, SOCK_STREAM, 0);
    int r = weir_bind(b, l, &at);
    r = r ? r : weir_listen(b, l, 65535);
    assert(r == 0);
    return l;
}

static void connect_pair(int l, uint16_t port, int *c, int *s) {
    struct weir_endpoint at = {.addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 2)),
                               .port = port};
    *c = weir_socket(a, AF_INET, SOCK_STREAM, 0);
    int r = weir_connect(a, *c, &at);
    assert(r == -EINPROGRESS);
    for (int i = 0; (*s = weir_accept(b, l, NULL)) < 0 && i < 1000; i++)
        turn();
    assert(*s >= 0);
}

static void byte(struct weir_stack *from, int out, struct weir_stack *to,
                 int in) {
    char x = 'x';
    struct iovec iov = {&x, 1};
    ssize_t n = weir_send(from, out, &iov, 1, 0, NULL);
    assert(n == 1);
    do
        half(from, to);
    while (weir_recv(to, in, &iov, 1, 0, NULL, NULL) != 1);
}

static double rr(double seconds) {
    int c, s, l = listener(7), one = 1;
    connect_pair(l, 7, &c, &s);
    weir_setsockopt(a, c, 6, 1, &one, sizeof(one)); /* TCP_NODELAY */
    weir_setsockopt(b, s, 6, 1, &one, sizeof(one));
    long n = 0;
    double begin = now(), t;
    do
        for (int i = 0; i < 1000; i++, n++) {
            virtual_ns += 1000;
            weir_clock(a, virtual_ns);
            weir_clock(b, virtual_ns);
            byte(a, c, b, s);
            byte(b, s, a, c);
        }
    while (on(n, begin, seconds, &t));
    return t / (double)n * 1e6;
}

static double bulk(double seconds) {
    static char out[1 << 16], in[1 << 18];
    int c, s, l = listener(7);
    connect_pair(l, 7, &c, &s);
    double bytes = 0, begin = now(), t;
    long turns = 0;
    do
        for (int i = 0; i < 100; i++, turns++) {
            weir_send(a, c, &(struct iovec){out, sizeof(out)}, 1, 0, NULL);
            turn();
            ssize_t n;
            while ((n = weir_recv(b, s, &(struct iovec){in, sizeof(in)}, 1, 0,
                                  NULL, NULL)) > 0)
                bytes += (double)n;
        }
    while (on(turns, begin, seconds, &t));
    return bytes * 8 / t / 1e9;
}

static double crr(double seconds) {
    int c, s, l = listener(7);
    long n = 0;
    double begin = now(), t;
    do {
        connect_pair(l, 7, &c, &s);
        byte(a, c, b, s);
        byte(b, s, a, c);
        weir_close(a, c);
        turn();
        weir_close(b, s);
        turn();
        n++;
    } while (on(n, begin, seconds, &t));
    return (double)n / t / 1e3;
}

static double idle(void) {
    int c, s, l = listener(7);
    connect_pair(l, 7, &c, &s);
    byte(a, c, b, s);
    byte(b, s, a, c);
    for (int i = 0; i < 10; i++)
        turn();
    size_t before = weir_arena_used(arena);
    int n = 25000; /* half of the ephemeral ports */
    for (int i = 0; i < n; i++) {
        connect_pair(l, 7, &c, &s);
        byte(a, c, b, s);
        byte(b, s, a, c);
    }
    virtual_ns += 5000000000; /* work blocks rest for a second */
    for (int i = 0; i < 10; i++)
        turn();
    return (double)(weir_arena_used(arena) - before) / (2.0 * n);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    double seconds = atof(argv[2]);
    if (argv[2][0] == 'x')
        limit = atol(argv[2] + 1);
    set_up(argc > 3 ? (uint32_t)atoi(argv[3]) : 1500);
    const char *m = argv[1];
    double result = !strcmp(m, "rr")     ? rr(seconds)
                    : !strcmp(m, "bulk") ? bulk(seconds)
                    : !strcmp(m, "crr")  ? crr(seconds)
                                         : idle();
    uint64_t segments = weir_counter(a, WEIR_CTR_Tcp_OutSegs) +
                        weir_counter(b, WEIR_CTR_Tcp_OutSegs);
    printf("%.3f segments=%llu\n", result, (unsigned long long)segments);
    return 0;
}
