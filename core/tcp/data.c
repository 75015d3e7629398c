/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SEND and RECEIVE (RFC 9293 3.10.2, 3.10.3) as Berkeley's calls, with Linux's
 * results: an error is given once, then end of file or EPIPE; what was received
 * before an error is read first.
 */
#include "tcp/rooms.h"

#include "base/bytes.h"
#include "base/hint.h"

/* The pending error, once; or `otherwise`. */
SELDOM static int take_error(struct tcp *tcp, struct endpoint *ep,
                             int otherwise, enum weir_reason why) {
    int error = ep->error;
    if (!error)
        return env_fail(tcp->env, otherwise, why);
    ep->error = 0;
    endpoint_touch(tcp->env, ep);
    return env_fail(tcp->env, error, ep->reason);
}

/* 0, or why nothing can be sent: as tcp_sendmsg(). */
static inline int may_send(struct tcp *tcp, struct endpoint *ep) {
    struct tcp_conn *c = tcp_conn_of(ep);
    if (ep->kind == ENDPOINT_LISTENER)
        return take_error(tcp, ep, EPIPE, WEIR_BAD_STATE);
    if (tcp_in(c, IN(SYN_SENT) | IN(SYN_RECV)) && !ep->error)
        return env_fail(tcp->env, EAGAIN, WEIR_BAD_STATE);
    if (!tcp_in(c, IN(ESTABLISHED) | IN(CLOSE_WAIT)) ||
        ep->flags & EP_SHUT_WR || ep->error)
        return take_error(tcp, ep, EPIPE,
                          ep->reason ? ep->reason : WEIR_BAD_STATE);
    return 0;
}

static uint32_t notsent_lowat(const struct tcp *tcp, const struct tcp_conn *c) {
    if (c->opt && c->opt->notsent_lowat)
        return (uint32_t)c->opt->notsent_lowat;
    return (uint32_t)tcp->env->sysctl.tcp_notsent_lowat;
}

static uint32_t send_room(const struct tcp *tcp, const struct tcp_conn *c) {
    return tcp_unsent(c) < notsent_lowat(tcp, c) ? tcp_send_space(c) : 0;
}

/* Linux's rule for POLLOUT: a third of the buffer is free, and half of what
 * may be unsent. */
bool tcp_writable(struct tcp *tcp, const struct tcp_conn *c) {
    uint32_t queued = c->work ? c->work->sendq.bytes : 0;
    if (queued >= c->sndbuf || c->sndbuf - queued < queued / 2)
        return false;
    if (queued < (uint32_t)tcp->env->sysctl.tcp_notsent_lowat / 2 && !c->opt)
        return true; /* no limit but the buffer's */
    return tcp_unsent(c) * 2ull < notsent_lowat(tcp, c);
}

static inline void sent(struct tcp *tcp, struct tcp_conn *c, uint32_t bytes,
                        int flags) {
    struct tcp_work *w = c->work;
    c->written += bytes;
    c->node.written_hi = (uint16_t)(c->node.written_hi + (c->written < bytes));
    if (flags & ABI_MSG_MORE)
        c->flags |= CONN_MORE;
    else
        c->flags &= ~(uint32_t)CONN_MORE;
    if (flags & ABI_MSG_OOB && bytes) { /* RFC 6093 2.1 */
        w->snd_up = seq_add(w->sendq.base, w->sendq.bytes);
        c->flags |= CONN_URG_SEND;
    }
    if (!tcp_writable(tcp, c))
        c->flags |= CONN_SNDQ_FULL;
    if (bytes)
        tcp_dirty(tcp, c);
}

/* Of several pieces, as many bytes as there is room for. */
static uint32_t copy_pieces(struct tcp *tcp, struct tcp_conn *c,
                            const struct iovec *iov, int n, uint32_t room) {
    uint32_t done = 0;
    for (int i = 0; i < n && done < room; i++) {
        uint32_t left = room - done;
        uint32_t len = iov[i].iov_len < left ? (uint32_t)iov[i].iov_len : left;
        uint32_t got = (uint32_t)tcp_sendq_copy(tcp, c, iov[i].iov_base, len);
        done += got;
        if (got < len)
            break;
    }
    return done;
}

