/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Urgent data (RFC 9293 3.8.5, RFC 6093), as Linux has it: one byte, the last
 * before the pointer, taken out of the stream unless SO_OOBINLINE is set. A
 * read stops at the mark; MSG_OOB reads the byte.
 */
#include "tcp/rooms.h"

#include "pkt/pkt.h"

/* The byte itself: rcv_up points one past it. */
static tcp_seq urgent_at(const struct tcp_work *w) {
    return seq_sub(w->rcv_up, 1);
}

static const uint32_t any_urgent =
    CONN_URG_WAIT | CONN_URG_HERE | CONN_URG_READ;

uint32_t tcp_urgent_in_front(const struct tcp_conn *c) {
    const struct tcp_work *w = c->work;
    return w && c->flags & any_urgent && w->rcvq.bytes &&
           !(c->ep.flags & EP_OOBINLINE) && seq_eq(w->copied, urgent_at(w));
}

bool tcp_at_mark(const struct endpoint *ep) {
    if (ep->kind == ENDPOINT_LISTENER)
        return false;
    const struct tcp_conn *c = tcp_conn_of((struct endpoint *)ep);
    const struct tcp_work *w = c->work;
    return w && c->flags & any_urgent && seq_eq(w->copied, urgent_at(w));
}

/* RFC 9293 3.10.7.4, sixth: check the URG bit. */
static void new_pointer(struct tcp *tcp, struct tcp_conn *c,
                        const struct tcp_segment *seg) {
    struct tcp_work *w = c->work;
    tcp_seq up = seq_add(seg->seq, seg->h.urgent);
    if (!seg->h.urgent || seq_le(up, w->copied))
        return; /* already read past it */
    if (c->flags & any_urgent && seq_le(up, w->rcv_up))
        return;                 /* not news */
    if (tcp_urgent_in_front(c)) /* Linux: the older byte is passed over */
        tcp_recvq_drop(tcp, w, 1);
    w->rcv_up = up;
    c->flags = (c->flags & ~any_urgent) | CONN_URG_WAIT;
    tcp_touch(tcp, c); /* SIGURG is the door's business */
}

void tcp_urgent_input(struct tcp *tcp, struct tcp_conn *c,
                      const struct tcp_segment *seg) {
    if (!tcp_work_get(tcp, c))
        return;
    struct tcp_work *w = c->work;
    if (seg_has(seg, WEIR_URG))
        new_pointer(tcp, c, seg);
    if (!(c->flags & CONN_URG_WAIT) ||
        !seq_in(urgent_at(w), seg->seq, seg->len))
        return;
    weir_pkt_copy_out(seg->pkt, (uint32_t)seq_diff(urgent_at(w), seg->seq),
                      &w->oob_byte, 1);
    c->flags = (c->flags & ~any_urgent) | CONN_URG_HERE;
    tcp_touch(tcp, c);
}

/* At the mark: the byte is not part of the stream, unless it is wanted there.
 */
void tcp_urgent_skip(struct tcp *tcp, struct tcp_conn *c) {
    struct tcp_work *w = c->work;
    if (!w || !(c->flags & any_urgent) || !w->rcvq.bytes)
        return;
    if (seq_gt(w->copied, urgent_at(w))) {
        c->flags &= ~any_urgent;
        return;
    }
    if (!seq_eq(w->copied, urgent_at(w)))
        return;
    if (!(c->ep.flags & EP_OOBINLINE))
        tcp_recvq_drop(tcp, w, 1);
    c->flags &= ~any_urgent; /* Linux: read past the mark, it is gone */
}

/* As tcp_recv_urg(). */
ssize_t tcp_urgent_recv(struct tcp *tcp, struct tcp_conn *c,
                        const struct iovec *iov, int n, int flags,
                        int *msg_flags) {
    struct tcp_work *w = c->work;
    if (c->ep.flags & EP_OOBINLINE || !w || !(c->flags & any_urgent) ||
        c->flags & CONN_URG_READ)
        return env_fail(tcp->env, EINVAL, WEIR_RCVBUF_EMPTY);
    if (tcp_state(c) == WEIR_TCP_CLOSED && !(c->flags & CONN_FIN_RCVD))
        return env_fail(tcp->env, ENOTCONN, WEIR_BAD_STATE);
    if (!(c->flags & CONN_URG_HERE)) {
        if (tcp_state(c) == WEIR_TCP_CLOSED || c->ep.flags & EP_SHUT_RD)
            return 0;
        return env_fail(tcp->env, EAGAIN, WEIR_RCVBUF_EMPTY);
    }
    if (!(flags & ABI_MSG_PEEK))
        c->flags = (c->flags & ~any_urgent) | CONN_URG_READ;
    if (msg_flags)
        *msg_flags |= ABI_MSG_OOB;
    for (int i = 0; i < n; i++) {
        if (!iov[i].iov_len)
            continue;
        if (!(flags & ABI_MSG_TRUNC))
            memcpy(iov[i].iov_base, &w->oob_byte, 1);
        return 1;
    }
    return 0;
}
