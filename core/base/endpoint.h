/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_ENDPOINT_H
#define WEIR_CORE_BASE_ENDPOINT_H
/*
 * The head of everything a socket handle names (a TCP connection, a listener,
 * a UDP socket): what transports and the socket layer both need. First member
 * of struct tcp_conn, tcp_listener and udp_sock. Small: an idle connection
 * pays for it.
 */
#include "base/env.h"
#include "weir/addr.h"

enum endpoint_kind {
    ENDPOINT_TCP,      /* struct tcp_conn, in any state but LISTEN */
    ENDPOINT_LISTENER, /* struct tcp_listener */
    ENDPOINT_UDP,
};

enum endpoint_flag {
    EP_REUSEADDR = 1 << 0,
    EP_REUSEPORT = 1 << 1,
    EP_BOUND = 1 << 2, /* bind() was called (or a port was taken) */
    EP_BROADCAST = 1 << 3,
    EP_KEEPALIVE = 1 << 4,
    EP_SHUT_RD = 1 << 5,
    EP_SHUT_WR = 1 << 6,
    EP_READY_QUEUED = 1 << 7, /* is in the ready list */
    EP_OOBINLINE = 1 << 8,
    EP_BOUND_ADDR = 1 << 9, /* to one address, not to any */
    EP_DEAD = 1 << 10,      /* the handle has gone (orphan) */
};

struct endpoint {
    struct endpoint *ready_next; /* while EP_READY_QUEUED */
    int32_t handle;              /* -1: no handle */
    uint32_t owner;              /* process id, for packets and events */
    uint64_t tag;                /* the door's */
    weir_event_id cause;         /* of the last change of readiness */
    uint16_t flags;              /* enum endpoint_flag */
    uint16_t error;              /* pending SO_ERROR, positive errno */
    uint8_t kind;                /* enum endpoint_kind */
    uint8_t reason;              /* enum weir_reason behind error or end */
    uint16_t lport, rport;       /* host order */
    uint16_t ifindex;            /* SO_BINDTODEVICE; 0: any */
    uint8_t tos;                 /* IP_TOS */
    uint8_t ttl;                 /* IP_TTL; 0: the default */
    uint8_t pmtudisc;            /* IP_MTU_DISCOVER (IP_PMTUDISC_WANT is 1) */
    uint8_t copies;        /* endpoint_copies_*: two numbers, four bits each */
    uint32_t laddr, raddr; /* IPv4, host order; 0: any */
    struct endpoint_extra *extra; /* rare options, the socket layer's; or NULL:
                                   * accepted sockets inherit a copy */
};

/* T10: how often bytes that go out from here were copied before, and those that
 * were received last. */
static inline unsigned endpoint_copies_out(const struct endpoint *ep) {
    return ep->copies & 15u;
}
static inline unsigned endpoint_copies_in(const struct endpoint *ep) {
    return ep->copies >> 4;
}
static inline void endpoint_set_copies_out(struct endpoint *ep, unsigned n) {
    ep->copies = (uint8_t)((ep->copies & 0xf0u) | (n & 15u));
}
static inline void endpoint_set_copies_in(struct endpoint *ep, unsigned n) {
    ep->copies = (uint8_t)((ep->copies & 15u) | (n & 15u) << 4);
}

/* Options few sockets set: kept and, where the option table says so, given
 * back with no other effect. */
struct endpoint_extra {
    uint8_t rcvtimeo[16],
        sndtimeo[16]; /* struct timeval; the door's business */
    uint32_t mark;
    int32_t priority, rcvlowat_udp, busy_poll, incoming_cpu;
    uint8_t no_check, dontroute, recverr, pktinfo, recvttl, recvtos,
        recvorigdst, rxq_ovfl, mcast_ttl, mcast_loop, freebind, bind_no_port;
    uint8_t timestamp; /* the option that asks for it; 0: none does */
};

/* The extra block, allocated at the first need; NULL where memory is out. */
struct endpoint_extra *endpoint_extra(struct env *env, struct endpoint *ep);
/* A listener's options for an accepted connection (ttl, tos, extra, ...). */
void endpoint_inherit(struct env *env, struct endpoint *child,
                      const struct endpoint *listener);
/* Give back what the endpoint holds beside itself, before it is freed. */
void endpoint_release(struct env *env, struct endpoint *ep);

/* The number of a socket in events. */
static inline uint32_t endpoint_sock(const struct endpoint *ep) {
    return (uint32_t)(ep->handle + 1);
}

/* Something a poller would see may have changed (readable, writable, error,
 * bytes taken in or freed): remember the cause, put it in the list that
 * weir_ready_next drains. */
void endpoint_touch(struct env *env, struct endpoint *ep);
/* Out of the list, before it is freed. */
void endpoint_untouch(struct env *env, struct endpoint *ep);

/* Give the socket an error: SO_ERROR, an ERROR event, readiness. `soft`: only
 * the event; who remembers it does so elsewhere (RFC 1122 4.2.3.9). Returns the
 * event, for the caller to add what it knows (tries, waited_ms, unread,
 * unsent), or NULL where nothing is recorded. */
struct weir_event *endpoint_error(struct env *env, struct endpoint *ep,
                                  int error, enum weir_reason reason,
                                  bool soft);

#endif
