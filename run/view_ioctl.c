/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interface ioctls: of any socket that is ours or AF_UNIX, since many programs
 * make one of whatever family just to ask. What concerns the socket itself
 * (marks, owners, time stamps) is the kernel's.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stddef.h>
#include <string.h>

#include "run/view_in.h"

static bool is_about_host(uint32_t cmd) {
    return cmd == SIOCADDRT || cmd == SIOCDELRT ||
           (cmd >= SIOCGIFNAME && cmd < 0x89c0 && cmd != SIOCOUTQNSD &&
            cmd != SIOCGSKNS) ||
           cmd >= SIOCDEVPRIVATE;
}

static size_t size_of(uint32_t cmd) {
    return cmd == SIOCGIFCONF ? 0
           : cmd == SIOCGARP  ? sizeof(struct arpreq)
                              : sizeof(struct ifreq);
}

/* The list, cut to whole entries that fit; without room its length alone. */
static int put_list(struct call *c, const void *data, uint32_t len) {
    struct ifconf conf;
    if (call_read(c, c->args[2], &conf, sizeof(conf)) != sizeof(conf))
        return -EFAULT;
    if (conf.ifc_buf) {
        uint32_t room = conf.ifc_len < 0 ? 0 : (uint32_t)conf.ifc_len;
        len = room < len ? room / (uint32_t)sizeof(struct ifreq) *
                               (uint32_t)sizeof(struct ifreq)
                         : len;
        if (call_write(c, (uintptr_t)conf.ifc_buf, data, len))
            return -EFAULT;
    }
    return call_write(c, c->args[2] + offsetof(struct ifconf, ifc_len), &len,
                      sizeof(len));
}

static void ioctl_done(struct call *c, const struct proto *m,
                       const void *data) {
    if (m->result == PROTO_FOREIGN)
        call_continue(c);
    else if (m->result < 0)
        call_return(c, m->result);
    else if ((uint32_t)c->args[1] == SIOCGIFCONF)
        call_return(c, put_list(c, data, m->len));
    else
        call_return(c, call_write(c, c->args[2], data, m->len));
}

bool view_ioctl(struct call *c) {
    uint32_t cmd = (uint32_t)c->args[1];
    char request[sizeof(struct arpreq)];
    if (!is_about_host(cmd))
        return false;
    int err = call_borrow(c), domain = AF_UNIX;
    socklen_t len = sizeof(domain);
    if (err == -ENOTSOCK)
        return false;
    if (err) {
        call_return(c, err);
        return true;
    }
    getsockopt(c->dup, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    if (domain != AF_UNIX)
        return false;
    struct proto m = {.op = PROTO_VIEW,
                      .a = {PROTO_VIEW_IOCTL, cmd},
                      .len = (uint32_t)size_of(cmd)};
    if (m.len && call_read(c, c->args[2], request, m.len) != (ssize_t)m.len)
        m.len = 0; /* a change is refused before its argument is looked at */
    call_ask(c, &m, request, ioctl_done);
    return true;
}
