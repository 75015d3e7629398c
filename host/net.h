/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_HOST_NET_H
#define WEIR_HOST_NET_H
/*
 * A network of one process: hosts (a stack each) and the links between them,
 * served by one loop in one arena, with one recorder.
 */
#include <stdbool.h>
#include <stdint.h>

#include "host/loop.h"
#include "weir/socket.h"

#define NET_IFS 8    /* interfaces of a host, lo apart */
#define NET_HOSTS 64 /* hosts of a network */

struct net;
struct mswitch;

struct host_if {
    struct weir_link *link;
    struct weir_if config;
    struct weir_addr addr;
    unsigned plen; /* 0: no address */
};

struct host_setting {
    struct host_setting *next;
    const char *value;
    char name[];
};

struct host {
    struct net *net;
    struct host *next;
    struct weir_stack *stack; /* NULL while the machine is down */
    char name[32];
    uint8_t number; /* in events, from 1 */
    bool frozen;    /* programs stopped; the stack still answers */
    unsigned nifs;
    struct host_if ifs[NET_IFS];  /* ifindex - 2 */
    struct weir_route routes[16]; /* static ones, for the next boot */
    unsigned nroutes;
    struct host_setting *settings;
    unsigned boots;
    /* The door, if programs run here. ready: readiness of a socket changed. */
    void *door;
    void (*ready)(void *door, struct host *h, const struct weir_ready *r);
};

struct net {
    struct loop *loop;
    struct weir_arena *arena;
    struct weir_recorder *rec;
    uint64_t seed;
    char name[32];
    struct host *hosts;
    unsigned nhosts, nlinks;
    struct mswitch *wires[64]; /* one each for link or segment */
    unsigned nwires;
    struct loop_passer passer;
};

/* A network without hosts; `rec` may be NULL and outlives it. The arena is
 * mapped here (sparse). NULL with errno. */
struct net *net_create(struct loop *loop, const char *name, uint64_t seed,
                       struct weir_recorder *rec);
void net_destroy(struct net *net);

/* A host with `lo` up, its machine running. NULL with errno (EEXIST, ENOSPC).
 */
struct host *net_add_host(struct net *net, const char *name);
struct host *net_find_host(struct net *net, const char *name);

/* The host the default network has: "localhost", eth0 with 10.0.0.1/24 on a
 * wire that nobody else is on. */
struct host *net_add_default_host(struct net *net);

/* A wire in memory (a switch); index for host_plug, or -errno. */
int net_add_wire(struct net *net);
/* Give a host an interface named "ethN" on a wire; `wrap` (may be NULL) may put
 * links around the port. Returns the ifindex or -errno. `addr` NULL: none. */
int host_plug(struct host *h, unsigned wire, const struct weir_addr *addr,
              unsigned plen, uint32_t mtu);
/* The same with any link (TAP, ...): the host owns it now. */
int host_attach(struct host *h, struct weir_link *link, const char *ifname,
                const struct weir_addr *addr, unsigned plen);

/* Settings and routes hold across a reboot. 0 or -errno. */
int host_set(struct host *h, const char *name, const char *value);
int host_route(struct host *h, const struct weir_route *route);

/* Power off (silent, no FIN) and on again with an empty stack. */
void host_crash(struct host *h);
int host_boot(struct host *h);

#endif
