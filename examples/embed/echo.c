/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stack, one thread, no system call: a server and a client on `lo` in
 * virtual time. Build: cc echo.c $(pkg-config --cflags --libs weir)
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "weir/socket.h"

static struct weir_stack *stack_create(void) {
    size_t bytes = 64u << 20;
    struct weir_config config = {
        .arena = weir_arena_init(aligned_alloc(4096, bytes), bytes),
        .seed = {1},
        .host = 1,
        .name = "me"};
    return weir_create(&config);
}

/* Let the stack work until it is quiet, then jump to its next deadline. */
static void turn(struct weir_stack *s) {
    struct weir_ready r;
    weir_poll(s);
    while (weir_ready_next(s, &r))
        ;
    uint64_t due = weir_deadline(s);
    if (due != WEIR_NEVER)
        weir_clock(s, due);
}

int main(void) {
    struct weir_stack *s = stack_create();
    struct weir_endpoint at = {.addr = weir_addr_v4(WEIR_IP4(127, 0, 0, 1)),
                               .port = 8888};
    int listener = weir_socket(s, AF_INET, SOCK_STREAM, 0);
    int client = weir_socket(s, AF_INET, SOCK_STREAM, 0);
    int error = weir_bind(s, listener, &at);
    if (!error)
        error = weir_listen(s, listener, 5);
    if (!error)
        error = weir_connect(s, client, &at);
    if (error != -EINPROGRESS)
        return 1;
    while (!(weir_ready(s, listener) & WEIR_IN))
        turn(s);
    int server = weir_accept(s, listener, NULL);

    char text[] = "hello-echo", back[32] = {0};
    struct iovec out = {text, sizeof(text)}, in = {back, sizeof(back)};
    weir_send(s, client, &out, 1, 0, NULL);
    while (!(weir_ready(s, server) & WEIR_IN))
        turn(s);
    in.iov_len = (size_t)weir_recv(s, server, &in, 1, 0, NULL, NULL);
    weir_send(s, server, &in, 1, 0, NULL);
    while (!(weir_ready(s, client) & WEIR_IN))
        turn(s);
    in.iov_len = sizeof(back);
    ssize_t n = weir_recv(s, client, &in, 1, 0, NULL, NULL);
    printf("%zd bytes came back: %s\n", n, back);
    weir_close(s, client);
    weir_close(s, server);
    weir_close(s, listener);
    weir_destroy(s);
    return n == (ssize_t)sizeof(text) ? 0 : 1;
}
