/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_IP_STATE_H
#define WEIR_CORE_IP_STATE_H
/*
 * Inside the network layer: what its files share. IPv4 addresses are host-order
 * numbers here; struct weir_addr only at the door ("ip/ip.h").
 *
 *     iface.c    interfaces, addresses, frames to the link      neigh.c, arp.c
 *     fib.c      routes: listing, longest prefix    route.c     which way
 *     input.c    validate, forward or deliver       forward.c
 *     output.c   the way down                       fragment.c, reasm.c
 *     icmp.c     echo, errors in                    icmp_send.c errors out
 *     peer.c     per destination: path MTU, ICMP rate
 */
#include "base/hash.h"
#include "base/list.h"
#include "ip/ip.h"
#include "wire/ip4.h"

enum {
    IP_IFS_MAX = 256,
    IP_PROTOS = 8,
    IP_LO = 1,         /* lo's ifindex */
    IP_MIN_PMTU = 552, /* Linux's net.ipv4.route.min_pmtu */
    IP_ID_COUNTERS = 256,
};

#define IP_MSEC UINT64_C(1000000)
#define IP_SEC UINT64_C(1000000000)

struct pkt_queue {
    struct weir_pkt *head, *tail;
};

struct ip_if {
    char name[16];
    uint8_t mac[6];
    bool up, loopback;
    bool queued; /* in the list of those with frames to send */
    uint16_t ifindex;
    uint32_t mtu, features;
    struct ip_if *next_queued;
    struct pkt_queue out;
    struct weir_link_stats stats;
};

struct ip_addr {
    struct list link;
    uint32_t addr;
    uint8_t plen;
    uint16_t ifindex;
};

enum fib_type { FIB_UNICAST, FIB_LOCAL, FIB_BROADCAST };

struct fib_entry {
    struct hash_node node; /* by plen and prefix */
    struct list link;      /* of all, for listing */
    uint32_t prefix, gateway, source;
    uint32_t metric;
    uint16_t ifindex;
    uint8_t plen;
    uint8_t type;   /* enum fib_type */
    bool automatic; /* came with an address */
    uint32_t order; /* the earlier one wins among equals */
};

struct fib_table {
    struct hash hash;
    uint64_t plens; /* bit n: there are entries with prefix length n */
    uint32_t count[33];
};

/* What a lookup says about a destination. */
struct ip_path {
    const struct ip_if *iface; /* FIB_LOCAL: lo */
    uint32_t next_hop;         /* whom to ask ARP for */
    uint32_t source;           /* preferred source address, 0: none */
    enum fib_type type;        /* multicast counts as broadcast */
    struct neigh *neigh;       /* next_hop's, where it is known already */
};

/* dst.c: the last answer about a destination. */
struct ip_dst {
    uint32_t dst;
    uint32_t gen;     /* it holds while this is ip->gen; 0: ask each time */
    uint16_t ifindex; /* asked for; 0: any */
    bool aging;       /* a path MTU may expire */
    uint32_t mtu;
    struct ip_path path;
};

/* Frames from src to dst are for this host, and their addresses lawful. */
struct ip_pair {
    uint32_t src, dst, gen;
    bool trusted; /* on lo, where fewer addresses are unlawful */
};

enum { DST_BITS = 7, DSTS = 1 << DST_BITS };

struct ip_peer {
    struct hash_node node;
    struct list link; /* least recently made or used first */
    uint32_t addr;
    uint32_t mtu; /* 0: not known */
    uint64_t mtu_expires;
    uint64_t icmp_last;   /* when the bucket was last filled */
    uint64_t icmp_tokens; /* ns worth of errors that may be sent */
    bool icmp_seen;
};

struct neigh {
    struct hash_node node;
    struct wtimer timer;
    struct list link; /* least recently used first */
    uint32_t addr;
    uint16_t ifindex;
    uint8_t mac[6];
    uint8_t state; /* enum weir_neigh_state; 0: none yet */
    uint8_t probes;
    uint16_t npending;
    uint64_t confirmed, used, updated;
    struct pkt_queue pending; /* begin at their IP header */
    weir_event_id cause; /* of the last request: what the timer is due to */
};

struct frag_queue; /* reasm.c */

struct ip {
    struct env *env;
    struct ip_if *ifs[IP_IFS_MAX];
    unsigned nifs; /* ifs[1..nifs] */
    struct ip_if *out_head, *out_tail;
    struct pkt_queue loop; /* frames on lo */
    struct list addrs;

    struct fib_table local, main; /* looked up in this order, as Linux does */
    struct list routes;
    uint32_t route_order;

    uint32_t gen; /* of all that dst.c remembers; never 0 */
    struct ip_dst dsts[DSTS];
    struct ip_pair pairs[DSTS];

    struct hash neighs;
    struct list neigh_lru;
    uint64_t reachable_ns, reachable_until; /* RFC 4861 6.3.2: randomised */

    struct hash peers;
    struct list peer_lru;

    struct hash frags;
    struct list frag_list;
    size_t frag_bytes;

