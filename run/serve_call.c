/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the door writes into the recorder: one record a call (begin, and the end
 * filled in), bytes through carriers, programs, releases, alarms.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "run/serve_in.h"

static uint64_t now_of(const struct serve_conn *conn) {
    return loop_now(conn->sv->loop);
}

weir_event_id call_record_begin(struct serve_conn *conn, const struct proto *m,
                                int sock) {
    struct weir_event *ev =
        weir_record(conn->host->net->rec, WEIR_EV_CALL, conn->host->number,
                    (uint32_t)(sock + 1), 0, now_of(conn));
    if (!ev)
        return 0;
    ev->call.pid = m->pid;
    ev->call.tid = m->tid;
    ev->call.fd = m->fd;
    ev->call.call = m->call;
    ev->call.a0 = m->rec[0];
    ev->call.a1 = m->rec[1];
    ev->call.result = WEIR_CALL_PENDING;
    if (m->call == WEIR_CALL_socket)
        ev->call.fd = -1;
    return ev->id;
}

void call_record_why(struct weir_recorder *rec, weir_event_id id,
                     enum weir_reason why, weir_event_id cause) {
    struct weir_event *ev = rec && id ? weir_event_find(rec, id) : NULL;
    if (!ev || ev->kind != WEIR_EV_CALL || ev->call.result == -EINPROGRESS)
        return; /* a call that did not wait was not completed by anything */
    if (why)
        ev->call.reason = (uint8_t)why;
    if (cause)
        ev->cause = cause;
}

void call_record_peer(struct weir_recorder *rec, weir_event_id id,
                      const struct weir_endpoint *peer) {
    struct weir_event *ev = rec && id ? weir_event_find(rec, id) : NULL;
    if (!ev || ev->kind != WEIR_EV_CALL)
        return;
    ev->call.a0 = weir_addr_to_v4(&peer->addr);
    ev->call.a1 = peer->port;
}

static bool is_input(unsigned call) {
    return call == WEIR_CALL_read || call == WEIR_CALL_readv ||
           call == WEIR_CALL_recv || call == WEIR_CALL_recvfrom ||
           call == WEIR_CALL_recvmsg || call == WEIR_CALL_recvmmsg;
}

void call_record_end(struct serve_conn *conn, const struct proto *m) {
    struct weir_recorder *rec = conn->host->net->rec;
    struct weir_event *ev = rec ? weir_event_find(rec, m->event) : NULL;
    if (!ev || ev->kind != WEIR_EV_CALL)
        return;
    struct end *e = end_get(conn->sv, m->inode);
    uint64_t took = (now_of(conn) - ev->t_ns) / 1000;
    ev->call.result = m->result;
    ev->call.took_us = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    if (m->result >= 0)
        ev->call.reason = 0;
    if (e && m->call == WEIR_CALL_socket)
        ev->sock = (uint32_t)(e->sock + 1);
    struct weir_sockinfo info;
    struct weir_stack *s = e ? end_stack(e) : NULL;
    if (!s || !e->traced || weir_sockinfo(s, e->sock, &info))
        return;
    bool input = is_input(m->call);
    if (input && m->result > 0)
        e->seen_in += (uint64_t)m->result;
    if (input && m->result > 0 && info.copies)
        ev->call.copies = (uint8_t)(info.copies + CARRIER_COPIES);
    /* A failure was completed by what ended the connection; anything that was
     * read, by what brought the last bytes. Never by itself. */
    weir_event_id because = m->result < 0 ? info.cause : input ? e->because : 0;
    if (!ev->cause && because != ev->id && m->result != -EAGAIN)
        ev->cause = because;
    if (m->call >= WEIR_CALL_read && m->call <= WEIR_CALL_splice)
        ev->call.a1 = input ? info.rx_queue : info.tx_queue;
    if (m->result < 0 && m->result != -EAGAIN && !ev->call.reason)
        ev->call.reason = (uint8_t)info.reason;
}

/* A data call begins: what it moves is caused by it. */
void call_record_data(struct end *e, weir_event_id id) {
    e->traced = true;
    e->event = id;
}

/* The core writes the record of an accepted socket; whose it is and what its
 * carrier is called, only we know. */
static struct weir_event *socket_written(struct weir_recorder *rec,
                                         uint8_t host, int sock) {
    struct weir_ring *ring = &rec->rare;
    for (uint64_t n = 0; n < 8 && n < ring->head; n++) {
        struct weir_event *ev = &ring->slot[(ring->head - 1 - n) & ring->mask];
        if (ev->kind == WEIR_EV_SOCKET && ev->host == host &&
            ev->sock == (uint32_t)(sock + 1))
            return ev;
    }
    return NULL;
}

