/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emulated sends and receives. Datagrams go to the stack in a message, since
 * their errors must come back with the call; they are received from the carrier
 * through a borrowed duplicate, the source address decoded from the name of the
 * socket that sent them there. Streams are moved between the program's memory
 * and the carrier. What would block is held until the stack says that the
 * carrier may have changed; MSG_DONTWAIT keeps the duplicate from blocking us.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/agent_in.h"
#include "run/view.h"

#define CHUNK 65536u
#define DATAGRAM_MAX 65507u /* 65535 less the IPv4 and UDP headers */

static char chunk[CHUNK]; /* of the call being served; never across a wait */

/* ---- memory of many pieces ---- */

/* The part of the message's memory from `skip` on; returns the pieces. */
static unsigned pieces(const struct message *m, size_t skip,
                       struct iovec out[MESSAGE_IOV]) {
    unsigned n = 0;
    for (unsigned i = 0; i < m->niov; i++) {
        struct iovec v = m->iov[i];
        if (skip >= v.iov_len) {
            skip -= v.iov_len;
            continue;
        }
        out[n++] = (struct iovec){(char *)v.iov_base + skip, v.iov_len - skip};
        skip = 0;
    }
    return n;
}

static ssize_t gather(struct call *c, size_t skip, size_t len) {
    static struct iovec far[MESSAGE_IOV];
    struct iovec near = {chunk, len};
    unsigned n = pieces(c->message, skip, far);
    if (len == 0 || n == 0)
        return 0;
    ssize_t got = process_vm_readv(c->task->tid, &near, 1, far, n, 0);
    return got > 0 && call_valid(c) ? got : -EFAULT;
}

int data_scatter(struct call *c, size_t skip, const void *from, size_t len) {
    static struct iovec far[MESSAGE_IOV];
    struct iovec near = {(void *)(uintptr_t)from, len};
    unsigned n = pieces(c->message, skip, far);
    if (len == 0)
        return 0;
    if (!call_valid(c))
        return -EFAULT;
    ssize_t put = process_vm_writev(c->task->tid, &near, 1, far, n, 0);
    return put == (ssize_t)len ? 0 : -EFAULT;
}

/* ---- waiting ---- */

static bool is_blocking(struct call *c) {
    return !(c->flags & MSG_DONTWAIT) && !(fcntl(c->dup, F_GETFL) & O_NONBLOCK);
}

static void wait_over(struct call *c);

static void wait_expired(struct call *c) {
    if (c->type == SOCK_STREAM && c->flags & MSG_WAITALL && !c->done) {
        c->flags = (c->flags & ~MSG_WAITALL) | MSG_DONTWAIT;
        wait_over(c); /* what there is */
        return;
    }
    message_done(c, c->done ? (int64_t)c->done : -EAGAIN);
}

/* Try again with a fresh duplicate: it may have become another socket. */
static void wait_over(struct call *c) {
    uint64_t inode = c->inode;
    int err = c->dup >= 0 ? 0 : call_borrow(c);
    if (err || c->inode != inode) {
        c->inode = inode;
        message_done(c, err ? err : -EBADF);
    } else if (c->nr == SYS_sendto || c->nr == SYS_sendmsg ||
               c->nr == SYS_sendmmsg) {
        data_send(c);
    } else {
        data_receive(c);
    }
}

static void wait_set(struct call *c, const struct proto *m, const void *data) {
    (void)m;
    (void)data;
    c->asked = true;
    wait_over(c); /* once more: it may have come in between */
    /* (a second failure holds, see data_wait) */
}

static void data_wait(struct call *c, int option) {
    if (c->asked) {
        c->asked = false;
        uint64_t limit = socket_timeout(c->dup, option);
        call_hold(c, HELD_DATA, limit, wait_over, wait_expired);
        return;
    }
    struct proto m = {.op = PROTO_WAIT, .a = {option == SO_SNDTIMEO}};
    call_ask(c, &m, NULL, wait_set);
}

/* ---- send ---- */

