/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Netlink sockets of a program. The carrier is one end of a pair that keeps
 * messages apart; we keep the other end. Answers are queued in the pair, so
 * poll and plain read see them, and recvmsg, which we emulate, adds the address
 * a program checks. A notified send is answered before it returns, as in the
 * kernel; what is written without an address arrives at our end and is answered
 * a moment later. SOCK_SEQPACKET, because of datagrams the last close would not
 * be told.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/view_in.h"

#define REQUEST_MAX 32768
#define QUEUE_BYTES (1 << 20)

struct netlink_socket {
    struct loop_source src; /* our end */
    struct netlink_socket *next;
    struct agent *ag;
    uint64_t inode; /* of the program's end */
    int type, protocol;
    uint32_t port, groups;
    pid_t pid;     /* of who made it */
    char *waiting; /* answers that do not fit yet, each after its length */
    size_t waiting_len;
};

static struct netlink_socket *find(struct agent *ag, uint64_t inode) {
    struct netlink_socket *s = ag->netlinks;
    while (s && s->inode != inode)
        s = s->next;
    return s;
}

static void socket_free(struct netlink_socket *s) {
    struct netlink_socket **at = &s->ag->netlinks;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    loop_del(s->ag->loop, &s->src);
    close(s->src.fd);
    free(s->waiting);
    free(s);
}

/* ---- answers ---- */