    uint16_t id_counter[IP_ID_COUNTERS];
    uint8_t id_key[16];
    uint64_t icmp_global_last, icmp_global_tokens; /* all destinations */
    bool icmp_started;

    /* The IP header of the packet that is being delivered, for ICMP errors
     * about it. */
    uint8_t rx_hdr[IP4_HDR_MAX];
    unsigned rx_hdr_len;

    struct { /* point out of the arena: set anew after weir_attach */
        uint8_t number[IP_PROTOS]; /* 0: free */
        const struct ip_proto *proto[IP_PROTOS];
        void *room[IP_PROTOS];
        void (*tap)(void *ctx, const struct weir_pkt *pkt, uint64_t now);
        void *tap_ctx;
    } outside;
};

static inline void pkt_queue_push(struct pkt_queue *q, struct weir_pkt *pkt) {
    pkt->next = NULL;
    if (q->head)
        q->tail->next = pkt;
    else
        q->head = pkt;
    q->tail = pkt;
}

static inline struct weir_pkt *pkt_queue_pop(struct pkt_queue *q) {
    struct weir_pkt *pkt = q->head;
    if (pkt) {
        q->head = pkt->next;
        pkt->next = NULL;
    }
    return pkt;
}

static inline uint32_t prefix_mask(unsigned plen) {
    return plen ? UINT32_MAX << (32 - plen) : 0;
}

static inline bool ip4_is_multicast(uint32_t a) {
    return a >> 28 == 14;
}
static inline bool ip4_is_loopback(uint32_t a) {
    return a >> 24 == 127;
}
static inline bool ip4_is_zeronet(uint32_t a) { /* RFC 1122 3.2.1.3 (a), (b) */
    return a >> 24 == 0;
}
#define IP4_BROADCAST UINT32_MAX

/* ---- iface.c ---- */
struct ip_if *if_get(const struct ip *ip, unsigned ifindex); /* or NULL */
/* Send a packet that begins at its IP header to a link-layer address. */
void if_send(struct ip *ip, struct ip_if *iface, struct weir_pkt *pkt,
             const uint8_t mac[6], uint16_t ethertype);
/* A whole frame for the link, or lo: queue it until it is taken or delivered.
 */
void if_queue(struct ip *ip, struct ip_if *iface, struct weir_pkt *pkt);
/* Hand a copy of a packet that begins at its IP header to ourselves, as if it
 * had arrived there: broadcasts. */
void if_loop_back(struct ip *ip, struct ip_if *iface,
                  const struct weir_pkt *pkt);
/* Is it the address of an interface? */
bool addr_is_own(const struct ip *ip, uint32_t addr);
/* The source for a destination on that interface; 0: it has no address. */
uint32_t addr_select(const struct ip *ip, unsigned ifindex, uint32_t dst);

/* ---- fib.c, route.c ---- */
bool fib_init(struct ip *ip);
void fib_flush(struct ip *ip);
/* Make the automatic entries those of the addresses there are now. */
void fib_sync_addrs(struct ip *ip);
/* The best entry for dst, on `ifindex` only where it is not 0. Routes whose
 * interface is down do not count. */
const struct fib_entry *fib_lookup(const struct ip *ip,
                                   const struct fib_table *table, uint32_t dst,
                                   unsigned ifindex);
/* False: no route. */
bool path_lookup(struct ip *ip, uint32_t dst, unsigned ifindex,
                 struct ip_path *path);

/* ---- dst.c ---- */
static inline unsigned dst_slot(uint32_t dst) {
    return dst * 0x9e3779b1u >> (32 - DST_BITS);
}
static inline unsigned pair_slot(uint32_t src, uint32_t dst) {
    return dst_slot(src ^ dst);
}
/* All that was remembered is forgotten. */
static inline void dst_forget(struct ip *ip) {
    if (++ip->gen == 0)
        ip->gen = 1;
}
const struct ip_dst *dst_fill(struct ip *ip, uint32_t dst, unsigned ifindex);
/* As path_lookup and path_mtu say; NULL: no route. */
static inline const struct ip_dst *dst_get(struct ip *ip, uint32_t dst,
                                           unsigned ifindex) {
    const struct ip_dst *d = &ip->dsts[dst_slot(dst)];
    if (d->gen == ip->gen && d->dst == dst && d->ifindex == ifindex)
        return d;
    return dst_fill(ip, dst, ifindex);
}

/* ---- neigh.c ---- */
bool neigh_init(struct ip *ip);
struct neigh *neigh_find(const struct ip *ip, uint32_t addr,
                         unsigned ifindex); /* or NULL */
/* Send a packet that begins at its IP header to a neighbour; takes it. */
void neigh_output(struct ip *ip, struct ip_if *iface, uint32_t next_hop,
                  struct weir_pkt *pkt);
/* The same to one that is known. */
void neigh_send(struct ip *ip, struct ip_if *iface, struct neigh *n,
                struct weir_pkt *pkt);
