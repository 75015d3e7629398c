/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What prog_random does next. The choice hangs on the seed and on what the
 * calls before have said, nothing else, so that two runs that agree go on
 * alike. What docs/door.md says is different is not chosen.
 */
#include "prog_random.h"

static int dead_udp_port, dead_tcp_port;

/* ---- choosing ---- */

static int port_at(int fd) {
    struct sockaddr_in a = {.sin_port = 0};
    socklen_t len = sizeof(a);
    getsockname(fd, (struct sockaddr *)&a, &len);
    return ntohs(a.sin_port);
}

static bool connected(const struct slot *s) {
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    return getpeername(s->fd, (struct sockaddr *)&a, &len) == 0;
}

static bool listens(const struct slot *s) {
    int on = 0;
    socklen_t len = sizeof(on);
    getsockopt(s->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len);
    return on;
}

/* Linux half forgets the name of what has failed. */
static bool has_name(const struct slot *s) {
    return !s->stream || listens(s) || connected(s);
}

/* Whom to talk to: mostly another socket of the kind, at times nobody. */
static struct sockaddr_in somebody(const struct slot *s) {
    struct sockaddr_in a = loopback(s->stream ? dead_tcp_port : dead_udp_port);
    for (int tries = below(8) ? 20 : 0; tries > 0; tries--) {
        const struct slot *o = slot_of((int)below(SLOTS));
        int port = o->fd >= 0 && o->stream == s->stream ? port_at(o->fd) : 0;
        int on = 0;
        socklen_t len = sizeof(on);
        if (port == 0)
            continue;
        getsockopt(o->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len);
        if (s->stream && !on && (!connected(o) || below(8)))
            continue;
        a.sin_port = htons((uint16_t)port);
        return a;
    }
    return a;
}

static bool done_with(struct slot *s, const char *what, const struct deed *d,
                      const struct outcome *o) {
    char text[64];
    int i = (int)(s - slot_of(0));
    bool vague = is_fast() && o->r < 0 && o->err != EAGAIN &&
                 (d->verb == SEND || d->verb == RECV);
    if (d->verb == RECV && is_end(s, o)) {
        slot_end(s);
        return step_said("%d %s: the end", i, what);
    }
    if (!step_said("%d %s way %d len %d flags %x%s%s%d = %s", i, what, d->way,
                   d->len, d->flags, s->stream ? "" : " udp",
                   d->to ? " to p" : " ",
                   d->to ? port_name(ntohs(d->addr.sin_port), s->stream) : 0,
                   vague ? "an error" : result(o, text)))
        return false;
    if (vague)
        slot_end(s);
    return true;
}

static struct outcome anywhere(struct slot *s, struct deed *d, bool child) {
    d->fd = s->twin >= 0 && below(2) ? s->twin : s->fd;
    return child ? make_in_child(d) : make(d);
}

bool anybody_blocked(void) {
    for (int i = 0; i < SLOTS; i++)
        if (slot_of(i)->blocked)
            return true;
    return false;
}

static bool send_some(struct slot *s) {
    struct deed d = {.verb = SEND, .way = (int)below(7), .from = s->sent};
    bool child = below(12) == 0;
    d.len = (int)below(below(3) ? 20 : MOST);
    if (s->sent > LEAST_LEFT)
        return true;
    d.flags = (below(2) ? MSG_NOSIGNAL : 0) | (below(3) ? 0 : MSG_DONTWAIT);
    if (!s->stream && d.way < 3 && below(2)) {
        d.to = true;
        d.addr = somebody(s);
    }
    /* An answer to the first might come before the second, or not. */
    struct pollfd p = {.fd = s->fd, .events = POLLOUT | POLLRDHUP};
    poll(&p, 1, 0);
    d.many = s->stream && p.revents == POLLOUT && !anybody_blocked();
    if ((d.way == 5 || d.way == 6) && d.len == 0)
        d.len = 1;
    struct outcome o = anywhere(s, &d, child);
    if (o.r > 0)
        s->sent += (unsigned)(d.way == 2 ? o.r % 100000 : o.r);
    return done_with(s, child ? "child sends" : "send", &d, &o);
}

static int receive_flags(const struct slot *s) {
    static const int some[] = {0,
                               0,
                               0,
                               MSG_PEEK,
                               MSG_WAITALL,
                               MSG_TRUNC,
                               MSG_PEEK | MSG_TRUNC,
                               MSG_DONTWAIT,
                               MSG_PEEK | MSG_WAITALL};
    (void)s;
    return some[below(sizeof(some) / sizeof(some[0]))];
}

