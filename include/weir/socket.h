/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_SOCKET_H
#define WEIR_SOCKET_H
/*
 * Berkeley's calls on a stack. They never block and return >= 0 or -errno, as
 * the Linux kernel would answer the same call on a non-blocking socket; the
 * numbers of families, types, levels, options and flags are Linux's. A socket
 * is an integer handle >= 0, never reused at once.
 */
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "weir/addr.h"
#include "weir/event.h"
#include "weir/weir.h"

/* domain: AF_INET. type: SOCK_STREAM, SOCK_DGRAM. -EAFNOSUPPORT,
 * -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -EPERM (raw), -ENOMEM. */
int weir_socket(struct weir_stack *s, int domain, int type, int protocol);
int weir_bind(struct weir_stack *s, int sock, const struct weir_endpoint *ep);
int weir_listen(struct weir_stack *s, int sock, int backlog);
/* TCP: -EINPROGRESS, then writable, and SO_ERROR tells; UDP: 0. `ep` NULL is
 * AF_UNSPEC: dissolve the association. */
int weir_connect(struct weir_stack *s, int sock,
                 const struct weir_endpoint *ep);
/* A new handle, or -EAGAIN; peer may be NULL. A connection reset before it is
 * accepted is handed out all the same, as Linux does. */
int weir_accept(struct weir_stack *s, int sock, struct weir_endpoint *peer);
/* how: SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2. */
int weir_shutdown(struct weir_stack *s, int sock, int how);
/* The last reference is gone: the handle ends now; what is queued still drains
 * (or RST, with data unread or SO_LINGER 0). 0 or -EBADF. */
int weir_close(struct weir_stack *s, int sock);
/* End it with RST and this reason. */
int weir_abort(struct weir_stack *s, int sock, enum weir_reason reason);

/* Copying send: one copy, into the send buffer. flags: MSG_OOB, MSG_MORE,
 * MSG_EOR; `to` NULL: the connected peer. Bytes taken (TCP: may be fewer), or
 * -EAGAIN, -EPIPE, -ENOTCONN, -EMSGSIZE, ... */
ssize_t weir_send(struct weir_stack *s, int sock, const struct iovec *iov,
                  int n, int flags, const struct weir_endpoint *to);
/* Copying receive. flags: MSG_PEEK, MSG_TRUNC, MSG_OOB. 0: end of file. UDP:
 * `from` is filled; a datagram longer than the buffer is cut and
 * *msg_flags gets MSG_TRUNC. from and msg_flags may be NULL. */
ssize_t weir_recv(struct weir_stack *s, int sock, const struct iovec *iov,
                  int n, int flags, struct weir_endpoint *from, int *msg_flags);

/* ---- what goes beside a datagram (UDP) ---- */

enum weir_beside { /* what the options of the socket ask for */
                   WEIR_BESIDE_PKTINFO = 1 << 0,
                   WEIR_BESIDE_TTL = 1 << 1,
                   WEIR_BESIDE_TOS = 1 << 2,
                   WEIR_BESIDE_DROPS = 1 << 3,
                   WEIR_BESIDE_ORIGDST = 1 << 4,
};
struct weir_dgram {
    struct weir_endpoint from, to; /* to.ifindex: where it came in */
    struct weir_addr local; /* ours that stands for `to` (ipi_spec_dst) */
    uint64_t time_ns;       /* when it arrived, by weir_now */
    uint32_t drops;         /* of the socket so far */
    uint8_t ttl, tos;
    uint8_t asked;     /* enum weir_beside */
    uint8_t timestamp; /* the option that asks for it (SO_TIMESTAMP), or 0 */
};
/* As weir_recv, and what is known of the datagram. */
ssize_t weir_recvmsg(struct weir_stack *s, int sock, const struct iovec *iov,
                     int n, int flags, struct weir_dgram *d, int *msg_flags);

struct weir_send_how {       /* instead of what the options say */
    struct weir_addr source; /* any: by the route */
    unsigned ifindex;        /* 0: by the route */
    int ttl, tos;            /* -1: the option's */
};
/* As weir_send; -EINVAL or -ENETUNREACH for a source that is not ours. */
ssize_t weir_sendmsg(struct weir_stack *s, int sock, const struct iovec *iov,
                     int n, int flags, const struct weir_endpoint *to,
                     const struct weir_send_how *how);

struct weir_queued_error {   /* of a socket with IP_RECVERR */
    struct weir_endpoint to; /* where the datagram was going */
    struct weir_addr offender;
    uint32_t error, info;       /* errno; next-hop MTU or 0 */
    uint8_t origin, type, code; /* SO_EE_ORIGIN_*, ICMP's */
};
/* The oldest queued error and the datagram it is about: bytes copied, or
 * -EAGAIN. *msg_flags gets MSG_TRUNC where the buffer was too short. */
ssize_t weir_recverr(struct weir_stack *s, int sock, const struct iovec *iov,
                     int n, struct weir_queued_error *out, int *msg_flags);

/* Without copying (TCP). Send: the stack takes over the reference of each
 * slice it accepts, whole slices from the first; returns how many slices, or
 * -errno. Fill buffers from weir_buf_alloc(weir_arena(s), ...). */
int weir_send_slices(struct weir_stack *s, int sock,
                     const struct weir_slice *slice, int n, int flags);
/* Receive: up to n pointers to in-order bytes at the front of the queue, good
 * until the next call on this stack; returns how many iovecs (0: none now;
 * -EAGAIN never), or -errno. Then weir_consume the bytes that were used. As
 * with weir_recv, they end before the urgent mark, and at the mark the urgent
 * byte is passed over: who wants it asks weir_sockatmark first. */
