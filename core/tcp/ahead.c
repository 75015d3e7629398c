/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory ahead of its use. Where there are more connections than a cache holds,
 * a segment waits twice: for its line of the table, then for the connection. Of
 * frames that came together all lines are asked for, then all connections, so
 * that the waits fall into one. A glance at a frame is enough: nothing depends
 * on what is seen here but how soon memory is near.
 */
#include "tcp/rooms.h"

#include "wire/ether.h"

enum {
    AHEAD_LINES = 4096, /* a table of so many (256 KiB) is not in a cache */
    IP_PLAIN = 20,      /* bytes of a header without options */
};

/* The hash of a frame of TCP over IPv4 as nearly all are; false: of another. */
static bool glance(const struct tcp *tcp, const struct weir_pkt *pkt,
                   uint32_t *hash) {
    const uint8_t *p = pkt->head + pkt->head_off;
    if (pkt->head_len < ETHER_HDR + IP_PLAIN + 4)
        return false;
    const uint8_t *ip = p + ETHER_HDR;
    if (get16(p + 12) != ETHER_IP4 || ip[0] != 0x45 || ip[9] != 6)
        return false;
    const struct tcp_tuple t = {get32(ip + 16), get32(ip + 12),
                                get16(ip + IP_PLAIN + 2), get16(ip + IP_PLAIN)};
    *hash = tcp_tuple_hash(tcp, &t);
    return true;
}

bool tcp_ahead_pays(const struct tcp *tcp) {
    return tcp->table.n >= AHEAD_LINES;
}

struct weir_pkt *tcp_ahead(const struct tcp *tcp, struct weir_pkt *list) {
    uint32_t hash[TCP_AHEAD];
    unsigned n = 0;
    struct weir_pkt *last = list;
    for (unsigned i = 0; i < TCP_AHEAD; i++) {
        if (glance(tcp, last, &hash[n]))
            tags_prefetch(&tcp->table, hash[n++]);
        if (!last->next)
            break;
        if (i + 1 < TCP_AHEAD)
            last = last->next;
    }
    for (unsigned i = 0; i < n; i++) {
        const uint64_t *e = tags_first(&tcp->table, hash[i]);
        if (e)
            tcp_near(tcp_node_of(tags_node(&tcp->table, *e)));
    }
    struct weir_pkt *rest = last->next;
    last->next = NULL;
    return rest;
}
