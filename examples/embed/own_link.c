/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A link of one's own: frames cross a socket pair of the kernel, every fifth
 * one is thrown away, and TCP delivers all bytes all the same. Real time.
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "weir/socket.h"

#define FRAME 1514 /* without offload: nothing is longer */

static struct weir_arena *arena;
static unsigned frames, thrown;

static void link_send(int fd, struct weir_pkt *list) {
    for (struct weir_pkt *pkt = list, *next; pkt; pkt = next) {
        char bytes[FRAME];
        next = pkt->next;
        weir_pkt_copy_out(pkt, 0, bytes, pkt->len);
        if (++frames % 5 == 0)
            thrown++;
        else if (write(fd, bytes, pkt->len) < 0)
            thrown++; /* the kernel's queue is full */
        weir_pkt_free(pkt);
    }
}

static struct weir_pkt *link_receive(int fd) {
    struct weir_buf *buf = weir_buf_alloc(arena, FRAME);
    struct weir_pkt *pkt = weir_pkt_alloc(arena, 0);
    ssize_t n = recv(fd, buf->data, FRAME, MSG_DONTWAIT);
    if (n > 0) {
        weir_pkt_append(pkt, buf, 0, (uint32_t)n);
        return pkt;
    }
    weir_buf_unref(buf);
    weir_pkt_free(pkt);
    return NULL;
}

static struct weir_stack *host(uint8_t number) {
    struct weir_config config = {
        .arena = arena, .seed = {number}, .host = number};
    struct weir_stack *s = weir_create(&config);
    struct weir_if eth = {
        .name = "eth0", .mac = {2, [5] = number}, .up = true, .mtu = 1500};
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, 0, number));
    weir_addr_add(s, (unsigned)weir_if_add(s, &eth), &addr, 24);
    return s;
}

static void turn(struct weir_stack *s, int fd) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    weir_clock(s, (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec);
    for (struct weir_pkt *pkt; (pkt = link_receive(fd));)
        weir_input(s, 2, pkt);
    weir_poll(s);
    unsigned ifindex;
    for (struct weir_pkt *list; (list = weir_output(s, &ifindex));)
        link_send(fd, list);
}

int main(void) {
    static char text[200000], got[sizeof(text)];
    size_t bytes = 64u << 20, sent = 0, have = 0;
    int fd[2], server = -1;
    arena = weir_arena_init(aligned_alloc(4096, bytes), bytes);
    struct weir_stack *s[2] = {host(1), host(2)};
    struct weir_endpoint at = {.addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 2)),
                               .port = 7};
    int l = weir_socket(s[1], AF_INET, SOCK_STREAM, 0);
    int c = weir_socket(s[0], AF_INET, SOCK_STREAM, 0);
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fd) ||
        weir_bind(s[1], l, &at) || weir_listen(s[1], l, 1))
        return 1;
    weir_connect(s[0], c, &at);
    while (have < sizeof(got)) {
        struct iovec out = {text + sent, sizeof(text) - sent};
        struct iovec in = {got + have, sizeof(got) - have};
        ssize_t n = weir_send(s[0], c, &out, 1, 0, NULL);
        sent += n > 0 ? (size_t)n : 0;
        server = server < 0 ? weir_accept(s[1], l, NULL) : server;
        n = server < 0 ? 0 : weir_recv(s[1], server, &in, 1, 0, NULL, NULL);
        have += n > 0 ? (size_t)n : 0;
        turn(s[0], fd[0]);
        turn(s[1], fd[1]);
        poll(NULL, 0, 1); /* a real program waits for fd and weir_deadline */
    }
    printf("%zu bytes arrived; %u of %u frames were thrown away\n", have,
           thrown, frames);
    return 0;
}
