/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two processes talk: one packet a message. Sends never block; what the other
 * side does not take yet waits here in order, with its descriptor. The reader
 * puts a NUL behind the data, as the handlers expect of text.
 */
#include "run/door.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HELLO_MS 5000
#define BATCH 64

struct packet {
    struct packet *next;
    int fd;
    size_t len;
    char bytes[];
};

struct door_link {
    struct loop_source src;
    struct proto_pipe pipe; /* what is sent into here goes to the other side */
    struct loop *loop;
    struct packet *head, **tail;
    /* On the stack's side: */
    struct serve *sv;
    struct serve_conn *conn;
    struct door *door;
    struct door_link *next;
    /* On the agent's: */
    struct agent *ag;
    void (*lost)(void *ctx);
    void *ctx;
};

struct door {
    struct loop_source src;
    struct loop *loop;
    struct serve *sv;
    struct door_link *links;
    char path[108];
};

/* ---- packets ---- */

static ssize_t send_packet(int to, const void *bytes, size_t len, int fd) {
    struct iovec iov = {(void *)(uintptr_t)bytes, len};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u;
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        memset(&u, 0, sizeof(u));
        h.msg_control = u.room;
        h.msg_controllen = sizeof(u.room);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    return sendmsg(to, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void flush(struct door_link *l) {
    while (l->head) {
        struct packet *p = l->head;
        if (send_packet(l->src.fd, p->bytes, p->len, p->fd) < 0 &&
            errno == EAGAIN)
            return;
        l->head = p->next;
        if (p->fd >= 0)
            close(p->fd);
        free(p);
    }
    l->tail = &l->head;
    loop_mod(l->loop, &l->src, EPOLLIN);
}

static void pipe_send(struct proto_pipe *pipe, const struct proto *m,
                      const void *data, int fd) {
    struct door_link *l =
        (struct door_link *)((char *)pipe - offsetof(struct door_link, pipe));
    size_t len = sizeof(*m) + m->len;
    struct packet *p = malloc(sizeof(*p) + len);
    if (!p) {
        if (fd >= 0)
            close(fd);
        return;
    }
    memcpy(p->bytes, m, sizeof(*m));
    if (m->len)
        memcpy(p->bytes + sizeof(*m), data, m->len);
    if (!l->head && send_packet(l->src.fd, p->bytes, len, fd) >= 0) {
        if (fd >= 0)
            close(fd);
        free(p);
        return;
    }
    p->next = NULL;
    p->len = len;
    p->fd = fd;
    if (!l->head)
        loop_mod(l->loop, &l->src, EPOLLIN | EPOLLOUT);
    *l->tail = p;
    l->tail = &p->next;
}

struct incoming {
    struct proto m;
    char data[PROTO_DATA_MAX + 1];
};

/* One packet: 1, 0 nothing there, -1 the other side has gone. */
static int receive(int from, struct incoming *in, int *fd) {
    struct iovec iov = {in, sizeof(*in) - 1};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u;
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = u.room,
                       .msg_controllen = sizeof(u.room)};
    *fd = -1;
    ssize_t n = recvmsg(from, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n < (ssize_t)sizeof(in->m))
        return -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(c), sizeof(int));
    size_t len = (size_t)n - sizeof(in->m);
    in->m.len = in->m.len < len ? in->m.len : (uint32_t)len;
    in->data[in->m.len] = '\0';
    return 1;
}

static struct door_link *link_new(struct loop *loop, int fd,
                                  void (*ready)(struct loop_source *,
                                                uint32_t)) {
    struct door_link *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->src = (struct loop_source){.ready = ready, .fd = fd};
    l->pipe.send = pipe_send;
    l->loop = loop;
    l->tail = &l->head;
    if (loop_add(loop, &l->src, EPOLLIN)) {
        free(l);
        return NULL;
    }
    return l;
}

static void link_free(struct door_link *l) {
    loop_del(l->loop, &l->src);
    close(l->src.fd);
    while (l->head) {
        struct packet *p = l->head;
        l->head = p->next;
        if (p->fd >= 0)
            close(p->fd);
        free(p);
    }
    free(l);
}

/* ---- the stack's side ---- */

static void agent_left(struct door_link *l) {
    struct door_link **at = &l->door->links;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    struct serve *sv = l->sv;
    serve_leave(l->conn);
    link_free(l);
    serve_sweep(sv);
}

