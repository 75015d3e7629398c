/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * httpd_load SECONDS [CONNECTIONS]: the example web server (examples/embed) on
 * one stack, 64 clients with keep-alive on another, both in memory in this
 * thread: MTU 1500, checksums made and verified, flight recorder on (unless
 * NO_RECORD is set), time from the clock. As wrk does: each client sends a GET,
 * reads the whole answer, sends the next. Thousands of requests a second.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "../examples/embed/httpd.h"
#include "percentile.h"

#define REQUEST "GET / HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n"
#define ANSWER                                                                 \
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type: text/plain\r\n"     \
    "\r\nhello\n"
#define CONNECTIONS_MAX 4096

static struct weir_arena *arena;
static struct weir_recorder recorder;
static struct weir_stack *clients, *server;
static struct httpd web;
static bool asked[CONNECTIONS_MAX];
static uint64_t clock_ns, answered;
static struct percentile times;

static uint64_t now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct weir_stack *host(uint8_t number) {
    struct weir_config config = {.arena = arena,
                                 .rec = getenv("NO_RECORD") ? NULL : &recorder,
                                 .seed = {number},
                                 .host = number,
                                 .now_ns = clock_ns};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        config.cpu = WEIR_CPU_AVX2;
#endif
    struct weir_stack *s = weir_create(&config);
    struct weir_if eth = {
        .name = "eth0", .mac = {2, [5] = number}, .up = true, .mtu = 1500};
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, 0, number));
    weir_addr_add(s, (unsigned)weir_if_add(s, &eth), &addr, 8);
    return s;
}

static void set_up(void) {
    size_t bytes = (size_t)1 << 30, records = 1u << 17;
    arena = weir_arena_init(mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                                 -1, 0),
                            bytes);
    recorder.next = 1;
    recorder.bulk.mask = recorder.rare.mask = records - 1;
    recorder.bulk.slot = calloc(records, sizeof(struct weir_event));
    recorder.rare.slot = calloc(records, sizeof(struct weir_event));
    clock_ns = now();
    clients = host(1);
    server = host(2);
    weir_sysctl_set(server, "somaxconn", "65535");
    int error = httpd_open(&web, server, 80);
    assert(error == 0);
}

static void ask(int sock, uint64_t i) {
    struct iovec iov = {(void *)REQUEST, sizeof(REQUEST) - 1};
    ssize_t n = weir_send(clients, sock, &iov, 1, 0, NULL);
    assert(n == sizeof(REQUEST) - 1);
    asked[i] = true;
}

/* The answer is checked to its last byte. */
static void client_ready(const struct weir_ready *r) {
    char back[sizeof(ANSWER)];
    struct iovec iov = {back, sizeof(back)};
    if (!(r->mask & WEIR_IN)) {
        if ((r->mask & WEIR_OUT) && !asked[r->tag])
            ask(r->sock, r->tag); /* connected */
        return;
    }
    ssize_t n = weir_recv(clients, r->sock, &iov, 1, 0, NULL, NULL);
    assert(n == sizeof(ANSWER) - 1 &&
           !memcmp(back, ANSWER, sizeof(ANSWER) - 1));
    answered++;
    ask(r->sock, r->tag);
}

static void move(struct weir_stack *from, struct weir_stack *to) {
    unsigned ifindex;
    struct weir_pkt *list;
    weir_poll(from);
    while ((list = weir_output(from, &ifindex)))
        weir_input(to, 2, list);
}

/* A request's time is that of the turn it is sent and answered in. */
static void turn(void) {
    struct weir_ready r;
    uint64_t begin = clock_ns, before = answered;
    weir_clock(clients, clock_ns);
    weir_clock(server, clock_ns);
    move(clients, server);
    while (weir_ready_next(server, &r))
        httpd_ready(&web, &r);
    move(server, clients);
    while (weir_ready_next(clients, &r))
        client_ready(&r);
    clock_ns = now();
    for (; before < answered; before++)
        percentile_add(&times, (double)(clock_ns - begin));
}

int main(int argc, char **argv) {
    int connections = argc > 2 ? atoi(argv[2]) : 64, one = 1;
    struct weir_endpoint at = {.addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 2)),
                               .port = 80};
    if (argc < 2 || connections < 1 || connections > CONNECTIONS_MAX)
        return 2;
    set_up();
    for (int i = 0; i < connections; i++) {
        int c = weir_socket(clients, AF_INET, SOCK_STREAM, 0);
        weir_setsockopt(clients, c, IPPROTO_TCP, TCP_NODELAY, &one,
                        sizeof(one));
        weir_set_tag(clients, c, (uint64_t)i, 0);
        int error = weir_connect(clients, c, &at);
        assert(error == -EINPROGRESS);
    }
    while (answered < (uint64_t)connections)
        turn();
    answered = 0;
    memset(&times, 0, sizeof(times));
    uint64_t begin = now(), t;
    do
        for (int i = 0; i < 100; i++)
            turn();
    while ((t = now() - begin) < (uint64_t)(atof(argv[1]) * 1e9));
    printf("%.3f", (double)answered / (double)t * 1e6);
    percentile_print(&times);
    printf("\n");
    return 0;
}
