/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_FLOW_H
#define WEIR_LINKS_FLOW_H
/* What a frame is to whoever spreads frames among shards. */
#include <stdbool.h>

#include "weir/flow.h"
#include "weir/pkt.h"

enum flow_kind {
    FLOW_NONE,     /* no flow: shard 0 */
    FLOW_WHOLE,    /* of this flow */
    FLOW_FIRST,    /* the first fragment: of this flow, and so are the others */
    FLOW_LATER,    /* a later fragment */
    FLOW_ARP_ASKS, /* a request that somebody answers */
    FLOW_ARP_TELLS, /* a reply or an announcement */
};

struct flow_info {
    struct weir_flow flow; /* ports 0 where there are none */
    /* Of a fragment. */
    uint16_t ip_id, bytes, end; /* end: of the datagram, 0: not the last one */
    uint8_t proto;
};

enum flow_kind flow_of(const struct weir_pkt *pkt, struct flow_info *info);

#endif