static void agent_ready(struct loop_source *src, uint32_t events) {
    struct door_link *l = (struct door_link *)src;
    static struct incoming in;
    int fd, r = 1;
    if (events & EPOLLOUT)
        flush(l);
    for (int i = 0; i < BATCH && (r = receive(src->fd, &in, &fd)) > 0; i++)
        serve_message(l->conn, &in.m, in.data, fd);
    if (r < 0)
        agent_left(l);
}

static void agent_comes(struct loop_source *src, uint32_t events) {
    struct door *d = (struct door *)src;
    (void)events;
    int fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct ucred cred;
    socklen_t len = sizeof(cred);
    bool mine = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
                (cred.uid == geteuid() || cred.uid == 0);
    struct door_link *l = mine ? link_new(d->loop, fd, agent_ready) : NULL;
    if (!l) {
        close(fd);
        return;
    }
    l->door = d;
    l->sv = d->sv;
    l->conn = serve_join(d->sv, NULL, &l->pipe);
    l->next = d->links;
    d->links = l;
}

static int seqpacket(const char *path, struct sockaddr_un *sun) {
    memset(sun, 0, sizeof(*sun));
    sun->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(sun->sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sun->sun_path, path, strlen(path) + 1);
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

struct door *door_open(struct loop *loop, struct serve *sv, const char *path) {
    struct sockaddr_un sun;
    struct door *d = calloc(1, sizeof(*d));
    int fd = d ? seqpacket(path, &sun) : -1;
    if (fd < 0) {
        free(d);
        return NULL;
    }
    d->src = (struct loop_source){.ready = agent_comes, .fd = fd};
    d->loop = loop;
    d->sv = sv;
    memcpy(d->path, sun.sun_path, sizeof(d->path));
    unlink(path); /* of one that died; the caller holds the lock */
    if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) || listen(fd, 64) ||
        loop_add(loop, &d->src, EPOLLIN)) {
        close(fd);
        free(d);
        return NULL;
    }
    return d;
}

void door_close(struct door *d) {
    unlink(d->path);
    loop_del(d->loop, &d->src);
    close(d->src.fd);
    while (d->links)
        agent_left(d->links);
    free(d);
}

/* ---- the agent's side ---- */

static void stack_ready(struct loop_source *src, uint32_t events) {
    struct door_link *l = (struct door_link *)src;
    static struct incoming in;
    int fd, r = 1;
    if (events & EPOLLOUT)
        flush(l);
    for (int i = 0; i < BATCH && (r = receive(src->fd, &in, &fd)) > 0; i++)
        agent_message(l->ag, &in.m, in.data, fd);
    if (r >= 0)
        return;
    loop_del(l->loop, src);
    l->lost(l->ctx);
}

struct door_link *door_join(struct loop *loop, const char *path) {
    struct sockaddr_un sun;
    int fd = seqpacket(path, &sun);
    if (fd < 0)
        return NULL;
    if (connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
        int err = errno;
        close(fd);
        errno = err;
        return NULL;
    }
    return link_new(loop, fd, stack_ready);
}

int door_hello(struct door_link *l, const char *host, char *dir, size_t size) {
    static struct incoming in;
    struct proto m = {.op = PROTO_HELLO,
                      .seq = 1,
                      .a = {PROTO_VERSION},
                      .pid = (uint32_t)getpid(),
                      .len = host ? (uint32_t)strlen(host) : 0};
    l->pipe.send(&l->pipe, &m, host, -1);
    struct pollfd p = {.fd = l->src.fd, .events = POLLIN};
    int fd, r = 0;
    while (r == 0) {
        if (poll(&p, 1, HELLO_MS) == 0)
            return -ETIMEDOUT;
        r = receive(l->src.fd, &in, &fd);
    }
    if (r < 0)
        return -ECONNRESET;
    if (in.m.result < 0)
        return in.m.result;
    if (in.m.len >= size)
        return -ENAMETOOLONG;
    memcpy(dir, in.data, in.m.len + 1);
    return 0;
}

void door_attach(struct door_link *l, struct agent *ag, void (*lost)(void *ctx),
                 void *ctx) {
    l->ag = ag;
    l->lost = lost;
    l->ctx = ctx;
    agent_connect(ag, &l->pipe);
}

void door_leave(struct door_link *l) {
    flush(l);
    link_free(l);
}
