/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/frame.h"

#include <stdio.h>
#include <string.h>

static void put16(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v) {
    put16(p, v >> 16);
    put16(p + 2, v);
}

static uint32_t sum16(const uint8_t *p, size_t n) {
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < n; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    return sum;
}

static uint16_t fold(uint32_t sum) {
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* lo has no addresses: zeros, as on Linux. */
static void ethernet(const struct story *s, uint32_t src, uint32_t dst,
                     uint8_t *p) {
    const struct record_if *from = record_if_by_addr(s->record, src);
    const struct record_if *to = record_if_by_addr(s->record, dst);
    bool lo = src >> 24 == 127 || dst >> 24 == 127 ||
              (from && to && from->host == to->host);
    if (to && !lo)
        memcpy(p, to->mac, 6);
    if (from && !lo)
        memcpy(p + 6, from->mac, 6);
    put16(p + 12, 0x0800);
}

static uint32_t tcp(const struct weir_event *ev, uint8_t *p) {
    put16(p, ev->seg.sport);
    put16(p + 2, ev->seg.dport);
    put32(p + 4, ev->seg.seq);
    put32(p + 8, ev->seg.tcp_flags & WEIR_ACK ? ev->seg.ack : 0);
    p[12] = 5 << 4;
    p[13] = ev->seg.tcp_flags;
    bool window = ev->kind == WEIR_EV_SEGMENT_SENT ||
                  ev->kind == WEIR_EV_SEGMENT_RECEIVED;
    put16(p + 14, !window ? 0 : ev->seg.win > 0xffff ? 0xffff : ev->seg.win);
    if (ev->seg.len == 0) /* of what is all here a checksum can be made */
        put16(p + 16,
              fold(sum16(p, 20) + (ev->seg.src >> 16) + (ev->seg.src & 0xffff) +
                   (ev->seg.dst >> 16) + (ev->seg.dst & 0xffff) + 6 + 20));
    return 20;
}

static uint32_t udp(const struct weir_event *ev, uint8_t *p) {
    put16(p, ev->seg.sport);
    put16(p + 2, ev->seg.dport);
    put16(p + 4, ev->seg.len + 8);
    return 8;
}

static uint32_t icmp(const struct weir_event *ev, uint8_t *p) {
    p[0] = (uint8_t)(ev->seg.sport >> 8);
    p[1] = (uint8_t)ev->seg.sport;
    if (p[0] == 8 || p[0] == 0) {
        put16(p + 4, ev->seg.dport);
        put16(p + 6, ev->seg.seq);
    }
    return 8;
}

static bool arp(const struct story *s, const struct weir_event *ev,
                struct frame *f) {
    static const uint8_t fixed[8] = {0, 1, 8, 0, 6, 4, 0, 0};
    uint8_t *p = f->bytes;
    const struct record_if *to = record_if_by_addr(s->record, ev->arp.target);
    memset(p, ev->arp.op == 1 ? 0xff : 0, 6);
    if (to && ev->arp.op == 2) { /* a reply goes to who asked */
        memcpy(p, to->mac, 6);
        memcpy(p + 32, to->mac, 6);
    }
    memcpy(p + 6, ev->arp.mac, 6);
    put16(p + 12, 0x0806);
    memcpy(p + 14, fixed, sizeof(fixed));
    put16(p + 20, ev->arp.op);
    memcpy(p + 22, ev->arp.mac, 6);
    put32(p + 28, ev->arp.sender);
    put32(p + 38, ev->arp.target);
    f->captured = f->length = 42;
    return true;
}

bool frame_make(const struct story *s, const struct weir_event *ev,
                struct frame *f) {
    memset(f, 0, sizeof(*f));
    if (ev->kind == WEIR_EV_ARP)
        return arp(s, ev, f);
    bool segment = ev->kind == WEIR_EV_SEGMENT_SENT ||
                   ev->kind == WEIR_EV_DROP ||
                   ev->kind == WEIR_EV_SEGMENT_RECEIVED ||
                   ev->kind == WEIR_EV_SEGMENT_FORWARDED;
    if (!segment || !ev->seg.proto)
        return false;
    uint8_t *ip = f->bytes + 14;
    uint32_t head = ev->seg.proto == 6    ? tcp(ev, ip + 20)
                    : ev->seg.proto == 17 ? udp(ev, ip + 20)
                    : ev->seg.proto == 1  ? icmp(ev, ip + 20)
                                          : 0;
    uint32_t total = 20 + head + ev->seg.len;
    bool ttl =
        ev->kind == WEIR_EV_DROP || ev->kind == WEIR_EV_SEGMENT_FORWARDED;
    ethernet(s, ev->seg.src, ev->seg.dst, f->bytes);
    ip[0] = 0x45;
    put16(ip + 2, total > 0xffff ? 0 : total); /* 0: as of offloads */
    ip[6] = 0x40;
    ip[8] = ttl && ev->seg.win ? (uint8_t)ev->seg.win : 64;
    ip[9] = ev->seg.proto;
    put32(ip + 12, ev->seg.src);
    put32(ip + 16, ev->seg.dst);
    put16(ip + 10, fold(sum16(ip, 20)));
    f->captured = 34 + head;
    f->length = 14 + total;
    return true;
}

struct frame_place frame_place(const struct story *s,
                               const struct weir_event *ev) {
    struct frame_place p = {.host = ev->host, .name = "lo"};
    const struct record_if *i = NULL;
    bool sent = ev->kind == WEIR_EV_SEGMENT_SENT;
    if (ev->kind == WEIR_EV_ARP) {
        snprintf(p.name, sizeof(p.name), "eth%u",
                 ev->arp.ifindex >= 2 ? ev->arp.ifindex - 2u : 0);
        return p;
    }
    if (sent)
        i = record_if_towards(s->record, ev->host, ev->seg.src, ev->seg.dst);
    else
        i = record_if_towards(s->record, ev->host, ev->seg.dst, ev->seg.src);
    if (i)
        memcpy(p.name, i->name, sizeof(p.name));
    p.name[sizeof(p.name) - 1] = 0;
    return p;
}

uint32_t frame_pid(const struct story *s, const struct weir_event *ev) {
    if (ev->kind == WEIR_EV_ARP)
        return 0;
    const struct story_socket *k = story_socket(s, ev->host, ev->sock, ev->id);
    if (k && !k->pid && k->parent)
        k = story_socket(s, ev->host, k->parent, ev->id);
    return k ? k->pid : 0;
}
