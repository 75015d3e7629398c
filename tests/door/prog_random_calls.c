/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls of prog_random: each is made by this process, by a child that has
 * inherited the socket, or by a thread that blocks in it.
 */
#include "prog_random.h"

#include <sys/mman.h>
#include <sys/sendfile.h>

static atomic_int pipes;
static int pattern;

static char byte_at(unsigned place) {
    return (char)(place * 131 + (place >> 8) * 7);
}

static uint32_t digest(const char *buf, long n) {
    uint32_t h = 2166136261u;
    for (long i = 0; i < n; i++)
        h = (h ^ (unsigned char)buf[i]) * 16777619u;
    return n > 0 ? h & 0xffff : 0;
}

/* ---- making a call ---- */

/* What sendmmsg or recvmmsg said, as one number. */
static long messages(long r, const struct mmsghdr m[2]) {
    return r < 0 ? r : r * 100000 + m[0].msg_len + (r > 1 ? m[1].msg_len : 0);
}

static long do_send(const struct deed *d, char *buf) {
    const struct sockaddr *to =
        d->to ? (const struct sockaddr *)&d->addr : NULL;
    socklen_t to_len = to ? sizeof(d->addr) : 0;
    size_t half = (size_t)d->len / 2, len = (size_t)d->len;
    struct iovec iov[2] = {{buf, half}, {buf + half, len - half}};
    struct mmsghdr m[2] = {{.msg_hdr = {.msg_iov = &iov[0], .msg_iovlen = 1}},
                           {.msg_hdr = {.msg_iov = &iov[1], .msg_iovlen = 1}}};
    struct msghdr h = {.msg_iov = iov, .msg_iovlen = 2};
    off_t at = d->from % 65536;
    int p[2];
    long r;
    h.msg_name = m[0].msg_hdr.msg_name = m[1].msg_hdr.msg_name = (void *)to;
    h.msg_namelen = m[0].msg_hdr.msg_namelen = m[1].msg_hdr.msg_namelen =
        to_len;
    switch (d->way) {
    default:
        return sendto(d->fd, buf, len, d->flags, to, to_len);
    case 1:
        return sendmsg(d->fd, &h, d->flags);
    case 2:
        r = sendmmsg(d->fd, m, d->many ? 2 : 1, d->flags);
        return messages(r, m);
    case 3:
        return write(d->fd, buf, len);
    case 4:
        return writev(d->fd, iov, 2);
    case 5:
        return sendfile(d->fd, pattern, &at, len);
    case 6:
        pipe(p);
        len = (size_t)write(p[1], buf, len < 4000 ? len : 4000);
        r = splice(p[0], NULL, d->fd, NULL, len, 0);
        close(p[0]);
        close(p[1]);
        return r;
    }
}

static long do_recv(const struct deed *d, char *buf) {
    struct sockaddr_in from = {.sin_port = 0};
    socklen_t from_len = sizeof(from);
    size_t half = (size_t)d->len / 2, len = (size_t)d->len;
    struct iovec iov[2] = {{buf, half}, {buf + half, len - half}};
    struct mmsghdr m[2] = {{.msg_hdr = {.msg_iov = &iov[0], .msg_iovlen = 1}},
                           {.msg_hdr = {.msg_iov = &iov[1], .msg_iovlen = 1}}};
    struct msghdr h = {.msg_iov = iov,
                       .msg_iovlen = 2,
                       .msg_name = &from,
                       .msg_namelen = sizeof(from)};
    int p[2];
    long r;
    switch (d->way) {
    default:
        return recv(d->fd, buf, len, d->flags);
    case 1:
        r = recvmsg(d->fd, &h, d->flags);
        buf[len] = (char)(r < 0 ? 0 : h.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
        buf[len + 1] = (char)h.msg_namelen;
        return r;
    case 2:
        r = recvmmsg(d->fd, m, 2, d->flags, NULL);
        return messages(r, m);
    case 3:
        return read(d->fd, buf, len);
    case 4:
        return readv(d->fd, iov, 2);
    case 5:
        r = recvfrom(d->fd, buf, len, d->flags, (struct sockaddr *)&from,
                     &from_len);
        buf[len] = (char)from_len;
        return r;
    case 6:
        pipe(p);
        r = splice(d->fd, NULL, p[1], NULL, len < 4000 ? len : 4000,
                   d->flags & MSG_DONTWAIT ? SPLICE_F_NONBLOCK : 0);
        if (r > 0)
            read(p[0], buf, (size_t)r);
        close(p[0]);
        close(p[1]);
        return r;
    }
}

struct outcome make(const struct deed *d) {
    char buf[MOST + 8] = {0};
    struct outcome o = {.fd = -1};
    struct pollfd p = {.fd = d->fd, .events = (short)d->flags};
    int before = pipes;
    errno = 0;
    switch (d->verb) {
    case SEND:
        for (int i = 0; i < d->len; i++)
            buf[i] = byte_at(d->from + (unsigned)i);
        o.r = do_send(d, buf);
        break;
    case RECV:
        o.r = do_recv(d, buf);
        break;
    case ACCEPT:
        o.r = o.fd = accept4(d->fd, NULL, NULL, d->flags);
        break;
    case CONNECT:
        o.r =
            connect(d->fd, (const struct sockaddr *)&d->addr, sizeof(d->addr));
        break;
    case POLL:
        o.r = poll(&p, 1, -1);
        o.digest =
            (uint32_t)(p.revents & POLLHUP ? p.revents & ~POLLERR : p.revents);
        break;
    case SHUTDOWN:
        o.r = shutdown(d->fd, d->flags);
        break;
    }
    o.err = o.r < 0 ? errno : 0;
    o.pipe = d->verb == SEND && pipes != before;
    if (d->verb == RECV && o.r >= 0 && !(d->flags & MSG_TRUNC && d->way != 3))
        o.digest = digest(buf, d->len + 2);
    if (o.fd >= 0)
        o.r = 0;
    return o;
}

struct outcome make_in_child(const struct deed *d) {
    struct outcome o = {.r = -1};
    int pair[2];
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } k = {.room = {0}};
    struct iovec iov = {&o, sizeof(o)};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    pid_t pid = fork();
    if (pid == 0) {
        o = make(d);
        if (o.fd >= 0) {
            h.msg_control = k.room;
            h.msg_controllen = sizeof(k.room);
            struct cmsghdr *c = CMSG_FIRSTHDR(&h);
            *c =
                (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
            memcpy(CMSG_DATA(c), &o.fd, sizeof(int));
        }
        sendmsg(pair[1], &h, 0);
        _exit(0);
    }
    h.msg_control = k.room;
    h.msg_controllen = sizeof(k.room);
    recvmsg(pair[0], &h, 0);
    if (h.msg_controllen >= CMSG_LEN(sizeof(int)))
        memcpy(&o.fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(int));
    waitpid(pid, NULL, 0);
    close(pair[0]);
    close(pair[1]);
    return o;
}

/* ---- threads that block ---- */

static void *block(void *arg) {
    struct blocked *b = arg;
    b->tid = (int)syscall(SYS_gettid);
    b->out = make(&b->deed);
    b->done = true;
    return NULL;
}

/* It is in the call, or has come back. */
static void until_asleep(struct blocked *b) {
    char path[64], text[256];
    for (;;) {
        if (b->done)
            return;
        snprintf(path, sizeof(path), "/proc/self/task/%d/stat", b->tid);
        FILE *f = b->tid ? fopen(path, "r") : NULL;
        if (f && fgets(text, sizeof(text), f)) {
            char *at = strrchr(text, ')');
            fclose(f);
            if (at && (at[2] == 'S' || at[2] == 't'))
                return;
        } else if (f) {
            fclose(f);
        }
        usleep(50);
    }
}

void set_blocking(int fd, bool blocking) {
    int now = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, blocking ? now & ~O_NONBLOCK : now | O_NONBLOCK);
}