/* Queue what there is room for. */
static void flush(struct netlink_socket *s) {
    size_t at = 0;
    bool full = false;
    while (!full && at + sizeof(uint32_t) <= s->waiting_len) {
        uint32_t len;
        memcpy(&len, s->waiting + at, sizeof(len));
        if (len > s->waiting_len - at - sizeof(len))
            break;
        full = send(s->src.fd, s->waiting + at + sizeof(len), len,
                    MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
               errno == EAGAIN;
        at += full ? 0 : sizeof(len) + len;
    }
    s->waiting_len = full ? s->waiting_len - at : 0;
    if (full)
        memmove(s->waiting, s->waiting + at, s->waiting_len);
    loop_mod(s->ag->loop, &s->src, full ? EPOLLIN | EPOLLOUT : EPOLLIN);
    agent_wake(s->ag, s->inode, HELD_DATA, 0);
}

/* What the stack wrote. */
static void take_answers(struct netlink_socket *s, int file) {
    struct stat st;
    if (file < 0 || fstat(file, &st) || st.st_size <= 0)
        return;
    size_t len = (size_t)st.st_size;
    char *more = realloc(s->waiting, s->waiting_len + len);
    if (!more)
        return;
    s->waiting = more;
    ssize_t n = pread(file, more + s->waiting_len, len, 0);
    s->waiting_len += n > 0 ? (size_t)n : 0;
    flush(s);
}

static struct proto request_of(const struct netlink_socket *s, size_t len) {
    return (struct proto){
        .op = PROTO_VIEW,
        .inode = s->inode,
        .a = {PROTO_VIEW_NETLINK, (uint32_t)s->protocol, s->port},
        .len = (uint32_t)len};
}

void view_note(struct agent *ag, const struct proto *m) {
    struct netlink_socket *s = find(ag, m->inode);
    if (s)
        take_answers(s, ag->passed);
}

static void bind_port(struct netlink_socket *s, uint32_t port) {
    for (const struct netlink_socket *o = s->ag->netlinks; o && !port;
         o = o->next)
        if (o != s && o->port == (uint32_t)s->pid) /* its second one */
            port = (uint32_t)(-4096 - (int32_t)(s->inode & 0xffffff));
    s->port = port ? port : (uint32_t)s->pid;
}

static void socket_ready(struct loop_source *src, uint32_t events) {
    struct netlink_socket *s = (struct netlink_socket *)src;
    static char request[REQUEST_MAX];
    ssize_t n;
    if (events & EPOLLOUT)
        flush(s);
    while ((n = recv(src->fd, request, sizeof(request), MSG_DONTWAIT)) > 0) {
        if (!s->port)
            bind_port(s, 0);
        struct proto m = request_of(s, (size_t)n);
        agent_note(s->ag, &m, request, -1);
    }
    if (n == 0 || events & EPOLLHUP)
        socket_free(s);
}

/* ---- socket ---- */

static bool is_kernels(int protocol) {
    return protocol == NETLINK_KOBJECT_UEVENT || protocol == NETLINK_CRYPTO ||
           protocol == NETLINK_SELINUX;
}

/* Make the pair; the program's end, or -errno. */
static int socket_make(struct call *c, int type, int protocol) {
    int pair[2], size = QUEUE_BYTES;
    struct netlink_socket *s = calloc(1, sizeof(*s));
    if (!s || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        free(s);
        return -ENOMEM;
    }
    if (c->flags & SOCK_NONBLOCK)
        fcntl(pair[0], F_SETFL, O_NONBLOCK);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    s->src = (struct loop_source){.ready = socket_ready, .fd = pair[1]};
    s->ag = c->ag;
    s->inode = inode_of(pair[0]);
    s->type = type;
    s->protocol = protocol;
    s->pid = c->task->pid;
    s->next = c->ag->netlinks;
    c->ag->netlinks = s;
    loop_add(c->ag->loop, &s->src, EPOLLIN);
    return pair[0];
}

void view_netlink(struct call *c) {
    int type = (int)c->args[1] & 0xf, protocol = (int)c->args[2];
    if (is_kernels(protocol)) { /* devices, ciphers: no network */
        call_continue(c);
        return;
    }
    if (type != SOCK_RAW && type != SOCK_DGRAM) {
        call_return(c, -ESOCKTNOSUPPORT);
        return;
    }
    if (protocol != NETLINK_ROUTE && protocol != NETLINK_SOCK_DIAG) {
        call_return(c, -EPROTONOSUPPORT);
        return;
    }
    c->fd = socket_make(c, type, protocol);
    if (c->fd < 0)
        call_return(c, c->fd);
    else
        call_inject(c, c->fd, c->flags & SOCK_CLOEXEC);
    /* Not delivered: our end sees the other one closed. */
}

/* ---- calls on one ---- */

bool view_is_netlink(const struct call *c) {
    return find(c->ag, c->inode) != NULL;
}

int view_netlink_name(struct call *c, uint64_t addr, uint64_t len_addr,
                      bool own) {
    const struct netlink_socket *s = find(c->ag, c->inode);
    struct sockaddr_nl nl = {.nl_family = AF_NETLINK,
                             .nl_pid = own && s ? s->port : 0,
                             .nl_groups = own && s ? s->groups : 0};
    int32_t room, size = sizeof(nl);
    if (!addr)
        return 0;
    if (call_read(c, len_addr, &room, sizeof(room)) != sizeof(room))
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    if (call_write(c, addr, &nl, (size_t)(room < size ? room : size)))
        return -EFAULT;
    return call_write(c, len_addr, &size, sizeof(size));
}

static int bind_to(struct call *c, struct netlink_socket *s) {
    struct sockaddr_nl nl;
    if (c->args[2] < sizeof(nl))
        return -EINVAL;
    if (call_read(c, c->args[1], &nl, sizeof(nl)) != sizeof(nl))
        return -EFAULT;
    if (nl.nl_family != AF_NETLINK)
        return -EINVAL;
    if (c->what == WEIR_CALL_connect && nl.nl_pid)
        return -EPERM; /* to the kernel only */
    if (c->what == WEIR_CALL_connect) {
        if (!s->port)
            bind_port(s, 0);
        return 0;
    }
    if (s->port && nl.nl_pid && nl.nl_pid != s->port)
        return -EINVAL;
    for (const struct netlink_socket *o = c->ag->netlinks; o; o = o->next)
        if (o != s && nl.nl_pid && o->port == nl.nl_pid &&
            o->protocol == s->protocol)
            return -EADDRINUSE;
    s->groups = nl.nl_groups; /* nothing changes, so nothing is told */
    if (!s->port)
        bind_port(s, nl.nl_pid);
    return 0;
}

static void get_option(struct call *c, const struct netlink_socket *s) {
    int name = (int)c->args[2], value;
    int32_t len;
    if (c->args[1] != SOL_SOCKET ||
        (name != SO_TYPE && name != SO_PROTOCOL && name != SO_DOMAIN)) {
        call_continue(c); /* buffers, time-outs: the carrier's */
        return;
    }
    value = name == SO_TYPE       ? s->type
            : name == SO_PROTOCOL ? s->protocol
                                  : AF_NETLINK;
    if (call_read(c, c->args[4], &len, sizeof(len)) != sizeof(len)) {
        call_return(c, -EFAULT);
        return;
    }
    len = len < 0 || len > (int)sizeof(value) ? (int)sizeof(value) : len;
    int err = call_write(c, c->args[3], &value, (size_t)len);
    call_return(c, err ? err : call_write(c, c->args[4], &len, sizeof(len)));
}

/* The kernel's filtering of dumps is refused as by an older kernel: programs
 * then filter themselves. */
static void set_option(struct call *c) {
    if (c->args[1] != SOL_NETLINK)
        call_continue(c);
    else
        call_return(c, c->args[2] == NETLINK_GET_STRICT_CHK ? -ENOPROTOOPT : 0);
}

bool view_netlink_control(struct call *c) {
    struct netlink_socket *s = find(c->ag, c->inode);
    if (!s)
        return false;
    if (c->what == WEIR_CALL_bind || c->what == WEIR_CALL_connect)
        call_return(c, bind_to(c, s));
    else if (c->what == WEIR_CALL_getsockopt)
        get_option(c, s);
    else if (c->what == WEIR_CALL_setsockopt)
        set_option(c);
    else
        call_return(c, view_netlink_name(c, c->args[1], c->args[2],
                                         c->what == WEIR_CALL_getsockname));
    return true;
}

static void answered(struct call *c, const struct proto *m, const void *data) {
    struct netlink_socket *s = find(c->ag, c->inode);
    (void)data;
    if (s && m->result == 0)
        take_answers(s, c->ag->passed);
    message_done(c, m->result < 0 ? m->result : (int64_t)c->message->total);
}

void view_netlink_send(struct call *c, const void *bytes, ssize_t len) {
    struct netlink_socket *s = find(c->ag, c->inode);
    if (!s || len < (ssize_t)c->message->total) {
        message_done(c, s ? -EFAULT : -ECONNREFUSED);
        return;
    }
    if (!s->port)
        bind_port(s, 0);
    struct proto m = request_of(s, (size_t)len);
    call_ask(c, &m, bytes, answered);
}