static bool receive(struct slot *s) {
    struct deed d = {.verb = RECV, .way = (int)below(7)};
    bool child = below(12) == 0, timed = below(8) == 0;
    d.len = (int)below(below(3) ? 30 : MOST);
    d.flags = receive_flags(s);
    if (d.way == 6 && (d.len == 0 || !s->stream))
        d.way = 0;

    d.len += timed ? 2 : 0; /* none is a case of its own */
    if (timed) {
        struct timeval tv = {0, WAIT_US};
        setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        set_blocking(s->fd, true);
    }
    struct outcome o = anywhere(s, &d, child);
    if (timed) {
        struct timeval tv = {0, 0};
        set_blocking(s->fd, false);
        setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    }
    return done_with(s,
                     timed   ? "wait for"
                     : child ? "child receives"
                             : "recv",
                     &d, &o);
}

static bool block_some(struct slot *s) {
    struct deed d = {.verb = RECV, .fd = s->fd, .way = (int)below(6)};
    d.way -= d.way == 2; /* EINTR after the first of two: see docs/door.md */
    static const short bits[] = {POLLIN, POLLRDHUP, POLLOUT, POLLIN | POLLRDHUP,
                                 0};
    int on = 0;
    socklen_t len = sizeof(on);
    getsockopt(s->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len);
    d.len = 1 + (int)below(below(3) ? 30 : MOST);
    d.flags = below(3) ? 0 : MSG_WAITALL;
    if (on)
        d = (struct deed){
            .verb = ACCEPT, .fd = s->fd, .flags = SOCK_NONBLOCK | SOCK_CLOEXEC};
    if (below(3) == 0)
        d = (struct deed){.verb = POLL, .fd = s->fd, .flags = bits[below(5)]};
    block_begin(s, &d);
    return step_said("%d blocks in %d way %d len %d flags %x",
                     (int)(s - slot_of(0)), d.verb, d.way, d.len, d.flags);
}

static bool came_back(struct slot *s) {
    struct deed d = s->blocked->deed;
    struct outcome o = block_end(s);
    int i = slot_free();
    if (o.fd >= 0 && i >= 0)
        slot_open(i, o.fd, true), slot_of(i)->tried = true;
    else if (o.fd >= 0)
        close(o.fd);
    if (d.verb == POLL)
        return true;
    return done_with(s, "came back", &d, &o);
}

/* ---- the others ---- */

