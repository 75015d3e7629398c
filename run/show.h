/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_SHOW_H
#define WEIR_RUN_SHOW_H
/*
 * What a host looks like to its programs, in the kernel's own formats: the
 * stack's side of PROTO_VIEW. Each show_ function writes one text or answer
 * from the state of the stack at that moment.
 */
#include <stdbool.h>
#include <stdio.h>

#include "run/serve_in.h"

/* Who looks: the host's stack is there. */
struct show {
    struct serve *sv;
    struct host *host;
    struct weir_stack *stack;
    const char *path; /* of the file, absolute */
    FILE *out;
};

/* Answer one PROTO_VIEW. */
void show_answer(struct serve_conn *conn, const struct proto *m,
                 const void *data);

/* ---- show_sock.c ---- */

/* A socket as the kernel's tables would have it. */
struct show_sock {
    struct weir_sockinfo info;
    uint64_t inode; /* 0: nobody holds it */
    uint32_t uid;
    uint32_t rx, tx; /* queues; what lies in the carrier counts */
    int64_t due_ms;  /* until its timer fires */
};
/* Iterate as weir_sockinfo_next does; sweep before (serve_sweep). */
bool show_sock_next(const struct show *w, uint64_t *cursor,
                    struct show_sock *out);
void show_tcp(const struct show *w);
void show_udp(const struct show *w);
void show_udplite(const struct show *w);
void show_raw(const struct show *w);
void show_icmp(const struct show *w);
void show_sockstat(const struct show *w);
void show_unix(const struct show *w);

/* ---- show_dev.c: interfaces, routes, neighbours ---- */
#define SHOW_ROUTES 4096
bool show_is_broadcast(const struct show *w, const struct weir_addr *addr);
/* All routes in the kernel's order. */
unsigned show_routes(const struct show *w, struct weir_route *out,
                     unsigned max);
void show_dev(const struct show *w);
void show_route(const struct show *w);
void show_arp(const struct show *w);
void show_igmp(const struct show *w);
void show_fib(const struct show *w);

/* ---- show_stat.c: counters, settings, and tables that are the same for
 * every host ---- */
void show_snmp(const struct show *w);
void show_netstat(const struct show *w);
void show_protocols(const struct show *w);
void show_packet(const struct show *w);
void show_netlinks(const struct show *w);
void show_ptype(const struct show *w);
void show_psched(const struct show *w);
void show_rt_cache(const struct show *w);
void show_empty(const struct show *w);
int show_sysctl(const struct show *w);

/* ---- show_ioctl.c ---- */
unsigned show_if_flags(const struct weir_if *i); /* IFF_* */
/* 0 or -errno; `out` has room for *out_len bytes, which is set. */
int show_ioctl(const struct show *w, unsigned cmd, const void *in, uint32_t len,
               char *out, uint32_t *out_len);

/* ---- show_netlink.c ---- */
/* Answers to the requests in `data`, each datagram after its length. */
int show_netlink(const struct show *w, const struct proto *m, const void *data);

/* ---- show_etc.c ---- */
void show_hosts(const struct show *w);
void show_resolv(const struct show *w);
void show_nsswitch(const struct show *w);
void show_host_conf(const struct show *w);

#endif
