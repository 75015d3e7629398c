/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_UDP_STATE_H
#define WEIR_CORE_UDP_STATE_H
/* Inside UDP: sockets, the two tables that find them, what waits in them. */
#include "base/hash.h"
#include "base/list.h"
#include "udp/udp.h"

/* A datagram that was received: its packet holds the payload only. */
struct udp_dgram {
    struct udp_dgram *next;
    struct weir_pkt *pkt;
    struct weir_addr src, dst;
    uint16_t sport;
    uint16_t ifindex;
    uint8_t ttl, tos;
    uint32_t truesize;
    uint64_t time_ns;    /* of its arrival, */
    uint32_t drops;      /* and how many had been lost then */
    weir_event_id event; /* its being received */
};

/* An error that waits for MSG_ERRQUEUE, with the payload it is about. */
struct udp_error {
    struct udp_error *next;
    struct weir_queued_error what;
    uint32_t len;
    uint8_t data[];
};

struct udp_sock {
    struct endpoint ep;
    struct list link;      /* of all sockets */
    struct hash_node port; /* while it has a local port */
    struct hash_node conn; /* while connected */
    bool connected;
    bool port_locked; /* bind() named the port (Linux: SOCK_BINDPORT_LOCK) */
    bool addr_locked; /* bind() named an address */
    struct udp_dgram *rx_head, *rx_tail;
    uint32_t rx_bytes; /* payload waiting */
    uint32_t rx_mem;   /* and what it costs, as Linux counts */
    uint32_t rcvbuf, sndbuf;
    uint32_t drops;
    struct udp_error *errors;    /* the oldest first */
    int32_t linger[2], rcvlowat; /* recorded */
    uint64_t read, written;
};

struct udp {
    struct env *env;
    struct ip *ip;
    struct list socks;
    struct hash ports; /* sockets with a local port, by it */
    struct hash conns; /* connected sockets, by both endpoints */
};

static inline struct udp_sock *udp_of(struct endpoint *ep) {
    return (struct udp_sock *)(void *)ep;
}

uint64_t udp_port_hash(const struct udp *udp, uint16_t port);
uint64_t udp_conn_hash(const struct udp *udp, const struct weir_addr *laddr,
                       uint16_t lport, const struct weir_addr *raddr,
                       uint16_t rport);
/* The socket a datagram or an error is for: the most specific one, or NULL. */
struct udp_sock *udp_lookup(const struct udp *udp,
                            const struct weir_addr *laddr, uint16_t lport,
                            const struct weir_addr *raddr, uint16_t rport,
                            unsigned ifindex);
/* Is it one of those a broadcast or multicast datagram goes to? */
bool udp_matches(const struct udp_sock *s, const struct weir_addr *laddr,
                 uint16_t lport, const struct weir_addr *raddr, uint16_t rport,
                 unsigned ifindex);

/* ports.c. Take a port (0: any free one) for the address in ep.laddr: 0 or
 * -EADDRINUSE. */
int udp_take_port(struct udp *udp, struct udp_sock *s, uint16_t port);
/* Of several stacks with one address: see that the answers come to this one, by
 * another port where it was not asked for. `answer` but for its dport. */
int udp_port_for(struct udp *udp, struct udp_sock *s, struct weir_flow answer);
void udp_give_port(struct udp *udp, struct udp_sock *s);
void udp_link_conn(struct udp *udp, struct udp_sock *s);
void udp_unlink_conn(struct udp *udp, struct udp_sock *s);
void udp_record_named(struct udp *udp, const struct udp_sock *s);

/* input.c. The next datagram off the queue, the caller's. */
struct udp_dgram *udp_dequeue(struct udp_sock *s);
void udp_dgram_free(struct udp *udp, struct udp_dgram *d);

/* error.c */
void udp_icmp_error(void *room, const struct ip_rx_error *err);
/* A send that failed here (EMSGSIZE), for who asked with IP_RECVERR. */
void udp_local_error(struct udp *udp, struct udp_sock *s, int error,
                     const struct weir_addr *to, uint32_t info);
void udp_errors_free(struct udp *udp, struct udp_sock *s);

#endif
