/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors of data calls and the signals beside them: exact in traced runs. */
#include "prog.h"

#include <sys/uio.h>

static volatile sig_atomic_t pipes;

static void on_pipe(int sig) {
    (void)sig;
    pipes++;
}

#define TRY(call)                                                              \
    do {                                                                       \
        pipes = 0;                                                             \
        said(#call, (long)(call));                                             \
        if (pipes)                                                             \
            printf("  with SIGPIPE\n");                                        \
    } while (0)

static void after_reset(void) {
    int c, s;
    char buf[16];
    pair(&c, &s);
    reset_close(s);
    wait_for(c, POLLHUP);
    TRY(write(c, "x", 1));
    TRY(write(c, "x", 1));
    TRY(send(c, "x", 1, MSG_NOSIGNAL));
    TRY(read(c, buf, sizeof(buf)));
    close(c);
    pair(&c, &s);
    reset_close(s);
    wait_for(c, POLLHUP);
    struct iovec v = {buf, sizeof(buf)};
    TRY(readv(c, &v, 1));
    TRY(readv(c, &v, 1));
    TRY(writev(c, &v, 1));
    close(c);
}

/* Written to a peer that has closed: the first succeeds, its RST ends it. */
static void after_close(void) {
    int c, s;
    char buf[16];
    pair(&c, &s);
    close(s);
    wait_for(c, POLLIN);
    TRY(read(c, buf, sizeof(buf)));
    TRY(write(c, "x", 1));
    wait_for(c, POLLERR);
    TRY(write(c, "x", 1));
    TRY(write(c, "x", 1));
    TRY(read(c, buf, sizeof(buf)));
    close(c);
}

static void unconnected(void) {
    int port, l = listener(&port), fd = socket(AF_INET, SOCK_STREAM, 0);
    char buf[16];
    TRY(read(fd, buf, sizeof(buf)));
    TRY(write(fd, "x", 1));
    TRY(send(fd, "x", 1, MSG_NOSIGNAL));
    TRY(recv(l, buf, sizeof(buf), 0));
    TRY(call_to(fd, dead_port()));
    TRY(read(fd, buf, sizeof(buf)));
    TRY(write(fd, "x", 1));
    close(fd);
    close(l);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    TRY(call_to(fd, dead_port()));
    wait_for(fd, POLLOUT);
    TRY(read(fd, buf, sizeof(buf)));
    TRY(read(fd, buf, sizeof(buf)));
    close(fd);
}

static void shut(void) {
    int c, s;
    char buf[16];
    pair(&c, &s);
    shutdown(c, SHUT_WR);
    TRY(write(c, "x", 1));
    TRY(send(c, "x", 1, MSG_NOSIGNAL));
    wait_for(s, POLLIN);
    TRY(read(s, buf, sizeof(buf)));
    TRY(write(s, "yes", 3));
    wait_for(c, POLLIN);
    TRY(read(c, buf, sizeof(buf)));
    TRY(close(c));
    TRY(close(c));
    close(s);
}

static void datagrams(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    char buf[16];
    TRY(write(fd, "x", 1));
    TRY(send(fd, "x", 1, 0));
    TRY(call_to(fd, dead_port()));
    TRY(write(fd, "x", 1));
    wait_for(fd, POLLIN);
    TRY(read(fd, buf, sizeof(buf)));
    TRY(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
    close(fd);
}

/* EPIPE and its signal are one, also where a handler ends calls (EINTR), and
 * behind an error that came without it. */
static void signals(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), c, s, p[2];
    struct sigaction sa = {.sa_handler = on_pipe};
    struct iovec v = {"x", 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    struct mmsghdr mm = {.msg_hdr = m};
    sigaction(SIGPIPE, &sa, NULL);
    TRY(sendmsg(fd, &m, 0));
    TRY(sendmsg(fd, &m, MSG_NOSIGNAL));
    TRY(sendmmsg(fd, &mm, 1, 0));
    pipe(p);
    write(p[1], "x", 1);
    TRY(splice(p[0], NULL, fd, NULL, 1, 0));
    close(p[0]);
    close(p[1]);
    close(fd);
    pair(&c, &s);
    reset_close(s);
    wait_for(c, POLLHUP);
    TRY(send(c, "x", 1, MSG_NOSIGNAL));
    TRY(write(c, "x", 1));
    close(c);
    pair(&c, &s);
    reset_close(s);
    wait_for(c, POLLHUP);
    TRY(sendmsg(c, &m, 0));
    TRY(sendmsg(c, &m, 0));
    close(c);
}

int main(void) {
    struct sigaction sa = {.sa_handler = on_pipe, .sa_flags = SA_RESTART};
    sigaction(SIGPIPE, &sa, NULL);
    after_reset();
    after_close();
    unconnected();
    shut();
    datagrams();
    signals();
    return 0;
}
