/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP carriers on the stack's side: connect, listen, accept.
 *
 * For each connection in the core's accept queue one end is connected to the
 * listening carrier, without taking the connection out of the core, so that
 * the backlog's limits stay the core's. When an agent has accepted one of these
 * ends, weir_accept takes the connection. A lone agent accepts in the order in
 * which they came; where there are several, each end has a name that tells
 * which it was, since those that share a listener may ask in another order. An
 * accepted connection that could not be delivered (its caller was interrupted)
 * is kept; another end takes its place in the carrier.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "run/serve_in.h"

/* ---- connect ---- */

static bool is_closed(struct weir_stack *s, struct end *e,
                      struct weir_sockinfo *info) {
    return weir_sockinfo(s, e->sock, info) || info->state == WEIR_TCP_CLOSED;
}

void stream_connect(struct end *e, const struct proto *m, struct proto *r) {
    struct weir_stack *s = end_stack(e);
    int err = weir_connect(s, e->sock, m->a[0] ? NULL : &m->ep);
    bool first = e->src.fd < 0;
    e->pid = m->pid;
    e->target = m->ep;
    e->nobody_waits = m->a[3];
    if (m->a[0]) {
        r->a[0] = 2;
        if (err == 0 && e->src.fd >= 0) {
            end_unwatch(e);
            e->state = END_DEAD;
        }
    } else if (err == -EINPROGRESS || err == -EALREADY) {
        e->state = END_CONNECTING;
        e->event = r->event;
        r->a[0] = first;
    } else if (first && (err == 0 || (err == -EISCONN && m->a[2] == 0))) {
        struct weir_sockinfo info;
        if (!is_closed(s, e, &info) && info.state != WEIR_TCP_LISTEN) {
            err = 0; /* came about while nobody waited */
            e->state = END_CONNECTING;
            r->a[0] = 1;
        }
    } else if (err == -EISCONN && m->a[2] && e->bytes_out + e->bytes_in == 0) {
        err = 0; /* the same call again, restarted after it had succeeded */
    }
    r->result = err;
}

static void connecting_ready(struct end *e, struct weir_stack *s,
                             weir_event_id cause) {
    struct weir_sockinfo info;
    bool closed = is_closed(s, e, &info);
    if (!closed &&
        (info.state == WEIR_TCP_SYN_SENT || info.state == WEIR_TCP_SYN_RECV))
        return;
    uint64_t inode = e->inode;
    struct serve *sv = e->sv;
    if (e->src.fd < 0 && e->nobody_waits) { /* stream_attach finds out */
        end_tell(e, PROTO_CONNECTED, closed ? -ECONNREFUSED : 0);
        return;
    }
    call_record_why(e->host->net->rec, e->event, closed ? info.reason : 0,
                    info.cause ? info.cause : cause);
    if (e->src.fd < 0) { /* held: the call itself takes the result */
        weir_cause(s, e->event);
        int result = weir_connect(s, e->sock, &e->target);
        weir_cause(s, 0);
        e->state = result ? END_FRESH : e->state;
        end_tell(e, PROTO_CONNECTED, result); /* 0: the agent attaches */
        return;
    }
    if (closed) {
        end_unwatch(e); /* the filler is unread: ECONNRESET there */
        e->state = END_DEAD;
        end_changed(e);
        end_tell(e, PROTO_CONNECTED, -ECONNREFUSED);
        return;
    }
    e->state = END_CONNECTED;
    end_tell(e, PROTO_CONNECTED, 0);
    if (end_get(sv, inode) != e)
        return;
    relay_begin(e);
    relay_in(e);
}

void stream_attach(struct end *e, int fd, const struct proto *m) {
    struct weir_stack *s = end_stack(e);
    struct weir_sockinfo info;
    if (m->a[2] | m->a[3])
        end_rename(e, (uint64_t)m->a[3] << 32 | m->a[2]);
    if (fd < 0) { /* a fresh one, not connected */
        end_unwatch(e);
        e->state = END_FRESH;
        return;
    }
    e->filler = m->a[0];
    end_watch(e, fd);
    if (e->state == END_CONNECTING && e->filler > 0) {
        connecting_ready(e, s, e->because); /* perhaps it has ended meanwhile */
        return;
    }
    if (is_closed(s, e, &info)) {
        end_reset(e); /* failed meanwhile */
        return;
    }
    if (info.state == WEIR_TCP_SYN_SENT || info.state == WEIR_TCP_SYN_RECV)
        return;
    if (e->nobody_waits)
        call_record_why(e->host->net->rec, e->event, 0,
                        info.cause ? info.cause : e->because);
    e->state = END_CONNECTED;
    relay_in(e); /* (what the program writes, epoll tells) */
}

