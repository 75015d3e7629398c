/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP carriers. A program's carrier is a datagram socket with a name in the
 * private directory. The stack's end has a name there, too: what the program
 * writes once it is connected comes in there, and when connected what the stack
 * has to deliver leaves from there. Before, each datagram must tell its source:
 * it is sent from a socket whose abstract name spells the address, made anew
 * when the source changes. The kernel queues few datagrams; the rest stays in
 * the core under SO_RCVBUF's rule, one (`held`) in between.
 *
 * What recvmsg wants to know beside the bytes (IP_PKTINFO and its like) travels
 * as a memory file passed along with the datagram: read and recv throw it away,
 * the agent takes it out.
 *
 * An ICMP error is shown by disconnecting the stack's end while it has a
 * datagram unread: the program's poll says ERR and its next call fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "run/serve_in.h"

#define DATAGRAM 65536

struct udp_side {
    struct loop_source sender; /* from a socket that names the source */
    struct end *e;
    struct weir_endpoint from; /* of sender */
    bool connected;
    bool pushing;     /* the agent pushes a byte that is not the program's */
    bool error_shown; /* an ICMP error, until the core has none */
    char own[108];
    char *held; /* could not be put into the carrier yet */
    size_t held_len;
    struct weir_dgram held_info;
};

static socklen_t path_address(struct sockaddr_un *sun, const char *path) {
    memset(sun, 0, sizeof(*sun));
    sun->sun_family = AF_UNIX;
    snprintf(sun->sun_path, sizeof(sun->sun_path), "%s", path);
    return sizeof(*sun);
}

static int datagram_socket(void) {
    /* The largest UDP datagram must pass, with the kernel's own overhead. */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd;
}

int datagram_open(struct end *e, const char *path) {
    struct udp_side *u = calloc(1, sizeof(*u));
    struct sockaddr_un sun;
    if (!u)
        return -ENOMEM;
    e->udp = u;
    e->state = END_DATAGRAM;
    u->e = e;
    u->sender.fd = -1;
    snprintf(e->path, sizeof(e->path), "%s", path);
    snprintf(u->own, sizeof(u->own), "%s/s%d.%u", e->sv->dir, (int)getpid(),
             ++e->sv->serial);
    int fd = datagram_socket();
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&sun, path_address(&sun, u->own))) {
        close(fd);
        return -ENOBUFS;
    }
    return end_watch(e, fd);
}

static void sender_close(struct udp_side *u) {
    if (u->sender.fd < 0)
        return;
    loop_del(u->e->sv->loop, &u->sender);
    close(u->sender.fd);
    u->sender.fd = -1;
}

void datagram_close(struct end *e) {
    struct udp_side *u = e->udp;
    if (!u)
        return;
    sender_close(u);
    unlink(u->own);
    free(u->held);
    free(u);
    e->udp = NULL;
}

static void sender_ready(struct loop_source *src, uint32_t events) {
    (void)events;
    datagram_ready(((struct udp_side *)src)->e);
}

/* A socket that names `from`, connected to the carrier. */
static int sender_for(struct udp_side *u, const struct weir_endpoint *from) {
    if (u->sender.fd >= 0 && weir_addr_eq(&u->from.addr, &from->addr) &&
        u->from.port == from->port && u->from.ifindex == from->ifindex)
        return u->sender.fd;
    sender_close(u);
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int n = snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1,
                     "weir:%x%04x:%x:%u:%u", (unsigned)getpid(),
                     ++u->e->sv->serial & 0xffff, weir_addr_to_v4(&from->addr),
                     from->port, from->ifindex);
    socklen_t len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    int fd = datagram_socket();
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&sun, len) ||
        connect(fd, (struct sockaddr *)&sun, path_address(&sun, u->e->path))) {
        int err = -errno;
        close(fd);
        return err;
    }
    u->from = *from;
    u->sender = (struct loop_source){.ready = sender_ready, .fd = fd};
    loop_add(u->e->sv->loop, &u->sender, EPOLLOUT | EPOLLET);
    return fd;
}

/* A file that says what is known of a datagram, its time by the clock on the
 * wall; -1. */
