/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two stacks in one process, one arena: what one sends goes to the other
 * without a copy, 5 ms later, in virtual time. Prints what the recorder saw.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "weir/socket.h"

static struct weir_event bulk[1024], rare[1024];
static struct weir_recorder recorder = {
    .next = 1, .bulk = {0, 1023, bulk}, .rare = {0, 1023, rare}};

static struct weir_stack *host(struct weir_arena *arena, uint8_t number) {
    struct weir_config config = {
        .arena = arena, .rec = &recorder, .seed = {number}, .host = number};
    struct weir_stack *s = weir_create(&config);
    struct weir_if eth = {.name = "eth0",
                          .mac = {2, 0, 0, 0, 0, number},
                          .up = true,
                          .mtu = 1500,
                          .features = WEIR_LINK_CSUM | WEIR_LINK_GSO};
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, 0, number));
    weir_addr_add(s, (unsigned)weir_if_add(s, &eth), &addr, 24);
    return s;
}

/* One hop: everything a and b have to send arrives at the other. */
static void hop(struct weir_stack *a, struct weir_stack *b, uint64_t *now) {
    struct weir_stack *s[2] = {a, b};
    struct weir_pkt *list[2] = {0};
    unsigned ifindex;
    for (int i = 0; i < 2; i++) {
        weir_poll(s[i]);
        list[i] = weir_output(s[i], &ifindex);
    }
    *now += 5000000;
    for (int i = 0; i < 2; i++) {
        weir_clock(s[i], *now);
        if (list[!i])
            weir_input(s[i], 2, list[!i]);
    }
}

int main(void) {
    size_t bytes = 64u << 20;
    struct weir_arena *arena =
        weir_arena_init(aligned_alloc(4096, bytes), bytes);
    struct weir_stack *a = host(arena, 1), *b = host(arena, 2);
    uint64_t now = 0;
    struct weir_endpoint at = {.addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 2)),
                               .port = 7};
    int l = weir_socket(b, AF_INET, SOCK_STREAM, 0);
    int c = weir_socket(a, AF_INET, SOCK_STREAM, 0);
    if (weir_bind(b, l, &at) || weir_listen(b, l, 1))
        return 1;
    weir_connect(a, c, &at);
    while (!(weir_ready(b, l) & WEIR_IN))
        hop(a, b, &now);
    int server = weir_accept(b, l, NULL);
    char text[] = "across two stacks", got[32] = {0};
    weir_send(a, c, &(struct iovec){text, sizeof(text)}, 1, 0, NULL);
    while (!(weir_ready(b, server) & WEIR_IN))
        hop(a, b, &now);
    weir_recv(b, server, &(struct iovec){got, sizeof(got)}, 1, 0, NULL, NULL);
    printf("\"%s\" after %.0f ms\n", got, (double)now / 1e6);
    for (uint64_t i = 0; i < recorder.bulk.head; i++)
        printf("  e%-3llu %6.1f ms  host %u  %s <- e%llu\n",
               (unsigned long long)bulk[i].id, (double)bulk[i].t_ns / 1e6,
               bulk[i].host, weir_event_name(bulk[i].kind),
               (unsigned long long)bulk[i].cause);
    weir_destroy(a);
    weir_destroy(b);
    return 0;
}
