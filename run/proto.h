/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_PROTO_H
#define WEIR_RUN_PROTO_H
/*
 * What an agent (ancestor of programs; their memory and descriptors) and a
 * stack (run/serve.h) say to each other: requests, each with one reply of the
 * same `seq`, and notes that want none. A socket is named by the inode of its
 * carrier, which every process of the machine agrees on, so that a descriptor
 * passed to a program of another agent is still the same socket. The messages
 * are the same whether both roles are played by one process (a function call)
 * or by two (a SOCK_SEQPACKET socket, one message a packet, descriptors
 * passed beside it).
 *
 * A request may begin a record of a call (PROTO_BEGIN), may end it with the
 * reply (PROTO_END), or name the record that it belongs to (`event`).
 */
#include <stdint.h>

#include "weir/addr.h"

/* Abstract name of a stack's end in a listening carrier: its pid, a serial. */
#define WAITING_NAME "weir-end:%x:%u"
#define PROTO_DATA_MAX 65536u
#define PROTO_VERSION 1

#define PROTO_OPS(X)                                                           \
    X(HELLO)   /* data: host's name; reply data: dir for carriers */           \
    X(SOCKET)  /* inode, a: type, protocol; data: carrier's path (UDP) */      \
    X(BIND)    /* ep */                                                        \
    X(LISTEN)  /* a0: backlog; data: the carrier's path */                     \
    X(CONNECT) /* ep (a0 1: AF_UNSPEC; a3: it does not block); reply           \
                  -EINPROGRESS: see CONNECTED */                               \
    X(ATTACH)  /* fd: the stack's end; a0: filler bytes in it, a1: sndbuf; a2, \
                  a3: the carrier's new inode; without fd: a fresh one */      \
    X(ACCEPT)  /* inode: listener; a0, a1: new inode, low and high half; a2:   \
                  serial in the name of its other end (WAITING_NAME), or 0 */  \
    X(UNACCEPT) /* inode: what was accepted; it could not be delivered */      \
    X(NAME)     /* a0: 0 own, 1 peer's */                                      \
    X(SETOPT)   /* a0: level, a1: name; data: value */                         \
    X(GETOPT)   /* a0: level, a1: name, a2: length; reply data: value */       \
    X(SHUTDOWN) /* a0: how. Reply 0: now shut the carrier down, too */         \
    X(INFO)     /* a0: enum proto_info */                                      \
    X(SEND)     /* a0: flags, ep (a1 = 1), ep.ifindex, a2: source or 0, a3:    \
                   enum proto_send_how; data: a datagram, or bytes */          \
    X(DRAIN)    /* take everything out of the carrier, now */                  \
    X(ERRQUEUE) /* a0: bytes wanted; reply data: struct weir_queued_error, its \
                   datagram; a0: msg_flags, a1: an error is left */            \
    X(WAIT)     /* reply when the carrier may have more (a0 0) or less (1) */  \
    X(PUSHED)   /* answer to RESET: an unread byte is in the stack's end */    \
    X(CALL)     /* a call the stack had no part in: a record */                \
    X(RELEASE)  /* traced: the last reference may have gone: look */           \
    X(PROGRAM)  /* a0: event kind, a1: ppid, a2: wait status; data: comm */    \
    X(ALARM)    /* data: text */                                               \
    X(LET_GO)   /* bind no program to a processor now */                       \
    X(VIEW)     /* a0: enum proto_view; reply: a descriptor beside it */       \
    /* notes of the stack */                                                   \
    X(CONNECTED) /* result: of a connect in progress */                        \
    X(PENDING)   /* a connection waits in the listening carrier */             \
    X(RESET)     /* push a byte from the program's side, then PUSHED */        \
    X(GONE)      /* the socket is no more: forget its carrier */               \
    X(FREEZE)    /* a0: enum serve_how, of all programs */

enum proto_op {
    PROTO_NONE,
#define X(name) PROTO_##name,
    PROTO_OPS(X)
#undef X
        PROTO_OP_MAX
};

enum proto_flag {
    PROTO_BEGIN = 1 << 0, /* record the begin of a call; reply has `event` */
    PROTO_END = 1 << 1,   /* the reply's result is the call's */
    PROTO_RESET_NOW = 1 << 2, /* reply to ACCEPT: it was reset before */
};

/* Reply: not a socket of this stack; let the kernel have the call. */
#define PROTO_FOREIGN (-4000)

/* What control data beside a datagram says: TTL in the lowest byte, TOS in the
 * next one. */
enum proto_send_how {
    PROTO_SEND_TTL = 1 << 16,
    PROTO_SEND_TOS = 1 << 17,
};

enum proto_info {
    PROTO_INFO_TYPE,    /* reply result: SOCK_STREAM.. */
    PROTO_INFO_OUTQ,    /* SIOCOUTQ */
    PROTO_INFO_OUTQNSD, /* SIOCOUTQNSD */
    PROTO_INFO_INQ,     /* SIOCINQ */
    PROTO_INFO_ERROR,   /* pending error, left as it is */
};

/* What a program sees of its host. The reply's descriptor is a memory file, or
 * its result is -errno, or PROTO_FOREIGN. */
enum proto_view {
    PROTO_VIEW_FILE,    /* data: absolute path; the file's content */
    PROTO_VIEW_NETLINK, /* a1: protocol, a2: port id; data: requests. The
                           answers, each after its length (uint32_t) */
    PROTO_VIEW_IOCTL,   /* a1: command; data: struct ifreq or arpreq; reply
                           data: the same, changed */
};

struct proto {
    uint16_t op;    /* reply: that of the request */
    uint16_t flags; /* enum proto_flag */
    uint32_t seq;   /* 0: a note */
    int32_t result; /* reply: >= 0 or -errno */
    uint32_t pid, tid;
    int32_t fd;     /* in the program, for the record */
    uint16_t call;  /* enum weir_call */
    uint8_t reason; /* reply: why it failed */
    uint8_t pad;
    uint64_t inode;
    uint64_t event; /* record of the call, 0: none */
    uint32_t a[4];
    uint32_t rec[2]; /* a0, a1 of the call's record */
    struct weir_endpoint ep;
    uint32_t len; /* bytes of data that follow */
};

/* One end of a conversation. `send` delivers to the other end; `fd` >= 0 is
 * given away with it. Local: the other end's handler runs
 * before it returns. */
struct proto_pipe {
    void (*send)(struct proto_pipe *p, const struct proto *m, const void *data,
                 int fd);
};

#endif
