/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_LINK_H
#define WEIR_LINKS_LINK_H
/* What links need to know of a frame, and no more. */
#include <stdbool.h>

#include "weir/link.h"

struct frame_info {
    uint32_t src, dst;     /* IPv4, host order */
    uint16_t sport, dport; /* TCP, UDP; 0 in later fragments */
    uint32_t seq, ack, len;
    unsigned l4; /* offset of the transport header */
    uint8_t proto, ttl, tcp_flags;
};

/* Headers of an Ethernet frame that carries IPv4; false: it does not. */
bool frame_parse(const struct weir_pkt *pkt, struct frame_info *info);

#endif
