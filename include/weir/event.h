/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_EVENT_H
#define WEIR_EVENT_H
/*
 * Every observable thing, listed once. An event is a fixed record of 64 bytes
 * that names the event that caused it. A recorder is two rings of records in
 * memory the caller provides (a mapped file, as a rule): bulk (segments, calls)
 * cannot wash out what is rare (states, errors, drops, timers, programs).
 * Writing one is a store into the ring: no call, no allocation.
 *
 * Times are nanoseconds of the clock that the stack is fed with (run:
 * CLOCK_MONOTONIC). IPv4 addresses in records are 32 bits, host order.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "weir/reason.h"

/* An event's id: shard in the top 16 bits, sequence (from 1) below. 0: none. */
typedef uint64_t weir_event_id;

/* X(name, ring, payload member): bulk or rare. */
/* clang-format off */
#define WEIR_EVENTS(X)                                                         \
    X(CALL, bulk, call)           /* a socket call: begin, and end filled in */ \
    X(DATA, bulk, data)           /* bytes through a carrier, call not seen */ \
    X(SEGMENT_SENT, bulk, seg)    /* a packet left the stack */                \
    X(SEGMENT_RECEIVED, bulk, seg) /* a packet was understood by the stack */  \
    X(SEGMENT_FORWARDED, bulk, seg) /* routed on; reason 0 */                  \
    X(ARP, bulk, arp)             /* request or reply, sent or received */     \
    X(DROP, rare, seg)            /* a packet ended, with its reason */        \
    X(STATE, rare, state)         /* a connection changed state */             \
    X(ERROR, rare, error)         /* a socket was given an error */            \
    X(TIMER_FIRED, rare, timer)   /* retransmit, persist, keep-alive, ... */   \
    X(SOCKET, rare, socket)       /* a socket came to be */                    \
    X(NAMED, rare, named)         /* its addresses became known or changed */  \
    X(RELEASED, rare, released)   /* its last reference was released */        \
    X(QUEUE, rare, queue)         /* accept queue: level changed */            \
    X(PROGRAM_STARTED, rare, program)                                          \
    X(PROGRAM_FORKED, rare, program)                                           \
    X(PROGRAM_EXECUTED, rare, program)                                         \
    X(PROGRAM_EXITED, rare, program)                                           \
    X(LINK, rare, link)           /* up, down, cut, heal */                    \
    X(IMPAIRED, rare, link)       /* an impairment applied to a frame */       \
    X(FAULT, rare, link)          /* crash, reboot, freeze, thaw of a host */  \
    X(ALARM, rare, text)          /* a socket call that weir cannot carry */   \
    X(TEXT, rare, text)           /* words of a person or of a scenario */
/* clang-format on */

enum weir_event_kind {
    WEIR_EV_NONE,
#define X(name, ring, payload) WEIR_EV_##name,
    WEIR_EVENTS(X)
#undef X
        WEIR_EV_MAX
};

/* Socket calls by number; the door maps system calls to these. */
/* clang-format off */
#define WEIR_CALLS(X)                                                          \
    X(socket) X(bind) X(listen) X(accept) X(accept4) X(connect) X(getsockname) \
    X(getpeername) X(shutdown) X(close) X(read) X(write) X(readv) X(writev)    \
    X(send) X(recv) X(sendto) X(recvfrom) X(sendmsg) X(recvmsg) X(sendmmsg)    \
    X(recvmmsg) X(sendfile) X(splice) X(setsockopt) X(getsockopt) X(ioctl)     \
    X(dup) X(fcntl) X(poll) X(select) X(epoll_wait) X(open) X(abort)
/* clang-format on */

enum weir_call {
    WEIR_CALL_none,
#define X(name) WEIR_CALL_##name,
    WEIR_CALLS(X)
#undef X
        WEIR_CALL_MAX
};

/* The result of a call that has not ended. */
#define WEIR_CALL_PENDING INT32_MIN

/* Linux's numbers, as in /proc/net/tcp */
enum weir_tcp_state {
    WEIR_TCP_ESTABLISHED = 1,
    WEIR_TCP_SYN_SENT,
    WEIR_TCP_SYN_RECV,
    WEIR_TCP_FIN_WAIT1,
    WEIR_TCP_FIN_WAIT2,
    WEIR_TCP_TIME_WAIT,
    WEIR_TCP_CLOSED,
    WEIR_TCP_CLOSE_WAIT,
    WEIR_TCP_LAST_ACK,
    WEIR_TCP_LISTEN,
    WEIR_TCP_CLOSING,
};

