/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copies [MTU]: how many times a byte is copied between the sender's program
 * and the receiver's on the direct API, by the stacks' own counters, over
 * 10 MB between two stacks in memory; calls=: what the stack says of the bytes
 * a call gave out (weir_sockinfo.copies), the copy out included.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>

#include "bench/stage.h"

static struct weir_arena *arena;
static struct weir_stack *s[2];

static struct weir_stack *host(uint8_t number, uint32_t mtu) {
    struct weir_config config = {
        .arena = arena, .seed = {number}, .host = number, .cpu = stage_cpu()};
    struct weir_if eth = {
        .name = "eth0", .mac = {2, [5] = number}, .up = true, .mtu = mtu};
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, 0, number));
    struct weir_stack *stack = weir_create(&config);
    weir_addr_add(stack, (unsigned)weir_if_add(stack, &eth), &addr, 8);
    return stack;
}

static void turn(uint64_t now) {
    struct weir_pkt *list;
    struct weir_ready r;
    unsigned ifindex;
    for (int i = 0; i < 2; i++) {
        weir_clock(s[i], now);
        weir_poll(s[i]);
        while ((list = weir_output(s[i], &ifindex)))
            weir_input(s[!i], 2, list);
        while (weir_ready_next(s[i], &r))
            ;
    }
}

static double copied(void) {
    static const enum weir_counter counters[] = {
        WEIR_CTR_Weir_BytesCopiedIn, WEIR_CTR_Weir_BytesCopiedOut,
        WEIR_CTR_Weir_BytesCopiedInside};
    double bytes = 0;
    for (int i = 0; i < 6; i++)
        bytes += (double)weir_counter(s[i / 3], counters[i % 3]);
    return bytes;
}

int main(int argc, char **argv) {
    static char out[65536], in[65536];
    uint64_t now = 1;
    struct weir_endpoint at = {.addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 2)),
                               .port = 7};
    arena = stage_arena();
    s[0] = host(1, argc > 1 ? (uint32_t)atoi(argv[1]) : 1500);
    s[1] = host(2, argc > 1 ? (uint32_t)atoi(argv[1]) : 1500);
    int l = weir_socket(s[1], AF_INET, SOCK_STREAM, 0), server;
    int c = weir_socket(s[0], AF_INET, SOCK_STREAM, 0);
    int error = weir_bind(s[1], l, &at);
    error = error ? error : weir_listen(s[1], l, 1);
    assert(!error);
    error = weir_connect(s[0], c, &at);
    assert(error == -EINPROGRESS);
    while ((server = weir_accept(s[1], l, NULL)) < 0)
        turn(now += 1000000);
    double before = copied(), sent = 0, bytes = 0;
    struct weir_sockinfo info = {0};
    while (sent < 1e7 || bytes < sent) {
        struct iovec from = {out, sizeof(out)}, to = {in, sizeof(in)};
        if (sent < 1e7) {
            ssize_t n = weir_send(s[0], c, &from, 1, 0, NULL);
            sent += n > 0 ? (double)n : 0;
        }
        turn(now += 1000000);
        ssize_t n = weir_recv(s[1], server, &to, 1, 0, NULL, NULL);
        bytes += n > 0 ? (double)n : 0;
        weir_sockinfo(s[1], server, &info);
    }
    printf("%.3f calls=%u\n", (copied() - before) / bytes, info.copies + 1u);
    return 0;
}
