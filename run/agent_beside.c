/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What goes beside a datagram: control data of sendmsg and recvmsg (ip(7),
 * socket(7)), and the queue of errors. The lengths, the order and the cutting
 * of control data are the kernel's.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* wants <time.h> before it */

#include "run/agent_in.h"

#define CONTROL_MAX 512u
#define NS 1000000000u

/* ---- sendmsg ---- */

static int send_ip(const struct cmsghdr *h, const char *data, size_t len,
                   struct proto *m) {
    struct in_pktinfo info;
    int v = len ? *(const unsigned char *)data : 0;
    if (h->cmsg_type == IP_PKTINFO && len == sizeof(info)) {
        memcpy(&info, data, sizeof(info));
        m->ep.ifindex = (uint16_t)info.ipi_ifindex;
        m->a[2] = ntohl(info.ipi_spec_dst.s_addr);
        return 0;
    }
    bool byte = h->cmsg_type == IP_TOS && len == 1;
    if (len == sizeof(v))
        memcpy(&v, data, sizeof(v));
    else if (!byte)
        return -EINVAL;
    if (h->cmsg_type == IP_TTL && v > 0 && v < 256)
        m->a[3] |= PROTO_SEND_TTL | (uint32_t)v;
    else if (h->cmsg_type == IP_TOS && v >= 0 && v < 256)
        m->a[3] |= PROTO_SEND_TOS | (uint32_t)v << 8;
    else
        return -EINVAL;
    return 0;
}

int beside_send(struct call *c, struct proto *m) {
    char room[CONTROL_MAX];
    struct cmsghdr h;
    size_t len = c->message->control_len;
    if (len > sizeof(room))
        return -ENOBUFS;
    if (len && call_read(c, c->message->control, room, len) != (ssize_t)len)
        return -EFAULT;
    for (size_t at = 0; at + sizeof(h) <= len;) {
        memcpy(&h, room + at, sizeof(h));
        if (h.cmsg_len < sizeof(h) || h.cmsg_len > len - at)
            return -EINVAL;
        int err = 0;
        if (h.cmsg_level == IPPROTO_IP)
            err = send_ip(&h, room + at + sizeof(h), h.cmsg_len - sizeof(h), m);
        else if (h.cmsg_level == SOL_SOCKET && h.cmsg_type != SCM_RIGHTS &&
                 h.cmsg_type != SCM_CREDENTIALS)
            err = -EINVAL;
        if (err)
            return err;
        at += CMSG_ALIGN(h.cmsg_len);
    }
    return 0;
}

/* ---- recvmsg ---- */

struct control {
    size_t room, used;
    int flags;
    char bytes[CONTROL_MAX];
};

static void put(struct control *k, int level, int type, const void *data,
                size_t len) {
    size_t left = k->room - k->used;
    struct cmsghdr h = {CMSG_LEN(len), level, type};
    if (left < sizeof(h)) {
        k->flags |= MSG_CTRUNC;
        return;
    }
    if (left < h.cmsg_len) {
        k->flags |= MSG_CTRUNC;
        h.cmsg_len = left;
    }
    memcpy(k->bytes + k->used, &h, sizeof(h));
    memcpy(k->bytes + k->used + sizeof(h), data, h.cmsg_len - sizeof(h));
    k->used += CMSG_SPACE(len) < left ? CMSG_SPACE(len) : left;
}

static void put_time(struct control *k, const struct weir_dgram *d) {
    uint64_t rest = d->time_ns % NS;
    bool ns = d->timestamp == SO_TIMESTAMPNS || d->timestamp == 64;
    int64_t t[2] = {(int64_t)(d->time_ns / NS),
                    (int64_t)(ns ? rest : rest / 1000)};
    if (d->timestamp)
        put(k, SOL_SOCKET, d->timestamp, t, sizeof(t));
}

static struct sockaddr_in inet(const struct weir_endpoint *ep) {
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(ep->port)};
    in.sin_addr.s_addr = htonl(weir_addr_to_v4(&ep->addr));
    return in;
}

