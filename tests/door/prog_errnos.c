/* SPDX-License-Identifier: BSD-2-Clause */
/* What calls answer, above all when they fail. */
#include "prog.h"

#include <sys/ioctl.h>
#include <sys/un.h>

#define TRY(call) said(#call, (long)(call))

static void creation(void) {
    TRY(close(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)) ? -1 : 0);
    TRY(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    TRY(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
    TRY(socket(AF_INET, SOCK_SEQPACKET, 0));
    TRY(socket(AF_INET, 77, 0));
    TRY(socket(AF_INET, SOCK_STREAM, 300));
    TRY(socket(AF_INET, SOCK_STREAM | 0x100, 0));
    TRY(socket(12345, SOCK_STREAM, 0));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    printf("flags %d %d\n", fcntl(fd, F_GETFD),
           (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    close(fd);
}

static void binding(void) {
    int port, l = listener(&port), fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = loopback(port), b = loopback(0);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    TRY(bind(fd, (struct sockaddr *)&a, sizeof(a)));
    TRY(bind(fd, (struct sockaddr *)&a, 4));
    TRY(bind(fd, (struct sockaddr *)8, sizeof(a)));
    TRY(bind(fd, (struct sockaddr *)&un, sizeof(un)));
    TRY(bind(99, (struct sockaddr *)&a, sizeof(a)));
    TRY(bind(0, (struct sockaddr *)&a, sizeof(a)) && errno == ENOTSOCK);
    b.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1: not ours */
    TRY(bind(fd, (struct sockaddr *)&b, sizeof(b)));
    b = loopback(0);
    TRY(bind(fd, (struct sockaddr *)&b, sizeof(b)));
    /* From another place: a repetition bit by bit is what a call looks like
     * that the kernel restarts for a signal. */
    struct sockaddr_in b2 = b;
    TRY(bind(fd, (struct sockaddr *)&b2, sizeof(b2)));
    TRY(listen(fd, 1));
    TRY(listen(fd, 5));
    close(l);
    TRY(close(fd));
    /* The port is free again, whatever we know of the close. */
    fd = socket(AF_INET, SOCK_STREAM, 0);
    TRY(bind(fd, (struct sockaddr *)&a, sizeof(a)));
    close(fd);
}

static void accepting(void) {
    int port, l = listener(&port), fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    struct timeval tv = {0, 50000};
    TRY(accept(fd, NULL, NULL));
    fcntl(l, F_SETFL, O_NONBLOCK);
    TRY(accept(l, NULL, NULL));
    fcntl(l, F_SETFL, 0);
    setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    TRY(accept(l, NULL, NULL));
    TRY(accept4(l, NULL, NULL, 0x10));
    TRY(connect(l, (struct sockaddr *)&a, 1));
    call_to(fd, port);
    len = (socklen_t)-1;
    TRY(accept(l, (struct sockaddr *)&a, &len));
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    call_to(fd, port);
    len = 4; /* cut, and told the whole length */
    int s = accept4(l, (struct sockaddr *)&a, &len, SOCK_CLOEXEC);
    printf("accept4 %d len %u family %d cloexec %d\n", s >= 0, len,
           a.sin_family, fcntl(s, F_GETFD));
    TRY(getpeername(l, (struct sockaddr *)&a, &len));
    TRY(shutdown(l, SHUT_RDWR));
    TRY(accept(l, NULL, NULL));
    close(s);
    close(fd);
    close(l);
}

static void connecting(void) {
    int port, l = listener(&port), fd = socket(AF_INET, SOCK_STREAM, 0);
    char buf[8];
    struct sockaddr_in a = loopback(port);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    signal(SIGPIPE, SIG_IGN);
    TRY(connect(fd, (struct sockaddr *)&un, sizeof(un)));
    TRY(connect(fd, (struct sockaddr *)&a, 8));
    TRY(shutdown(fd, SHUT_WR));
    TRY(getpeername(fd, (struct sockaddr *)buf, &(socklen_t){8}));
    TRY(call_to(fd, dead_port()));
    TRY(call_to(fd, port));
    TRY(call_to(fd, port));
    TRY(connect(fd, &none, sizeof(none)));
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    TRY(call_to(fd, port));
    wait_for(fd, POLLOUT);
    TRY(call_to(fd, port));
    TRY(call_to(fd, port));
    TRY(send(fd, "x", 1, 0));
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    TRY(call_to(fd, dead_port()));
    wait_for(fd, POLLOUT);
    TRY(call_to(fd, port)); /* takes the error */
    TRY(call_to(fd, port)); /* and the socket can be used again */
    wait_for(fd, POLLOUT);
    TRY(call_to(fd, port));
    TRY(send(fd, "x", 1, 0));
    TRY(connect(fd, &none, sizeof(none)));
    TRY(call_to(fd, port));
    wait_for(fd, POLLOUT);
    TRY(send(fd, "x", 1, 0));
    close(fd);
    close(l);
}

static void options(void) {
    int c, s, v = 0;
    socklen_t len = sizeof(v);
    pair(&c, &s);
    static const int names[] = {SO_TYPE,       SO_DOMAIN,    SO_PROTOCOL,
                                SO_ACCEPTCONN, SO_ERROR,     SO_REUSEADDR,
                                SO_KEEPALIVE,  SO_BROADCAST, SO_OOBINLINE};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        len = sizeof(v);
        int r = getsockopt(c, SOL_SOCKET, names[i], &v, &len);
        printf("SOL_SOCKET %d: %d %d %u\n", names[i], r, v, len);
    }
    v = 1;
    TRY(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)));
    TRY(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, 1));
    TRY(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, NULL, sizeof(v)));
    TRY(setsockopt(c, IPPROTO_TCP, 9999, &v, sizeof(v)));
    TRY(setsockopt(c, 12345, 1, &v, sizeof(v)));
    len = sizeof(v);
    TRY(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, &len));
    printf("nodelay %d\n", v);
    TRY(getsockopt(c, SOL_SOCKET, SO_TYPE, &v, NULL));
    len = (socklen_t)-1;
    TRY(getsockopt(c, SOL_SOCKET, SO_TYPE, &v, &len));
    len = 2;
    TRY(getsockopt(c, SOL_SOCKET, SO_TYPE, &v, &len));
    printf("len %u\n", len);
    send(c, "12345", 5, 0);
    wait_for(s, POLLIN);
    TRY(ioctl(s, FIONREAD, &v));
    printf("FIONREAD %d\n", v);
    TRY(ioctl(s, TIOCOUTQ, &v));
    printf("SIOCOUTQ %d\n", v);
    close(c);
    close(s);
}