ssize_t tcp_send(struct tcp *tcp, struct endpoint *ep, const struct iovec *iov,
                 int n, size_t asked, int flags) {
    struct tcp_conn *c = tcp_conn_of(ep);
    int r = may_send(tcp, ep);
    if (r < 0)
        return r;
    if (!asked)
        return 0;
    uint32_t room = send_room(tcp, c);
    if (!room) {
        c->flags |= CONN_SNDQ_FULL;
        return env_fail(tcp->env, EAGAIN, WEIR_SNDBUF_FULL);
    }
    if (!tcp_work_get(tcp, c))
        return env_fail(tcp->env, ENOMEM, WEIR_NOMEM);
    endpoint_set_copies_out(ep, 1);
    uint32_t done =
        n == 1 && asked <= room
            ? (uint32_t)tcp_sendq_copy(tcp, c, iov->iov_base, (uint32_t)asked)
            : copy_pieces(tcp, c, iov, n, room);
    if (!done) {
        tcp_work_rest(tcp, c);
        return env_fail(tcp->env, EAGAIN, WEIR_NOMEM);
    }
    sent(tcp, c, done, done < asked ? flags & ~ABI_MSG_MORE : flags);
    return (ssize_t)done;
}

int tcp_send_slices(struct tcp *tcp, struct endpoint *ep,
                    const struct weir_slice *slice, int n, int flags) {
    struct tcp_conn *c = tcp_conn_of(ep);
    int r = may_send(tcp, ep);
    if (r < 0)
        return r;
    uint32_t bytes = 0;
    int taken = 0;
    if (n && !send_room(tcp, c)) {
        c->flags |= CONN_SNDQ_FULL;
        return env_fail(tcp->env, EAGAIN, WEIR_SNDBUF_FULL);
    }
    if (!tcp_work_get(tcp, c))
        return env_fail(tcp->env, ENOMEM, WEIR_NOMEM);
    for (; taken < n && send_room(tcp, c); taken++) {
        if (!slice[taken].len) {
            weir_buf_unref(slice[taken].buf);
            continue;
        }
        if (tcp_sendq_slice(tcp, c, &slice[taken]) < 0)
            break;
        bytes += slice[taken].len;
    }
    sent(tcp, c, bytes, flags);
    tcp_work_rest(tcp, c);
    return taken;
}

/* Nothing to read: why, as tcp_recvmsg(). */
APART static int why_nothing(struct tcp *tcp, struct endpoint *ep) {
    struct tcp_conn *c = tcp_conn_of(ep);
    if (c->flags & CONN_FIN_RCVD)
        return 0;
    if (ep->error)
        return take_error(tcp, ep, 0, WEIR_NONE);
    if (ep->flags & EP_SHUT_RD)
        return 0;
    if (tcp_state(c) == WEIR_TCP_CLOSED)
        return env_fail(tcp->env, ENOTCONN, WEIR_BAD_STATE);
    return env_fail(tcp->env, EAGAIN, WEIR_RCVBUF_EMPTY);
}

/* Where the destination of a copy has got to. */
struct sink {
    const struct iovec *iov;
    int n;
    size_t off;
    bool discard; /* MSG_TRUNC: count, do not copy */
};

static void sink_bytes(struct sink *to, const uint8_t *src, uint32_t len) {
    while (len) {
        size_t room = to->iov->iov_len - to->off;
        uint32_t n = len < room ? len : (uint32_t)room;
        if (!to->discard && n)
            memcpy((char *)to->iov->iov_base + to->off, src, n);
        src += n;
        len -= n;
        to->off += n;
        if (to->off == to->iov->iov_len && to->n > 1) {
            to->iov++;
            to->n--;
            to->off = 0;
        }
    }
}

/* Copy `len` bytes from `skip` bytes into the queue; they are there. */
static void copy_out(const struct tcp_recvq *q, uint32_t skip, uint32_t len,
                     struct sink *to) {
    for (const struct weir_pkt *p = q->head; p && len; p = p->next) {
        if (skip >= p->len) {
            skip -= p->len;
            continue;
        }
        for (int i = -1; i < p->nslices && len; i++) {
            const uint8_t *src = i < 0
                                     ? p->head + p->head_off
                                     : p->slice[i].buf->data + p->slice[i].off;
            uint32_t have = i < 0 ? p->head_len : p->slice[i].len;
            if (skip >= have) {
                skip -= have;
                continue;
            }
            uint32_t n = have - skip < len ? have - skip : len;
            sink_bytes(to, src + skip, n);
            len -= n;
            skip = 0;
        }
    }
}

/* The first `len` bytes where they lie in one piece; else NULL. */
static const uint8_t *front(const struct tcp_recvq *q, uint32_t len) {
    const struct weir_pkt *p = q->head;
    if (!p || !len)
        return NULL;
    if (p->head_len)
        return len <= p->head_len ? p->head + p->head_off : NULL;
    if (!p->nslices || len > p->slice[0].len)
        return NULL;
    return p->slice[0].buf->data + p->slice[0].off;
}

