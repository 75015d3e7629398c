/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_IP_IP_H
#define WEIR_CORE_IP_IP_H
/*
 * The network layer as transports see it: a route and a way out, and a table
 * of two calls by which packets and errors come in.
 */
#include "base/endpoint.h"
#include "pkt/pkt.h"
#include "weir/addr.h"
#include "weir/weir.h"

struct ip; /* interfaces, addresses, routes, neighbours, reassembly */

/* A packet handed up: its bytes begin at the transport header, its length is
 * what IP says. */
struct ip_rx {
    struct weir_addr src, dst;
    unsigned ifindex;
    uint8_t proto, ttl, tos;
    bool broadcast; /* dst is a broadcast or multicast address */
    bool loopback;
};

/* An ICMP error about a packet of ours (or a local failure to send one). */
struct ip_rx_error {
    struct weir_addr src, dst; /* of the packet of ours */
    struct weir_addr from;     /* who says so */
    uint8_t proto;
    const uint8_t *head; /* first bytes of its transport header */
    unsigned head_len;   /* at least 8 from the wire */
    int error;           /* positive errno, as Linux maps it */
    bool hard;           /* icmp_err_convert's `fatal`: ends or disturbs what is
                          * connected; a connecting TCP fails of either kind */
    enum weir_reason reason;
    uint32_t mtu; /* ICMP_FRAG_NEEDED: next-hop MTU, else 0. Whoever
                   * believes the message calls ip_pmtu_update */
    uint8_t icmp_type, icmp_code;
};

struct ip_proto {
    uint8_t proto; /* IPPROTO_* */
    void (*input)(void *room, struct weir_pkt *pkt, const struct ip_rx *rx);
    void (*error)(void *room, const struct ip_rx_error *err);
};

struct ip *ip_create(struct env *env, const uint8_t seed[16]);
void ip_destroy(struct ip *ip);
/* Register a transport: a static table, so set again by weir_attach. */
void ip_register(struct ip *ip, const struct ip_proto *proto, void *room);

/* The public calls of "weir/weir.h" on interfaces, addresses, routes and
 * neighbours; stack.c passes them on. lo (index 1, 127.0.0.1/8) is there from
 * ip_create. */
int ip_if_add(struct ip *ip, const struct weir_if *config);
int ip_if_get(const struct ip *ip, unsigned ifindex, struct weir_if *out);
int ip_if_set_up(struct ip *ip, unsigned ifindex, bool up);
/* Points out of the arena: after weir_attach set it anew. */
void ip_lo_tap(struct ip *ip,
               void (*tap)(void *ctx, const struct weir_pkt *pkt, uint64_t now),
               void *ctx);
int ip_addr_add(struct ip *ip, unsigned ifindex, const struct weir_addr *addr,
                unsigned plen);
int ip_addr_del(struct ip *ip, unsigned ifindex, const struct weir_addr *addr);
int ip_addr_get(const struct ip *ip, unsigned n, struct weir_ifaddr *out);
int ip_route_add(struct ip *ip, const struct weir_route *r);
int ip_route_del(struct ip *ip, const struct weir_route *r);
int ip_route_get(const struct ip *ip, unsigned n, struct weir_route *out);
int ip_route_lookup(const struct ip *ip, const struct weir_addr *dst,
                    struct weir_route *out);
int ip_neigh_get(const struct ip *ip, unsigned n, struct weir_neigh *out);
/* env->fire of WTIMER_NEIGH and WTIMER_FRAG. */
void ip_neigh_timer(struct ip *ip, struct wtimer *timer);
void ip_frag_timer(struct ip *ip, struct wtimer *timer);

/* Frames of an interface, from weir_input. */
void ip_input(struct ip *ip, unsigned ifindex, struct weir_pkt *list);
/* Deliver what `lo` carries; true where there was anything. */
bool ip_loop(struct ip *ip);
/* Frames to send: as weir_output. */
struct weir_pkt *ip_take_output(struct ip *ip, unsigned *ifindex);

/* What a transport asks for when it sends. */
struct ip_flow {
    struct weir_addr src, dst; /* src must be set: ip_route */
    uint16_t ifindex;          /* SO_BINDTODEVICE; 0: as routed */
    uint8_t proto, tos;
    uint8_t ttl;       /* 0: the default (ip_default_ttl) */
    bool df;           /* do not fragment (RFC 791 3.1) */
    bool broadcast_ok; /* SO_BROADCAST */
};

/* The way to `dst`: the source address to use where *src is any (kept where it
 * is not), the path MTU (IP bytes) and the features of the link. 0, or
 * -ENETUNREACH, -EHOSTUNREACH, -EACCES (broadcast without leave), -EINVAL. */
struct ip_way {
    unsigned ifindex;
    uint32_t mtu;
    uint32_t features; /* enum weir_link_feature */
    bool loopback;
    bool aging; /* may change without ip_generation: a path MTU expires */
};
int ip_route(struct ip *ip, struct weir_addr *src, const struct weir_addr *dst,
             unsigned ifindex, bool broadcast_ok, struct ip_way *way);

/* Send a packet that begins with its transport header; takes it. A checksum is
 * asked for by WEIR_PKT_CSUM_PARTIAL with csum_start relative to the transport
 * header (IP shifts it and completes it where the link cannot). A packet over
 * the MTU is fragmented unless df or gso_size. 0, or -errno as sendto(2) would
 * give it at once (-ENETUNREACH, -EMSGSIZE, -EACCES, -ENOBUFS): the packet is
 * gone in any case, dropped with a reason. pkt->event should name the event
 * that sent it. */
int ip_output(struct ip *ip, struct weir_pkt *pkt, const struct ip_flow *flow);

/* The same for TCP with df, where nothing has to be asked or cut: false where
 * it does, and then nothing was done. */
struct ip_plain {
    uint32_t src, dst; /* host order */
    uint64_t words;    /* sum of the pseudo header and of TCP's, in which the
                        * checksum is 0, as words in host order; 0: the packet has
                        * to be looked at, and asks as it does of ip_output */
    uint16_t ifindex;
    uint8_t tos, ttl; /* as in struct ip_flow */
};
bool ip_output_plain(struct ip *ip, struct weir_pkt *pkt,
                     const struct ip_plain *to);
/* Changes with everything ip_route's answers depend on; never 0. */
uint32_t ip_generation(const struct ip *ip);

/* Is the address one of ours (bind)? For any, broadcast and multicast too
 * where `for_bind` of a datagram socket. */
bool ip_is_local(struct ip *ip, const struct weir_addr *addr);
bool ip_is_broadcast(struct ip *ip, const struct weir_addr *addr);

/* Send an ICMP error about `pkt` (restored to its IP header by `rx`): port
 * unreachable from UDP. Rate limited, RFC 1122 3.2.2. Does not take pkt. */
void ip_port_unreachable(struct ip *ip, const struct weir_pkt *pkt,
                         const struct ip_rx *rx);

/* Upper layers tell that a neighbour answers (RFC 4861 7.3.1 for ARP). */
void ip_confirm(struct ip *ip, uint32_t dst);

/* Forget a path MTU, or learn one (RFC 1191 6.3); lower bound is Linux's
 * min_pmtu of 552. */
void ip_pmtu_update(struct ip *ip, const struct weir_addr *dst, uint32_t mtu);

/* `lo` carries something, or ip_take_output would return a frame: the stack's
 * deadline is now. */
bool ip_pending(const struct ip *ip);

#endif
