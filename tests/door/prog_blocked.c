/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that block, and what ends them: cancellation, shutdown, signals,
 * time-outs. Readiness in its rarer forms. */
#include "prog.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/time.h>

#define TRY(call) said(#call, (long)(call))

enum how { ACCEPT, RECV, RECVFROM, RECVMSG };
struct job {
    int fd;
    enum how how;
    long result;
};

static ssize_t message(int fd, int flags, size_t len) {
    char buf[64];
    struct iovec iov = {buf, len};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    return recvmsg(fd, &h, flags);
}

static void *block(void *arg) {
    struct job *j = arg;
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    char buf[16];
    if (j->how == ACCEPT)
        j->result = accept(j->fd, NULL, NULL);
    else if (j->how == RECV)
        j->result = recv(j->fd, buf, sizeof(buf), 0);
    else if (j->how == RECVFROM)
        j->result = recvfrom(j->fd, buf, sizeof(buf), 0,
                             (struct sockaddr *)&from, &len);
    else
        j->result = message(j->fd, 0, sizeof(buf));
    if (j->result < 0)
        j->result = -errno;
    return NULL;
}

static void ended(const char *what, int fd, enum how how, bool cancel) {
    struct job j = {fd, how, 0};
    pthread_t t;
    void *r;
    pthread_create(&t, NULL, block, &j);
    usleep(30000);
    int shut = cancel ? pthread_cancel(t) : shutdown(fd, SHUT_RDWR);
    shut = shut ? errno : 0;
    pthread_join(t, &r);
    printf("%s: shutdown %d, cancelled %d, result %ld\n", what, shut,
           r == PTHREAD_CANCELED, j.result);
    fflush(stdout);
}

static void threads(void) {
    int port, l = listener(&port), c, s, u = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = loopback(0);
    bind(u, (struct sockaddr *)&a, sizeof(a));
    ended("accept", l, ACCEPT, true);
    ended("recvfrom", u, RECVFROM, true);
    ended("recvmsg of a datagram", u, RECVMSG, true);
    pair(&c, &s);
    ended("recv", c, RECV, true);
    ended("recvmsg", c, RECVMSG, true);
    ended("accept", l, ACCEPT, false);
    ended("recv", c, RECV, false);
    close(c);
    close(s);
    pair(&c, &s);
    ended("recvmsg", c, RECVMSG, false);
    ended("recvfrom", u, RECVFROM, false);
    close(c);
    close(s);
    close(u);
    close(l);
}

static void on_signal(int sig) {
    (void)sig;
}

static void alarm_soon(void) {
    struct itimerval it = {{0, 0}, {0, 50000}};
    setitimer(ITIMER_REAL, &it, NULL);
}

static void signals(void) {
    int port, l = listener(&port), c, s;
    struct sigaction sa = {.sa_handler = on_signal};
    struct timeval tv = {0, 60000};
    char buf[16];
    sigaction(SIGALRM, &sa, NULL);
    alarm_soon();
    TRY(accept(l, NULL, NULL));
    pair(&c, &s);
    alarm_soon();
    TRY(recv(c, buf, sizeof(buf), 0));
    alarm_soon();
    TRY(message(c, 0, 10));
    send(s, "abc", 3, 0);
    wait_for(c, POLLIN);
    alarm_soon();
    TRY(recv(c, buf, sizeof(buf), MSG_WAITALL));
    /* What a signal interrupts is not lost. */
    send(s, "abcdef", 6, 0);
    wait_for(c, POLLIN);
    alarm_soon();
    ssize_t n = message(c, MSG_WAITALL, 10), more = 0;
    if (n < 6)
        more = recv(c, buf, sizeof(buf), MSG_DONTWAIT);
    printf("of 6 bytes: %zd\n", (n > 0 ? n : 0) + (more > 0 ? more : 0));
    TRY(setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    TRY(recv(c, buf, sizeof(buf), 0));
    TRY(message(c, 0, 10));
    send(s, "abc", 3, 0);
    TRY(message(c, MSG_WAITALL, 10));
    TRY(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    while (accept(l, NULL, NULL) >= 0)
        ;
    said("accept", -1);
    close(c);
    close(s);
    close(l);
}

static void readiness(void) {
    int port, l = listener(&port), c, s, v = 4;
    int ep = epoll_create1(0), outer = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET | EPOLLONESHOT}, out;
    char buf[16];
    pair(&c, &s);
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev));
    ev.events = EPOLLIN;
    TRY(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &ev));
    send(s, "x", 1, 0);
    TRY(epoll_wait(outer, &out, 1, 1000));
    TRY(epoll_wait(ep, &out, 1, 1000));
    send(s, "y", 1, 0);
    TRY(epoll_wait(ep, &out, 1, 20));
    ev.events = EPOLLIN | EPOLLET | EPOLLONESHOT;
    TRY(epoll_ctl(ep, EPOLL_CTL_MOD, c, &ev));
    TRY(epoll_wait(ep, &out, 1, 1000));
    ev.events = EPOLLIN | EPOLLEXCLUSIVE;
    TRY(epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev));
    int q = socket(AF_INET, SOCK_STREAM, 0);
    TRY(call_to(q, port));
    TRY(epoll_wait(ep, &out, 1, 1000));
    recv(c, buf, sizeof(buf), 0);
    int high = fcntl(c, F_DUPFD, 300);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(high, &set);
    send(s, "x", 1, 0);
    TRY(select(high + 1, &set, NULL, NULL, NULL));
    recv(c, buf, sizeof(buf), 0);
    TRY(setsockopt(c, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v)));
    send(s, "ab", 2, 0);
    usleep(20000);
    printf("below the mark: %x\n", mask_of(c) & POLLIN);
    send(s, "cd", 2, 0);
    printf("at the mark: %x\n", wait_for(c, POLLIN) & POLLIN);
    TRY(fcntl(c, F_SETOWN, getpid()));
    signal(SIGIO, on_signal);
    TRY(ioctl(c, FIOASYNC, &v));
    sigset_t io;
    sigemptyset(&io);
    sigaddset(&io, SIGIO);
    sigprocmask(SIG_BLOCK, &io, NULL);
    send(s, "efgh", 4, 0);
    TRY(sigtimedwait(&io, NULL, &(struct timespec){2, 0}) == SIGIO);
    close(q);
    close(c);
    close(s);
    close(l);
}

int main(void) {
    threads();
    signals();
    readiness();
    return 0;
}
