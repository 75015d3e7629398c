/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names and options. The core's table decides what an option does; a few
 * matter to the carrier as well, where the kernel does the waiting. The pending
 * error (SO_ERROR) lives in the core, exact; the carrier holds a stand-in that
 * a failed read may already have taken, and then there is none left to report.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "run/agent_in.h"
#include "run/view.h"

#define OPTION_MAX 4096

int call_address(struct call *c, uint64_t addr, uint32_t len,
                 struct weir_endpoint *ep, bool *unspec) {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        char room[128];
    } u = {.room = {0}};
    if ((int32_t)len < 2 || len > sizeof(u.room))
        return -EINVAL;
    if (call_read(c, addr, u.room, len) != (ssize_t)len)
        return -EFAULT;
    *unspec = u.sa.sa_family == AF_UNSPEC;
    if (!*unspec && u.sa.sa_family != AF_INET)
        return -EAFNOSUPPORT;
    if (!*unspec && len < sizeof(u.in))
        return -EINVAL;
    ep->addr = weir_addr_v4(ntohl(u.in.sin_addr.s_addr));
    ep->port = ntohs(u.in.sin_port);
    return 0;
}

int call_put_address(struct call *c, uint64_t addr, uint64_t len_addr,
                     const struct weir_endpoint *ep) {
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(ep->port)};
    in.sin_addr.s_addr = htonl(weir_addr_to_v4(&ep->addr));
    int32_t room, size = sizeof(in);
    if (call_peek(c, len_addr, &room, sizeof(room)) != sizeof(room))
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    size_t n = (size_t)(room < size ? room : size);
    struct iovec local[2] = {{&in, n}, {&size, sizeof(size)}};
    struct iovec remote[2] = {{(void *)(uintptr_t)addr, n},
                              {(void *)(uintptr_t)len_addr, sizeof(size)}};
    return call_write_many(c, local, remote, 2);
}

static void name_done(struct call *c, const struct proto *m, const void *data) {
    (void)data;
    if (m->result == PROTO_FOREIGN)
        call_continue(c);
    else if (m->result)
        call_return(c, m->result);
    else
        call_return(c, call_put_address(c, c->args[1], c->args[2], &m->ep));
}

void agent_name(struct call *c) {
    if (!call_borrowed(c) || view_netlink_control(c))
        return;
    struct proto m = {.op = PROTO_NAME,
                      .a = {c->what == WEIR_CALL_getpeername}};
    call_ask(c, &m, NULL, name_done);
}

/* ---- options ---- */

/* Those the kernel must know, because it does the waiting on the carrier. */
static bool for_carrier(int level, int name) {
    return level == SOL_SOCKET &&
           (name == SO_RCVTIMEO || name == SO_SNDTIMEO || name == SO_RCVLOWAT);
}

static void option_set(struct call *c, const struct proto *m,
                       const void *data) {
    int level = (int)c->args[1], name = (int)c->args[2];
    (void)data;
    if (m->result == PROTO_FOREIGN) {
        call_continue(c);
        return;
    }
    char value[64];
    size_t len = c->args[4] < sizeof(value) ? c->args[4] : sizeof(value);
    if (m->result == 0 && for_carrier(level, name) &&
        call_read(c, c->args[3], value, len) == (ssize_t)len)
        setsockopt(c->dup, level, name, value, (socklen_t)len);
    call_return(c, m->result);
}

void agent_setsockopt(struct call *c) {
    if (!call_borrowed(c) || view_netlink_control(c))
        return;
    char value[OPTION_MAX];
    int32_t len = (int32_t)c->args[4];
    uint32_t take = len < 0 ? 0 : (uint32_t)len;
    take = take < sizeof(value) ? take : sizeof(value);
    struct proto m = {
        .op = PROTO_SETOPT,
        .a = {(uint32_t)c->args[1], (uint32_t)c->args[2], (uint32_t)len},
        .len = take};
    m.rec[0] = (uint32_t)c->args[1] << 16 | ((uint32_t)c->args[2] & 0xffff);
    if (take && call_peek(c, c->args[3], value, take) != (ssize_t)take) {
        m.len = 0;
        m.a[3] = 1; /* a bad pointer, where it is ours */
    }
    if (m.len >= sizeof(int32_t))
        memcpy(&m.rec[1], value, sizeof(int32_t));
    call_ask(c, &m, value, option_set);
}