static int take_stand_in(struct call *c) {
    int stand_in = 0;
    socklen_t len = sizeof(stand_in);
    getsockopt(c->dup, SOL_SOCKET, SO_ERROR, &stand_in, &len);
    return stand_in;
}

int data_pending(struct call *c, const struct proto *m, const void *data) {
    int error = 0, stand_in = take_stand_in(c);
    if (m->result == 0 && m->len >= sizeof(error))
        memcpy(&error, data, sizeof(error));
    /* Reset, and no stand-in left: a read or write has told the error. */
    return m->a[0] && stand_in == 0 && !c->ag->config.traced ? 0 : error;
}

/* EPIPE: the signal comes with the answer. The kernel does both where it may,
 * on a carrier that is broken. */
static void broken_pipe(struct call *c) {
    struct sockaddr_un peer;
    socklen_t len = sizeof(peer);
    if (c->type == SOCK_STREAM && !c->ag->config.traced && !c->message->name &&
        !c->step && !getpeername(c->dup, (struct sockaddr *)&peer, &len)) {
        call_continue(c);
        return;
    }
    c->broken_pipe = !(c->flags & MSG_NOSIGNAL);
    message_done(c, -EPIPE);
}

/* The carrier says EPIPE; TCP first says what is pending, once. */
static void pipe_error_known(struct call *c, const struct proto *m,
                             const void *data) {
    int error = data_pending(c, m, data);
    if (error && error != EPIPE)
        message_done(c, -error);
    else
        broken_pipe(c);
}

static void stream_broken(struct call *c) {
    struct proto m = {.op = PROTO_GETOPT,
                      .a = {SOL_SOCKET, SO_ERROR, sizeof(int)}};
    call_ask(c, &m, NULL, pipe_error_known);
}

static void stream_send(struct call *c) {
    struct message *m = c->message;
    if (c->flags & MSG_FASTOPEN) {
        message_done(c, -EOPNOTSUPP);
        return;
    }
    while (c->done < m->total || m->total == 0) {
        size_t want = m->total - c->done < CHUNK ? m->total - c->done : CHUNK;
        ssize_t n = gather(c, c->done, want);
        if (n >= 0)
            n = send(c->dup, chunk, (size_t)n,
                     (c->flags & MSG_OOB) | MSG_DONTWAIT | MSG_NOSIGNAL);
        else
            errno = EFAULT;
        int err = errno;
        if (n > 0) {
            c->done += (size_t)n;
            c->committed = true;
        }
        if (n >= 0 && m->total > 0)
            continue;
        if (n < 0 && err == EAGAIN && is_blocking(c)) {
            data_wait(c, SO_SNDTIMEO);
            return;
        }
        if (n < 0 && err == ENOTCONN) /* TCP's word for it */
            err = EPIPE;
        if (n < 0 && err == EPIPE && c->done == 0)
            stream_broken(c);
        else
            message_done(c, c->done || n >= 0 ? (int64_t)c->done : -err);
        return;
    }
    message_done(c, (int64_t)c->done);
}

static void datagram_sent(struct call *c, const struct proto *m,
                          const void *data) {
    (void)data;
    if (m->result == -EAGAIN && is_blocking(c)) {
        data_wait(c, SO_SNDTIMEO);
        return;
    }
    c->ahead |= m->result >= 0;
    if (m->result < 0) /* the error has been told: no stand-in for it */
        take_stand_in(c);
    if (m->result == -EPIPE)
        broken_pipe(c);
    else
        message_done(c, m->result);
}

