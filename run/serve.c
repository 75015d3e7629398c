/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of carriers and the life of the stack's side. A carrier is found by
 * its inode; the core gives a socket's readiness back with that as its tag.
 */
#include "run/serve_in.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SWEEP_NS 500000000u
#define SWEEP_MOST 512 /* carriers asked at a time, some 9 us each */

/* ---- ends ---- */

struct weir_stack *end_stack(const struct end *e) {
    return e->boot == e->host->boots ? e->host->stack : NULL;
}

struct end *end_get(struct serve *sv, uint64_t inode) {
    struct end *e = sv->end[inode % ENDS];
    while (e && e->inode != inode)
        e = e->next;
    return e;
}

static void end_event(struct loop_source *src, uint32_t events) {
    struct end *e = (struct end *)src;
    if (events & EPOLLIN)
        near_saw(e->sv->near,
                 &(struct near_who){(pid_t)e->tid, e->fd, e->inode});
    if (e->type == SOCK_DGRAM)
        datagram_end_ready(e);
    else
        stream_end_ready(e, events);
}

struct end *end_new(struct serve_conn *conn, uint64_t inode, int sock,
                    int type) {
    struct end *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->src = (struct loop_source){.ready = end_event, .fd = -1};
    e->sv = conn->sv;
    e->conn = conn;
    e->host = conn->host;
    e->boot = conn->host->boots;
    e->sock = sock;
    e->inode = inode;
    e->type = type;
    e->tail = &e->head;
    e->next = e->sv->end[inode % ENDS];
    e->sv->end[inode % ENDS] = e;
    return e;
}

void end_unwatch(struct end *e) {
    if (e->src.fd < 0)
        return;
    conduit_forget(e);
    loop_del(e->sv->loop, &e->src);
    close(e->src.fd);
    e->src.fd = -1;
}

static uint32_t interest(const struct end *e) {
    return EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET |
           (e->wants_room ? EPOLLOUT : 0);
}

int end_watch(struct end *e, int fd) {
    end_unwatch(e);
    e->src.fd = fd;
    e->wants_room = e->type == SOCK_DGRAM;
    e->ending = e->urgent = e->hung_up = false;
    return loop_add(e->sv->loop, &e->src, interest(e));
}

void end_want_room(struct end *e, bool want) {
    if (e->wants_room == want || e->src.fd < 0)
        return;
    e->wants_room = want;
    loop_mod(e->sv->loop, &e->src, interest(e));
}

/* Forget a carrier. Its socket in the core has been closed before. */
void end_free(struct end *e) {
    end_tell(e, PROTO_GONE, 0);
    struct end **at = &e->sv->end[e->inode % ENDS];
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    datagram_close(e);
    end_unwatch(e);
    stream_unlisten(e);
    pace_forget(e);
    if (e->path[0])
        unlink(e->path);
    if (e->out.buf)
        weir_buf_unref(e->out.buf);
    free(e->returned);
    free(e);
}

/* Another carrier has taken its place. */
void end_rename(struct end *e, uint64_t inode) {
    struct end **at = &e->sv->end[e->inode % ENDS];
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    e->inode = inode;
    e->next = e->sv->end[inode % ENDS];
    e->sv->end[inode % ENDS] = e;
    e->eof_given = e->shut_out = e->shut_both = e->shut_write = false;
    weir_set_tag(end_stack(e), e->sock, inode, e->pid);
    weir_set_copies(end_stack(e), e->sock, CARRIER_COPIES);
}

void end_tell(struct end *e, enum proto_op op, int result) {
    struct proto m = {.op = (uint16_t)op, .inode = e->inode, .result = result};
    if (e->conn)
        e->conn->to->send(e->conn->to, &m, NULL, -1);
}

int serve_socket(struct serve *sv, uint64_t inode, struct host **host) {
    struct end *e = end_get(sv, inode);
    if (!e)
        return -1;
    *host = e->host;
    return e->sock;
}

/* ---- the loop's side ---- */

void serve_ready(void *door, struct host *h, const struct weir_ready *ready) {
    struct serve *sv = door;
    struct end *e = end_get(sv, ready->tag);
    if (!e || e->host != h || e->sock != ready->sock || !end_stack(e))
        return;
    if (e->type == SOCK_DGRAM)
        datagram_ready(e);
    else
        stream_ready(e, ready);
}

static bool is_connected(const struct end *e) {
    return e->type == SOCK_STREAM && e->src.fd >= 0;
}

