/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes between a carrier and its socket in the core.
 *
 * Out: read straight into a buffer of the arena, hand the core a slice of it.
 * One buffer is filled by all carriers in turn (slices only ever append), so a
 * small write costs its own bytes. What the core does not take waits as one
 * slice, and the carrier's own limit then holds the program back.
 *
 * In: the core lends its queue, the carrier takes what fits, the rest waits in
 * the core, whose window closes. End of file and reset follow the last byte.
 *
 * No system call asks what is known already: a read that leaves room in the
 * buffer has emptied the carrier (the next byte is a new edge of epoll's), a
 * write that was taken whole says that it is not full, and only an end that is
 * full waits for room (EPOLLOUT): else each read of the program would wake us.
 *
 * The end: both halves shut without a shutdown call means that the last
 * reference of the program's end has gone. ECONNRESET there means that it left
 * bytes unread, on which TCP resets (RFC 9293 3.6.1, RFC 2525 2.17).
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "run/serve_in.h"

#define BUF_BYTES 65536u
#define BUF_LEAST 4096u /* less room than this: take a fresh buffer */
#define PEEK_IOV 16

/* ---- program to core ---- */

static bool buf_ready(struct serve *sv) {
    if (sv->buf && sv->buf->size - sv->buf_used >= BUF_LEAST)
        return true;
    if (sv->buf)
        weir_buf_unref(sv->buf);
    sv->buf = weir_buf_alloc(sv->net->arena, BUF_BYTES);
    sv->buf_used = 0;
    return sv->buf != NULL;
}

/* Throw filler away. False: none came yet. */
static bool drain_filler(struct end *e) {
    char trash[8192];
    while (e->filler > 0) {
        size_t want = e->filler < sizeof(trash) ? e->filler : sizeof(trash);
        ssize_t n = recv(e->src.fd, trash, want, MSG_DONTWAIT);
        if (n <= 0)
            return false;
        e->filler -= (unsigned)n;
    }
    return true;
}

/* Offer what was read. False: the core takes no more now. */
static bool push(struct end *e, struct weir_stack *s) {
    if (e->out.len == 0)
        return true;
    int n = weir_send_slices(s, e->sock, &e->out, 1, 0);
    if (n == 0 || n == -EAGAIN)
        return false;
    if (n < 0) /* reset or shut: nobody will have these bytes */
        weir_buf_unref(e->out.buf);
    e->out = (struct weir_slice){.buf = NULL};
    return true;
}

/* The carrier has no more and never will. */
static void out_ended(struct end *e, struct weir_stack *s) {
    struct pollfd p = {.fd = e->src.fd, .events = POLLIN};
    if (!e->hung_up)
        poll(&p, 1, 0);
    if ((e->hung_up || p.revents & POLLHUP) && !e->shut_both) {
        end_released(e);
        return;
    }
    if (e->shut_out)
        return;
    e->shut_out = true;
    weir_cause(s, e->event);
    weir_shutdown(s, e->sock, SHUT_WR);
}

static void out_reset(struct end *e, struct weir_stack *s) {
    released_record(e);
    weir_cause(s, e->event);
    weir_abort(s, e->sock, WEIR_TCP_ABORT_ON_CLOSE);
    e->sock = -1;
    end_free(e);
}

/* The program sent with MSG_OOB: that byte, when all before it has gone. False:
 * not there yet. */
static bool urgent_out(struct end *e, struct weir_stack *s) {
    int here = 0;
    char byte;
    if (ioctl(e->src.fd, SIOCATMARK, &here) || !here ||
        recv(e->src.fd, &byte, 1, MSG_OOB | MSG_DONTWAIT) != 1)
        return false;
    struct iovec iov = {&byte, 1};
    weir_cause(s, data_record(e, 1, true, 0));
    weir_send(s, e->sock, &iov, 1, MSG_OOB, NULL);
    weir_cause(s, 0);
    e->urgent = false;
    return true;
}

/* The peer's urgent byte. */
static void urgent_in(struct end *e, struct weir_stack *s) {
    char byte;
    struct iovec iov = {&byte, 1};
    weir_cause(s, e->event);
    if (weir_recv(s, e->sock, &iov, 1, MSG_OOB, NULL, NULL) == 1)
        send(e->src.fd, &byte, 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL);
    weir_cause(s, 0);
}

static void moved(const struct end *e, size_t bytes) {
    const struct near_who who = {(pid_t)e->tid, e->fd, e->inode};
    near_moved(e->sv->near, &who, bytes);
}

/* One read's worth: its bytes, 0 at the end, -errno. `*whole`: that was all. */
static ssize_t take(struct end *e, bool *whole) {
    struct serve *sv = e->sv;
    if (!buf_ready(sv))
        return -ENOMEM;
    size_t room = sv->buf->size - sv->buf_used;
    ssize_t n =
        recv(e->src.fd, sv->buf->data + sv->buf_used, room, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    *whole = (size_t)n < room;
    e->full = !*whole;
    moved(e, (size_t)n);
    weir_buf_ref(sv->buf);
    e->out = (struct weir_slice){sv->buf, sv->buf_used, (uint32_t)n};
    sv->buf_used += (uint32_t)n;
    return n;
}

static void no_more(struct end *e, struct weir_stack *s, ssize_t n) {
    e->more = n == -ENOMEM;
    e->urgent &= e->more;
    if (n == -ECONNRESET)
        out_reset(e, s);
    else if (n == 0)
        out_ended(e, s);
}

/* `look`: also for what comes behind a read that seems to be the last. */
static void drain(struct end *e, bool look) {
    struct weir_stack *s = end_stack(e);
    bool whole = false;
    e->more = true;
    if (!s || e->src.fd < 0 || !drain_filler(e) || !push(e, s))
        return;
    while (weir_ready(s, e->sock) & (WEIR_OUT | WEIR_ERR | WEIR_HUP)) {
        if (e->urgent && urgent_out(e, s))
            continue;
        if (!look && pace_waits(e))
            return;
        ssize_t n = whole && !look ? -EAGAIN : take(e, &whole);
        if (n <= 0) {
            no_more(e, s, n);
            return;
        }
        weir_cause(s, data_record(e, (uint32_t)n, true, 0));
        bool more = push(e, s);
        weir_cause(s, 0);
        if (e->waited) {
            e->waited = false;
            end_tell(e, PROTO_WAIT, 0);
        }
        if (!more)
            return;
    }
}

/* Epoll may not have told yet of what is there. */
void relay_out(struct end *e) {
    struct pollfd p = {.fd = e->src.fd, .events = POLLIN | POLLPRI | POLLRDHUP};
    if (e->src.fd >= 0 && poll(&p, 1, 0) == 0 && e->out.len == 0)
        return;
    e->urgent |= (p.revents & POLLPRI) != 0;
    drain(e, true);
}

void relay_begin(struct end *e) {
    e->more = !drain_filler(e);
}

void relay_out_ready(struct end *e, uint32_t events) {
    e->urgent |= (events & EPOLLPRI) != 0;
    e->ending |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    e->hung_up |= (events & EPOLLHUP) != 0;
    drain(e, e->ending || e->urgent);
}

/* ---- core to program ---- */

static size_t iov_sum(const struct iovec *iov, int n) {
    size_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += iov[i].iov_len;
    return sum;
}

static ssize_t put_bytes(int fd, struct iovec *iov, size_t n) {
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
    if (n == 1)
        return send(fd, iov->iov_base, iov->iov_len,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* True when all that the core had is in the carrier. */
static bool in_bytes(struct end *e, struct weir_stack *s) {
    struct iovec iov[PEEK_IOV];
    int n;
    while ((n = weir_peek(s, e->sock, iov, PEEK_IOV)) > 0) {
        size_t had = iov_sum(iov, n);
        ssize_t put = put_bytes(e->src.fd, iov, (size_t)n);
        if (put < 0 && (errno == EAGAIN || errno == EINTR)) {
            end_want_room(e, true);
            return false;
        }
        if (put < 0)
            put = (ssize_t)had; /* nobody reads: SHUT_RD, or it is gone */
        e->full = (size_t)put < had;
        moved(e, (size_t)put);
        weir_event_id id = data_record(e, (uint32_t)put, false, 0);
        weir_cause(s, id);
        weir_consume(s, e->sock, (size_t)put);
        weir_cause(s, 0);
        if ((size_t)put < had) {
            end_want_room(e, true);
            return false;
        }
    }
    return true;
}

void relay_in(struct end *e) {
    struct weir_stack *s = end_stack(e);
    if (!s || e->src.fd < 0 || e->state == END_CONNECTING || e->filler)
        return;
    unsigned mask = weir_ready(s, e->sock);
    uint64_t before = e->bytes_in;
    /* Fewer bytes than SO_RCVLOWAT stay: the carrier's poll would show them. */
    bool all = !(mask & WEIR_IN) || in_bytes(e, s);
    bool reset = mask & WEIR_ERR;
    if (mask & WEIR_PRI)
        urgent_in(e, s);
    bool changed = e->bytes_in != before;
    if (all && mask & WEIR_RDHUP && !reset && !e->eof_given) {
        e->eof_given = true;
        shutdown(e->src.fd, SHUT_WR);
        changed = true;
    }
    if (all && reset && e->state == END_CONNECTED)
        end_reset(e);
    if (changed && e->waited) {
        e->waited = false;
        end_tell(e, PROTO_WAIT, 0);
    }
    if (e->bytes_in != before)
        pace_moved(e);
}

/* ---- ends ---- */

/* Show the program that its connection is gone. */
void end_reset(struct end *e) {
    int parked = 0;
    ioctl(e->src.fd, FIONREAD, &parked);
    if (e->eof_given) {
        /* In CLOSE_WAIT Linux says EPIPE, never ECONNRESET: leave no byte. */
        char trash[8192];
        while (recv(e->src.fd, trash, sizeof(trash), MSG_DONTWAIT) > 0)
            ;
        end_unwatch(e);
        e->state = END_DEAD;
        return;
    }
    if (parked > 0 || !e->conn) {
        end_unwatch(e);
        e->state = END_DEAD;
        return;
    }
    e->state = END_RESET;
    end_tell(e, PROTO_RESET, 0);
}

/* The last reference is gone. */
void end_released(struct end *e) {
    struct weir_stack *s = end_stack(e);
    if (e->type == SOCK_DGRAM)
        datagram_written(e);
    e->state = END_RELEASED;
    if (s && e->out.len > 0)
        return; /* its bytes first; relay_out comes here again */
    if (s) {
        released_record(e);
        weir_cause(s, e->event);
        weir_close(s, e->sock);
        for (unsigned i = 0; i < e->nreturned; i++)
            weir_close(s, e->returned[i]);
        weir_cause(s, 0);
    }
    end_free(e);
}
