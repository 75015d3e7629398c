/* SPDX-License-Identifier: BSD-2-Clause */
/* The poll mask of a TCP socket in each state, by poll and by epoll. */
#include "prog.h"

#include <sys/epoll.h>

static void show(const char *state, int fd, short wait) {
    if (wait)
        wait_for(fd, wait);
    short m = mask_of(fd);
    int ep = epoll_create1(0);
    struct epoll_event ev = {.events = ALL}, got = {.events = 0};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
    epoll_wait(ep, &got, 1, 0);
    close(ep);
    printf("%-28s %s%s%s%s%s%s%s\n", state, m & POLLIN ? "IN " : "",
           m & POLLOUT ? "OUT " : "", m & POLLPRI ? "PRI " : "",
           m & POLLERR ? "ERR " : "", m & POLLHUP ? "HUP " : "",
           m & POLLRDHUP ? "RDHUP " : "",
           (int)got.events == m ? "" : "(epoll differs)");
    fflush(stdout);
}

static void before(void) {
    int port, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    show("fresh", fd, 0);
    struct sockaddr_in a = loopback(0);
    bind(fd, (struct sockaddr *)&a, sizeof(a));
    show("bound", fd, 0);
    close(fd);
    int l = listener(&port), c = socket(AF_INET, SOCK_STREAM, 0);
    show("listening", l, 0);
    call_to(c, port);
    show("listening, one waits", l, POLLIN);
    close(accept(l, NULL, NULL));
    show("listening, none waits", l, 0);
    /* Not shown: a listener after shutdown. TCP's is fresh again, OUT HUP; an
     * AF_UNIX one says IN HUP RDHUP and cannot be turned back. */
    close(l);
    close(c);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    call_to(fd, dead_port());
    show("refused", fd, POLLOUT);
    int err = 0;
    socklen_t len = sizeof(err);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
    printf("SO_ERROR %s\n", strerrorname_np(err));
    show("refused, error taken", fd, 0);
    close(fd);
}

static void established(void) {
    int c, s;
    char buf[64];
    pair(&c, &s);
    show("connected", c, 0);
    show("accepted", s, 0);
    send(s, "x", 1, 0);
    show("data waits", c, POLLIN);
    recv(c, buf, sizeof(buf), 0);
    show("data read", c, 0);
    shutdown(s, SHUT_WR);
    show("peer shut", c, POLLIN);
    show("shut by us", s, 0);
    send(c, "y", 1, 0);
    show("peer has data after", s, POLLIN);
    shutdown(c, SHUT_WR);
    show("both shut", c, POLLHUP);
    show("both shut, data waits", s, POLLHUP);
    close(c);
    close(s);
    pair(&c, &s);
    shutdown(c, SHUT_RD);
    show("SHUT_RD", c, 0);
    close(c);
    close(s);
}

static void resets(void) {
    int c, s;
    char buf[64];
    pair(&c, &s);
    reset_close(s);
    show("reset", c, POLLHUP);
    said("read", recv(c, buf, sizeof(buf), 0));
    show("reset, error taken", c, 0);
    said("read", recv(c, buf, sizeof(buf), 0));
    close(c);
    pair(&c, &s);
    send(s, "abc", 3, 0);
    wait_for(c, POLLIN);
    reset_close(s);
    show("reset behind data", c, POLLHUP);
    close(c);
    pair(&c, &s);
    send(c, "unread", 6, 0);
    wait_for(s, POLLIN);
    close(s);
    show("peer closed, data unread", c, POLLHUP);
    close(c);
}

int main(void) {
    before();
    established();
    resets();
    return 0;
}
