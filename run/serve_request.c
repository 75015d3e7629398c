/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Agents' requests, one handler each. A carrier that is not in the table is not
 * ours, and the agent leaves the call to the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "run/serve_in.h"
#include "run/show.h"

#define REPLY_MAX 4096

struct request {
    struct serve_conn *conn;
    const struct proto *m;
    const char *data;
    struct end *e;
    struct weir_stack *stack;
    struct proto *r; /* the reply */
    char *out;       /* its data, REPLY_MAX */
    int fd;          /* beside it, or -1 */
};

static void do_socket(struct request *q) {
    int type = (int)q->m->a[0];
    int sock = weir_socket(q->stack, AF_INET, type, (int)q->m->a[1]);
    q->r->result = sock;
    if (sock < 0) {
        if (q->m->len > 0 && q->m->len < 108)
            unlink(q->data);
        return;
    }
    struct end *e = end_new(q->conn, q->m->inode, sock, type);
    if (!e) {
        weir_close(q->stack, sock);
        q->r->result = -ENOMEM;
        return;
    }
    e->pid = q->m->pid;
    e->tid = q->m->tid;
    weir_set_tag(q->stack, sock, e->inode, e->pid);
    weir_set_copies(q->stack, sock, CARRIER_COPIES);
    q->e = e;
    e->event = q->r->event;
    q->r->result = type == SOCK_DGRAM ? datagram_open(e, q->data) : 0;
    if (q->r->result == 0)
        socket_record(e, q->m);
}

static void do_bind(struct request *q) {
    q->r->result =
        q->m->a[0] ? -EAFNOSUPPORT : weir_bind(q->stack, q->e->sock, &q->m->ep);
    if (q->r->result == -EINVAL && q->m->a[2])
        q->r->result = 0; /* restarted after it had succeeded */
    if (q->r->result != -EADDRINUSE)
        return;
    /* Whoever holds the address may have closed it, unseen. */
    live_check(q->conn->sv, &q->m->ep);
    weir_cause(q->stack, q->r->event); /* the check closes with another */
    q->r->result = weir_bind(q->stack, q->e->sock, &q->m->ep);
}

/* Datagrams written before this call leave before it. */
static void write_first(struct request *q) {
    if (q->e->type != SOCK_DGRAM)
        return;
    datagram_written(q->e);
    weir_cause(q->stack, q->r->event);
}

static void do_connect(struct request *q) {
    write_first(q);
    if (q->m->a[1]) {
        q->r->result = -EAFNOSUPPORT;
    } else if (q->e->type == SOCK_DGRAM) {
        datagram_connect(q->e, q->m, q->r, q->out);
        q->r->len = (uint32_t)strnlen(q->out, 108);
    } else {
        if (!q->m->a[0])
            live_check_listeners(q->conn->sv, &q->m->ep);
        weir_cause(q->stack, q->r->event);
        stream_connect(q->e, q->m, q->r);
    }
}

static void do_name(struct request *q) {
    q->r->result = q->m->a[0]
                       ? weir_getpeername(q->stack, q->e->sock, &q->r->ep)
                       : weir_getsockname(q->stack, q->e->sock, &q->r->ep);
}

static void do_setopt(struct request *q) {
    write_first(q);
    if (q->e->state == END_CONNECTED)
        relay_out(q->e); /* what was written before obeys the earlier mode */
    if (q->m->a[3])
        q->r->result = -EFAULT;
    else if ((int32_t)q->m->a[2] < 0)
        q->r->result = -EINVAL;
    else
        q->r->result = weir_setsockopt(q->stack, q->e->sock, (int)q->m->a[0],
                                       (int)q->m->a[1], q->data, q->m->len);
}

static void do_getopt(struct request *q) {
    uint32_t len = q->m->a[2] < REPLY_MAX ? q->m->a[2] : REPLY_MAX;
    int level = (int)q->m->a[0], name = (int)q->m->a[1];
    if (q->m->a[3] || (int32_t)q->m->a[2] < 0) {
        q->r->result = q->m->a[3] ? -EFAULT : -EINVAL;
        return;
    }
    q->r->result =
        weir_getsockopt(q->stack, q->e->sock, level, name, q->out, &len);
    q->r->len = q->r->result < 0 ? 0 : len;
    q->r->a[0] = q->e->state == END_DEAD && !q->e->eof_given &&
                 !q->e->shut_write; /* else its carrier could not show it */
    if (level == SOL_SOCKET && name == SO_ERROR && q->e->type == SOCK_DGRAM)
        datagram_error_taken(q->e);
}