void block_begin(struct slot *s, const struct deed *d) {
    struct blocked *b = calloc(1, sizeof(*b));
    b->deed = *d;
    if (d->verb != POLL)
        set_blocking(d->fd, true);
    s->blocked = b;
    pthread_create(&b->thread, NULL, block, b);
    until_asleep(b);
}

const char *result(const struct outcome *o, char out[64]) {
    if (o->r < 0)
        snprintf(out, 64, "%s%s", strerrorname_np(o->err),
                 o->pipe ? " SIGPIPE" : "");
    else
        snprintf(out, 64, "%ld #%x%s", o->r, o->digest,
                 o->pipe ? " SIGPIPE" : "");
    return out;
}

/* Fast: a reset may read as the end (docs/door.md). */
bool is_end(const struct slot *s, const struct outcome *o) {
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    poll(&p, 1, 0);
    return is_fast() && s->stream && p.revents & POLLHUP &&
           (o->r < 0 ? o->err != EAGAIN : o->r == 0);
}

const char *blocked_look(struct slot *s) {
    struct blocked *b = s->blocked;
    char text[64];
    if (!b)
        return "";
    if (!b->done)
        return "~";
    if (b->deed.verb == RECV && is_end(s, &b->out))
        return "=end";
    if (b->out.r < 0 && is_fast())
        return "=error";
    snprintf(b->look, sizeof(b->look), "=%s", result(&b->out, text));
    return b->look;
}

/* It has come back: join it. */
struct outcome block_end(struct slot *s) {
    struct blocked *b = s->blocked;
    pthread_join(b->thread, NULL);
    struct outcome o = b->out;
    if (b->deed.verb != POLL)
        set_blocking(s->fd, false);
    free(b);
    s->blocked = NULL;
    return o;
}

void block_interrupt(struct slot *s) {
    pthread_kill(s->blocked->thread, SIGUSR1);
    for (int i = 0; i < 2000 && !s->blocked->done; i++)
        usleep(100);
}

void slot_end(struct slot *s) {
    if (s->fd < 0)
        return;
    while (s->blocked && !s->blocked->done)
        block_interrupt(s);
    if (s->blocked) {
        struct outcome o = block_end(s);
        if (o.fd >= 0)
            close(o.fd);
    }
    if (s->twin >= 0)
        close(s->twin);
    close(s->fd);
    s->fd = s->twin = -1;
}

/* ---- once ---- */

static void on_pipe(int sig) {
    (void)sig;
    pipes++;
}

static void on_user(int sig) {
    (void)sig;
}

void calls_begin(void) {
    struct sigaction piped = {.sa_handler = on_pipe},
                     user = {.sa_handler = on_user};
    char bytes[65536 + MOST];
    sigaction(SIGPIPE, &piped, NULL);
    sigaction(SIGUSR1, &user, NULL);
    pattern = memfd_create("pattern", MFD_CLOEXEC);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = byte_at(i);
    write(pattern, bytes, sizeof(bytes));
}
