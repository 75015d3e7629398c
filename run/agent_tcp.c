/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control calls that shape a carrier: socket, bind, listen, connect,
 * accept, shutdown.
 *
 * The program's descriptor is an AF_UNIX socket from the start; connect and
 * listen act on a borrowed duplicate, so that the open file description, and
 * with it every epoll registration and inherited copy, stays the same. Poll
 * masks agree with TCP's in each state:
 *
 *   fresh, bound   unconnected AF_UNIX: OUT|HUP, as TCP
 *   SYN_SENT       connected, its smallest send buffer full of filler: nothing
 *   connected      filler drained: OUT
 *   LISTEN         listening; the stack connects once for each connection
 *
 * A blocking connect is held and the carrier transformed on success only, so
 * that after a refusal the same descriptor can be connected again.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/agent_in.h"
#include "run/view.h"

#define BACKLOG 65535 /* the kernel caps it; the core's limit counts */

void carrier_path(struct agent *ag, char out[108], char kind) {
    snprintf(out, 108, "%s/%c%d.%u", ag->config.dir, kind, (int)getpid(),
             ++ag->serial);
}

int unix_address(struct sockaddr_un *sun, const char *path) {
    memset(sun, 0, sizeof(*sun));
    sun->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(sun->sun_path))
        return -ENAMETOOLONG;
    memcpy(sun->sun_path, path, strlen(path) + 1);
    return 0;
}

/* ---- socket ---- */

static void socket_made(struct call *c, const struct proto *m,
                        const void *data) {
    (void)data;
    if (m->result < 0) {
        call_return(c, m->result);
        return;
    }
    uint64_t inode = c->fresh;
    struct agent *ag = c->ag;
    if (!call_inject(c, c->fd, c->flags & SOCK_CLOEXEC)) {
        struct proto gone = {.op = PROTO_RELEASE, .inode = inode, .a = {1}};
        agent_note(ag, &gone, NULL, -1);
    }
}

void agent_socket(struct call *c) {
    int domain = (int)c->args[0], type = (int)c->args[1] & 0xf,
        protocol = (int)c->args[2];
    c->flags = (int)c->args[1] & ~0xf;
    if (c->flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) {
        call_return(c, -EINVAL);
        return;
    }
    if (domain == AF_NETLINK) {
        view_netlink(c);
        return;
    }
    if (domain == AF_ALG) { /* ciphers, no network */
        call_continue(c);
        return;
    }
    if (domain != AF_INET) {
        call_return(c, domain == AF_PACKET ? -EPERM : -EAFNOSUPPORT);
        return;
    }
    c->type = type;
    char path[108] = "";
    struct sockaddr_un sun;
    int carrier = type == SOCK_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
    c->fd =
        socket(AF_UNIX, carrier | SOCK_CLOEXEC | (c->flags & SOCK_NONBLOCK), 0);
    if (c->fd < 0) {
        call_return(c, -errno);
        return;
    }
    if (carrier == SOCK_DGRAM) {
        carrier_path(c->ag, path, 'u');
        unix_address(&sun, path);
        if (bind(c->fd, (struct sockaddr *)&sun, sizeof(sun))) {
            call_return(c, -ENOBUFS);
            return;
        }
    }
    c->inode = c->fresh = inode_of(c->fd);
    struct proto m = {.op = PROTO_SOCKET,
                      .a = {(uint32_t)type, (uint32_t)protocol},
                      .rec = {(uint32_t)type, (uint32_t)protocol},
                      .len = (uint32_t)strlen(path)};
    call_ask(c, &m, path, socket_made);
}

/* ---- bind ---- */

void call_done(struct call *c, const struct proto *m, const void *data) {
    (void)data;
    if (m->result == PROTO_FOREIGN)
        call_continue(c);
    else
        call_return(c, m->result);
}

/* The descriptor, or the answer where there is none to work with. */
bool call_borrowed(struct call *c) {
    int err = call_borrow(c);
    if (err == -ENOTSOCK)
        call_continue(c); /* the kernel says it */
    else if (err)
        call_return(c, err);
    return err == 0;
}

void set_record(struct proto *m, const struct weir_endpoint *ep) {
    m->rec[0] = weir_addr_to_v4(&ep->addr);
    m->rec[1] = ep->port;
}

