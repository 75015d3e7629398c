/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_DOOR_PROG_H
#define TESTS_DOOR_PROG_H
/*
 * Programs that say what they see, one line a step, so that a run on the kernel
 * and one on weir can be compared. Nothing here knows of weir.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

/* The result of a call, errno by name. */
static inline void said(const char *what, long r) {
    if (r < 0)
        printf("%s: %s\n", what, strerrorname_np(errno));
    else
        printf("%s: %ld\n", what, r);
    fflush(stdout);
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static inline int port_of(int fd) {
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &len))
        die("getsockname");
    return ntohs(a.sin_port);
}

static inline int listener(int *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = loopback(0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 16))
        die("listener");
    *port = port_of(fd);
    return fd;
}

static inline int call_to(int fd, int port) {
    struct sockaddr_in a = loopback(port);
    return connect(fd, (struct sockaddr *)&a, sizeof(a));
}

/* A connected pair. */
static inline void pair(int *client, int *server) {
    int port, l = listener(&port);
    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*client < 0 || call_to(*client, port))
        die("connect");
    *server = accept(l, NULL, NULL);
    if (*server < 0)
        die("accept");
    close(l);
}

/* A port where nobody listens. */
static inline int dead_port(void) {
    int port, l = listener(&port);
    close(l);
    return port;
}

/* Wait until one of `bits` shows (2 s). */
static inline short wait_for(int fd, short bits) {
    struct pollfd p = {.fd = fd, .events = bits};
    poll(&p, 1, 2000);
    return p.revents;
}

static inline short mask_of(int fd) {
    struct pollfd p = {.fd = fd, .events = ALL};
    poll(&p, 1, 0);
    return p.revents;
}

static inline void reset_close(int fd) {
    struct linger l = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    close(fd);
}

#endif
