/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connect. While an attempt is in progress a non-blocking carrier is connected
 * to an end of the stack's and stuffed with filler, so that nothing is readable
 * or writable; the stack drains it when the peer has answered. A blocking
 * connect is held, and the carrier connected only on success. What answers at
 * once (lo) has answered when connect returns, as in the kernel: the network
 * runs first, and mostly there is no attempt in progress to show.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "run/agent_in.h"
#include "run/view.h"

#define ANSWER_PASSES 4 /* of the loop, before EINPROGRESS is told */

/* ---- connect ---- */

/* Fill the smallest send buffer, so that nothing is writable until the stack
 * has drained it. Returns the bytes; *sndbuf is what to restore. */
static unsigned fill(int fd, int *sndbuf) {
    static const char filler[2048];
    socklen_t len = sizeof(*sndbuf);
    int least = 1;
    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, sndbuf, &len);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
    unsigned total = 0;
    ssize_t n;
    while ((n = send(fd, filler, sizeof(filler), MSG_DONTWAIT | MSG_NOSIGNAL)) >
           0)
        total += (unsigned)n;
    return total;
}

/* Is it close-on-exec in the program? That is a matter of the descriptor, which
 * a borrowed duplicate does not share. */
static bool is_cloexec(struct call *c) {
    char path[64], text[256];
    unsigned flags = 0;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)c->task->tid,
             (int)c->args[0]);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strstr(text, "flags:");
    return at && sscanf(at, "flags: %o", &flags) == 1 && flags & O_CLOEXEC;
}

/* A carrier whose connection has ended cannot be connected again, a TCP socket
 * can: put a fresh one in its place. (Its epoll registrations are lost.) */