/* ---- listen, accept ---- */

void stream_listen(struct end *e, const struct proto *m, const char *path,
                   struct proto *r) {
    struct weir_stack *s = end_stack(e);
    if (!m->a[1]) {
        r->result = weir_listen(s, e->sock, (int)m->a[0]);
        return;
    }
    if (m->len > 0 && m->len < sizeof(e->path)) {
        memcpy(e->path, path, m->len);
        e->path[m->len] = '\0';
    }
    struct weir_sockinfo info;
    if (e->state != END_LISTENING && weir_sockinfo(s, e->sock, &info) == 0) {
        e->port = info.local.port;
        e->next_listener = e->sv->listeners;
        e->sv->listeners = e;
    }
    e->state = END_LISTENING;
    listener_fill(e);
}

static void listens_no_more(struct end *e) {
    struct end **at = &e->sv->listeners;
    while (*at && *at != e)
        at = &(*at)->next_listener;
    if (*at)
        *at = e->next_listener;
}

/* Also while it waits: who accepts it sees the name it has then. */
static int name_end(const struct serve *sv, int fd, unsigned serial) {
    struct sockaddr_un own = {.sun_family = AF_UNIX};
    int n = snprintf(own.sun_path + 1, sizeof(own.sun_path) - 1, WAITING_NAME,
                     sv->pid, serial);
    socklen_t len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    return bind(fd, (struct sockaddr *)&own, len);
}

void stream_name_waiting(struct serve *sv) {
    for (struct end *e = sv->listeners; e; e = e->next_listener)
        for (struct waiting *w = e->head; w; w = w->next)
            name_end(sv, w->fd, w->serial); /* (once more: EINVAL) */
}