int weir_peek(struct weir_stack *s, int sock, struct iovec *iov, int n);
int weir_consume(struct weir_stack *s, int sock, size_t bytes);
/* POSIX sockatmark(), Linux SIOCATMARK: 1 where the next byte to read is the
 * urgent one, else 0; -EBADF, -ENOTTY (UDP). */
int weir_sockatmark(struct weir_stack *s, int sock);

int weir_getsockname(struct weir_stack *s, int sock, struct weir_endpoint *ep);
int weir_getpeername(struct weir_stack *s, int sock, struct weir_endpoint *ep);
/* Values as the Linux ABI has them; -ENOPROTOOPT, -EINVAL, -EDOM, ... One
 * table says what each option does: docs/options.md. */
int weir_setsockopt(struct weir_stack *s, int sock, int level, int name,
                    const void *value, uint32_t len);
int weir_getsockopt(struct weir_stack *s, int sock, int level, int name,
                    void *value, uint32_t *len);

enum weir_option_status {
    WEIR_OPT_HONOURED,
    WEIR_OPT_REFUSED,  /* with the errno Linux would give */
    WEIR_OPT_RECORDED, /* kept and given back, with no effect; documented */
};
struct weir_option {
    const char *name; /* "SO_REUSEADDR" */
    int level, number;
    const char *type; /* "int", "struct linger", "struct timeval", ... */
    enum weir_option_status status;
    const char *note; /* what it does here, or why not */
};
/* The n-th row of the option table; NULL past the end. */
const struct weir_option *weir_option(unsigned n);

/* ---- readiness ---- */

enum weir_ready_bit { /* poll(2)'s bits and values */
                      WEIR_IN = 0x001,
                      WEIR_PRI = 0x002,
                      WEIR_OUT = 0x004,
                      WEIR_ERR = 0x008,
                      WEIR_HUP = 0x010,
                      WEIR_RDHUP = 0x2000,
};
/* What poll(2) would say now; 0 for a handle that does not exist. */
unsigned weir_ready(struct weir_stack *s, int sock);

struct weir_ready {
    int sock;
    unsigned mask;       /* as weir_ready() now */
    weir_event_id cause; /* the event behind the last change */
    uint64_t tag;        /* weir_set_tag */
};
/* The next socket whose readiness changed since it was last given out, or
 * that took in or freed bytes: 1, or 0 when there is no more. */
int weir_ready_next(struct weir_stack *s, struct weir_ready *out);

/* ---- for doors ---- */

/* Two values the core keeps for the door: a tag given back with readiness, and
 * the process that owns the socket (goes into packets and events). Accepted
 * sockets inherit neither. */
int weir_set_tag(struct weir_stack *s, int sock, uint64_t tag, uint32_t owner);

/* How often the bytes that weir_send_slices will be given were copied before:
 * travels with them, for weir_sockinfo.copies at the other end. 0..12. */
int weir_set_copies(struct weir_stack *s, int sock, unsigned copies);

/* Everything about a socket; also for those whose handle has gone (draining,
 * TIME_WAIT; sock is -1). */
struct weir_sockinfo {
    int sock;
    uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP */
    uint8_t state; /* enum weir_tcp_state; UDP: ESTABLISHED when
                    * connected, else CLOSED */
    uint8_t timer; /* /proc/net/tcp's: 0 none, 1 rexmit, 2 keepalive,
                    * 3 time-wait, 4 probe */
    uint8_t retransmits, probes;
    uint16_t ifindex;
    uint32_t owner;
    uint64_t tag;
    struct weir_endpoint local, peer;
    uint32_t rx_queue;       /* unread bytes; LISTEN: accept queue length */
    uint32_t tx_queue;       /* unacknowledged and unsent; LISTEN: backlog */
    uint32_t unsent;         /* of these, never sent (SIOCOUTQNSD) */
    uint32_t rcvbuf, sndbuf; /* limits */
    uint8_t copies;    /* made of the bytes received last, since their program
                        * had them (T10); 0: not known */
    uint32_t drops;    /* UDP: datagrams dropped here */
    uint64_t timer_ns; /* when the timer is due; 0: none */
    uint64_t read, written;                              /* bytes of its life */
    uint32_t srtt_us, rttvar_us, rto_us, cwnd, ssthresh; /* cwnd in bytes */
    uint32_t rcv_window, snd_window, mss;
    int32_t error;           /* pending SO_ERROR, positive errno */
    enum weir_reason reason; /* why it is closed or failed */
    weir_event_id cause;     /* event behind that */
};
int weir_sockinfo(struct weir_stack *s, int sock, struct weir_sockinfo *out);
/* Of these what changes with every segment, for who asks that often. */
struct weir_queues {
    uint32_t rx_queue, tx_queue;
    uint8_t copies;
};
int weir_queues(struct weir_stack *s, int sock, struct weir_queues *out);
/* Iterate over all sockets, handles or not: start with *cursor = 0; 1 while
 * there is one, 0 at the end. The stack must not change meanwhile. */
int weir_sockinfo_next(struct weir_stack *s, uint64_t *cursor,
                       struct weir_sockinfo *out);
/* Who holds the local address (for "port in use"): as sockinfo of the holder,
 * or -ENOENT. */
int weir_holder(struct weir_stack *s, int proto, const struct weir_endpoint *ep,
                struct weir_sockinfo *out);
/* Why the last call on this stack that returned an error did so. */
enum weir_reason weir_last_reason(const struct weir_stack *s);

#endif
