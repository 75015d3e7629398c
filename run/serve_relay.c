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
 * An urgent byte keeps its place. A read that begins at the mark of a carrier
 * would swallow it, so a read behind another one looks for it first; towards
 * the program it is sent when the bytes before it have gone.
 *
 * The end: both halves shut means that the last reference of the program's end
 * has gone, unless it called shutdown: then we ask, and its close is one more
 * event. ECONNRESET there means that it left bytes unread, on which TCP resets
 * (RFC 9293 3.6.1, RFC 2525 2.17).
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
    if ((e->hung_up || p.revents & POLLHUP) &&
        (!end_is_shut(e) || !end_surely_alive(e))) {
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
    e->was_urgent = true;
    return true;
}

/* The peer's urgent byte, which is next. False: it must wait for room. */
static bool urgent_in(struct end *e, struct weir_stack *s) {
    char byte;
    struct iovec iov = {&byte, 1};
    if (weir_recv(s, e->sock, &iov, 1, MSG_OOB | MSG_PEEK, NULL, NULL) != 1)
        return true;
    if (send(e->src.fd, &byte, 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
        (errno == EAGAIN || errno == EINTR))
        return false;
    weir_cause(s, e->event);
    weir_recv(s, e->sock, &iov, 1, MSG_OOB, NULL, NULL);
    weir_cause(s, 0);
    return true;
}

static void moved(const struct end *e, size_t bytes) {
    const struct near_who who = {(pid_t)e->tid, e->fd, e->inode};
    near_moved(e->sv->near, &who, bytes);
}

/* One read's worth: its bytes, 0 at the end, -errno. `*whole`: that was all. */
static ssize_t take(struct end *e, bool *whole) {
    struct serve *sv = e->sv;
    ssize_t n = e->sends ? conduit_take(e) : CONDUIT_LEFT;
    if (n != CONDUIT_LEFT) {
        if (n > 0)
            moved(e, (size_t)n);
        return n;
    }
    if (!buf_ready(sv))
        return -ENOMEM;
    size_t room = sv->buf->size - sv->buf_used;
    n = recv(e->src.fd, sv->buf->data + sv->buf_used, room, MSG_DONTWAIT);
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

/* Is there anything, and is it urgent? */
static bool more_to_take(struct end *e) {
    struct pollfd p = {.fd = e->src.fd, .events = POLLIN | POLLPRI | POLLRDHUP};
    if (poll(&p, 1, 0) <= 0)
        return false;
    e->urgent |= (p.revents & POLLPRI) != 0;
    return true;
}

/* `look`: also for what comes behind a read that seems to be the last. */
static void drain(struct end *e, bool look) {
    struct weir_stack *s = end_stack(e);
    bool whole = false, first = true;
    e->more = true;
    if (!s || e->src.fd < 0 || !drain_filler(e) || !push(e, s))
        return;
    while (weir_ready(s, e->sock) & (WEIR_OUT | WEIR_ERR | WEIR_HUP)) {
        if (!first && ((whole && !look && !e->urgent) || !more_to_take(e))) {
            no_more(e, s, -EAGAIN);
            return;
        }
        first = false;
        if (e->urgent && urgent_out(e, s))
            continue;
        if (!look && pace_waits(e))
            return;
        ssize_t n = take(e, &whole);
        if (n <= 0) {
            no_more(e, s, n);
            return;
        }
        weir_cause(s, data_record(e, (uint32_t)n, true, 0));
        bool more = push(e, s);
        weir_cause(s, 0);
        if (more)
            conduit_seen(e, (size_t)n, whole || e->sends);
        end_changed(e);
        if (!more)
            return;
    }
}

/* Epoll may not have told yet of what is there. */
void relay_out(struct end *e) {
    if ((e->src.fd >= 0 && more_to_take(e)) || e->out.len > 0)
        drain(e, true);
}

void relay_out_again(struct end *e) {
    if ((e->src.fd >= 0 && more_to_take(e)) || e->out.len > 0)
        drain(e, e->ending || e->urgent); /* (the event has been: look) */
    else
        e->more = false;
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

/* The first `bytes`; how many elements hold them. */
static int iov_clip(struct iovec *iov, int n, size_t bytes) {
    for (int i = 0; i < n; i++) {
        if (bytes <= iov[i].iov_len) {
            iov[i].iov_len = bytes;
            return i + 1;
        }
        bytes -= iov[i].iov_len;
    }
    return n;
}

/* The core has `*had` bytes: those that go one way, into the carrier. */
static ssize_t put_some(struct end *e, struct iovec *iov, int n, size_t *had) {
    if (!e->receives)
        return put_bytes(e->src.fd, iov, (size_t)n);
    *had = conduit_clip(e, *had);
    if (!conduit_puts(e))
        return put_bytes(e->src.fd, iov, (size_t)iov_clip(iov, n, *had));
    ssize_t put = conduit_put(e, *had);
    if (put < 0 && errno != EAGAIN && errno != EINTR)
        conduit_throw(e, *had);
    return put;
}

/* True when all that the core had is in the carrier. `urgent`: a byte of it is.
 */
static bool in_bytes(struct end *e, struct weir_stack *s, bool urgent) {
    struct iovec iov[PEEK_IOV];
    for (;;) {
        if (urgent && weir_sockatmark(s, e->sock) == 1) {
            if (!urgent_in(e, s)) {
                end_want_room(e, true);
                return false;
            }
            urgent = false;
        }
        int n = weir_peek(s, e->sock, iov, PEEK_IOV);
        if (n <= 0)
            return true;
        size_t had = iov_sum(iov, n);
        ssize_t put = put_some(e, iov, n, &had);
        if (put < 0 && (errno == EAGAIN || errno == EINTR)) {
            end_want_room(e, true);
            return false;
        }
        if (put < 0)
            put = (ssize_t)had; /* nobody reads: SHUT_RD, or it is gone */
        e->full = (size_t)put < had;
        moved(e, (size_t)put);
        weir_event_id id = data_record(e, (uint32_t)put, false, 0);
        if (e->receives)
            conduit_moved(e, (size_t)put);
        weir_cause(s, id);
        weir_consume(s, e->sock, (size_t)put);
        weir_cause(s, 0);
        if ((size_t)put < had) {
            end_want_room(e, true);
            return false;
        }
    }
}

void relay_in(struct end *e) {
    struct weir_stack *s = end_stack(e);
    if (!s || e->src.fd < 0 || e->state == END_CONNECTING || e->filler)
        return;
    unsigned mask = weir_ready(s, e->sock);
    uint64_t before = e->bytes_in;
    /* Fewer bytes than SO_RCVLOWAT stay: the carrier's poll would show them. */
    bool all = !(mask & (WEIR_IN | WEIR_PRI)) ||
               in_bytes(e, s, (mask & WEIR_PRI) != 0);
    bool reset = mask & WEIR_ERR;
    bool changed = e->bytes_in != before;
    if (all && mask & WEIR_RDHUP && !reset && !e->eof_given) {
        e->eof_given = true;
        shutdown(e->src.fd, SHUT_WR);
        changed = true;
    }
    if (all && reset && e->state == END_CONNECTED)
        end_reset(e);
    if (changed)
        end_changed(e);
    if (e->bytes_in != before)
        pace_moved(e);
}

/* ---- ends ---- */

void end_changed(struct end *e) {
    if (!e->waited)
        return;
    e->waited = false;
    end_tell(e, PROTO_WAIT, 0);
}

static void end_dead(struct end *e) {
    end_unwatch(e);
    e->state = END_DEAD;
    end_changed(e);
}

/* Show the program that its connection is gone. */
void end_reset(struct end *e) {
    int parked = 0;
    ioctl(e->src.fd, FIONREAD, &parked);
    if (e->eof_given) {
        /* In CLOSE_WAIT Linux says EPIPE, never ECONNRESET: leave no byte. */
        char trash[8192];
        while (recv(e->src.fd, trash, sizeof(trash), MSG_DONTWAIT) > 0)
            ;
        end_dead(e);
        return;
    }
    if (parked > 0 || !e->conn) {
        end_dead(e);
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