static int meet_carrier(struct end *e, unsigned serial) {
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    memcpy(sun.sun_path, e->path, sizeof(sun.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if ((serve_agents(e->sv) > 1 && name_end(e->sv, fd, serial)) ||
        connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

/* As many ends in the carrier as connections wait in the core. */
void listener_fill(struct end *e) {
    struct weir_stack *s = end_stack(e);
    struct weir_sockinfo info;
    if (!s || e->state != END_LISTENING || weir_sockinfo(s, e->sock, &info) ||
        info.state != WEIR_TCP_LISTEN)
        return;
    unsigned want = info.rx_queue + e->nreturned, before = e->waiting;
    while (e->waiting < want) {
        unsigned serial = ++e->sv->serial;
        int fd = meet_carrier(e, serial);
        if (fd == -ECONNREFUSED || fd == -ENOENT) {
            end_released(e); /* closed, unseen until now */
            return;
        }
        struct waiting *w = fd < 0 ? NULL : malloc(sizeof(*w));
        if (!w) {
            if (fd >= 0)
                close(fd);
            break;
        }
        *w = (struct waiting){NULL, fd, serial};
        *e->tail = w;
        e->tail = &w->next;
        e->waiting++;
    }
    if (e->waiting > before)
        end_tell(e, PROTO_PENDING, 0);
}

/* Nobody will accept any more: those who wait are let go. */
void stream_unlisten(struct end *e) {
    while (e->head) {
        struct waiting *w = e->head;
        e->head = w->next;
        close(w->fd);
        free(w);
    }
    e->tail = &e->head;
    e->waiting = 0;
    listens_no_more(e);
    if (e->state == END_LISTENING)
        e->state = END_FRESH;
}

/* By its serial; 0: it had no name, and is the first. */
static int take_waiting(struct end *e, unsigned serial) {
    struct waiting **at = &e->head;
    while (*at && serial && (*at)->serial != serial)
        at = &(*at)->next;
    struct waiting *w = *at;
    if (!w)
        return -1;
    int fd = w->fd;
    *at = w->next;
    if (!*at)
        e->tail = at;
    e->waiting--;
    free(w);
    return fd;
}

void stream_accept(struct serve_conn *conn, struct end *listener,
                   const struct proto *m, struct proto *r) {
    struct weir_stack *s = end_stack(listener);
    int fd = take_waiting(listener, m->a[2]), sock;
    if (listener->nreturned > 0) {
        sock = listener->returned[0];
        memmove(listener->returned, listener->returned + 1,
                --listener->nreturned * sizeof(int));
    } else {
        sock = weir_accept(s, listener->sock, NULL);
    }
    if (sock < 0 || fd < 0) {
        r->result = sock < 0 ? sock : -EAGAIN;
        if (fd >= 0)
            close(fd);
        return;
    }
    uint64_t inode = (uint64_t)m->a[1] << 32 | m->a[0];
    struct end *e = end_new(conn, inode, sock, SOCK_STREAM);
    if (!e) {
        close(fd);
        weir_abort(s, sock, WEIR_NOMEM);
        r->result = -ENOMEM;
        return;
    }
    e->pid = m->pid;
    e->tid = m->tid;
    e->state = END_CONNECTED;
    /* Remember the listener, for the case that it cannot be delivered. */
    e->event = r->event;
    weir_set_tag(s, sock, inode, e->pid);
    weir_set_copies(s, sock, CARRIER_COPIES);
    socket_record(e, m);
    weir_getpeername(s, sock, &r->ep);
    struct weir_sockinfo info;
    if (weir_sockinfo(s, sock, &info) == 0) {
        r->ep = info.peer;
        call_record_why(conn->host->net->rec, r->event, 0, info.cause);
        call_record_peer(conn->host->net->rec, r->event, &info.peer);
    }
    end_watch(e, fd);
    relay_in(e); /* what has come already is there when accept returns */
    if (e->state == END_RESET)
        r->flags |= PROTO_RESET_NOW;
}

/* Accepted, but its caller had gone. */
void stream_unaccept(struct end *e) {
    struct weir_stack *s = end_stack(e);
    struct weir_sockinfo mine, theirs;
    struct serve *sv = e->sv;
    int sock = e->sock;
    if (weir_sockinfo(s, sock, &mine))
        mine.local.port = 0;
    struct end *listener = NULL;
    for (unsigned i = 0; i < ENDS && !listener; i++)
        for (struct end *l = sv->end[i]; l && !listener; l = l->next)
            if (l->state == END_LISTENING && l->host == e->host &&
                weir_sockinfo(s, l->sock, &theirs) == 0 &&
                theirs.local.port == mine.local.port)
                listener = l;
    int *more = listener ? realloc(listener->returned,
                                   (listener->nreturned + 1) * sizeof(int))
                         : NULL;
    if (!more || e->bytes_in > 0) { /* its bytes went with the carrier */
        weir_abort(s, sock, WEIR_LISTENER_CLOSED);
        end_free(e);
        return;
    }
    listener->returned = more;
    more[listener->nreturned++] = sock;
    weir_set_tag(s, sock, 0, 0);
    end_free(e);
    listener_fill(listener);
}

void stream_pushed(struct end *e) {
    if (e->state != END_RESET)
        return;
    end_unwatch(e);
    e->state = END_DEAD;
    end_changed(e);
}

/* ---- events ---- */

void stream_ready(struct end *e, const struct weir_ready *ready) {
    struct weir_stack *s = end_stack(e);
    struct serve *sv = e->sv;
    uint64_t inode = e->inode;
    e->because = ready->cause;
    if (e->state == END_LISTENING)
        listener_fill(e);
    else if (e->state == END_CONNECTING)
        connecting_ready(e, s, ready->cause);
    else if (e->state == END_RELEASED)
        relay_out(e);
    else if (e->state == END_CONNECTED) {
        relay_in(e);
        if (end_get(sv, inode) == e && e->state == END_CONNECTED && e->more)
            relay_out_again(e);
    }
}

/* It is full no longer. Interest ends when there was nothing to put there, so
 * that a long transfer does not ask for it again and again. */
static void room_came(struct end *e) {
    struct serve *sv = e->sv;
    uint64_t inode = e->inode, before = e->bytes_in;
    relay_in(e);
    if (end_get(sv, inode) == e && e->bytes_in == before)
        end_want_room(e, false);
}

/* The carrier has bytes, has room, or was released. */
void stream_end_ready(struct end *e, uint32_t events) {
    struct serve *sv = e->sv;
    uint64_t inode = e->inode;
    if (e->state == END_CONNECTING) {
        struct weir_stack *s = end_stack(e);
        if (events & EPOLLHUP && s) { /* closed while it was connecting */
            released_record(e);
            weir_cause(s, e->event);
            weir_close(s, e->sock);
            weir_cause(s, 0);
            end_free(e);
        }
        return;
    }
    if (e->state == END_RESET)
        return;
    if (events & ~(uint32_t)EPOLLOUT)
        relay_out_ready(e, events);
    if (end_get(sv, inode) == e && events & EPOLLOUT && e->wants_room)
        room_came(e);
}