static void put_all(struct control *k, const struct weir_dgram *d) {
    put_time(k, d);
    if (d->asked & WEIR_BESIDE_DROPS && d->drops)
        put(k, SOL_SOCKET, SO_RXQ_OVFL, &d->drops, sizeof(d->drops));
    if (d->asked & WEIR_BESIDE_PKTINFO) {
        struct in_pktinfo info = {.ipi_ifindex = d->to.ifindex};
        info.ipi_spec_dst.s_addr = htonl(weir_addr_to_v4(&d->local));
        info.ipi_addr.s_addr = htonl(weir_addr_to_v4(&d->to.addr));
        put(k, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    }
    int ttl = d->ttl;
    if (d->asked & WEIR_BESIDE_TTL)
        put(k, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
    if (d->asked & WEIR_BESIDE_TOS)
        put(k, IPPROTO_IP, IP_TOS, &d->tos, sizeof(d->tos));
    if (d->asked & WEIR_BESIDE_ORIGDST) {
        struct sockaddr_in to = inet(&d->to);
        put(k, IPPROTO_IP, IP_RECVORIGDSTADDR, &to, sizeof(to));
    }
}

static size_t room_of(const struct message *m) {
    return m->control_len < CONTROL_MAX ? m->control_len : CONTROL_MAX;
}

static int put_header(struct call *c, const struct control *k) {
    uint64_t at = c->message->header;
    if (k->used && call_write(c, c->message->control, k->bytes, k->used))
        return -EFAULT;
    if (call_write(c, at + offsetof(struct msghdr, msg_controllen), &k->used,
                   sizeof(k->used)))
        return -EFAULT;
    return call_write(c, at + offsetof(struct msghdr, msg_flags), &k->flags,
                      sizeof(k->flags));
}

bool beside_take(const struct msghdr *h, struct weir_dgram *d) {
    const struct cmsghdr *m = CMSG_FIRSTHDR(h);
    int fd;
    if (!m || m->cmsg_type != SCM_RIGHTS || m->cmsg_len < CMSG_LEN(sizeof(fd)))
        return false;
    memcpy(&fd, CMSG_DATA(m), sizeof(fd));
    bool ok = pread(fd, d, sizeof(*d), 0) == sizeof(*d);
    close(fd);
    return ok;
}

int beside_put(struct call *c, const struct weir_dgram *d, int flags) {
    struct control k = {.room = room_of(c->message), .flags = flags};
    if (!c->message->header)
        return 0;
    if (d)
        put_all(&k, d);
    return put_header(c, &k);
}

/* ---- errors ---- */

static void error_came(struct call *c, const struct proto *m,
                       const void *data) {
    struct weir_queued_error what;
    struct {
        struct sock_extended_err ee;
        struct sockaddr_in offender;
    } x = {.ee = {.ee_errno = 0}};
    if (m->result < 0) {
        message_done(c, m->result == PROTO_FOREIGN ? -EAGAIN : m->result);
        return;
    }
    if (!m->a[1]) { /* the last one: poll says so no more */
        int stand_in;
        socklen_t len = sizeof(stand_in);
        getsockopt(c->dup, SOL_SOCKET, SO_ERROR, &stand_in, &len);
    }
    memcpy(&what, data, sizeof(what));
    x.ee.ee_errno = what.error;
    x.ee.ee_origin = what.origin;
    x.ee.ee_type = what.type;
    x.ee.ee_code = what.code;
    x.ee.ee_info = what.info;
    if (what.origin == SO_EE_ORIGIN_ICMP)
        x.offender = inet(&(struct weir_endpoint){.addr = what.offender});
    x.offender.sin_port = 0;
    struct control k = {.room = room_of(c->message), .flags = (int)m->a[0]};
    put(&k, IPPROTO_IP, IP_RECVERR, &x, sizeof(x));
    const char *bytes = (const char *)data + sizeof(what);
    int err = data_scatter(c, 0, bytes, (size_t)m->result);
    if (!err && c->message->header)
        err = put_header(c, &k);
    if (!err)
        err = data_name(c, &what.to);
    message_done(c, err ? err : m->result);
}

void beside_errors(struct call *c) {
    size_t want = c->message->total;
    struct proto m = {.op = PROTO_ERRQUEUE,
                      .a = {want < UINT32_MAX ? (uint32_t)want : UINT32_MAX}};
    call_ask(c, &m, NULL, error_came);
}

/* A connected carrier shows an error when its other end lets go with a datagram
 * unread; one that is not connected gets such an end for a moment. What waits
 * in it would be lost by that: then the program has reason to wake up anyway.
 */
void beside_show_error(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct sockaddr_un own, other;
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    socklen_t own_len = sizeof(own), other_len = sizeof(other);
    int end = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    other.sun_family = AF_UNIX;
    if (end >= 0 && poll(&p, 1, 0) == 0 &&
        getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
        bind(end, (struct sockaddr *)&other, sizeof(sa_family_t)) == 0 &&
        getsockname(end, (struct sockaddr *)&other, &other_len) == 0 &&
        connect(end, (struct sockaddr *)&own, own_len) == 0 &&
        connect(fd, (struct sockaddr *)&other, other_len) == 0) {
        send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        connect(end, &none, sizeof(none));
        connect(fd, &none, sizeof(none));
    }
    if (end >= 0)
        close(end);
}
