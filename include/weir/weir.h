/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H
/*
 * One stack: create it in an arena, feed it frames, calls and the time, take
 * frames, readiness and events from it, ask for its next deadline. It makes no
 * system call and knows no clock, descriptor or thread: the same inputs give
 * the same outputs, bit for bit. One thread at a time per arena.
 *
 *     weir_clock(s, now);                  the time of everything that follows
 *     weir_input(s, ifindex, frames);      frames in
 *     weir_send(s, sock, ...);             calls in ("weir/socket.h")
 *     weir_poll(s);                        timers due, then all output, once
 *     while ((list = weir_output(s, &i)))  frames out
 *     while (weir_ready_next(s, &r))       readiness out
 *     weir_deadline(s)                     call again no later than this
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "weir/addr.h"
#include "weir/counter.h"
#include "weir/event.h"
#include "weir/link.h"
#include "weir/pkt.h"

struct weir_stack;

struct weir_config {
    struct weir_arena *arena;
    struct weir_recorder *rec; /* NULL: no events. Not kept in the arena */
    uint8_t seed[32];          /* all randomness comes from this */
    uint64_t now_ns;
    uint8_t host; /* number in events, 1..255 */
    char name[16];
    uint32_t cpu; /* SIMD that may be used: enum weir_cpu; 0: portable code */
};

enum weir_cpu { WEIR_CPU_AVX2 = 1 << 0 };

/* A stack with `lo` up (127.0.0.1/8, MTU 65536) and Linux's default settings.
 * NULL where the arena is full. */
struct weir_stack *weir_create(const struct weir_config *config);

/* Free everything, silently: nothing is sent (a machine that loses power). */
void weir_destroy(struct weir_stack *s);

/* After the arena was mapped again (same address) in a new process image: set
 * anew what points out of it. weir_create does it for itself. */
void weir_attach(struct weir_stack *s, struct weir_recorder *rec);

struct weir_recorder *weir_recorder(const struct weir_stack *s);
uint8_t weir_host(const struct weir_stack *s);
const char *weir_name(const struct weir_stack *s);
struct weir_arena *weir_arena(const struct weir_stack *s);

/* Set the time; it never goes back (an earlier time is ignored). */
void weir_clock(struct weir_stack *s, uint64_t now_ns);
uint64_t weir_now(const struct weir_stack *s);

/* Name the event that causes the calls that follow, until weir_poll, or 0. */
void weir_cause(struct weir_stack *s, weir_event_id cause);

/* Take frames that arrived on an interface (a list, owned by the stack now). */
void weir_input(struct weir_stack *s, unsigned ifindex, struct weir_pkt *list);

/* Fire due timers, deliver what `lo` carries, and let every connection that
 * has something to send do so, once. */
void weir_poll(struct weir_stack *s);

/* Frames to send: a list for one interface (set in *ifindex), owned by the
 * caller; NULL: no more. Frames of `lo` never come out. With *tap of weir_if
 * set, see weir_if_tap. */
struct weir_pkt *weir_output(struct weir_stack *s, unsigned *ifindex);

/* When weir_poll is next due, ns; WEIR_NEVER; 0: at once. */
uint64_t weir_deadline(const struct weir_stack *s);

/* ---- interfaces, addresses, routes, neighbours ---- */

struct weir_if {
    char name[16];
    uint8_t mac[6];
    bool up;
    bool loopback;
    uint32_t mtu;                 /* IP bytes, 68..65535 (lo: 65536) */
    uint32_t features;            /* enum weir_link_feature of the link below */
    unsigned ifindex;             /* 1 is lo; filled in by weir_if_add */
    struct weir_link_stats stats; /* filled in by weir_if_get */
};

/* Add an interface; returns its index (2..) or -ENOMEM, -EINVAL, -EEXIST. */
int weir_if_add(struct weir_stack *s, const struct weir_if *config);
/* The interface with that index: 0 or -ENODEV. Indices have no gaps: count
 * from 1 until -ENODEV. */
int weir_if_get(const struct weir_stack *s, unsigned ifindex,
                struct weir_if *out);
int weir_if_set_up(struct weir_stack *s, unsigned ifindex, bool up);
/* Frames of `lo` are also handed (as clones) to `tap`, so that a capture sees
 * them; NULL ends it. Not kept in the arena. */
void weir_lo_tap(struct weir_stack *s,
                 void (*tap)(void *ctx, const struct weir_pkt *pkt,
                             uint64_t now),
                 void *ctx);

/* An address with its prefix length; brings its connected route with it.
 * 0, -EEXIST, -ENODEV, -EINVAL, -ENOMEM. */
int weir_addr_add(struct weir_stack *s, unsigned ifindex,
                  const struct weir_addr *addr, unsigned plen);
int weir_addr_del(struct weir_stack *s, unsigned ifindex,
                  const struct weir_addr *addr);

struct weir_ifaddr {
    struct weir_addr addr, broadcast;
    unsigned plen, ifindex;
};
/* The n-th address (0..) of the stack: 0 or -ENOENT. */
int weir_addr_get(const struct weir_stack *s, unsigned n,
                  struct weir_ifaddr *out);

struct weir_route {
    struct weir_addr dst, gateway, source; /* gateway any: on the link */
    unsigned plen;                         /* 0..32 for IPv4 (0: default) */
    unsigned ifindex;
    uint32_t metric; /* lower wins among equal prefixes */
    bool local;      /* delivers to this stack (listed, never added) */
};
int weir_route_add(struct weir_stack *s, const struct weir_route *r);
int weir_route_del(struct weir_stack *s, const struct weir_route *r);
int weir_route_get(const struct weir_stack *s, unsigned n,
                   struct weir_route *out);
/* The route a packet to `dst` takes: 0 or -ENETUNREACH. */
int weir_route_lookup(const struct weir_stack *s, const struct weir_addr *dst,
                      struct weir_route *out);

enum weir_neigh_state { /* Linux's NUD_* numbers */
                        WEIR_NUD_INCOMPLETE = 0x01,
                        WEIR_NUD_REACHABLE = 0x02,
                        WEIR_NUD_STALE = 0x04,
                        WEIR_NUD_DELAY = 0x08,
                        WEIR_NUD_PROBE = 0x10,
                        WEIR_NUD_FAILED = 0x20,
                        WEIR_NUD_PERMANENT = 0x80,
};
struct weir_neigh {
    struct weir_addr addr;
    uint8_t mac[6];
    unsigned ifindex, state;
};
int weir_neigh_get(const struct weir_stack *s, unsigned n,
                   struct weir_neigh *out);

/* ---- settings and counters ---- */

/* Settings under Linux's names ("net.ipv4.tcp_retries2", or without
 * "net.ipv4."; "net.core.somaxconn"). Values are text as in /proc/sys.
 * set: 0, -ENOENT (no such setting), -EINVAL (out of range or no number).
 * get: the length of the text, or -ENOENT. */
int weir_sysctl_set(struct weir_stack *s, const char *name, const char *value);
int weir_sysctl_get(const struct weir_stack *s, const char *name, char *buf,
                    size_t size);
/* The n-th setting's full name, NULL past the end. */
const char *weir_sysctl_name(unsigned n);

uint64_t weir_counter(const struct weir_stack *s, enum weir_counter c);
uint64_t weir_drops(const struct weir_stack *s, enum weir_reason r);
const char *weir_counter_group(enum weir_counter c); /* "TcpExt" */
const char *weir_counter_name(enum weir_counter c);  /* "ListenOverflows" */

#endif
