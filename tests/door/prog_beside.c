/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes beside datagrams: control data, flags, queued errors, many
 * messages at once. */
#include "prog.h"

#include <sys/ioctl.h>
#include <time.h>

#include <linux/errqueue.h>

#define TRY(call) said(#call, (long)(call))
#define AT(a) (struct sockaddr *)&(a), sizeof(a)
#define ROOM 512

static void on(int fd, int level, int name, int v) {
    int got = -1;
    socklen_t len = sizeof(got);
    int r = setsockopt(fd, level, name, &v, sizeof(v));
    int r2 = getsockopt(fd, level, name, &got, &len);
    printf("option %d/%d = %d: %d, back %d %d\n", level, name, v, r, r2, got);
}

static void show_error(const struct cmsghdr *m) {
    struct sock_extended_err x;
    struct sockaddr_in off = {.sin_port = 0};
    size_t have = m->cmsg_len - CMSG_LEN(0);
    memset(&x, 0, sizeof(x));
    memcpy(&x, CMSG_DATA(m), have < sizeof(x) ? have : sizeof(x));
    if (have >= sizeof(x) + sizeof(off))
        memcpy(&off, CMSG_DATA(m) + sizeof(x), sizeof(off));
    printf(" errno %u origin %d", x.ee_errno, x.ee_origin);
    if (have >= sizeof(x) + sizeof(off))
        printf(" type %d code %d info %u offender %d %s", x.ee_type, x.ee_code,
               x.ee_info, off.sin_family, inet_ntoa(off.sin_addr));
}

static void show_control(const struct cmsghdr *m) {
    struct in_pktinfo info;
    int64_t t[2];
    int v = 0;
    printf("  control %d/%d, %zu", m->cmsg_level, m->cmsg_type, m->cmsg_len);
    if (m->cmsg_level == SOL_SOCKET) {
        memcpy(t, CMSG_DATA(m), sizeof(t));
        printf(" of now: %d", time(NULL) - t[0] < 5 && t[1] < 1000000000);
    } else if (m->cmsg_type == IP_PKTINFO) {
        memset(&info, 0, sizeof(info));
        memcpy(&info, CMSG_DATA(m), m->cmsg_len - CMSG_LEN(0));
        printf(" if %d ours %s", info.ipi_ifindex,
               inet_ntoa(info.ipi_spec_dst));
        printf(" to %s", inet_ntoa(info.ipi_addr));
    } else if (m->cmsg_type == IP_RECVERR) {
        show_error(m);
    } else if (m->cmsg_type == IP_TTL || m->cmsg_type == IP_TOS) {
        memcpy(&v, CMSG_DATA(m), m->cmsg_len - CMSG_LEN(0));
        printf(" %d", v);
    }
    printf("\n");
}

static void take(const char *what, int fd, int flags, size_t bytes,
                 size_t control) {
    char buf[100], room[ROOM] = {0};
    struct sockaddr_in from = {.sin_port = 0};
    struct iovec iov = {buf, bytes};
    struct msghdr h = {.msg_name = &from,
                       .msg_namelen = sizeof(from),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control ? room : NULL,
                       .msg_controllen = control};
    ssize_t n = recvmsg(fd, &h, flags);
    said(what, n);
    if (n < 0)
        return;
    printf("  flags %x, control %zu, name %u %s\n", h.msg_flags,
           h.msg_controllen, h.msg_namelen, inet_ntoa(from.sin_addr));
    for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m))
        show_control(m);
}

static void hello(int from, const struct sockaddr_in *to, int at) {
    sendto(from, "hello", 5, 0, AT(*to));
    wait_for(at, POLLIN);
}