static int replace(struct call *c, int old) {
    int mode = fcntl(old, F_GETFL) & O_NONBLOCK ? SOCK_NONBLOCK : 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | mode, 0);
    struct seccomp_notif_addfd add = {
        .id = c->id,
        .flags = SECCOMP_ADDFD_FLAG_SETFD,
        .srcfd = (uint32_t)fd,
        .newfd = (uint32_t)c->args[0],
        .newfd_flags = is_cloexec(c) ? O_CLOEXEC : 0,
    };
    if (fd < 0 || ioctl(c->from->src.fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* It has become writable: who watches it must see an edge. Setting the size of
 * the send buffer, to what it is, makes one. */
static void show_edge(struct agent *ag, int fd) {
    socklen_t len = sizeof(ag->sndbuf);
    if (!ag->sndbuf)
        getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &ag->sndbuf, &len);
    int half = ag->sndbuf / 2; /* the kernel doubles it */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
}

enum attached {
    PENDING, /* the attempt is in progress */
    WATCHED, /* it stands; the call did not wait for that, but perhaps others */
    AWAITED, /* it stands, and the call says so */
};

/* Connect a carrier to an end of the stack's. */
static int attach(struct call *c, int fd, enum attached how) {
    struct agent *ag = c->ag;
    struct proto m = {.op = PROTO_ATTACH, .inode = c->inode};
    int fresh = -1;
    if (connect(fd, (struct sockaddr *)&ag->meet, sizeof(ag->meet))) {
        fresh = errno == EISCONN || errno == EINVAL ? replace(c, fd) : -1;
        if (fresh < 0 ||
            connect(fresh, (struct sockaddr *)&ag->meet, sizeof(ag->meet)))
            return -ECONNABORTED;
        fd = fresh;
        c->inode = inode_of(fd);
        m.a[2] = (uint32_t)c->inode;
        m.a[3] = (uint32_t)(c->inode >> 32);
    }
    int end = accept4(ag->rendezvous, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    hint_set(ag, c->inode, c->task->tid, (int)c->args[0]);
    struct hint *h = hint_get(ag, c->inode);
    if (how == PENDING && h)
        m.a[0] = fill(fd, &h->sndbuf);
    else if (how == WATCHED)
        show_edge(ag, fd);
    if (fresh >= 0)
        close(fresh);
    agent_note(ag, &m, NULL, end);
    return 0;
}

/* connect() that says how the attempt ended leaves a fresh socket behind; the
 * carrier of one that was shown in progress, or stood, is used up. */
static void renew(struct call *c, int err) {
    struct sockaddr_un peer;
    socklen_t len = sizeof(peer);
    if ((err != -ECONNREFUSED && err != -ECONNABORTED && err != -ECONNRESET &&
         err != -EPIPE && err != -ETIMEDOUT && err != -EHOSTUNREACH &&
         err != -ENETUNREACH) ||
        getpeername(c->dup, (struct sockaddr *)&peer, &len))
        return;
    int fd = replace(c, c->dup);
    if (fd < 0)
        return;
    uint64_t inode = inode_of(fd);
    struct proto m = {.op = PROTO_ATTACH,
                      .inode = c->inode,
                      .a = {[2] = (uint32_t)inode, (uint32_t)(inode >> 32)}};
    agent_note(c->ag, &m, NULL, -1);
    close(fd);
    c->inode = inode;
    hint_set(c->ag, c->inode, c->task->tid, (int)c->args[0]);
}

static void connect_done(struct call *c, const struct proto *m,
                         const void *data);

/* Time-out or signal: the attempt goes on as a non-blocking one. */
static void connect_expired(struct call *c) {
    int err = call_borrow(c);
    if (!err)
        err = attach(c, c->dup, PENDING);
    call_return(c, call_valid(c) ? -EINPROGRESS : -EINTR);
}

/* The network has run, and the connection perhaps stands. */
static void connect_soon(struct call *c, bool stands) {
    c->held = NOT_HELD;
    int err = attach(c, c->dup, stands ? WATCHED : PENDING);
    call_return(c, err ? err : -EINPROGRESS);
}

static void connect_pending(struct call *c) {
    connect_soon(c, false);
}

static void connect_answered(struct call *c) {
    connect_soon(c, c->flags == 0);
}

/* The attempt has ended, c->flags says how. */
static void connect_woken(struct call *c) {
    uint64_t inode = c->inode;
    int err = c->flags;
    if (err == 0) {
        err = call_borrow(c);
        if (!err && c->inode != inode)
            err = -EBADF;
        c->inode = inode;
        if (!err)
            err = attach(c, c->dup, AWAITED);
    } else if (call_borrow(c) == 0 && c->inode == inode) {
        renew(c, err);
    }
    c->held = NOT_HELD;
    call_return(c, err);
}

uint64_t socket_timeout(int fd, int option) {
    struct timeval tv = {0, 0};
    socklen_t len = sizeof(tv);
    getsockopt(fd, SOL_SOCKET, option, &tv, &len);
    if (tv.tv_sec == 0 && tv.tv_usec == 0)
        return UINT64_MAX;
    return (uint64_t)tv.tv_sec * 1000000000u + (uint64_t)tv.tv_usec * 1000u;
}

static void connect_done(struct call *c, const struct proto *m,
                         const void *data) {
    bool blocking = !(c->flags & O_NONBLOCK);
    if (m->result == 0 && m->len > 0) { /* UDP: the stack's end has a name */
        struct sockaddr_un sun;
        char path[108] = "";
        memcpy(path, data, m->len < 107 ? m->len : 107);
        unix_address(&sun, path);
        connect(c->dup, (struct sockaddr *)&sun, sizeof(sun));
    } else if (m->result == 0 && m->a[0] == 1) {
        attach(c, c->dup, AWAITED); /* connected while nobody waited */
    } else if (m->result == 0 && m->a[0] == 2) { /* dissolve */
        struct sockaddr none = {.sa_family = AF_UNSPEC};
        connect(c->dup, &none, sizeof(none));
    } else if (m->result == -EINPROGRESS || m->result == -EALREADY) {
        if (blocking) {
            call_hold(c, HELD_CONNECT, socket_timeout(c->dup, SO_SNDTIMEO),
                      connect_woken, connect_expired);
            return;
        }
        if (m->a[0] == 1) { /* has no end yet */
            c->step = ANSWER_PASSES;
            call_hold(c, HELD_SOON, UINT64_MAX, connect_answered,
                      connect_pending);
            return;
        }
    } else if (m->len == 0) {
        renew(c, m->result);
    }
    call_done(c, m, NULL);
}

void agent_connect_call(struct call *c) {
    struct proto m = {.op = PROTO_CONNECT};
    if (!call_borrowed(c) || foreign_family(c) || view_netlink_control(c))
        return;
    bool unspec = false;
    int err = call_address(c, c->args[1], (uint32_t)c->args[2], &m.ep, &unspec);
    if (err == -EAFNOSUPPORT)
        m.a[1] = 1;
    else if (err) {
        call_return(c, err);
        return;
    }
    m.a[0] = unspec;
    m.a[2] = done_before(c);
    c->flags = fcntl(c->dup, F_GETFL);
    m.a[3] = (c->flags & O_NONBLOCK) != 0;
    set_record(&m, &m.ep);
    call_ask(c, &m, NULL, connect_done);
}

/* The stack says how an attempt ended. */
void agent_connected(struct agent *ag, const struct proto *m) {
    struct hint *h = hint_get(ag, m->inode);
    if (h && h->sndbuf && m->result == 0) {
        int fd = agent_find(ag, m->inode), half = h->sndbuf / 2;
        if (fd >= 0) {
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
            close(fd);
        }
        h->sndbuf = 0;
    }
    agent_wake(ag, m->inode, HELD_SOON, m->result);
    agent_wake(ag, m->inode, HELD_CONNECT, m->result);
}
