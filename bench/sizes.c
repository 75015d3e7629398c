/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sizes rr SECONDS SIZE: round trips of SIZE bytes each way on the direct API,
 *     each one timed: microseconds, p50=, p99=, p999=
 * sizes bulk SECONDS MTU STREAMS: so many streams at once: Gbit/s
 * Both ends in memory in this thread, checksums made and verified, flight
 * recorder on (unless NO_RECORD is set), time from the clock.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "bench/percentile.h"
#include "bench/stage.h"

static struct weir_stack *a, *b;
static struct percentile times;
static int client[64], server[64];

static void half(struct weir_stack *from, struct weir_stack *to) {
    unsigned ifindex;
    struct weir_pkt *list;
    weir_poll(from);
    while ((list = weir_output(from, &ifindex)))
        weir_input(to, 2, list);
}

static void turn(void) {
    struct weir_ready r;
    uint64_t now = clock_ns();
    weir_clock(a, now);
    weir_clock(b, now);
    half(a, b);
    half(b, a);
    while (weir_ready_next(a, &r) || weir_ready_next(b, &r))
        ;
}

static void connect_all(int n) {
    struct weir_endpoint at = {.addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 2)),
                               .port = 7};
    int l = stage_listen(b, 7), one = 1;
    for (int i = 0; i < n; i++) {
        client[i] = weir_socket(a, AF_INET, SOCK_STREAM, 0);
        int r = weir_connect(a, client[i], &at);
        assert(r == -EINPROGRESS);
        while ((server[i] = weir_accept(b, l, NULL)) < 0)
            turn();
        weir_setsockopt(a, client[i], IPPROTO_TCP, TCP_NODELAY, &one,
                        sizeof(one));
        weir_setsockopt(b, server[i], IPPROTO_TCP, TCP_NODELAY, &one,
                        sizeof(one));
    }
}

static void across(struct weir_stack *from, int out, struct weir_stack *to,
                   int in, char *buf, size_t size) {
    struct iovec iov = {buf, size};
    ssize_t n = weir_send(from, out, &iov, 1, 0, NULL);
    assert(n == (ssize_t)size);
    for (size_t have = 0; have<size; have += n> 0 ? (size_t)n : 0) {
        half(from, to);
        iov = (struct iovec){buf + have, size - have};
        n = weir_recv(to, in, &iov, 1, 0, NULL, NULL);
    }
}

static double rr(double seconds, size_t size) {
    static char buf[65536];
    uint64_t begin = clock_ns(), last = begin, now, n = 0;
    assert(size <= sizeof(buf));
    do {
        weir_clock(a, last);
        weir_clock(b, last);
        across(a, client[0], b, server[0], buf, size);
        across(b, server[0], a, client[0], buf, size);
        now = clock_ns();
        percentile_add(&times, (double)(now - last));
        last = now;
        n++;
    } while ((double)(now - begin) < seconds * 1e9);
    return (double)(now - begin) / (double)n / 1e3;
}

static double bulk(double seconds, int streams) {
    static char out[1 << 16], in[1 << 18];
    uint64_t begin = clock_ns(), now;
    double bytes = 0;
    do {
        struct iovec from = {out, sizeof(out)};
        for (int i = 0; i < streams; i++)
            weir_send(a, client[i], &from, 1, 0, NULL);
        turn();
        for (int i = 0; i < streams; i++) {
            struct iovec to = {in, sizeof(in)};
            ssize_t n = weir_recv(b, server[i], &to, 1, 0, NULL, NULL);
            bytes += n > 0 ? (double)n : 0;
        }
    } while ((double)((now = clock_ns()) - begin) < seconds * 1e9);
    return bytes * 8 / (double)(now - begin);
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    bool is_bulk = !strcmp(argv[1], "bulk");
    int streams = is_bulk && argc > 4 ? atoi(argv[4]) : 1;
    uint32_t mtu = is_bulk ? (uint32_t)atoi(argv[3]) : 1500;
    struct weir_arena *arena = stage_arena();
    struct weir_recorder *rec = stage_recorder(0);
    assert(streams >= 1 && streams <= 64);
    a = stage_stack(arena, rec, 1, mtu, 0);
    b = stage_stack(arena, rec, 2, mtu, 0);
    connect_all(streams);
    double seconds = atof(argv[2]);
    printf("%.3f", is_bulk ? bulk(seconds, streams)
                           : rr(seconds, (size_t)atoi(argv[3])));
    percentile_print(&times);
    printf("\n");
    return 0;
}
