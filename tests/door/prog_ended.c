/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets whose connection has ended, in halves or by a reset: their names and
 * options, who is blocked in a call on them, and their second life. */
#include "prog.h"

#include <pthread.h>
#include <sys/uio.h>

#define TRY(call) said(#call, (long)(call))

static void look(const char *what, int fd) {
    struct sockaddr_in a = {.sin_family = 0};
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t len = sizeof(a);
    int one = 1, r = getsockname(fd, (struct sockaddr *)&a, &len);
    printf("%s: poll %x, name %d family %d\n", what, mask_of(fd), r,
           a.sin_family);
    len = sizeof(a);
    TRY(getpeername(fd, (struct sockaddr *)&a, &len));
    len = sizeof(info);
    TRY(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
    printf("state %d\n", info.tcpi_state);
    TRY(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
    TRY(shutdown(fd, SHUT_RDWR));
}

/* Both directions end, in either order, and the socket is still there. */
static void halves(void) {
    for (int how = SHUT_WR; how <= SHUT_RDWR; how++) {
        int c, s;
        char byte;
        pair(&c, &s);
        shutdown(c, SHUT_WR);
        TRY(read(s, &byte, 1));
        shutdown(s, how);
        TRY(read(c, &byte, 1));
        wait_for(c, POLLHUP);
        wait_for(s, POLLHUP);
        look("who ended first", c);
        look("who ended then", s);
        close(c);
        close(s);
    }
    int c, s;
    pair(&c, &s);
    shutdown(c, SHUT_WR);
    close(s);
    wait_for(c, POLLHUP);
    look("the other closed", c);
    close(c);
}

/* Nobody reads any more: who goes on sending is told. */
static void nobody_reads(void) {
    int c, s;
    char byte;
    pair(&c, &s);
    shutdown(s, SHUT_RDWR);
    TRY(read(c, &byte, 1));
    TRY(send(c, "x", 1, MSG_NOSIGNAL));
    printf("then %x\n", wait_for(c, POLLHUP) & POLLHUP);
    int error = 0;
    socklen_t len = sizeof(error);
    getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len);
    printf("SO_ERROR %s\n", strerrorname_np(error));
    close(c);
    close(s);
}

/* ---- blocked ---- */

struct job {
    int fd, kind, flags;
    _Atomic pid_t tid;
    _Atomic bool done;
    long r;
    int err;
};

static void *job_run(void *arg) {
    struct job *j = arg;
    char buf[64];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    struct iovec v = {buf, sizeof(buf)};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof(from),
                       .msg_iov = &v,
                       .msg_iovlen = 1};
    j->tid = gettid();
    if (j->kind == 0)
        j->r = recv(j->fd, buf, sizeof(buf), j->flags);
    else if (j->kind == 1)
        j->r = recvfrom(j->fd, buf, sizeof(buf), j->flags,
                        (struct sockaddr *)&from, &len);
    else
        j->r = recvmsg(j->fd, &m, j->flags);
    j->err = errno;
    j->done = true;
    return NULL;
}

static void until_asleep(struct job *j) {
    char path[64], text[256], *at = NULL;
    while (!j->done && !(at && (at[2] == 'S' || at[2] == 't'))) {
        snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)j->tid);
        FILE *f = j->tid ? fopen(path, "r") : NULL;
        at = f && fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
        if (f)
            fclose(f);
    }
}

/* The peer's end wakes who waits for bytes, whatever call he waits in. */
static void blocked(bool reset) {
    static const int flags[] = {0, MSG_WAITALL, MSG_WAITALL | MSG_PEEK};
    for (int kind = 0; kind < 3; kind++)
        for (int f = 0; f < 3; f++) {
            int c, s;
            pthread_t t;
            pair(&c, &s);
            struct job j = {.fd = c, .kind = kind, .flags = flags[f]};
            pthread_create(&t, NULL, job_run, &j);
            until_asleep(&j);
            if (f && !reset)
                send(s, "abc", 3, 0);
            reset ? reset_close(s) : (void)close(s);
            pthread_join(t, NULL);
            errno = j.err;
            printf("%d %d ", kind, f);
            said(reset ? "reset" : "closed", j.r);
            close(c);
        }
}

/* Also who has ended his own direction hears that the other was cut off. */
static void cut_off(void) {
    int c, s, error = 0;
    char byte;
    socklen_t len = sizeof(error);
    pair(&c, &s);
    shutdown(c, SHUT_WR);
    TRY(read(s, &byte, 1));
    reset_close(s);
    printf("cut off %x\n", wait_for(c, POLLHUP) & ~POLLERR);
    getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len);
    printf("SO_ERROR %s\n", strerrorname_np(error));
    TRY(read(c, &byte, 1));
    close(c);
}

/* What is looked at is there once, however much is asked for. */
static void peeked(void) {
    int c, s;
    char buf[64] = "";
    struct sockaddr_in from;
    struct iovec v = {buf, sizeof(buf)};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof(from),
                       .msg_iov = &v,
                       .msg_iovlen = 1};
    pair(&c, &s);
    send(s, "abc", 3, 0);
    wait_for(c, POLLIN);
    TRY(recvmsg(c, &m, MSG_PEEK | MSG_WAITALL | MSG_DONTWAIT));
    printf("'%s'\n", buf);
    socklen_t len = sizeof(from);
    TRY(recvfrom(c, buf, sizeof(buf), MSG_WAITALL | MSG_DONTWAIT,
                 (struct sockaddr *)&from, &len));
    printf("address of %u bytes\n", len);
    close(c);
    close(s);
}

/* recvmmsg tells an error before what came ahead of it. */
static void error_first(void) {
    int c, s;
    char buf[8];
    struct iovec v = {buf, sizeof(buf)};
    struct mmsghdr m = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};
    pair(&c, &s);
    send(s, "abc", 3, 0);
    wait_for(c, POLLIN);
    reset_close(s);
    wait_for(c, POLLHUP);
    TRY(recvmmsg(c, &m, 1, 0, NULL));
    TRY(recvmmsg(c, &m, 1, 0, NULL));
    printf("%u bytes\n", m.msg_len);
    TRY(recvmmsg(c, &m, 1, 0, NULL));
    printf("%u bytes\n", m.msg_len);
    close(c);
}

/* connect() has told of the failure: the socket is as good as new. */
static void second_life(void) {
    int port, l = listener(&port), dead = dead_port();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    TRY(call_to(fd, dead));
    printf("refused %x\n", wait_for(fd, POLLERR));
    TRY(call_to(fd, dead));
    printf("told %x\n", mask_of(fd));
    fcntl(fd, F_SETFL, 0);
    TRY(call_to(fd, dead));
    printf("refused again %x\n", mask_of(fd));
    TRY(call_to(fd, port));
    printf("connected %x\n", mask_of(fd));
    TRY(send(fd, "x", 1, 0));
    close(fd);
    close(l);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    halves();
    nobody_reads();
    blocked(false);
    blocked(true);
    cut_off();
    peeked();
    error_first();
    second_life();
    return 0;
}