/* Bytes that may be read in one go from the front: up to the urgent mark. */
static uint32_t readable(const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    uint32_t n = w ? w->rcvq.bytes : 0;
    if (n && c->flags & (CONN_URG_WAIT | CONN_URG_HERE | CONN_URG_READ)) {
        int32_t mark = seq_diff(w->rcv_up, seq_add(w->copied, 1));
        if (mark > 0 && (uint32_t)mark < n)
            n = (uint32_t)mark;
    }
    return n;
}

/* MSG_PEEK takes nothing, not even the urgent byte out of the way. */
static uint32_t peek_bytes(const struct tcp_conn *c, uint64_t asked,
                           struct sink *to) {
    uint32_t skip = tcp_urgent_in_front(c);
    uint32_t have = skip ? c->work->rcvq.bytes - skip : readable(c);
    uint32_t len = have < asked ? have : (uint32_t)asked;
    copy_out(&c->work->rcvq, skip, len, to);
    return len;
}

/* One read ends at the urgent mark (RFC 6093 2.2). */
static ssize_t recv_bytes(struct tcp *tcp, struct tcp_conn *c,
                          const struct iovec *iov, int n, int flags,
                          uint64_t asked) {
    bool discard = (flags & ABI_MSG_TRUNC) != 0;
    uint32_t done;
    if (flags & ABI_MSG_PEEK) {
        done = peek_bytes(c, asked, &(struct sink){iov, n, 0, discard});
    } else {
        tcp_urgent_skip(tcp, c);
        uint32_t have = readable(c);
        done = have < asked ? have : (uint32_t)asked;
        const uint8_t *piece = n == 1 ? front(&c->work->rcvq, done) : NULL;
        if (piece && !discard)
            bytes_copy(iov->iov_base, piece, done);
        else
            copy_out(&c->work->rcvq, 0, done,
                     &(struct sink){iov, n, 0, discard});
        if (done)
            tcp_receive_read(tcp, c, done);
    }
    if (!discard)
        COUNT_N(tcp->env, Weir, BytesCopiedOut, done);
    return (ssize_t)done;
}

ssize_t tcp_recv(struct tcp *tcp, struct endpoint *ep, const struct iovec *iov,
                 int n, size_t asked, int flags, int *msg_flags) {
    struct tcp_conn *c = tcp_conn_of(ep);
    if (ep->kind == ENDPOINT_LISTENER)
        return env_fail(tcp->env, ENOTCONN, WEIR_BAD_STATE);
    if (flags & ABI_MSG_OOB)
        return tcp_urgent_recv(tcp, c, iov, n, flags, msg_flags);
    if (!asked) /* Linux: nothing is asked, nothing is wrong */
        return 0;
    ssize_t done = c->work ? recv_bytes(tcp, c, iov, n, flags, asked) : 0;
    if (!done)
        return why_nothing(tcp, ep);
    tcp_work_rest(tcp, c);
    return done;
}

int tcp_peek(struct tcp *tcp, struct endpoint *ep, struct iovec *iov, int n) {
    struct tcp_conn *c = tcp_conn_of(ep);
    int used = 0;
    if (ep->kind == ENDPOINT_LISTENER)
        return env_fail(tcp->env, ENOTCONN, WEIR_BAD_STATE);
    if (!c->work)
        return 0;
    tcp_urgent_skip(tcp, c);
    uint32_t left = readable(c);
    for (struct weir_pkt *p = c->work->rcvq.head; p && used < n && left;
         p = p->next) {
        for (int i = -1; i < p->nslices && used < n && left; i++) {
            uint32_t have = i < 0 ? p->head_len : p->slice[i].len;
            if (!have)
                continue;
            iov[used].iov_base = i < 0
                                     ? p->head + p->head_off
                                     : p->slice[i].buf->data + p->slice[i].off;
            iov[used++].iov_len = have < left ? have : left;
            left -= have < left ? have : left;
        }
    }
    return used;
}

int tcp_consume(struct tcp *tcp, struct endpoint *ep, size_t bytes) {
    struct tcp_conn *c = tcp_conn_of(ep);
    if (ep->kind == ENDPOINT_LISTENER || (bytes && !c->work) ||
        (bytes && bytes > readable(c)))
        return env_fail(tcp->env, EINVAL, WEIR_BAD_STATE);
    if (bytes) {
        tcp_receive_read(tcp, c, (uint32_t)bytes);
        tcp_work_rest(tcp, c);
    }
    return 0;
}
