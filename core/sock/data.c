/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls that move bytes, and readiness. */
#include <errno.h>

#include "base/abi.h"
#include "sock/sock.h"

static size_t iov_bytes(const struct iovec *iov, int n) {
    if (n == 1)
        return iov->iov_len;
    size_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += iov[i].iov_len;
    return sum;
}

static uint32_t clip(size_t bytes) {
    return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

static int not_stream(struct weir_stack *s) {
    return env_fail(&s->env, EOPNOTSUPP, WEIR_NOT_SUPPORTED);
}

ssize_t weir_sendmsg(struct weir_stack *s, int sock, const struct iovec *iov,
                     int n, int flags, const struct weir_endpoint *to,
                     const struct weir_send_how *how) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    size_t asked = iov_bytes(iov, n);
    struct call_scope c =
        call_begin(s, WEIR_CALL_send, sock, clip(asked), (uint32_t)flags);
    ssize_t r;
    if (e->kind == ENDPOINT_UDP)
        r = udp_send(s->udp, e, iov, n, flags, to, how);
    else
        r = tcp_send(s->tcp, e, iov, n, asked, flags);
    return call_end(s, c, r);
}

ssize_t weir_send(struct weir_stack *s, int sock, const struct iovec *iov,
                  int n, int flags, const struct weir_endpoint *to) {
    return weir_sendmsg(s, sock, iov, n, flags, to, NULL);
}

ssize_t weir_recvmsg(struct weir_stack *s, int sock, const struct iovec *iov,
                     int n, int flags, struct weir_dgram *d, int *msg_flags) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    int ignored;
    msg_flags = msg_flags ? msg_flags : &ignored;
    *msg_flags = 0;
    size_t asked = iov_bytes(iov, n);
    struct call_scope c =
        call_begin(s, WEIR_CALL_recv, sock, clip(asked), (uint32_t)flags);
    ssize_t r;
    if (flags & ABI_MSG_ERRQUEUE)
        r = env_fail(&s->env, EAGAIN, WEIR_RCVBUF_EMPTY);
    else if (e->kind == ENDPOINT_UDP)
        r = udp_recv(s->udp, e, iov, n, flags, d, msg_flags);
    else if (e->kind == ENDPOINT_TCP)
        r = tcp_recv(s->tcp, e, iov, n, asked, flags, msg_flags);
    else
        r = env_fail(&s->env, ENOTCONN, WEIR_BAD_STATE);
    return call_end(s, c, r);
}

ssize_t weir_recv(struct weir_stack *s, int sock, const struct iovec *iov,
                  int n, int flags, struct weir_endpoint *from,
                  int *msg_flags) {
    struct weir_dgram d;
    ssize_t r = weir_recvmsg(s, sock, iov, n, flags, &d, msg_flags);
    struct endpoint *e = r >= 0 && from ? handle_get(s, sock) : NULL;
    if (e && e->kind == ENDPOINT_UDP)
        *from = d.from;
    return r;
}

ssize_t weir_recverr(struct weir_stack *s, int sock, const struct iovec *iov,
                     int n, struct weir_queued_error *out, int *msg_flags) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    *msg_flags = 0;
    if (e->kind != ENDPOINT_UDP)
        return env_fail(&s->env, EAGAIN, WEIR_RCVBUF_EMPTY);
    return udp_recverr(s->udp, e, iov, n, out, msg_flags);
}

int weir_send_slices(struct weir_stack *s, int sock,
                     const struct weir_slice *slice, int n, int flags) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    if (e->kind != ENDPOINT_TCP)
        return not_stream(s);
    uint32_t bytes = 0;
    for (int i = 0; i < n; i++)
        bytes += slice[i].len;
    struct call_scope c =
        call_begin(s, WEIR_CALL_send, sock, bytes, (uint32_t)flags);
    int r = tcp_send_slices(s->tcp, e, slice, n, flags);
    return (int)call_end(s, c, r);
}

int weir_peek(struct weir_stack *s, int sock, struct iovec *iov, int n) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    if (e->kind != ENDPOINT_TCP)
        return not_stream(s);
    return tcp_peek(s->tcp, e, iov, n);
}

int weir_consume(struct weir_stack *s, int sock, size_t bytes) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    if (e->kind != ENDPOINT_TCP)
        return not_stream(s);
    struct call_scope c =
        call_begin(s, WEIR_CALL_recv, sock, (uint32_t)bytes, 0);
    return (int)call_end(s, c, tcp_consume(s->tcp, e, bytes));
}

int weir_sockatmark(struct weir_stack *s, int sock) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    if (e->kind == ENDPOINT_UDP)
        return env_fail(&s->env, ENOTTY, WEIR_BAD_STATE);
    return tcp_at_mark(e);
}

static unsigned ready_of(struct weir_stack *s, struct endpoint *e) {
    return e->kind == ENDPOINT_UDP ? udp_ready(s->udp, e)
                                   : tcp_ready(s->tcp, e);
}

unsigned weir_ready(struct weir_stack *s, int sock) {
    struct endpoint *e = handle_get(s, sock);
    return e ? ready_of(s, e) : 0;
}

int weir_ready_next(struct weir_stack *s, struct weir_ready *out) {
    for (;;) {
        struct endpoint *e = s->env.ready_head;
        if (!e)
            return 0;
        endpoint_untouch(&s->env, e);
        if (e->handle < 0)
            continue;
        *out = (struct weir_ready){.sock = e->handle,
                                   .mask = ready_of(s, e),
                                   .cause = e->cause,
                                   .tag = e->tag};
        return 1;
    }
}