static void datagram_send(struct call *c) {
    struct message *msg = c->message;
    struct proto m = {.op = PROTO_SEND, .a = {(uint32_t)c->flags}};
    if (msg->total > DATAGRAM_MAX) {
        message_done(c, -EMSGSIZE);
        return;
    }
    if (msg->name && msg->name_len) {
        bool unspec = false;
        int err = call_address(c, msg->name, msg->name_len, &m.ep, &unspec);
        if (err) {
            message_done(c, err);
            return;
        }
        m.a[1] = 1;
        m.rec[0] = weir_addr_to_v4(&m.ep.addr);
        m.rec[1] = m.ep.port;
    }
    int err = beside_send(c, &m);
    if (err) {
        message_done(c, err);
        return;
    }
    ssize_t n = gather(c, 0, msg->total);
    if (n < (ssize_t)msg->total) {
        message_done(c, -EFAULT);
        return;
    }
    m.len = (uint32_t)n;
    call_ask(c, &m, chunk, datagram_sent);
}

void data_send(struct call *c) {
    if (c->type == TYPE_NETLINK && c->message->total > CHUNK)
        message_done(c, -EMSGSIZE);
    else if (c->type == TYPE_NETLINK)
        view_netlink_send(c, chunk, gather(c, 0, c->message->total));
    else if (c->type == SOCK_DGRAM)
        datagram_send(c);
    else
        stream_send(c);
}

/* ---- receive ---- */

/* Names of senders, see serve_udp.c: "\0weir:SERIAL:ADDRESS:PORT:IF". */
static bool sender_parse(const struct sockaddr_un *sun, socklen_t len,
                         struct weir_endpoint *ep) {
    unsigned serial, addr, port, ifindex;
    char name[109];
    size_t n = len - offsetof(struct sockaddr_un, sun_path);
    if (len <= offsetof(struct sockaddr_un, sun_path) + 1 ||
        sun->sun_path[0] != '\0')
        return false;
    memcpy(name, sun->sun_path + 1, n - 1);
    name[n - 1] = '\0';
    if (sscanf(name, "weir:%x:%x:%u:%u", &serial, &addr, &port, &ifindex) != 4)
        return false;
    ep->addr = weir_addr_v4(addr);
    ep->port = (uint16_t)port;
    ep->ifindex = (uint16_t)ifindex;
    return true;
}

int data_name(struct call *c, const struct weir_endpoint *ep) {
    struct message *m = c->message;
    if (!m->name)
        return 0;
    if (ep)
        return call_put_address(c, m->name, m->name_len_at, ep);
    uint32_t none = 0;
    return call_write(c, m->name_len_at, &none, sizeof(none));
}

static void peer_known(struct call *c, const struct proto *m,
                       const void *data) {
    (void)data;
    int err = data_name(c, m->result == 0 ? &m->ep : NULL);
    message_done(c, err ? err : (int64_t)c->done);
}

static void error_known(struct call *c, const struct proto *m,
                        const void *data) {
    int error = 0;
    if (m->result == 0 && m->len >= sizeof(error))
        memcpy(&error, data, sizeof(error));
    c->ahead = c->type == SOCK_DGRAM; /* one more may show, see poll */
    message_done(c, -(error ? error : ECONNRESET));
}

static void received(struct call *c) {
    int err = data_name(c, NULL);
    message_done(c, err ? err : (int64_t)c->done);
}

/* Nothing there, or an error. */
static void receive_failed(struct call *c, int err) {
    struct pollfd p = {.fd = c->dup, .events = POLLRDHUP};
    bool waits = err == EAGAIN && is_blocking(c);
    if (waits && c->type == SOCK_DGRAM && poll(&p, 1, 0) > 0 &&
        p.revents & POLLRDHUP) {
        int bad = data_name(c, NULL); /* as the kernel answers who blocks */
        message_done(c, bad);
    } else if (waits) {
        data_wait(c, SO_RCVTIMEO);
    } else if (c->done > 0) {
        received(c);
    } else if (err == ECONNRESET) { /* the stand-in: the stack knows better */
        struct proto m = {.op = PROTO_GETOPT,
                          .a = {SOL_SOCKET, SO_ERROR, sizeof(int)}};
        call_ask(c, &m, NULL, error_known);
    } else if (err == EINVAL && c->type == SOCK_STREAM &&
               !(c->flags & MSG_OOB)) {
        message_done(c, -ENOTCONN); /* never connected */
    } else {
        message_done(c, -err);
    }
}