static int envelope(struct udp_side *u, const struct weir_dgram *d) {
    struct weir_dgram out = *d;
    struct timespec wall;
    int fd = memfd_create("weir-datagram", MFD_CLOEXEC);
    uint64_t now = loop_now(u->e->sv->loop);
    clock_gettime(CLOCK_REALTIME, &wall);
    out.time_ns = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec -
                  (now > d->time_ns ? now - d->time_ns : 0);
    if (fd >= 0 && write(fd, &out, sizeof(out)) != sizeof(out)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Put one datagram into the carrier. 0, -EAGAIN, or another -errno. */
static int deliver(struct udp_side *u, char *data, size_t len,
                   const struct weir_dgram *d) {
    int to = u->connected ? u->e->src.fd : sender_for(u, &d->from);
    int beside = d->asked || d->timestamp ? envelope(u, d) : -1;
    struct iovec iov = {data, len};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.room = {0}};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (beside >= 0) {
        h.msg_control = control.room;
        h.msg_controllen = sizeof(control.room);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &beside, sizeof(int));
    }
    int err = to < 0 ? to : 0;
    if (!err && sendmsg(to, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        err = -errno;
    if (beside >= 0)
        close(beside);
    return err;
}

static bool hold(struct udp_side *u, const char *data, size_t len,
                 const struct weir_dgram *d) {
    u->held = malloc(len ? len : 1);
    if (!u->held)
        return false;
    memcpy(u->held, data, len);
    u->held_len = len;
    u->held_info = *d;
    return true;
}

static bool held_gone(struct udp_side *u) {
    if (!u->held)
        return true;
    if (deliver(u, u->held, u->held_len, &u->held_info) == -EAGAIN)
        return false;
    free(u->held);
    u->held = NULL;
    return true;
}

void datagram_error_taken(struct end *e) {
    if (e->udp)
        e->udp->error_shown = false;
}

void datagram_ready(struct end *e) {
    struct weir_stack *s = end_stack(e);
    struct udp_side *u = e->udp;
    static char data[DATAGRAM];
    bool any = false;
    while (s && u && held_gone(u)) {
        struct iovec iov = {data, sizeof(data)};
        struct weir_dgram d;
        if (!(weir_ready(s, e->sock) & WEIR_IN))
            break;
        weir_event_id id = data_record(e, 0, false, 0);
        weir_cause(s, id);
        ssize_t n = weir_recvmsg(s, e->sock, &iov, 1, 0, &d, NULL);
        weir_cause(s, 0);
        if (n < 0)
            break;
        data_record_bytes(e, id, (uint32_t)n);
        any = true;
        int err = deliver(u, data, (size_t)n, &d);
        if (err == -EAGAIN && hold(u, data, (size_t)n, &d))
            break;
        if (err == -ECONNREFUSED && !end_alive(e)) {
            end_released(e);
            return;
        }
    }
    unsigned mask = s && u ? weir_ready(s, e->sock) : 0;
    if (mask & WEIR_ERR && !u->error_shown) {
        u->error_shown = u->pushing = true;
        end_tell(e, PROTO_RESET, 0);
    } else if (!(mask & WEIR_ERR) && u) {
        u->error_shown = false;
    }
    if ((any || mask & (WEIR_ERR | WEIR_OUT)) && e->waited) {
        e->waited = false;
        end_tell(e, PROTO_WAIT, 0);
    }
}

/* What a connected program wrote leaves. */
void datagram_written(struct end *e) {
    struct weir_stack *s = end_stack(e);
    if (e->src.fd < 0 || (e->udp && e->udp->pushing))
        return;
    static char data[DATAGRAM];
    ssize_t n;
    while (s && (n = recv(e->src.fd, data, sizeof(data), MSG_DONTWAIT)) >= 0) {
        struct iovec iov = {data, (size_t)n};
        struct weir_endpoint to;
        if (weir_getpeername(s, e->sock, &to) == 0)
            live_check_datagram(e->sv, &to);
        weir_cause(s, data_record(e, (uint32_t)n, true, 0));
        weir_send(s, e->sock, &iov, 1, 0, NULL);
        weir_cause(s, 0);
    }
}

void datagram_end_ready(struct end *e) {
    if (e->udp && e->udp->pushing)
        return;
    datagram_written(e);
    datagram_ready(e);
}

static void meet(struct end *e) {
    struct sockaddr_un sun;
    socklen_t len = path_address(&sun, e->path);
    connect(e->src.fd, (struct sockaddr *)&sun, len);
}

/* A datagram lies unread in our end: let go, and the program sees an error. */
void datagram_pushed(struct end *e) {
    if (e->udp)
        e->udp->pushing = false;
    if (!e->udp || !e->udp->connected)
        return; /* the agent had another end for it */
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    connect(e->src.fd, &none, sizeof(none));
    meet(e);
}

void datagram_connect(struct end *e, const struct proto *m, struct proto *r,
                      char path[108]) {
    struct weir_stack *s = end_stack(e);
    struct udp_side *u = e->udp;
    r->result = weir_connect(s, e->sock, m->a[0] ? NULL : &m->ep);
    if (r->result != 0)
        return;
    if (m->a[0]) {
        struct sockaddr none = {.sa_family = AF_UNSPEC};
        connect(e->src.fd, &none, sizeof(none));
        u->connected = false;
        r->a[0] = 2;
        return;
    }
    meet(e);
    u->connected = true;
    sender_close(u);
    snprintf(path, 108, "%s", u->own);
}
