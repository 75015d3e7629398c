/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TESTS_UNIT_TCP_FIXTURE_H
#define WEIR_TESTS_UNIT_TCP_FIXTURE_H
/* One connection of a stack that has no network, put into any state by hand. */
#include <stdlib.h>
#include <string.h>

#include "pkt/pkt.h"
#include "sock/sock.h"
#include "tcp/rooms.h"

static struct weir_stack *stack;
static struct tcp *tcp;
static struct tcp_conn *conn;
static void *arena_memory;

enum { TEST_MSS = 1000, TEST_ISS = 1000000 };

static void fixture_open(uint32_t more_flags) {
    arena_memory = aligned_alloc(4096, 16 << 20);
    struct weir_config config = {
        .arena = weir_arena_init(arena_memory, 16 << 20),
        .now_ns = 10 * NS_PER_S,
        .host = 1,
    };
    stack = weir_create(&config);
    tcp = stack->tcp;
    conn = tcp_conn_of(tcp_socket(tcp));
    tcp_state_init(&conn->node, WEIR_TCP_ESTABLISHED);
    conn->flags |= more_flags;
    conn->mss = conn->adv_mss = TEST_MSS;
    conn->cwnd = 10 * TEST_MSS;
    conn->snd.una = conn->snd.nxt = seq_of(TEST_ISS);
    conn->snd.wnd = 1 << 20;
    conn->rcv.nxt = conn->rcv.wup = seq_of(0xfffffff0u); /* wraps soon */
    conn->rcv.wnd = 65536;
    tcp_work_get(tcp, conn);
}

static void fixture_close(void) {
    weir_destroy(stack);
    free(arena_memory);
}

static inline void fixture_pass(uint64_t ns) {
    weir_clock(stack, weir_now(stack) + ns);
}

#endif