static bool open_one(int i, bool stream) {
    int one = 1;
    int fd = socket(
        AF_INET,
        (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    static struct sockaddr_in a; /* not where the next bind() has its own */
    a = loopback(0);
    if (stream) /* or a timer decides when bytes leave */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    else
        bind(fd, (struct sockaddr *)&a, sizeof(a));
    slot_open(i, fd, stream);
    return step_said("%d socket %d", i, stream);
}

static bool bind_one(struct slot *s, int i) {
    static const uint32_t addrs[] = {INADDR_LOOPBACK, INADDR_ANY,
                                     INADDR_LOOPBACK + 1};
    struct sockaddr_in a = loopback(0);
    int option = (int)below(4), one = 1, port = 0;
    const struct slot *o = slot_of((int)below(SLOTS));
    a.sin_addr.s_addr = htonl(addrs[below(4) ? 0 : below(3)]);
    if (below(3) == 0 && o->fd >= 0 && o->stream == s->stream && has_name(o))
        port = port_at(o->fd);
    a.sin_port = htons((uint16_t)port);
    if (option == 1)
        setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    else if (option == 2 && s->stream) /* (UDP spreads by a hash) */
        setsockopt(s->fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    int r = bind(s->fd, (struct sockaddr *)&a, sizeof(a));
    const char *how = r ? strerrorname_np(errno) : "0";
    return step_said("%d bind %x port p%d option %d = %s, p%d", i,
                     ntohl(a.sin_addr.s_addr), port_name(port, s->stream),
                     option, how, port_name(port_at(s->fd), s->stream));
}

static bool connect_one(struct slot *s, int i) {
    struct deed d = {.verb = CONNECT, .fd = s->fd, .to = true};
    bool blocking = below(3) == 0;
    d.addr = somebody(s);
    if (s->stream && s->tried) {
        slot_unwatch(i);
        if (s->twin >= 0)
            close(s->twin);
        s->twin = -1;
    }
    s->tried = true;
    if (blocking)
        set_blocking(s->fd, true);
    struct outcome o = make(&d);
    if (blocking)
        set_blocking(s->fd, false);
    return done_with(s, blocking ? "connect, wait" : "connect", &d, &o);
}

static bool names(const struct slot *s, int i) {
    struct sockaddr_in a = {.sin_port = 0}, b = {.sin_port = 0};
    socklen_t len = sizeof(a), len2 = sizeof(b);
    int r = getsockname(s->fd, (struct sockaddr *)&a, &len);
    int q = getpeername(s->fd, (struct sockaddr *)&b, &len2);
    const char *how = q ? strerrorname_np(errno) : "0";
    if (s->stream && s->tried && q) /* Linux: a name half forgotten */
        return true;
    return step_said(
        "%d names %d %x:p%d %s %x:p%d", i, r, ntohl(a.sin_addr.s_addr),
        port_name(ntohs(a.sin_port), s->stream), how, ntohl(b.sin_addr.s_addr),
        port_name(ntohs(b.sin_port), s->stream));
}

static bool unconnect(struct slot *s, int i) {
    int unread = 0;
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    int on = 0;
    socklen_t len = sizeof(on);
    getsockopt(s->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len);
    ioctl(s->fd, FIONREAD, &unread);
    if (unread || (s->stream && (on || s->tried || connected(s))))
        return true; /* docs/door.md */
    int r = connect(s->fd, &none, sizeof(none));
    bool good =
        step_said("%d unconnect = %s", i, r ? strerrorname_np(errno) : "0");
    if (!good || s->stream)
        return good;
    good = names(s, i) && step_settled();
    slot_end(s); /* Linux: it has a port again once a send has failed */
    return good;
}

static bool accept_one(struct slot *s) {
    struct deed d = {.verb = ACCEPT, .flags = SOCK_NONBLOCK | SOCK_CLOEXEC};
    bool child = below(4) == 0;
    int i = slot_free();
    if (i < 0)
        return true;
    struct outcome o = anywhere(s, &d, child);
    if (o.fd >= 0)
        slot_open(i, o.fd, true), slot_of(i)->tried = true;
    return done_with(s, child ? "child accepts" : "accept", &d, &o);
}

static bool shut_one(struct slot *s) {
    struct deed d = {.verb = SHUTDOWN, .flags = (int)below(3)};
    bool child = below(8) == 0;
    int on = 0;
    socklen_t len = sizeof(on);
    getsockopt(s->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len);
    if (s->stream && (on || d.flags == SHUT_RD || !connected(s)))
        return true; /* docs/door.md */
    struct outcome o = anywhere(s, &d, child);
    bool good = done_with(s, "shutdown", &d, &o);
    if (!good || s->stream)
        return good;
    good = step_settled();
    slot_end(s);
    return good;
}

static bool error_of(const struct slot *s, int i) {
    int v = 0;
    socklen_t len = sizeof(v);
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &v, &len);
    return step_said("%d SO_ERROR %s", i, v ? strerrorname_np(v) : "0");
}

/* Over a local socket and back: another descriptor of the same socket. */
static bool pass_one(struct slot *s, int i) {
    int pair[2], fd = -1;
    char byte = 0;
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } k = {.room = {0}};
    struct iovec iov = {&byte, 1};
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = k.room,
                       .msg_controllen = sizeof(k.room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    *c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &s->fd, sizeof(int));
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    sendmsg(pair[0], &h, 0);
    close(s->fd);
    recvmsg(pair[1], &h, 0);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(int));
    s->fd = fd;
    close(pair[0]);
    close(pair[1]);
    return step_said("%d passed", i);
}

static bool option_one(const struct slot *s, int i) {
    static const struct {
        int level, name, value[3];
    } some[] = {
        {SOL_SOCKET, SO_KEEPALIVE, {0, 1, 2}},
        {SOL_SOCKET, SO_BROADCAST, {0, 1, 1}},
        {SOL_SOCKET, SO_REUSEADDR, {0, 1, 1}},
        {SOL_SOCKET, SO_REUSEPORT, {0, 1, 1}},
        {IPPROTO_IP, IP_TTL, {1, 64, 300}},
        {IPPROTO_IP, IP_RECVERR, {0, 0, 0}},
        {IPPROTO_TCP, TCP_KEEPIDLE, {1, 60, 40000}},
        {SOL_SOCKET, SO_OOBINLINE, {0, 1, 1}},
    };
    unsigned n = below(sizeof(some) / sizeof(some[0]));
    int v = some[n].value[below(3)], got = -1;
    socklen_t len = sizeof(got);
    int r = setsockopt(s->fd, some[n].level, some[n].name, &v, sizeof(v));
    const char *how = r ? strerrorname_np(errno) : "0";
    getsockopt(s->fd, some[n].level, some[n].name, &got, &len);
    return step_said("%d option %d/%d %d = %s, now %d", i, some[n].level,
                     some[n].name, v, how, got);
}

