/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a frame as far as its flow. Nothing is verified but that the bytes
 * are there: what is wrong with a packet its stack will say.
 */
#include "links/flow.h"

#include <string.h>

enum {
    ETHER = 14,
    ARP = 28,
    IP_MIN = 20,
    IP_MAX = 60,
    ICMP = 8,
    PORTS = 4,
    /* Ethernet, IP, ICMP, the IP header it quotes, its ports */
    FRONT = ETHER + IP_MAX + ICMP + IP_MAX + PORTS,
};

static uint16_t be16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p) {
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static bool has_ports(uint8_t proto) {
    return proto == 6 || proto == 17;
}

/* The packet that an ICMP error quotes went the other way. */
static bool quoted(const uint8_t *p, uint32_t have, struct weir_flow *flow) {
    if (have < IP_MIN || p[0] >> 4 != 4)
        return false;
    uint32_t ihl = (p[0] & 15u) * 4;
    if (ihl < IP_MIN || have < ihl + PORTS || !has_ports(p[9]) ||
        (be16(p + 6) & 0x1fff))
        return false;
    *flow = (struct weir_flow){.src = be32(p + 16),
                               .dst = be32(p + 12),
                               .sport = be16(p + ihl + 2),
                               .dport = be16(p + ihl)};
    return true;
}

static bool icmp_is_error(uint8_t type) {
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static enum flow_kind flow_of_ip(const uint8_t *p, uint32_t have,
                                 struct flow_info *info) {
    if (have < IP_MIN || p[0] >> 4 != 4)
        return FLOW_NONE;
    uint32_t ihl = (p[0] & 15u) * 4, offset = (be16(p + 6) & 0x1fffu) * 8;
    bool more = be16(p + 6) & 0x2000;
    if (ihl < IP_MIN || have < ihl)
        return FLOW_NONE;
    info->proto = p[9];
    info->flow.src = be32(p + 12);
    info->flow.dst = be32(p + 16);
    if (more || offset) {
        uint16_t total = be16(p + 2);
        info->ip_id = be16(p + 4);
        info->bytes = (uint16_t)(total > ihl ? total - ihl : 0);
        info->end = (uint16_t)(more ? 0 : offset + info->bytes);
    }
    if (offset)
        return has_ports(info->proto) ? FLOW_LATER : FLOW_NONE;
    if (has_ports(info->proto) && have >= ihl + PORTS) {
        info->flow.sport = be16(p + ihl);
        info->flow.dport = be16(p + ihl + 2);
        return more ? FLOW_FIRST : FLOW_WHOLE;
    }
    if (!more && info->proto == 1 && have >= ihl + ICMP &&
        icmp_is_error(p[ihl]) &&
        quoted(p + ihl + ICMP, have - ihl - ICMP, &info->flow))
        return FLOW_WHOLE;
    return FLOW_NONE;
}

static enum flow_kind flow_of_arp(const uint8_t *p, uint32_t have) {
    if (have < ARP || be16(p + 6) != 1)
        return FLOW_ARP_TELLS;
    return be32(p + 14) == be32(p + 24) ? FLOW_ARP_TELLS : FLOW_ARP_ASKS;
}

/* Does the head hold all that will be asked for? That of a segment does. */
static bool head_suffices(const uint8_t *p, uint32_t have) {
    return have >= FRONT || (have >= ETHER + IP_MIN && be16(p + 12) == 0x0800 &&
                             has_ports(p[ETHER + 9]) &&
                             have >= ETHER + (p[ETHER] & 15u) * 4 + PORTS);
}

enum flow_kind flow_of(const struct weir_pkt *pkt, struct flow_info *info) {
    uint8_t copy[FRONT];
    const uint8_t *p = pkt->head + pkt->head_off;
    uint32_t have = pkt->head_len;
    memset(info, 0, sizeof(*info));
    if (have < pkt->len && !head_suffices(p, have)) {
        have = pkt->len < FRONT ? pkt->len : FRONT;
        weir_pkt_copy_out(pkt, 0, copy, have);
        p = copy;
    }
    if (have < ETHER)
        return FLOW_NONE;
    uint16_t type = be16(p + 12);
    if (type == 0x0806)
        return flow_of_arp(p + ETHER, have - ETHER);
    if (type != 0x0800)
        return FLOW_NONE;
    return flow_of_ip(p + ETHER, have - ETHER, info);
}