/* MSG_WAITALL of what fits into the carrier: leave it there until all has come,
 * so that a signal takes nothing away. */
static bool waits_for_all(struct call *c) {
    struct pollfd p = {.fd = c->dup, .events = POLLRDHUP};
    int have = 0;
    if (c->type != SOCK_STREAM || !(c->flags & MSG_WAITALL) ||
        !is_blocking(c) || c->message->total > CHUNK)
        return false;
    poll(&p, 1, 0);
    return !(p.revents & (POLLRDHUP | POLLHUP | POLLERR)) &&
           ioctl(c->dup, FIONREAD, &have) == 0 && have < (int)c->message->total;
}

/* As agent_trace.c does: a reset may read as the end. */
static void end_known(struct call *c, const struct proto *m, const void *data) {
    (void)data;
    struct proto ask = {.op = PROTO_GETOPT,
                        .a = {SOL_SOCKET, SO_ERROR, sizeof(int)}};
    if (m->result > 0 && m->result != EPIPE)
        call_ask(c, &ask, NULL, error_known);
    else
        received(c);
}

/* Nothing is to be taken out of the carrier now: answered, or waits. */
static bool receive_not_yet(struct call *c) {
    if (c->flags & MSG_ERRQUEUE && c->type == SOCK_DGRAM)
        beside_errors(c);
    else if (c->flags & MSG_ERRQUEUE)
        message_done(c, -EAGAIN);
    else if (!call_valid(c)) /* take nothing out for nobody */
        message_done(c, -EINTR);
    else if (waits_for_all(c))
        data_wait(c, SO_RCVTIMEO);
    else
        return false;
    return true;
}

void data_receive(struct call *c) {
    struct message *m = c->message;
    struct sockaddr_un from;
    struct weir_dgram d;
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    size_t left = m->total - c->done;
    struct iovec iov = {chunk, left < CHUNK ? left : CHUNK};
    struct msghdr h = {.msg_name = &from,
                       .msg_namelen = sizeof(from),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    bool all = c->type == SOCK_STREAM && c->flags & MSG_WAITALL;
    if (receive_not_yet(c))
        return;
    ssize_t n = recvmsg(c->dup, &h,
                        (c->flags & (MSG_PEEK | MSG_TRUNC | MSG_OOB)) |
                            MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0) {
        receive_failed(c, errno);
        return;
    }
    c->committed = true;
    size_t put = (size_t)n < iov.iov_len ? (size_t)n : iov.iov_len;
    int flags = h.msg_flags & ~(MSG_CMSG_CLOEXEC | MSG_CTRUNC);
    bool told = beside_take(&h, &d);
    bool thrown = c->type == SOCK_STREAM && c->flags & MSG_TRUNC;
    if ((!thrown && data_scatter(c, c->done, chunk, put)) ||
        beside_put(c, told ? &d : NULL, flags)) {
        message_done(c, -EFAULT);
        return;
    }
    c->done += (size_t)n;
    if (all && n > 0 && c->done < m->total && !(c->flags & MSG_PEEK)) {
        data_receive(c);
        return;
    }
    if (c->type == SOCK_STREAM && c->done == 0 && m->total > 0 &&
        c->ag->config.traced) {
        struct proto ask = {.op = PROTO_INFO, .a = {PROTO_INFO_ERROR}};
        call_ask(c, &ask, NULL, end_known);
        return;
    }
    struct weir_endpoint ep = {.port = 0};
    if (c->type == SOCK_DGRAM && m->name &&
        !sender_parse(&from, h.msg_namelen, &ep)) {
        struct proto ask = {.op = PROTO_NAME, .a = {1}};
        call_ask(c, &ask, NULL, peer_known);
        return;
    }
    int err = c->type == TYPE_NETLINK
                  ? view_netlink_name(c, m->name, m->name_len_at, false)
                  : data_name(c, c->type == SOCK_DGRAM ? &ep : NULL);
    message_done(c, err ? err : (int64_t)c->done);
}