static bool is_quiet(const struct end *e) {
    return e->state != END_RELEASED &&
           (e->src.fd < 0 || end_is_shut(e) || e->type == SOCK_DGRAM);
}

/* The chains from sv->sweep_at on, until `most` carriers have been asked. */
static void sweep(struct serve *sv, unsigned most) {
    for (unsigned i = 0; i < ENDS && most > 0; i++) {
        struct end *next, *e = sv->end[sv->sweep_at++ % ENDS];
        for (; e; e = next) {
            next = e->next;
            if (!is_quiet(e))
                continue;
            if (!end_alive(e))
                is_connected(e) ? relay_out_ready(e, EPOLLHUP) /* or reset */
                                : end_released(e);
            most -= most > 0;
        }
    }
    sv->sweep_ns = loop_now(sv->loop) + SWEEP_NS;
}

void serve_sweep(struct serve *sv) {
    sweep(sv, UINT32_MAX);
}

static bool serve_pass(struct loop_passer *p, uint64_t now) {
    struct serve *sv =
        (struct serve *)((char *)p - offsetof(struct serve, passer));
    if (now >= sv->sweep_ns)
        sweep(sv, SWEEP_MOST);
    if (sv->paced)
        pace_pass(sv, now);
    return false;
}

static uint64_t serve_deadline(struct loop_passer *p) {
    const struct serve *sv =
        (struct serve *)((char *)p - offsetof(struct serve, passer));
    uint64_t due = pace_deadline(sv);
    return due < sv->sweep_ns ? due : sv->sweep_ns;
}

static void from_agent(struct proto_pipe *p, const struct proto *m,
                       const void *data, int fd) {
    struct serve_conn *conn =
        (struct serve_conn *)((char *)p - offsetof(struct serve_conn, pipe));
    serve_message(conn, m, data, fd);
}

struct serve *serve_create(struct net *net, const char *dir) {
    struct serve *sv = calloc(1, sizeof(*sv));
    sigset_t pipe; /* splice() knows no MSG_NOSIGNAL */
    if (!sv)
        return NULL;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe, NULL);
    sv->net = net;
    sv->loop = net->loop;
    sv->diag = -2;
    sv->pid = (unsigned)getpid();
    sv->probe[0] = sv->probe[1] = -1;
    snprintf(sv->dir, sizeof(sv->dir), "%s", dir);
    sv->passer =
        (struct loop_passer){.pass = serve_pass, .deadline = serve_deadline};
    sv->near = near_create(sv->loop);
    if (!sv->near) {
        free(sv);
        return NULL;
    }
    loop_join(sv->loop, &sv->passer);
    return sv;
}

void serve_destroy(struct serve *sv) {
    loop_leave(sv->loop, &sv->passer);
    near_destroy(sv->near);
    while (sv->conns) /* agents are told nothing any more */
        serve_leave(sv->conns);
    for (unsigned i = 0; i < ENDS; i++)
        while (sv->end[i])
            end_free(sv->end[i]);
    if (sv->buf)
        weir_buf_unref(sv->buf);
    if (sv->stand_ins)
        weir_buf_unref(sv->stand_ins);
    if (sv->diag >= 0)
        close(sv->diag);
    for (unsigned i = 0; i < 2; i++)
        if (sv->probe[i] >= 0)
            close(sv->probe[i]);
    free(sv);
}

struct serve_conn *serve_join(struct serve *sv, struct host *host,
                              struct proto_pipe *to_agent) {
    struct serve_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return NULL;
    *conn = (struct serve_conn){.pipe = {.send = from_agent},
                                .to = to_agent,
                                .sv = sv,
                                .next = sv->conns,
                                .host = host ? host : sv->net->hosts};
    sv->conns = conn;
    if (conn->next)
        stream_name_waiting(sv);
    conn->host->door = sv;
    conn->host->ready = serve_ready;
    return conn;
}

void serve_leave(struct serve_conn *conn) {
    struct serve_conn **at = &conn->sv->conns;
    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
    for (unsigned i = 0; i < ENDS; i++)
        for (struct end *e = conn->sv->end[i]; e; e = e->next)
            e->conn = e->conn == conn ? NULL : e->conn;
    free(conn);
}

struct proto_pipe *serve_pipe(struct serve_conn *conn) {
    return &conn->pipe;
}

void serve_let_go(struct serve *sv) {
    near_let_go(sv->near);
}

unsigned serve_agents(const struct serve *sv) {
    unsigned n = 0;
    for (const struct serve_conn *c = sv->conns; c; c = c->next)
        n++;
    return n;
}