static void received(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET}, to;
    bind(a, AT(any));
    to = loopback(port_of(a));
    on(a, IPPROTO_IP, IP_PKTINFO, 1);
    on(a, IPPROTO_IP, IP_RECVTTL, 7);
    on(a, IPPROTO_IP, IP_RECVTOS, 1);
    on(a, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
    on(a, IPPROTO_IP, IP_RECVORIGDSTADDR, 0);
    on(a, SOL_SOCKET, SO_RXQ_OVFL, 1);
    hello(b, &to, a);
    take("peeked", a, MSG_PEEK, 100, ROOM);
    take("taken", a, 0, 100, ROOM);
    take("none", a, MSG_DONTWAIT, 100, ROOM);
    hello(b, &to, a);
    take("cut", a, 0, 2, ROOM);
    hello(b, &to, a);
    take("cut, true length", a, MSG_TRUNC, 2, 20);
    hello(b, &to, a);
    take("little room", a, 0, 100, 30);
    hello(b, &to, a);
    take("no room", a, 0, 100, 0);
    on(b, IPPROTO_IP, IP_TTL, 33);
    on(b, IPPROTO_IP, IP_TOS, 0x28);
    to.sin_addr.s_addr = inet_addr("127.0.0.5");
    hello(b, &to, a);
    take("to another address", a, 0, 100, ROOM);
    static const int stamps[] = {SO_TIMESTAMP, SO_TIMESTAMPNS, 63, 64};
    for (unsigned i = 0; i < 4; i++) {
        on(a, SOL_SOCKET, stamps[i], 1);
        hello(b, &to, a);
        take("with its time", a, 0, 100, ROOM);
    }
    on(a, SOL_SOCKET, SO_TIMESTAMP, 0);
    struct sockaddr_in peer = loopback(port_of(b));
    connect(a, AT(peer));
    to = loopback(port_of(a));
    hello(b, &to, a);
    take("connected", a, 0, 100, ROOM);
    close(a);
    close(b);
}

/* sendmsg with one piece of control data, or two. */
static void give(const char *what, int fd, const struct sockaddr_in *to,
                 int level, int type, const void *data, size_t len) {
    char room[ROOM] = {0};
    struct iovec iov = {"hey", 3};
    struct msghdr h = {.msg_name = (void *)to,
                       .msg_namelen = sizeof(*to),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = room,
                       .msg_controllen = CMSG_SPACE(len)};
    struct cmsghdr *m = CMSG_FIRSTHDR(&h);
    m->cmsg_level = level;
    m->cmsg_type = type;
    m->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(m), data, len);
    said(what, sendmsg(fd, &h, 0));
    if (len > 1) {
        m->cmsg_len = 3;
        said("bad length", sendmsg(fd, &h, 0));
    }
}

