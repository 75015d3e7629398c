/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_STORY_H
#define WEIR_TRACE_STORY_H
/*
 * A recording read into memory and joined: events in order of id, who the
 * programs and sockets are, which segment sent is which one received. What the
 * timeline, `why` and the rest print from.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/index.h"
#include "trace/record.h"

enum story_side { SIDE_NONE, SIDE_LEFT, SIDE_RIGHT };

/* A socket in one of its lives (handles are used again). */
struct story_socket {
    uint8_t host;
    uint32_t sock;       /* as in events */
    uint32_t parent;     /* accepted from: the listener's `sock`; 0: not */
    uint64_t inode;      /* of its carrier */
    weir_event_id first; /* its SOCKET event */
    uint32_t pid;
    int32_t fd;
    uint8_t proto;
    bool listening;
    enum story_side side; /* left opened the connection */
    uint32_t last;        /* index + 1 of the last event about it */
    uint32_t local, remote;
    uint16_t lport, rport;
};

struct story_program {
    uint32_t pid;
    uint8_t host;
    char comm[16];
    weir_event_id first;
    enum story_side side; /* of the first socket it works with */
    bool active;          /* it made a socket call */
};

/* A TCP or UDP conversation by its addresses. */
struct story_flow {
    uint32_t addr[2]; /* [0]: who opened it */
    uint16_t port[2];
    uint32_t isn[2]; /* TCP: first sequence number of each way */
    bool known[2];   /* isn is known */
    uint8_t proto;
};

struct story {
    const struct record *record;
    struct weir_event *ev; /* sorted by id, one an id */
    size_t n;
    struct story_socket *socket;
    size_t nsockets;
    struct story_program *program;
    size_t nprograms;
    struct story_flow *flow;
    size_t nflows;
    /* For ev[i]: index + 1 of the event the same frame had at its other end
     * (RECEIVED or DROP of a SENT); 0: none. */
    uint32_t *arrival;
    /* For ev[i]: index + 1 of the event before it about the same (host, sock),
     * of the socket's life or one before. */
    uint32_t *before;
    uint64_t lost; /* records that had been overwritten */
    struct index sockets, programs, flows, ports;
    /* STATE events by addresses: a connection in TIME_WAIT has no socket. */
    struct index states;
    uint32_t *state; /* index into ev, of each in `states` */
};

/* 0 or -ENOMEM. The record must stay open. */
int story_load(struct story *s, const struct record *r);
/* For those who follow a recording that grows: a story without events, and
 * what each event tells of programs, sockets and flows. 0 or -ENOMEM. */
void story_begin(struct story *s, const struct record *r);
int story_see(struct story *s, const struct weir_event *ev);
void story_free(struct story *s);

/* NULL where the recording has moved on. */
const struct weir_event *story_find(const struct story *s, weir_event_id id);
/* The life of (host, sock) at that event; NULL: not known. */
const struct story_socket *story_socket(const struct story *s, uint8_t host,
                                        uint32_t sock, weir_event_id at);
/* NULL: not known. */
const struct story_program *story_program(const struct story *s, uint32_t pid);
/* The name of a process ("nc"), "?" where it is not known. */
const char *story_comm(const struct story *s, uint32_t pid);
/* The flow of a segment, and which of its ends sent it (0: the opener). */
const struct story_flow *story_flow(const struct story *s,
                                    const struct weir_event *seg, int *sender);
/* The latest flow between two endpoints; *from: which end the first is. */
const struct story_flow *story_between(const struct story *s, uint8_t proto,
                                       uint32_t addr, uint16_t port,
                                       uint32_t peer, uint16_t pport,
                                       int *from);
/* The event about the same socket (host, sock) before this one; NULL: none. */
const struct weir_event *story_before(const struct story *s,
                                      const struct weir_event *ev);
/* The last STATE of a connection (rport 0: a listener) not after `at`. */
const struct weir_event *story_state(const struct story *s, uint8_t host,
                                     uint32_t local, uint16_t lport,
                                     uint32_t remote, uint16_t rport,
                                     weir_event_id at);
const char *story_host(const struct story *s, uint8_t host);

#endif