static void datagrams(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in at = loopback(0), from;
    socklen_t len = sizeof(from);
    char buf[70000];
    memset(buf, 'x', sizeof(buf));
    bind(a, (struct sockaddr *)&at, sizeof(at));
    at = loopback(port_of(a));
    TRY(sendto(b, "hello", 5, 0, (struct sockaddr *)&at, sizeof(at)));
    TRY(recvfrom(a, buf, 3, MSG_TRUNC, (struct sockaddr *)&from, &len));
    TRY(len == sizeof(from) && ntohs(from.sin_port) == port_of(b));
    TRY(sendto(b, buf, 65508, 0, (struct sockaddr *)&at, sizeof(at)));
    TRY(sendto(b, buf, 65507, 0, (struct sockaddr *)&at, sizeof(at)));
    TRY(recv(a, buf, sizeof(buf), 0));
    TRY(sendto(b, "", 0, 0, (struct sockaddr *)&at, sizeof(at)));
    TRY(recv(a, buf, sizeof(buf), 0));
    TRY(recv(a, buf, sizeof(buf), MSG_DONTWAIT));
    TRY(listen(a, 5));
    TRY(accept(a, NULL, NULL));
    TRY(sendto(b, "x", 1, 0, (struct sockaddr *)&at, 4));
    TRY(connect(b, (struct sockaddr *)&at, sizeof(at)));
    TRY(send(b, "one", 3, 0));
    TRY(write(b, "two", 3));
    TRY(recv(a, buf, 2, MSG_PEEK));
    TRY(recv(a, buf, sizeof(buf), 0));
    TRY(recv(a, buf, sizeof(buf), 0));
    int dead = dead_port();
    at = loopback(dead);
    TRY(connect(b, (struct sockaddr *)&at, sizeof(at)));
    TRY(sendto(b, "x", 1, 0, NULL, 0));
    wait_for(b, POLLIN);
    TRY(recvfrom(b, buf, 10, MSG_DONTWAIT, (struct sockaddr *)&from, &len));
    close(a);
    close(b);
}

int main(void) {
    creation();
    binding();
    accepting();
    connecting();
    options();
    datagrams();
    return 0;
}
