/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Data calls that bear an address or a message header, taken to one form
 * (struct message) and handed to agent_data.c. Streams without an address are
 * the kernel's own business unless we are to see every call: the carrier does
 * just what TCP would.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/agent_in.h"
#include "run/view.h"

#define MMSG_STRIDE 64 /* struct mmsghdr on 64-bit machines */
#define MMSG_LEN 56    /* its msg_len */
#define MMSG_MAX 1024  /* UIO_MAXIOV: the kernel takes no more at once */
#define ANSWER_PASSES 2
#define NAME_MAX_BYTES 128 /* sizeof(struct sockaddr_storage) */
#define NS 1000000000u

_Static_assert(sizeof(struct msghdr) == 56, "layout of struct msghdr");

static bool is_send(const struct call *c) {
    return c->nr == SYS_sendto || c->nr == SYS_sendmsg || c->nr == SYS_sendmmsg;
}

/* Read the header at `addr`: 0 or -errno. */
static int message_parse(struct call *c, struct message *m, uint64_t addr) {
    struct msghdr h;
    if (call_read(c, addr, &h, sizeof(h)) != sizeof(h))
        return -EFAULT;
    if (h.msg_iovlen > MESSAGE_IOV)
        return -EMSGSIZE;
    size_t bytes = h.msg_iovlen * sizeof(struct iovec);
    if (bytes &&
        call_read(c, (uintptr_t)h.msg_iov, m->iov, bytes) != (ssize_t)bytes)
        return -EFAULT;
    m->header = addr;
    m->name = (uintptr_t)h.msg_name;
    m->name_len = h.msg_name ? h.msg_namelen : 0;
    m->name_len_at = addr + offsetof(struct msghdr, msg_namelen);
    m->control = (uintptr_t)h.msg_control;
    m->control_len = h.msg_control ? h.msg_controllen : 0;
    m->niov = (unsigned)h.msg_iovlen;
    m->total = 0;
    for (unsigned i = 0; i < m->niov; i++) {
        m->total += m->iov[i].iov_len;
        if (m->total > 0x7ffff000)
            return -EINVAL;
    }
    if ((int)m->name_len < 0)
        return -EINVAL;
    /* Linux reads a name and control data even where they mean nothing. */
    char name[NAME_MAX_BYTES];
    m->name_len = m->name_len < sizeof(name) ? m->name_len : sizeof(name);
    if (is_send(c) && m->name_len &&
        call_read(c, m->name, name, m->name_len) != (ssize_t)m->name_len)
        return -EFAULT;
    if (is_send(c) && m->control_len && c->type == SOCK_STREAM &&
        call_read(c, m->control, name, 1) != 1)
        return -EFAULT;
    return 0;
}

static void message_flat(struct call *c, struct message *m) {
    m->iov[0] = (struct iovec){(void *)(uintptr_t)c->args[1], c->args[2]};
    m->niov = 1;
    m->total = c->args[2] < 0x7ffff000 ? c->args[2] : 0x7ffff000;
    m->iov[0].iov_len = m->total;
    m->name = c->args[4];
    m->name_len_at = is_send(c) ? 0 : c->args[5];
    m->name_len = is_send(c) ? (uint32_t)c->args[5] : sizeof(struct sockaddr);
}

/* Begin with message number c->step. */
static void message_begin(struct call *c) {
    struct message *m = c->message;
    int err = 0;
    if (c->nr == SYS_sendto || c->nr == SYS_recvfrom)
        message_flat(c, m);
    else
        err = message_parse(c, m, c->args[1] + (uint64_t)c->step * MMSG_STRIDE);
    c->done = 0;
    if (err)
        message_done(c, err);
    else if (m->many && c->step == 0 && c->args[2] == 0)
        call_return(c, 0);
    else if (is_send(c))
        data_send(c);
    else
        data_receive(c);
}

static void answer_late(struct call *c) {
    c->held = NOT_HELD;
    call_return(c, c->done_result);
}

/* What a datagram on lo brings about, in the receiver's queue or as an error,
 * is there when the kernel's call returns: let the network run first. */
static void answer(struct call *c, int64_t result) {
    if (!c->ahead) {
        call_return(c, result);
        return;
    }
    c->done_result = result;
    c->step = ANSWER_PASSES;
    call_hold(c, HELD_REPLY, UINT64_MAX, NULL, answer_late);
}

/* The time of recvmmsg is looked at when a datagram has come, as in Linux,
 * and what is left of it told. */
static bool time_is_up(struct call *c) {
    uint64_t now = loop_now(c->ag->loop);
    struct message *m = c->message;
    uint64_t left = m->deadline_ns > now ? m->deadline_ns - now : 0;
    struct timespec ts = {(time_t)(left / NS), (long)(left % NS)};
    call_write(c, c->args[4], &ts, sizeof(ts));
    return left == 0;
}