enum weir_timer {
    WEIR_TIMER_NONE,
    WEIR_TIMER_REXMIT,    /* RFC 6298 */
    WEIR_TIMER_PROBE,     /* tail loss probe, RFC 8985 7 */
    WEIR_TIMER_REORDER,   /* RACK reordering window, RFC 8985 6.2 */
    WEIR_TIMER_PERSIST,   /* zero-window probe, RFC 9293 3.8.6.1 */
    WEIR_TIMER_DELACK,    /* RFC 9293 3.8.6.3 */
    WEIR_TIMER_KEEPALIVE, /* RFC 9293 3.8.4 */
    WEIR_TIMER_TIME_WAIT,
    WEIR_TIMER_FIN_WAIT2,
    WEIR_TIMER_USER,   /* TCP_USER_TIMEOUT, RFC 5482 */
    WEIR_TIMER_SYNACK, /* SYN+ACK retransmission */
    WEIR_TIMER_ARP,    /* request retry, entry expiry */
    WEIR_TIMER_REASSEMBLY,
    WEIR_TIMER_MAX
};

/* TCP header flags as on the wire. */
enum weir_tcp_flag {
    WEIR_FIN = 0x01,
    WEIR_SYN = 0x02,
    WEIR_RST = 0x04,
    WEIR_PSH = 0x08,
    WEIR_ACK = 0x10,
    WEIR_URG = 0x20,
};

struct weir_event {
    weir_event_id id;
    weir_event_id cause; /* 0: the program, or the world, itself */
    uint64_t t_ns;
    uint16_t kind;
    uint8_t host;  /* which stack, 1..; 0: none */
    uint8_t flags; /* enum weir_event_flag */
    uint32_t sock; /* handle + 1 of the socket on that host; 0: none */
    union {
        /* `cause` of a call is what completed it (a segment, a timer, an
         * error); t_ns is when it began. */
        struct {
            uint32_t pid, tid;
            int32_t fd;
            int32_t result;   /* >= 0, -errno or WEIR_CALL_PENDING */
            uint32_t took_us; /* begin to end; saturates */
            uint32_t a0, a1;  /* connect, bind, accept, sendto: address, port;
                               * read, write: bytes asked, queue level after;
                               * set/getsockopt: level << 16 | name, value;
                               * socket: type, protocol; listen: backlog;
                               * shutdown: how */
            uint16_t call;    /* enum weir_call */
            uint8_t reason;   /* enum weir_reason: behind a failure */
            uint8_t copies;   /* copies made of these bytes so far (T10) */
        } call;
        struct {
            uint32_t pid;
            uint32_t bytes;
            uint32_t queue;  /* level of the socket's queue after it */
            uint32_t parked; /* in: bytes waiting in a carrier that is full */
            uint64_t total;  /* bytes this way since the socket came to be */
            uint8_t out;     /* 1: program to stack, 0: stack to program */
            uint8_t copies;
        } data;
        struct {
            uint32_t src, dst;
            uint16_t sport, dport; /* ICMP: type << 8 | code, identifier */
            uint32_t seq, ack;     /* TCP, absolute; ICMP echo: sequence */
            uint32_t len;          /* payload bytes */
            uint32_t win;          /* TCP: window in bytes (scaled);
                                    * DROP and FORWARDED: TTL */
            uint8_t proto;         /* IP protocol; 0 with DROP: not even IP */
            uint8_t tcp_flags;
            uint8_t nth;    /* which transmission of these bytes, from 1;
                             * receive: 2 when all of it was there already */
            uint8_t reason; /* enum weir_reason: DROP, and RST sent */
        } seg;
        struct {
            uint32_t sender, target;
            uint8_t mac[6];
            uint8_t op;  /* 1 request, 2 reply */
            uint8_t out; /* 1: sent */
            uint8_t nth; /* which try */
            uint8_t ifindex;
        } arp;
        struct {
            uint32_t local, remote;
            uint16_t lport, rport;
            uint8_t from, to; /* enum weir_tcp_state */
            uint8_t reason;
            uint8_t pad;
            uint32_t sndq, rcvq; /* bytes unacknowledged or unsent; unread */
        } state;
        struct {
            int32_t error; /* errno, positive */
            uint8_t reason;
            uint8_t soft; /* 1: remembered, not fatal (RFC 1122 4.2.3.9) */
            uint16_t pad;
            uint32_t waited_ms; /* since the first unanswered try */
            uint32_t tries;
            uint32_t unread, unsent; /* bytes at that moment */
        } error;
        struct {
            uint8_t timer; /* enum weir_timer */
            uint8_t tries; /* how often it fired in a row, this included */
            uint16_t pad;
            uint32_t next_ms; /* what it is armed with now; 0: not */
            uint32_t bytes;   /* bytes in flight or waiting */
            uint32_t seq;     /* first byte it is about */
        } timer;
        struct {
            uint32_t pid;
            int32_t fd;
            uint16_t family;
            uint8_t type, proto; /* SOCK_STREAM.., IPPROTO_TCP.. */
            uint32_t parent;     /* accepted from: listener's handle + 1 */
            uint64_t inode;      /* carrier; 0: direct API */
        } socket;
        struct {
            uint32_t local, remote;
            uint16_t lport, rport;
            uint8_t proto;
            uint8_t listening;
            uint16_t backlog;
        } named;
        struct {
            uint32_t pid;    /* who released it last; 0: not known */
            uint32_t unread; /* received bytes nobody read */
            uint32_t unsent; /* bytes not yet acknowledged */
            uint32_t lport;
            uint64_t read, written; /* bytes in its life */
        } released;
        struct {
            uint32_t level, limit;
            uint8_t syn_queue; /* 1: half-open, 0: accept queue */
        } queue;
        struct {
            uint32_t pid, ppid;
            char comm[16];
            int32_t status; /* exit status */
            uint8_t signal; /* or the signal that ended it */
            uint8_t core;
        } program;
        struct {
            uint8_t link;   /* number of the link; FAULT: 0 */
            uint8_t reason; /* enum weir_reason */
            uint8_t action; /* enum weir_link_action */
            uint8_t pad;
            uint32_t value; /* delay us, bytes, ... */
            uint64_t frame; /* event id of the frame it hit */
            char name[16];  /* "a:eth0" */
        } link;
        char text[32]; /* cut with NUL */
    };
};
_Static_assert(sizeof(struct weir_event) == 64, "a record is 64 bytes");