static void do_shutdown(struct request *q) {
    struct end *e = q->e;
    int how = (int)q->m->a[0];
    struct weir_sockinfo info;
    if (how < 0 || how > 2) {
        q->r->result = -EINVAL;
        return;
    }
    write_first(q);
    bool stream = e->type == SOCK_STREAM;
    bool relayed = stream && e->src.fd >= 0 && e->state == END_CONNECTED;
    weir_sockinfo(q->stack, e->sock, &info);
    if (relayed && info.state != WEIR_TCP_CLOSED) {
        /* The writing half ends when the carrier has been emptied. */
        q->r->result = 0;
        e->event = q->r->event;
        e->shut_both |= how == SHUT_RDWR;
        e->shut_write |= how != SHUT_RD;
        if (how != SHUT_WR)
            weir_shutdown(q->stack, e->sock, SHUT_RD);
        return;
    }
    q->r->result = weir_shutdown(q->stack, e->sock, how);
    if (e->state == END_LISTENING && how != SHUT_WR && q->r->result == 0)
        stream_unlisten(e);
}

static void do_info(struct request *q) {
    struct end *e = q->e;
    int parked = 0;
    struct weir_sockinfo info;
    if (weir_sockinfo(q->stack, e->sock, &info)) {
        q->r->result = -EBADF;
        return;
    }
    if (e->src.fd >= 0 && e->type == SOCK_STREAM)
        ioctl(e->src.fd, FIONREAD, &parked);
    parked += (int)e->out.len - (int)e->filler;
    parked = parked < 0 ? 0 : parked;
    switch ((enum proto_info)q->m->a[0]) {
    case PROTO_INFO_TYPE:
        q->r->result = e->type;
        q->r->a[0] = e->state == END_LISTENING;
        break;
    case PROTO_INFO_OUTQ:
    case PROTO_INFO_OUTQNSD:
        if (info.state == WEIR_TCP_LISTEN)
            q->r->result = -EINVAL;
        else
            q->r->result =
                parked + (int)(q->m->a[0] == PROTO_INFO_OUTQ ? info.tx_queue
                                                             : info.unsent);
        break;
    case PROTO_INFO_INQ:
        q->r->result = (int)info.rx_queue;
        break;
    case PROTO_INFO_ERROR:
        q->r->result = info.error;
        break;
    }
}

static void do_send(struct request *q) {
    struct iovec iov = {(void *)(uintptr_t)q->data, q->m->len};
    const uint32_t beside = q->m->a[3];
    const struct weir_send_how how = {
        .source = weir_addr_v4(q->m->a[2]),
        .ifindex = q->m->ep.ifindex,
        .ttl = beside & PROTO_SEND_TTL ? (int)(beside & 0xff) : -1,
        .tos = beside & PROTO_SEND_TOS ? (int)(beside >> 8 & 0xff) : -1};
    struct weir_if iface;
    if (how.ifindex && weir_if_get(q->stack, how.ifindex, &iface)) {
        q->r->result = -ENODEV;
        return;
    }
    struct weir_endpoint to = q->m->ep;
    if (q->e->type == SOCK_DGRAM &&
        (q->m->a[1] || weir_getpeername(q->stack, q->e->sock, &to) == 0))
        live_check_datagram(q->conn->sv, &to);
    q->r->result = (int)weir_sendmsg(q->stack, q->e->sock, &iov, 1,
                                     (int)q->m->a[0] & (MSG_OOB | MSG_MORE),
                                     q->m->a[1] ? &q->m->ep : NULL, &how);
    if (q->r->result < 0 && q->e->type == SOCK_DGRAM)
        datagram_error_taken(q->e);
}

static void do_errqueue(struct request *q) {
    struct weir_queued_error what;
    int flags = 0;
    uint32_t room = REPLY_MAX - sizeof(what);
    struct iovec iov = {q->out + sizeof(what),
                        q->m->a[0] < room ? q->m->a[0] : room};
    q->r->result =
        (int)weir_recverr(q->stack, q->e->sock, &iov, 1, &what, &flags);
    if (q->r->result < 0)
        return;
    memcpy(q->out, &what, sizeof(what));
    q->r->len = (uint32_t)sizeof(what) + (uint32_t)q->r->result;
    q->r->a[0] = (uint32_t)flags;
    q->r->a[1] = (weir_ready(q->stack, q->e->sock) & WEIR_ERR) != 0;
}