/* It can be sent to as it is, and is being: false where neigh_send must act. */
bool neigh_ready(struct ip *ip, struct neigh *n);
/* An ARP packet says where `addr` is (RFC 826). `create`: it asked us. */
struct neigh_news {
    uint32_t addr;
    const uint8_t *mac;
    bool create;    /* make an entry where there is none */
    bool override;  /* believe it against a fresh entry */
    bool solicited; /* a reply to us: the neighbour is reachable */
};
void neigh_learn(struct ip *ip, struct ip_if *iface,
                 const struct neigh_news *news);
/* An interface went down: forget its neighbours. */
void neigh_flush(struct ip *ip, unsigned ifindex);

/* ---- arp.c ---- */
void arp_input(struct ip *ip, struct ip_if *iface, struct weir_pkt *pkt);
/* Ask for `target`; mac NULL: by broadcast. The try number is for the event.
 * Returns the event. */
weir_event_id arp_request(struct ip *ip, struct ip_if *iface, uint32_t sender,
                          uint32_t target, const uint8_t *mac, unsigned nth);

/* ---- input.c ---- */
/* One frame. `trusted`: we sent it ourselves. Takes it. */
void ip_input_frame(struct ip *ip, struct ip_if *iface, struct weir_pkt *pkt,
                    bool trusted);
/* A packet for this host, whole; it begins after its IP header, whose bytes
 * are `raw`. Takes it. */
void ip_deliver(struct ip *ip, struct weir_pkt *pkt, const struct ip4_hdr *h,
                const uint8_t *raw, unsigned ifindex, bool broadcast);
/* A broadcast or multicast address? */
bool dst_is_broadcast(const struct ip *ip, uint32_t dst);
/* What is known of a packet whose transport header is at `off`. */
struct drop_info drop_info_of(const struct weir_pkt *pkt, uint32_t off,
                              const struct ip4_hdr *h);

/* ---- forward.c ---- */
/* The packet begins at its IP header. Takes it. */
void ip_forward(struct ip *ip, struct weir_pkt *pkt, const struct ip4_hdr *h);

/* ---- output.c ---- */
/* Down a path, the packet begins at its IP header; fragments where it must
 * (and may). 0 or -EMSGSIZE. Takes it. */
int ip_emit(struct ip *ip, struct weir_pkt *pkt, const struct ip_path *path,
            uint32_t mtu);
/* The MTU towards dst. */
uint32_t path_mtu(struct ip *ip, const struct ip_path *path, uint32_t dst);

/* ---- fragment.c ---- */
/* Cut a packet that begins at its IP header into a list of fragments of at
 * most `mtu` bytes; takes it. NULL: no memory (nothing was sent). */
struct weir_pkt *ip_fragment(struct ip *ip, struct weir_pkt *pkt, uint32_t mtu);

/* ---- reasm.c ---- */
/* A fragment, which begins after its IP header. Takes it; delivers when whole.
 */
void ip_reassemble(struct ip *ip, struct weir_pkt *pkt, const struct ip4_hdr *h,
                   const uint8_t *raw, unsigned ifindex);
bool frag_init(struct ip *ip);
void frag_flush(struct ip *ip);

/* ---- icmp.c, icmp_send.c ---- */
void icmp_input(struct ip *ip, struct weir_pkt *pkt, const struct ip_rx *rx);
/* Send an ICMP error about the packet whose header is `raw` (hlen bytes) and
 * whose bytes after it are at `off` of `pkt`. Not about what RFC 1122 3.2.2
 * forbids; rate limited. Does not take the packet. */
struct icmp_error {
    uint8_t type, code;
    uint32_t rest; /* frag needed: MTU; parameter problem: pointer << 24 */
};
void icmp_send_error(struct ip *ip, const struct weir_pkt *pkt, uint32_t off,
                     const uint8_t *raw, unsigned hlen,
                     struct icmp_error error);
/* A packet of ours (or one forwarded) that begins at its IP header cannot go
 * on: tell who sent it. Does not take it. */
void icmp_unreachable(struct ip *ip, const struct weir_pkt *pkt, uint8_t code,
                      enum weir_reason reason);
/* Record that an ICMP message was sent or received; it begins at `p`. */
weir_event_id icmp_record(struct ip *ip, enum weir_event_kind kind,
                          uint32_t src, uint32_t dst, const uint8_t *p,
                          uint32_t len);
/* Hand an error to the transport it concerns. */
void ip_error_deliver(struct ip *ip, const struct ip_rx_error *err);

/* ---- peer.c ---- */
struct ip_peer *peer_find(const struct ip *ip, uint32_t addr); /* or NULL */
struct ip_peer *peer_get(struct ip *ip, uint32_t addr);        /* makes one */
uint32_t peer_mtu(struct ip *ip, uint32_t addr, uint32_t mtu);
bool peer_init(struct ip *ip);
void peer_flush(struct ip *ip);

/* A keyed mix for tables whose keys no stranger chooses freely. */
static inline uint64_t mix64(uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= x >> 27;
    x *= 0x94d049bb133111eb;
    return x ^ x >> 31;
}

#endif