static bool linger_one(const struct slot *s, int i) {
    struct linger l = {below(3) > 0, (int)below(2) * 5};
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    return step_said("%d linger %d %d", i, l.l_onoff, l.l_linger);
}

static bool close_one(struct slot *s, int i) {
    bool twin = s->twin >= 0 && below(2);
    if (twin) {
        close(s->twin);
        s->twin = -1;
    } else
        slot_end(s);
    return step_said("%d close %s", i, twin ? "twin" : "");
}

static bool listen_one(struct slot *s, int i) {
    int r = listen(s->fd, 20);
    return step_said("%d listen = %s", i, r ? strerrorname_np(errno) : "0");
}

static bool twin_one(struct slot *s, int i) {
    if (s->twin >= 0)
        return true;
    s->twin = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
    return step_said("%d dup", i);
}

/* While a thread is in a call on it. */
static bool beside_blocked(struct slot *s, int i) {
    switch (below(8)) {
    case 0:
        if (s->blocked->deed.verb == POLL || s->blocked->done ||
            s->blocked->deed.flags & MSG_WAITALL)
            return true;
        while (!s->blocked->done)
            block_interrupt(s);
        return step_said("%d interrupted", i);
    case 1:
        return shut_one(s);
    case 2:
        return names(s, i);
    default:
        return s->blocked->deed.verb == ACCEPT ? true : send_some(s);
    }
}

static bool on_one(struct slot *s, int i) {
    uint32_t pick = below(100);
    if (s->blocked)
        return beside_blocked(s, i);
    if (pick < 22)
        return send_some(s);
    if (pick < 46)
        return receive(s);
    if (pick < 54)
        return accept_one(s);
    if (pick < 60)
        return block_some(s);
    if (pick < 68)
        return connect_one(s, i);
    if (pick < 71)
        return bind_one(s, i);
    if (pick < 74)
        return listen_one(s, i);
    if (pick < 79)
        return shut_one(s);
    if (pick < 85)
        return close_one(s, i);
    if (pick < 88)
        return names(s, i);
    if (pick < 91)
        return error_of(s, i);
    if (pick < 94)
        return option_one(s, i);
    if (pick < 96)
        return pass_one(s, i);
    if (pick < 97)
        return linger_one(s, i);
    if (pick < 99)
        return twin_one(s, i);
    return unconnect(s, i);
}

bool step_random(void) {
    for (int i = 0; i < SLOTS; i++)
        if (slot_of(i)->blocked && slot_of(i)->blocked->done)
            return came_back(slot_of(i)) && step_settled();
    int i = (int)below(SLOTS);
    struct slot *s = slot_of(i);
    bool good = s->fd < 0 ? open_one(i, below(4) > 0) : on_one(s, i);
    return good && step_settled();
}

static bool begin_pair(int l, int c) {
    struct sockaddr_in a = loopback(0);
    struct slot *s = slot_of(l);
    bind(s->fd, (struct sockaddr *)&a, sizeof(a));
    listen(s->fd, 20);
    bool good =
        step_said("%d listens at p%d", l, port_name(port_at(s->fd), true)) &&
        step_settled();
    slot_of(c)->tried = true;
    call_to(slot_of(c)->fd, port_at(s->fd));
    return good && step_said("%d connects", c) && step_settled() &&
           accept_one(s) && step_settled();
}

bool steps_opening(void) {
    uint32_t kind = below(8);
    if (kind == 0)
        return true;
    if (kind > 2)
        return open_one(0, true) && open_one(1, true) && begin_pair(0, 1);
    return open_one(0, false) && bind_one(slot_of(0), 0) &&
           open_one(1, false) && step_settled();
}

void steps_begin(void) {
    struct sockaddr_in a = loopback(0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(fd, (struct sockaddr *)&a, sizeof(a)); /* and kept */
    dead_tcp_port = port_at(fd);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    bind(fd, (struct sockaddr *)&a, sizeof(a));
    dead_udp_port = port_at(fd);
    close(fd);
    calls_begin();
}