bool foreign_family(struct call *c) {
    if (hint_get(c->ag, c->inode)) /* we put it there */
        return false;
    int domain = AF_UNIX;
    socklen_t len = sizeof(domain);
    getsockopt(c->dup, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    if (domain == AF_UNIX)
        return false;
    if (domain == AF_INET || domain == AF_INET6 || domain == AF_PACKET)
        agent_say(c->ag, ALARM_KERNEL_SOCKET, c->task->pid,
                  "uses a socket of the kernel that it was given: weir does "
                  "not see it");
    call_continue(c);
    return true;
}

void agent_bind(struct call *c) {
    struct proto m = {.op = PROTO_BIND};
    if (!call_borrowed(c) || foreign_family(c) || view_netlink_control(c))
        return;
    bool unspec = false;
    int err = call_address(c, c->args[1], (uint32_t)c->args[2], &m.ep, &unspec);
    if (unspec && !weir_addr_is_any(&m.ep.addr))
        err = -EAFNOSUPPORT; /* Linux forgives it with INADDR_ANY only */
    if (err == -EAFNOSUPPORT)
        m.a[0] = 1; /* perhaps not ours: let the stack say */
    else if (err) {
        call_return(c, err);
        return;
    }
    m.a[2] = done_before(c);
    set_record(&m, &m.ep);
    call_ask(c, &m, NULL, call_done);
}

/* ---- listen ---- */

static void listen_done(struct call *c, const struct proto *m,
                        const void *data) {
    (void)data;
    if (m->result != 0) {
        call_done(c, m, NULL);
        return;
    }
    char path[108];
    struct sockaddr_un sun;
    carrier_path(c->ag, path, 'l');
    unix_address(&sun, path);
    if (bind(c->dup, (struct sockaddr *)&sun, sizeof(sun)))
        path[0] = '\0'; /* listens already: it has its name */
    if (listen(c->dup, BACKLOG)) {
        call_return(c, -errno);
        return;
    }
    hint_set(c->ag, c->inode, c->task->tid, (int)c->args[0]);
    struct proto now = {.op = PROTO_LISTEN,
                        .inode = c->inode,
                        .a = {0, 1},
                        .len = (uint32_t)strlen(path)};
    agent_note(c->ag, &now, path, -1);
    call_return(c, 0);
}

void agent_listen(struct call *c) {
    if (!call_borrowed(c) || foreign_family(c))
        return;
    struct proto m = {.op = PROTO_LISTEN,
                      .a = {(uint32_t)c->args[1]},
                      .rec = {(uint32_t)c->args[1]}};
    call_ask(c, &m, NULL, listen_done);
}

/* ---- accept ---- */

static void accept_try(struct call *c);

static void accept_expired(struct call *c) {
    c->held = NOT_HELD;
    call_return(c, -EAGAIN);
}

static void accepted(struct call *c, const struct proto *m, const void *data) {
    (void)data;
    if (m->result == -EAGAIN) { /* it stood for one that is gone */
        close(c->fd);
        c->fd = -1;
        accept_try(c);
        return;
    }
    if (m->result < 0) {
        call_return(c, m->result);
        return;
    }
    struct agent *ag = c->ag;
    uint64_t inode = c->fresh;
    if (m->flags & PROTO_RESET_NOW) {
        struct proto pushed = {.op = PROTO_PUSHED, .inode = inode};
        send(c->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        agent_note(ag, &pushed, NULL, -1);
    }
    int err =
        c->args[1] ? call_put_address(c, c->args[1], c->args[2], &m->ep) : 0;
    if (err && !c->gone) { /* a bad address: lost, as on Linux */
        call_return(c, err);
        return;
    }
    struct proto back = {.op = PROTO_UNACCEPT, .inode = inode};
    if (err) {
        agent_note(ag, &back, NULL, -1);
        call_return(c, err);
    } else if (!call_inject(c, c->fd, c->flags & SOCK_CLOEXEC)) {
        agent_note(ag, &back, NULL, -1);
    }
}

static void accept_try(struct call *c) {
    struct pollfd p = {.events = POLLIN};
    if (c->dup < 0) {
        uint64_t inode = c->inode;
        int err = call_borrow(c);
        if (err || c->inode != inode) {
            c->inode = inode;
            c->held = NOT_HELD;
            call_return(c, err ? err : -EBADF);
            return;
        }
    }
    p.fd = c->dup;
    int fd = -1;
    struct sockaddr_un end;
    socklen_t end_len = sizeof(end) - 1;
    memset(&end, 0, sizeof(end));
    if (poll(&p, 1, 0) > 0)
        fd = accept4(c->dup, (struct sockaddr *)&end, &end_len,
                     SOCK_CLOEXEC | (c->flags & SOCK_NONBLOCK));
    if (fd < 0 && p.revents & POLLHUP) { /* shut down */
        c->held = NOT_HELD;
        call_return(c, -EINVAL);
        return;
    }
    if (fd < 0 && fcntl(c->dup, F_GETFL) & O_NONBLOCK) {
        c->held = NOT_HELD;
        call_return(c, -EAGAIN);
        return;
    }
    if (fd < 0) {
        call_hold(c, HELD_ACCEPT, socket_timeout(c->dup, SO_RCVTIMEO),
                  accept_try, accept_expired);
        return;
    }
    c->held = NOT_HELD;
    c->fd = fd;
    uint64_t inode = c->fresh = inode_of(fd);
    unsigned pid = 0, serial = 0;
    if (end_len > offsetof(struct sockaddr_un, sun_path)) /* it has a name */
        sscanf(end.sun_path + 1, WAITING_NAME, &pid, &serial);
    struct proto m = {.op = PROTO_ACCEPT,
                      .a = {(uint32_t)inode, (uint32_t)(inode >> 32), serial}};
    call_ask(c, &m, NULL, accepted);
}

static void accept_known(struct call *c, const struct proto *m,
                         const void *data) {
    (void)data;
    if (m->result == PROTO_FOREIGN) {
        call_continue(c);
        return;
    }
    c->type = m->result;
    if (m->result != SOCK_STREAM)
        call_return(c, -EOPNOTSUPP);
    else if (!m->a[0])
        call_return(c, -EINVAL);
    else
        accept_try(c);
}

void agent_accept(struct call *c) {
    c->flags = c->what == WEIR_CALL_accept4 ? (int)c->args[3] : 0;
    if (!call_borrowed(c) || foreign_family(c))
        return;
    if (c->flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) {
        call_return(c, -EINVAL);
        return;
    }
    struct proto m = {.op = PROTO_INFO, .a = {PROTO_INFO_TYPE}};
    call_ask(c, &m, NULL, accept_known);
}

/* ---- shutdown, reset ---- */

static void shutdown_done(struct call *c, const struct proto *m,
                          const void *data) {
    (void)data;
    /* Natively too: bytes still in the carrier go first, then end of file. */
    int type = 0;
    socklen_t len = sizeof(type);
    getsockopt(c->dup, SOL_SOCKET, SO_TYPE, &type, &len);
    /* UDP takes it without a peer, too, though it says ENOTCONN. */
    if (m->result == 0 || (m->result == -ENOTCONN && type == SOCK_DGRAM))
        shutdown(c->dup, (int)c->args[1]);
    uint64_t inode = c->inode;
    struct agent *ag = c->ag;
    call_done(c, m, NULL);
    agent_wake(ag, inode, HELD_ACCEPT, 0);
    agent_wake(ag, inode, HELD_DATA, 0);
}

void agent_shutdown(struct call *c) {
    if (!call_borrowed(c) || foreign_family(c))
        return;
    struct proto m = {.op = PROTO_SHUTDOWN,
                      .a = {(uint32_t)c->args[1]},
                      .rec = {(uint32_t)c->args[1]}};
    call_ask(c, &m, NULL, shutdown_done);
}

/* An unread byte in the stack's end makes its close a reset, which the program
 * sees just as TCP shows it: IN|OUT|ERR|HUP|RDHUP, ECONNRESET once. */
void agent_reset(struct agent *ag, const struct proto *m) {
    int fd = agent_find(ag, m->inode), type = SOCK_STREAM;
    struct sockaddr_un peer;
    socklen_t len = sizeof(type), peer_len = sizeof(peer);
    if (fd >= 0) {
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
        if (type == SOCK_DGRAM &&
            getpeername(fd, (struct sockaddr *)&peer, &peer_len))
            beside_show_error(fd);
        else
            send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        close(fd);
    }
    struct proto pushed = {.op = PROTO_PUSHED, .inode = m->inode};
    agent_note(ag, &pushed, NULL, -1);
}