static void put_option(struct call *c, const void *value, uint32_t len) {
    int32_t room;
    if (call_read(c, c->args[4], &room, sizeof(room)) != sizeof(room)) {
        call_return(c, -EFAULT);
        return;
    }
    len = (uint32_t)room < len ? (uint32_t)room : len;
    if (call_write(c, c->args[3], value, len) ||
        call_write(c, c->args[4], &len, sizeof(len)))
        call_return(c, -EFAULT);
    else
        call_return(c, 0);
}

static void option_got(struct call *c, const struct proto *m,
                       const void *data) {
    int level = (int)c->args[1], name = (int)c->args[2];
    if (m->result == PROTO_FOREIGN) {
        call_continue(c);
        return;
    }
    if (level == SOL_SOCKET && name == SO_PEERCRED) {
        struct ucred none = {0, (uid_t)-1, (gid_t)-1}; /* as for TCP */
        put_option(c, &none, sizeof(none));
        return;
    }
    if (m->result < 0) {
        call_return(c, m->result);
        return;
    }
    int error;
    char value[OPTION_MAX];
    uint32_t len = m->len < sizeof(value) ? m->len : sizeof(value);
    memcpy(value, data, len);
    if (level == SOL_SOCKET && name == SO_ERROR && len >= sizeof(error)) {
        /* Take the carrier's stand-in along. Reset already and no stand-in
         * left: a read or write has reported it. */
        int native = 0;
        socklen_t n = sizeof(native);
        getsockopt(c->dup, SOL_SOCKET, SO_ERROR, &native, &n);
        if (m->a[0] && native == 0)
            memset(value, 0, sizeof(error));
    }
    put_option(c, value, len);
}

void agent_getsockopt(struct call *c) {
    if (!call_borrowed(c) || view_netlink_control(c))
        return;
    int32_t room = 0;
    struct proto m = {.op = PROTO_GETOPT,
                      .a = {(uint32_t)c->args[1], (uint32_t)c->args[2]}};
    m.rec[0] = (uint32_t)c->args[1] << 16 | ((uint32_t)c->args[2] & 0xffff);
    if (call_read(c, c->args[4], &room, sizeof(room)) != sizeof(room))
        m.a[3] = 1;
    m.a[2] = (uint32_t)room;
    call_ask(c, &m, NULL, option_got);
}

/* ---- ioctl, open ---- */

static void queue_known(struct call *c, const struct proto *m,
                        const void *data) {
    (void)data;
    if (m->result == PROTO_FOREIGN)
        call_continue(c);
    else if (m->result < 0)
        call_return(c, m->result);
    else
        call_return(c, call_write(c, c->args[2], &m->result, sizeof(int)));
}

void agent_ioctl(struct call *c) {
    uint32_t cmd = (uint32_t)c->args[1];
    if (cmd == 0x5411 || cmd == 0x894b) { /* SIOCOUTQ, SIOCOUTQNSD */
        if (!call_borrowed(c))
            return;
        struct proto m = {
            .op = PROTO_INFO,
            .a = {cmd == 0x5411 ? PROTO_INFO_OUTQ : PROTO_INFO_OUTQNSD}};
        call_ask(c, &m, NULL, queue_known);
        return;
    }
    if (!view_ioctl(c))
        call_continue(c);
}

void agent_open(struct call *c) {
    char path[64] = "";
    uint64_t at =
        c->what == WEIR_CALL_open && c->nr == 2 ? c->args[0] : c->args[1];
    /* A path may end right before an unmapped page: take what is there. */
    size_t page = 4096 - (at & 4095);
    size_t first = page < sizeof(path) - 1 ? page : sizeof(path) - 1;
    ssize_t n = call_peek(c, at, path, first);
    if (n > 0 && !memchr(path, 0, (size_t)n) && first < sizeof(path) - 1)
        call_peek(c, at + first, path + first, sizeof(path) - 1 - first);
    path[sizeof(path) - 1] = '\0';
    /* Each dynamic program opens it first; a tracer is told of exec itself. */
    if (!c->ag->config.traced && !strcmp(path, "/etc/ld.so.cache"))
        program_executed(c->ag, c->task->pid);
    if (!view_open(c, path))
        call_continue(c);
}
