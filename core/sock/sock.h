/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_SOCK_SOCK_H
#define WEIR_CORE_SOCK_SOCK_H
/*
 * One stack: the shared environment, the rooms, and the table from handles to
 * endpoints.
 */
#include <errno.h>

#include "base/env.h"
#include "ip/ip.h"
#include "tcp/tcp.h"
#include "udp/udp.h"
#include "weir/socket.h"

#define HANDLE_CHUNK 1024 /* handles in one block of the table */
#define HANDLE_REST 128   /* freed handles that wait before one is used again */

/* Handle -> endpoint, in blocks so that it grows without moving. A free entry
 * holds the next free handle (shifted, lowest bit set). */
struct handles {
    uintptr_t **chunk;
    uint32_t nchunks, room; /* blocks in use, entries of `chunk` */
    uint32_t top;           /* handles ever given out */
    uint32_t nfree;
    uint32_t free_head, free_tail; /* first in, first out */
};

struct weir_stack {
    struct env env;
    struct ip *ip;
    struct udp *udp;
    struct tcp *tcp;
    struct handles handles;
    bool more; /* work was left at the end of weir_poll */
    char name[16];
};

/* A handle for an endpoint (sets ep->handle), or -ENOMEM. */
int handle_open(struct weir_stack *s, struct endpoint *ep);
/* NULL where there is no such handle. */
static inline uintptr_t *handle_entry(const struct weir_stack *s,
                                      uint32_t handle) {
    return &s->handles.chunk[handle / HANDLE_CHUNK][handle % HANDLE_CHUNK];
}
static inline struct endpoint *handle_get(const struct weir_stack *s,
                                          int handle) {
    if (handle < 0 || (uint32_t)handle >= s->handles.top)
        return NULL;
    uintptr_t e = *handle_entry(s, (uint32_t)handle);
    if (e & 1)
        return NULL;
    /* All of it at once, where it has not been asked for in a while. */
    __builtin_prefetch((const char *)e + 64);
    __builtin_prefetch((const char *)e + 128);
    __builtin_prefetch((const char *)e + 192);
    return (struct endpoint *)e;
}
/* A call on a handle that names nothing. */
static inline int bad_handle(struct weir_stack *s) {
    return env_fail(&s->env, EBADF, WEIR_BAD_STATE);
}
/* The same handle names another endpoint from now on. */
void handle_move(struct weir_stack *s, int handle, struct endpoint *ep);
void handle_close(struct weir_stack *s, int handle);
void handles_destroy(struct weir_stack *s);

/* A call of the direct API (no door named a cause): its own CALL record, which
 * causes what the call does. */
struct call_scope {
    struct weir_event *ev; /* its record, while `id` is still in it */
    weir_event_id id;      /* 0: a door has recorded the call */
};
static inline struct call_scope call_begin(struct weir_stack *s,
                                           enum weir_call call, int sock,
                                           uint32_t a0, uint32_t a1) {
    struct call_scope scope = {0};
    if (s->env.cause || !s->env.outside.rec)
        return scope;
    struct weir_event *ev =
        env_record(&s->env, WEIR_EV_CALL, (uint32_t)(sock + 1));
    ev->call.call = (uint16_t)call;
    ev->call.fd = sock;
    ev->call.a0 = a0;
    ev->call.a1 = a1;
    ev->call.result = WEIR_CALL_PENDING;
    scope.ev = ev;
    scope.id = s->env.cause = ev->id;
    return scope;
}

/* Fills in the result and returns it. */
static inline ssize_t call_end(struct weir_stack *s, struct call_scope scope,
                               ssize_t result) {
    if (!scope.id)
        return result;
    s->env.cause = 0;
    struct weir_event *ev = scope.ev;
    if (ev->id == scope.id) { /* else the ring has gone round meanwhile */
        ev->call.result = result > INT32_MAX ? INT32_MAX : (int32_t)result;
        if (result < 0)
            ev->call.reason = (uint8_t)s->env.last_reason;
    }
    return result;
}

#endif