static int time_begin(struct call *c) {
    struct timespec ts;
    if (c->nr != SYS_recvmmsg || !c->args[4])
        return 0;
    if (call_read(c, c->args[4], &ts, sizeof(ts)) != sizeof(ts))
        return -EFAULT;
    if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= (long)NS)
        return -EINVAL;
    c->message->timed = true;
    c->message->deadline_ns =
        loop_now(c->ag->loop) + (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
    return 0;
}

/* One message is done (or none was): the next one, or the answer. */
void message_done(struct call *c, int64_t result) {
    struct message *m = c->message;
    uint32_t len = (uint32_t)result;
    c->held = NOT_HELD;
    if (!m->many) {
        answer(c, result);
        return;
    }
    if (result >= 0 &&
        call_write(c, m->header + MMSG_LEN, &len, sizeof(len)) == 0) {
        c->step++;
        uint64_t want = c->args[2] < MMSG_MAX ? c->args[2] : MMSG_MAX;
        bool late = m->timed && time_is_up(c);
        if (c->step < want && !late) {
            if (c->flags & MSG_WAITFORONE)
                c->flags |= MSG_DONTWAIT;
            message_begin(c);
            return;
        }
        answer(c, c->step);
        return;
    }
    answer(c, c->step ? (int64_t)c->step : result);
}

/* recvmmsg tells an error before what has come. */
static void error_looked(struct call *c, const struct proto *m,
                         const void *data) {
    int error = data_pending(c, m, data);
    if (error)
        call_return(c, -error);
    else
        message_begin(c);
}

static void type_known(struct call *c, const struct proto *m,
                       const void *data) {
    (void)data;
    if (m->result == PROTO_FOREIGN) {
        call_continue(c);
        return;
    }
    if (m->result < 0) {
        call_return(c, m->result);
        return;
    }
    c->type = m->result;
    if (c->nr == SYS_recvmmsg) {
        struct proto ask = {.op = PROTO_GETOPT,
                            .a = {SOL_SOCKET, SO_ERROR, sizeof(int)}};
        call_ask(c, &ask, NULL, error_looked);
        return;
    }
    message_begin(c);
}

static bool is_connected(int fd) {
    struct sockaddr_un peer;
    socklen_t len = sizeof(peer);
    return getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
}

/* The kernel can do it: a stream, and no address to fake. */
static bool is_native(struct call *c) {
    int type = 0;
    socklen_t len = sizeof(type);
    getsockopt(c->dup, SOL_SOCKET, SO_TYPE, &type, &len);
    if (type != SOCK_STREAM || c->ag->config.traced || c->message->many ||
        c->nr == SYS_sendto || c->nr == SYS_recvfrom ||
        c->flags & (MSG_ERRQUEUE | MSG_TRUNC) || !is_connected(c->dup))
        return false;
    struct msghdr h;
    return call_read(c, c->args[1], &h, sizeof(h)) != sizeof(h) ||
           !h.msg_name || h.msg_namelen == 0;
}

static void message_call(struct call *c, int flags, bool many) {
    int err = call_borrow(c);
    if (err) {
        if (err == -ENOTSOCK)
            call_continue(c);
        else
            call_return(c, err);
        return;
    }
    int domain = AF_UNIX;
    socklen_t len = sizeof(domain);
    getsockopt(c->dup, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    c->message = calloc(1, sizeof(*c->message));
    if (domain != AF_UNIX || !c->message) {
        call_continue(c);
        return;
    }
    c->message->many = many;
    c->flags = flags;
    if (view_is_netlink(c)) {
        c->type = TYPE_NETLINK;
        message_begin(c);
        return;
    }
    if (is_native(c)) {
        call_continue(c);
        return;
    }
    err = time_begin(c);
    if (err) {
        call_return(c, err);
        return;
    }
    struct proto m = {.op = PROTO_INFO, .a = {PROTO_INFO_TYPE}};
    call_ask(c, &m, NULL, type_known);
}

void agent_sendto(struct call *c) {
    message_call(c, (int)c->args[3], false);
}

void agent_recvfrom(struct call *c) {
    message_call(c, (int)c->args[3], false);
}

void agent_sendmsg(struct call *c) {
    message_call(c, (int)c->args[2], false);
}

void agent_recvmsg(struct call *c) {
    message_call(c, (int)c->args[2], false);
}

void agent_sendmmsg(struct call *c) {
    message_call(c, (int)c->args[3], true);
}

void agent_recvmmsg(struct call *c) {
    message_call(c, (int)c->args[3], true);
}