static void sent(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = loopback(0);
    struct in_pktinfo info = {.ipi_spec_dst = {inet_addr("127.0.0.9")}};
    bind(a, AT(to));
    to = loopback(port_of(a));
    on(a, IPPROTO_IP, IP_RECVTTL, 1);
    on(a, IPPROTO_IP, IP_RECVTOS, 1);
    give("source", b, &to, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    wait_for(a, POLLIN);
    take("from there", a, 0, 100, ROOM);
    info.ipi_spec_dst.s_addr = inet_addr("192.0.2.7");
    give("not ours", b, &to, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    info = (struct in_pktinfo){.ipi_ifindex = 99};
    give("no device", b, &to, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    static const struct {
        int level, type, v;
    } rows[] = {{0, IP_TTL, 7},     {0, IP_TTL, 0},   {0, IP_TTL, 256},
                {0, IP_TOS, 16},    {0, IP_TOS, 300}, {0, 77, 1},
                {SOL_SOCKET, 77, 1}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        give("control", b, &to, rows[i].level, rows[i].type, &rows[i].v, 4);
        if (wait_for(a, 0) | (mask_of(a) & POLLIN))
            take("  arrived", a, MSG_DONTWAIT, 100, ROOM);
    }
    unsigned char tos = 0x20;
    give("a byte", b, &to, IPPROTO_IP, IP_TOS, &tos, 1);
    wait_for(a, POLLIN);
    take("  arrived", a, 0, 100, ROOM);
    close(a);
    close(b);
}

static void errors(void) {
    struct sockaddr_in dead = loopback(dead_port());
    int fd = socket(AF_INET, SOCK_DGRAM, 0), err;
    socklen_t len = sizeof(err);
    on(fd, IPPROTO_IP, IP_RECVERR, 1);
    TRY(sendto(fd, "probe", 5, 0, AT(dead)));
    printf("mask %x\n", wait_for(fd, POLLIN) & ~POLLOUT);
    take("queued", fd, MSG_ERRQUEUE, 100, ROOM);
    printf("mask %x\n", mask_of(fd));
    take("queued", fd, MSG_ERRQUEUE, 100, ROOM);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
    printf("SO_ERROR %d\n", err);
    TRY(sendto(fd, "probe", 5, 0, AT(dead)));
    wait_for(fd, POLLIN);
    take("read", fd, MSG_DONTWAIT, 100, ROOM);
    printf("mask %x\n", wait_for(fd, POLLIN) & ~POLLOUT);
    take("queued, cut", fd, MSG_ERRQUEUE, 2, 20);
    take("read", fd, MSG_DONTWAIT, 100, ROOM);
    TRY(sendto(fd, "one", 3, 0, AT(dead)));
    TRY(sendto(fd, "two", 3, 0, AT(dead)));
    TRY(sendto(fd, "three", 5, 0, AT(dead)));
    take("queued", fd, MSG_ERRQUEUE, 100, ROOM);
    take("queued", fd, MSG_ERRQUEUE, 100, ROOM);
    take("queued", fd, MSG_ERRQUEUE, 100, ROOM);
    printf("mask %x\n", mask_of(fd));
    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    TRY(sendto(fd, "probe", 5, 0, AT(dead)));
    TRY(recv(fd, &err, 1, MSG_DONTWAIT));
    connect(fd, AT(dead));
    on(fd, IPPROTO_IP, IP_RECVERR, 1);
    TRY(send(fd, "probe", 5, 0));
    printf("mask %x\n", wait_for(fd, POLLIN) & ~POLLOUT);
    take("read", fd, MSG_DONTWAIT, 100, ROOM);
    take("queued", fd, MSG_ERRQUEUE, 100, ROOM);
    printf("mask %x\n", mask_of(fd));
    close(fd);
}

static struct mmsghdr many[4];
static struct iovec pieces[4];
static char texts[4][8];
static struct sockaddr_in names[4];

static void prepare(const struct sockaddr_in *to) {
    for (int i = 0; i < 4; i++) {
        names[i] = *to;
        pieces[i] = (struct iovec){texts[i], (size_t)(i + 2)};
        many[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &names[i],
                                               .msg_namelen = sizeof(names[i]),
                                               .msg_iov = &pieces[i],
                                               .msg_iovlen = 1},
                                   .msg_len = 99};
    }
}

static void lengths(void) {
    for (int i = 0; i < 4; i++)
        printf(" %u/%x", many[i].msg_len, many[i].msg_hdr.msg_flags);
    printf("\n");
}

static void at_once(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = loopback(0);
    struct timespec ts = {0, 100000000}, bad = {0, -1};
    bind(a, AT(to));
    to = loopback(port_of(a));
    prepare(&to);
    TRY(sendmmsg(b, many, 3, 0));
    lengths();
    prepare(&to);
    TRY(recvmmsg(a, many, 4, MSG_DONTWAIT, NULL));
    lengths();
    TRY(recvmmsg(a, many, 4, MSG_DONTWAIT, NULL));
    prepare(&to);
    TRY(sendmmsg(b, many, 2, 0));
    TRY(recvmmsg(a, many, 4, MSG_WAITFORONE, NULL));
    prepare(&to);
    many[1].msg_hdr.msg_iov = (void *)8;
    TRY(sendmmsg(b, many, 3, 0));
    TRY(recvmmsg(a, many, 1, 0, NULL));
    TRY(recvmmsg(a, many, 1, 0, &bad));
    TRY(recvmmsg(a, many, 1, 0, (void *)8));
    prepare(&to);
    TRY(sendmmsg(b, many, 2, 0));
    TRY(recvmmsg(a, many, 2, 0, &ts));
    printf("time left: %d\n", ts.tv_sec == 0 && ts.tv_nsec <= 100000000);
    prepare(&to);
    pieces[3].iov_len = 8;
    TRY(sendmmsg(b, many, 4, 0));
    pieces[3].iov_len = pieces[2].iov_len = 1;
    TRY(recvmmsg(a, many, 4, MSG_TRUNC, NULL));
    lengths();
    close(a);
    close(b);
}

static void queue_sizes(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = loopback(0);
    char buf[16];
    int v;
    bind(a, AT(to));
    to = loopback(port_of(a));
    TRY(sendto(b, "12345", 5, 0, AT(to)));
    TRY(sendto(b, "123", 3, 0, AT(to)));
    TRY(ioctl(a, FIONREAD, &v));
    printf("FIONREAD %d\n", v);
    TRY(recv(a, buf, 2, MSG_TRUNC));
    TRY(ioctl(a, FIONREAD, &v));
    printf("FIONREAD %d\n", v);
    TRY(recv(a, NULL, 0, MSG_TRUNC | MSG_PEEK));
    TRY(recv(a, buf, sizeof(buf), 0));
    close(a);
    close(b);
}

int main(void) {
    received();
    sent();
    errors();
    at_once();
    queue_sizes();
    return 0;
}