enum weir_event_flag {
    WEIR_EVF_SYNTHETIC = 1 << 0, /* the call was not seen: seen by its effect */
    WEIR_EVF_MORE = 1 << 1,      /* TEXT: goes on in the next record */
    WEIR_EVF_AGAIN = 1 << 2,     /* CALL: written again under its old id, as
                                  * the ring had moved past the first record */
};

enum weir_link_action {
    WEIR_ACT_LINK_UP = 1,
    WEIR_ACT_LINK_DOWN,
    WEIR_ACT_LINK_CUT,
    WEIR_ACT_LINK_HEAL,
    WEIR_ACT_CRASH,
    WEIR_ACT_REBOOT,
    WEIR_ACT_FREEZE,
    WEIR_ACT_THAW,
    WEIR_ACT_LOST,
    WEIR_ACT_DUPLICATED,
    WEIR_ACT_REORDERED,
    WEIR_ACT_CORRUPTED,
    WEIR_ACT_DELAYED,
};

/* A ring of `mask + 1` records (a power of two); `head` counts all ever
 * written, so record n lies at slot[n & mask] while head - n <= mask + 1.
 * Within a ring ids ascend, but for calls that ended long after they began:
 * their record is written again under its old id, marked WEIR_EVF_AGAIN. */
struct weir_ring {
    uint64_t head;
    uint64_t mask;
    struct weir_event *slot;
};

/* One writer. `next` is the id of the next event. */
struct weir_recorder {
    weir_event_id next;
    struct weir_ring bulk, rare;
};

static inline bool weir_event_is_rare(unsigned kind) {
    return kind >= WEIR_EV_DROP;
}

/* Begin a record: zeroed but for kind, id, cause, host and time. NULL where
 * `rec` is NULL. The pointer is good until the next record of that ring. */
static inline struct weir_event *
weir_record(struct weir_recorder *rec, enum weir_event_kind kind, uint8_t host,
            uint32_t sock, weir_event_id cause, uint64_t now) {
    if (!rec)
        return NULL;
    struct weir_ring *ring = weir_event_is_rare(kind) ? &rec->rare : &rec->bulk;
    struct weir_event *ev = &ring->slot[ring->head++ & ring->mask];
    /* The ring is larger than what is near: bring up what is written soon (at
     * its end, once a round, that is not it). */
    __builtin_prefetch((const char *)ev + 8 * sizeof(*ev), 1);
    memset(ev, 0, sizeof(*ev));
    ev->id = rec->next++;
    ev->cause = cause;
    ev->t_ns = now;
    ev->kind = (uint16_t)kind;
    ev->host = host;
    ev->sock = sock;
    return ev;
}

/* The record with that id, or NULL where the ring has moved on. O(log n). */
struct weir_event *weir_event_find(struct weir_recorder *rec, weir_event_id id);

/* Names for people: "SEGMENT_SENT", "connect", "ESTABLISHED", "retransmit".
 * Static strings, never NULL. */
const char *weir_event_name(unsigned kind);
const char *weir_call_name(unsigned call);
const char *weir_tcp_state_name(unsigned state);
const char *weir_timer_name(unsigned timer);

#endif