void socket_record(struct end *e, const struct proto *m) {
    struct weir_recorder *rec = e->host->net->rec;
    if (!rec)
        return;
    struct weir_event *ev = socket_written(rec, e->host->number, e->sock);
    if (!ev)
        ev = weir_record(rec, WEIR_EV_SOCKET, e->host->number,
                         (uint32_t)(e->sock + 1), m->event,
                         loop_now(e->sv->loop));
    ev->socket.pid = m->pid;
    ev->socket.fd = -1;
    ev->socket.family = AF_INET;
    ev->socket.type = (uint8_t)e->type;
    ev->socket.proto = e->type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP;
    ev->socket.inode = e->inode;
}

weir_event_id data_record(struct end *e, uint32_t bytes, bool out,
                          weir_event_id cause) {
    *(out ? &e->bytes_out : &e->bytes_in) += bytes;
    if (e->traced) /* the call is the record */
        return e->event;
    struct weir_event *ev =
        weir_record(e->host->net->rec, WEIR_EV_DATA, e->host->number,
                    (uint32_t)(e->sock + 1), cause, loop_now(e->sv->loop));
    if (!ev)
        return 0;
    struct weir_queues q = {.copies = 0};
    weir_queues(end_stack(e), e->sock, &q);
    int parked = 0;
    if (!out && e->full)
        ioctl(e->src.fd, TIOCOUTQ, &parked);
    ev->data.pid = e->pid;
    ev->data.bytes = bytes;
    ev->data.queue = out ? q.tx_queue : q.rx_queue;
    ev->data.parked = (uint32_t)parked;
    ev->data.total = out ? e->bytes_out : e->bytes_in;
    ev->data.out = out;
    /* In: with the copy into the carrier; the program's read makes one more. A
     * conduit spares one at each end. */
    ev->data.copies = (uint8_t)(out ? CARRIER_COPIES - (e->sends != NULL)
                                    : q.copies + !conduit_puts(e));
    ev->flags = WEIR_EVF_SYNTHETIC;
    return ev->id;
}

void data_record_bytes(struct end *e, weir_event_id id, uint32_t bytes) {
    struct weir_recorder *rec = e->host->net->rec;
    struct weir_event *ev = rec && id ? weir_event_find(rec, id) : NULL;
    if (!ev || ev->kind != WEIR_EV_DATA)
        return;
    e->bytes_in += bytes;
    ev->data.bytes = bytes;
    ev->data.total = e->bytes_in;
}

void released_record(struct end *e) {
    struct weir_stack *s = end_stack(e);
    struct weir_sockinfo info;
    if (!s || weir_sockinfo(s, e->sock, &info))
        return;
    struct weir_event *ev =
        weir_record(e->host->net->rec, WEIR_EV_RELEASED, e->host->number,
                    (uint32_t)(e->sock + 1), 0, loop_now(e->sv->loop));
    if (!ev)
        return;
    struct weir_event *last = weir_event_find(e->host->net->rec, e->event);
    if (last && last->kind == WEIR_EV_CALL &&
        last->call.call == WEIR_CALL_close)
        ev->cause = last->id;
    else if (e->traced && e->conn && e->conn->ended_pid == e->pid)
        ev->cause = e->conn->ended;
    bool listens = info.state == WEIR_TCP_LISTEN;
    ev->released.pid = e->pid;
    ev->released.unread = listens ? 0 : info.rx_queue;
    if (e->traced && e->bytes_in > e->seen_in) /* lost with the carrier */
        ev->released.unread += (uint32_t)(e->bytes_in - e->seen_in);
    ev->released.unsent = listens ? 0 : info.tx_queue;
    ev->released.lport = info.local.port;
    ev->released.read = info.read;
    ev->released.written = info.written;
    e->event = ev->id;
}

void program_record(struct serve_conn *conn, const struct proto *m,
                    const char *comm) {
    struct weir_event *ev =
        weir_record(conn->host->net->rec, (enum weir_event_kind)m->a[0],
                    conn->host->number, 0, 0, now_of(conn));
    if (!ev)
        return;
    int status = (int)m->a[2];
    ev->program.pid = m->pid;
    ev->program.ppid = m->a[1];
    memcpy(ev->program.comm, comm, sizeof(ev->program.comm) - 1);
    if (m->a[0] != WEIR_EV_PROGRAM_EXITED)
        return;
    conn->ended_pid = m->pid;
    conn->ended = ev->id;
    if (status == -1)
        ev->program.status = -1; /* its parent knows */
    else if (WIFSIGNALED(status))
        ev->program.signal = (uint8_t)WTERMSIG(status);
    else
        ev->program.status = WEXITSTATUS(status);
    ev->program.core = status != -1 && WIFSIGNALED(status) && WCOREDUMP(status);
}

void alarm_record(struct serve_conn *conn, const struct proto *m,
                  const char *text) {
    for (uint32_t at = 0; at < m->len; at += 31) {
        struct weir_event *ev =
            weir_record(conn->host->net->rec, WEIR_EV_ALARM, conn->host->number,
                        0, 0, now_of(conn));
        if (!ev)
            return;
        uint32_t n = m->len - at < 31 ? m->len - at : 31;
        memcpy(ev->text, text + at, n);
        ev->flags = at + 31 < m->len ? WEIR_EVF_MORE : 0;
    }
}
