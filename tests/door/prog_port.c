/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that are shared: SO_REUSEPORT, SO_REUSEADDR, one listener in several
 * processes. */
#include "prog.h"

#define TRY(call) said(#call, (long)(call))

static int bound(int type, int reuseaddr, int reuseport,
                 const struct sockaddr_in *a) {
    int fd = socket(AF_INET, type, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuseaddr, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuseport, sizeof(int));
    said("bind", bind(fd, (const struct sockaddr *)a, sizeof(*a)));
    return fd;
}

/* Which of two is readable (2 s). */
static int which(int a, int b) {
    struct pollfd p[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    poll(p, 2, 2000);
    return p[0].revents ? a : b;
}

static void streams(void) {
    struct sockaddr_in a = loopback(0);
    int one = bound(SOCK_STREAM, 0, 1, &a), n[2] = {0, 0};
    a = loopback(port_of(one));
    int two = bound(SOCK_STREAM, 0, 1, &a);
    TRY(listen(one, 50));
    TRY(listen(two, 50));
    close(bound(SOCK_STREAM, 0, 0, &a));
    close(bound(SOCK_STREAM, 1, 0, &a));
    for (int i = 0; i < 60; i++) {
        int c = socket(AF_INET, SOCK_STREAM, 0);
        if (call_to(c, ntohs(a.sin_port)))
            die("connect");
        int l = which(one, two);
        n[l == two]++;
        close(accept(l, NULL, NULL));
        close(c);
    }
    printf("both got some: %d\n", n[0] > 5 && n[1] > 5);
    close(one);
    int all = 0;
    for (int i = 0; i < 20; i++) {
        int c = socket(AF_INET, SOCK_STREAM, 0);
        all += call_to(c, ntohs(a.sin_port)) == 0;
        close(accept(two, NULL, NULL));
        close(c);
    }
    printf("all to who is left: %d\n", all);
    close(two);
}

static void datagrams(void) {
    struct sockaddr_in a = loopback(0);
    int one = bound(SOCK_DGRAM, 0, 1, &a), n[2] = {0, 0};
    a = loopback(port_of(one));
    int two = bound(SOCK_DGRAM, 0, 1, &a);
    close(bound(SOCK_DGRAM, 1, 0, &a));
    for (int i = 0; i < 60; i++) {
        char byte;
        int c = socket(AF_INET, SOCK_DGRAM, 0);
        sendto(c, "x", 1, 0, (struct sockaddr *)&a, sizeof(a));
        int u = which(one, two);
        n[u == two] += recv(u, &byte, 1, MSG_DONTWAIT) == 1;
        close(c);
    }
    printf("both got some: %d, all came: %d\n", n[0] > 5 && n[1] > 5,
           n[0] + n[1]);
    close(one);
    close(two);
}

static void rested(void) {
    int port, l = listener(&port), c = socket(AF_INET, SOCK_STREAM, 0);
    char byte;
    call_to(c, port);
    close(accept(l, NULL, NULL));
    close(l);
    recv(c, &byte, 1, 0);
    close(c);
    usleep(30000);
    struct sockaddr_in a = loopback(port);
    close(bound(SOCK_STREAM, 0, 0, &a));
    l = bound(SOCK_STREAM, 1, 0, &a);
    TRY(listen(l, 1));
    close(l);
}

static _Noreturn void serve(int l) {
    for (;;) {
        char byte;
        int s = accept(l, NULL, NULL);
        if (s < 0 || read(s, &byte, 1) != 1)
            _exit(1);
        if (byte == 'q')
            _exit(0);
        if (write(s, &byte, 1) != 1)
            _exit(1);
        close(s);
    }
}

static char ask(int port, char byte) {
    char answer = 0;
    int c = socket(AF_INET, SOCK_STREAM, 0);
    call_to(c, port);
    if (write(c, &byte, 1) != 1 || read(c, &answer, 1) < 0)
        answer = 0;
    close(c);
    return answer;
}

static void forked(void) {
    int port, l = listener(&port), status, good = 0, clean = 0;
    for (int i = 0; i < 3; i++)
        if (fork() == 0)
            serve(l);
    for (int i = 0; i < 90; i++)
        good += ask(port, (char)('A' + i % 10)) == 'A' + i % 10;
    for (int i = 0; i < 3; i++)
        ask(port, 'q');
    while (wait(&status) > 0)
        clean += status == 0;
    printf("right answers: %d, servers ended: %d\n", good, clean);
}

int main(void) {
    streams();
    datagrams();
    rested();
    forked();
    return 0;
}