static void with_socket(struct request *q) {
    switch (q->m->op) {
    case PROTO_BIND:
        do_bind(q);
        break;
    case PROTO_LISTEN:
        stream_listen(q->e, q->m, q->data, q->r);
        break;
    case PROTO_CONNECT:
        do_connect(q);
        break;
    case PROTO_ATTACH:
        stream_attach(q->e, q->fd, q->m);
        q->fd = -1;
        break;
    case PROTO_ACCEPT:
        stream_accept(q->conn, q->e, q->m, q->r);
        break;
    case PROTO_UNACCEPT:
        stream_unaccept(q->e);
        break;
    case PROTO_NAME:
        do_name(q);
        break;
    case PROTO_SETOPT:
        do_setopt(q);
        break;
    case PROTO_GETOPT:
        do_getopt(q);
        break;
    case PROTO_SHUTDOWN:
        do_shutdown(q);
        break;
    case PROTO_INFO:
        do_info(q);
        break;
    case PROTO_SEND:
        do_send(q);
        break;
    case PROTO_ERRQUEUE:
        do_errqueue(q);
        break;
    case PROTO_DRAIN:
        relay_out(q->e);
        break;
    case PROTO_WAIT:
        q->e->waited = true;
        break;
    case PROTO_PUSHED:
        if (q->e->type == SOCK_DGRAM)
            datagram_pushed(q->e);
        else
            stream_pushed(q->e);
        break;
    default:
        q->r->result = -EPROTO;
        break;
    }
}

static void do_hello(struct request *q) {
    struct host *h = q->m->len ? net_find_host(q->conn->sv->net, q->data)
                               : q->conn->sv->net->hosts;
    if (q->m->a[0] != PROTO_VERSION)
        q->r->result = -EPROTO;
    else if (!h)
        q->r->result = -ENOENT;
    else
        q->conn->host = h;
    snprintf(q->out, REPLY_MAX, "%s", q->conn->sv->dir);
    q->r->len = (uint32_t)strlen(q->out);
    if (h) {
        h->door = q->conn->sv;
        h->ready = serve_ready;
    }
}

static void call_ended(struct request *q) {
    unsigned call = q->m->call;
    if (q->e && q->m->result >= 0 &&
        (call == WEIR_CALL_accept || call == WEIR_CALL_accept4 ||
         call == WEIR_CALL_socket))
        q->e->fd = q->m->result;
    call_record_end(q->conn, q->m);
}

/* Requests that are not about a socket that exists. True: done. */
static bool without_socket(struct request *q) {
    switch (q->m->op) {
    case PROTO_HELLO:
        do_hello(q);
        return true;
    case PROTO_SOCKET:
        if (q->conn->host->stack)
            do_socket(q);
        else
            q->r->result = -ENETDOWN;
        return true;
    case PROTO_CALL:
        if (!q->m->seq)
            call_ended(q);
        else if (q->e)
            call_record_data(q->e, q->r->event);
        else
            q->r->result = PROTO_FOREIGN;
        return true;
    case PROTO_PROGRAM:
        program_record(q->conn, q->m, q->data);
        return true;
    case PROTO_LET_GO:
        serve_let_go(q->conn->sv);
        return true;
    case PROTO_ALARM:
        alarm_record(q->conn, q->m, q->data);
        return true;
    case PROTO_RELEASE:
        if (q->e && q->m->a[0]) /* its carrier was never delivered */
            end_released(q->e);
        else if (!q->e)
            serve_sweep(q->conn->sv);
        else if (q->e->src.fd >= 0 && q->e->type == SOCK_STREAM)
            relay_out(q->e); /* finds the end behind the last byte */
        else if (!end_alive(q->e))
            end_released(q->e);
        return true;
    default:
        return false;
    }
}

void serve_message(struct serve_conn *conn, const struct proto *m,
                   const void *data, int fd) {
    if (m->op == PROTO_VIEW) {
        show_answer(conn, m, data);
        return;
    }
    char out[REPLY_MAX];
    out[0] = '\0';
    struct proto r = {.op = m->op, .seq = m->seq, .event = m->event};
    struct request q = {conn, m,  data, end_get(conn->sv, m->inode),
                        NULL, &r, out,  fd};
    q.stack = q.e ? end_stack(q.e) : conn->host->stack;
    bool known = q.e || m->op == PROTO_SOCKET;
    if (known && q.stack && m->seq && m->flags & PROTO_BEGIN)
        r.event = call_record_begin(conn, m, q.e ? q.e->sock : -1);
    if (q.e && m->tid && m->seq) {
        q.e->tid = m->tid;
        q.e->fd = m->fd;
    }
    if (m->seq && m->tid)
        near_saw(conn->sv->near, &(struct near_who){.tid = (pid_t)m->tid});
    if (q.stack && r.event)
        weir_cause(q.stack, r.event);
    uint64_t inode = m->inode;
    if (!without_socket(&q)) {
        if (!q.e)
            r.result = PROTO_FOREIGN;
        else if (!q.stack) /* the host crashed, or booted again */
            r.result = -ENETDOWN;
        else
            with_socket(&q);
    }
    if (r.result < 0 && r.event && q.stack)
        call_record_why(conn->host->net->rec, r.event,
                        weir_last_reason(q.stack), 0);
    r.inode = inode;
    if (q.stack)
        weir_cause(q.stack, 0);
    if (m->seq)
        conn->to->send(conn->to, &r, out, -1);
    if (q.fd >= 0)
        close(q.fd);
}
