/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every link shares: the end of a frame that goes no further.
 */
#include "links/link.h"

static uint16_t be16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p) {
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

bool frame_parse(const struct weir_pkt *pkt, struct frame_info *info) {
    uint8_t b[14 + 60 + 20];
    memset(info, 0, sizeof(*info));
    uint32_t have = pkt->len < sizeof(b) ? pkt->len : (uint32_t)sizeof(b);
    weir_pkt_copy_out(pkt, 0, b, have);
    if (have < 14 + 20 || be16(b + 12) != 0x0800 || b[14] >> 4 != 4)
        return false;
    const uint8_t *ip = b + 14;
    unsigned ihl = (ip[0] & 15u) * 4;
    info->proto = ip[9];
    info->ttl = ip[8];
    info->src = be32(ip + 12);
    info->dst = be32(ip + 16);
    info->l4 = 14 + ihl;
    bool first = (be16(ip + 6) & 0x1fff) == 0;
    if (ihl < 20 || !first || have < info->l4 + 8)
        return true;
    const uint8_t *t = b + info->l4;
    info->sport = be16(t);
    info->dport = be16(t + 2);
    uint32_t total = be16(ip + 2);
    if (total == 0 || pkt->gso_size) /* 64 KiB segments do not fit the field */
        total = pkt->len - 14;
    if (info->proto == 17) {
        info->len = total - ihl >= 8 ? total - ihl - 8 : 0;
    } else if (info->proto == 6 && have >= info->l4 + 20) {
        unsigned off = (t[12] >> 4) * 4u;
        info->seq = be32(t + 4);
        info->ack = be32(t + 8);
        info->tcp_flags = t[13];
        info->len = total >= ihl + off ? total - ihl - off : 0;
    }
    return true;
}

void weir_link_drop(struct weir_link *link, struct weir_pkt *pkt,
                    enum weir_reason reason, uint64_t now) {
    link->stats.tx_dropped++;
    struct weir_event *ev =
        weir_record(link->rec, WEIR_EV_DROP, link->host, 0, pkt->event, now);
    struct frame_info info;
    if (ev && frame_parse(pkt, &info)) {
        ev->seg.src = info.src;
        ev->seg.dst = info.dst;
        ev->seg.sport = info.sport;
        ev->seg.dport = info.dport;
        ev->seg.seq = info.seq;
        ev->seg.ack = info.ack;
        ev->seg.len = info.len;
        ev->seg.win = info.ttl;
        ev->seg.proto = info.proto;
        ev->seg.tcp_flags = info.tcp_flags;
    }
    if (ev)
        ev->seg.reason = (uint8_t)reason;
    weir_pkt_free(pkt);
}
