/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One socket in many hands: fork, vfork, dup, SCM_RIGHTS, exec, threads, and
 * registrations made before connect and listen. The peer hears the end only
 * when the last hand lets go.
 */
#include "prog.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>

static void forked(void) {
    int c, s;
    char buf[16];
    pair(&c, &s);
    pid_t pid = fork();
    if (pid == 0) {
        close(s);
        usleep(50000);
        send(c, "child", 5, 0);
        _exit(0);
    }
    close(c); /* the child still has it */
    said("from the child", recv(s, buf, sizeof(buf), 0));
    said("after the last close", recv(s, buf, sizeof(buf), 0));
    waitpid(pid, NULL, 0);
    close(s);
}

static void dupped(void) {
    int c, s, d;
    char buf[16];
    pair(&c, &s);
    d = dup(c);
    close(c);
    said("dup, one closed", mask_of(s) & POLLIN);
    close(d);
    said("dup, both closed", recv(s, buf, sizeof(buf), 0));
    close(s);
}

static void passed(void) {
    int c, s, u[2];
    char buf[16], room[CMSG_SPACE(sizeof(int))] = {0};
    pair(&c, &s);
    socketpair(AF_UNIX, SOCK_STREAM, 0, u);
    struct iovec iov = {buf, 1};
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = room,
                       .msg_controllen = sizeof(room)};
    struct cmsghdr *cm = CMSG_FIRSTHDR(&h);
    cm->cmsg_level = SOL_SOCKET;
    cm->cmsg_type = SCM_RIGHTS;
    cm->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cm), &c, sizeof(int));
    said("sendmsg", sendmsg(u[0], &h, 0));
    close(c); /* in flight only */
    pid_t pid = fork();
    if (pid == 0) {
        int got;
        close(s);
        recvmsg(u[1], &h, 0);
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(int));
        struct sockaddr_in a;
        socklen_t len = sizeof(a);
        said("getpeername of a passed one",
             getpeername(got, (struct sockaddr *)&a, &len));
        send(got, "passed", 6, 0);
        _exit(0);
    }
    close(u[0]);
    close(u[1]);
    said("from who got it", recv(s, buf, sizeof(buf), 0));
    said("end", recv(s, buf, sizeof(buf), 0));
    waitpid(pid, NULL, 0);
    close(s);
}

static void executed(char *self) {
    int c, s;
    char buf[16], num[16];
    pair(&c, &s);
    fcntl(c, F_SETFD, 0);
    snprintf(num, sizeof(num), "%d", c);
    pid_t pid = vfork();
    if (pid == 0) {
        execl(self, self, "say", num, (char *)NULL);
        _exit(127);
    }
    close(c);
    said("from the executed", recv(s, buf, sizeof(buf), 0));
    said("end", recv(s, buf, sizeof(buf), 0));
    waitpid(pid, NULL, 0);
    close(s);
}

/* Registered while fresh, edge-triggered: one edge when connected. */
static void registered_before(void) {
    int port, l = listener(&port), ep = epoll_create1(0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct epoll_event ev = {.events =
                                 EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
    said("fresh", epoll_wait(ep, &ev, 1, 0));
    printf("events %x\n", ev.events);
    said("connect", call_to(fd, port));
    wait_for(fd, POLLOUT);
    said("edge", epoll_wait(ep, &ev, 1, 1000));
    printf("events %x\n", ev.events);
    said("no more edges", epoll_wait(ep, &ev, 1, 0));
    int s = accept(l, NULL, NULL);
    send(s, "x", 1, 0);
    wait_for(fd, POLLIN);
    said("edge by data", epoll_wait(ep, &ev, 1, 1000));
    printf("events %x\n", ev.events);
    close(fd);
    said("closed", epoll_wait(ep, &ev, 1, 0));
    close(s);
    close(l);
    close(ep);
}

static void *blocked_accept(void *arg) {
    int s = accept(*(int *)arg, NULL, NULL);
    said("accept of a thread", s >= 0 ? 1 : -1);
    if (s >= 0)
        close(s);
    return NULL;
}

static void threads(void) {
    int port, l = listener(&port), c = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t t;
    pthread_create(&t, NULL, blocked_accept, &l);
    usleep(20000);
    call_to(c, port);
    pthread_join(t, NULL);
    pthread_create(&t, NULL, blocked_accept, &l);
    usleep(20000);
    shutdown(l, SHUT_RDWR);
    pthread_join(t, NULL);
    close(c);
    close(l);
}

static void from_file(char *self) {
    int c, s, fd = open(self, O_RDONLY);
    char buf[4096];
    pair(&c, &s);
    said("sendfile", sendfile(c, fd, NULL, 4096));
    said("recv all", recv(s, buf, sizeof(buf), MSG_WAITALL));
    printf("%.3s\n", buf + 1);
    close(fd);
    close(c);
    close(s);
}

int main(int argc, char **argv) {
    if (argc == 3)
        return write(atoi(argv[2]), "exec", 4) != 4;
    forked();
    dupped();
    passed();
    executed(argv[0]);
    registered_before();
    threads();
    from_file(argv[0]);
    return 0;
}
