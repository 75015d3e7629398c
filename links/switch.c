/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch learns which port a source address lives on (a small table beside
 * the ports: one address a port is the rule) and floods what it does not know.
 * A port keeps what waits for it in a list; poll hands the whole list over, so
 * a frame never travels further than one hop in a call.
 */
#include "links/switch.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LEARNT 256 /* addresses remembered, hashed by their last bytes */

struct port {
    struct weir_link link;
    struct mswitch *sw;
    struct port *next;
    struct weir_pkt *head, **tail;
    unsigned queued, limit;
};

struct mswitch {
    struct weir_arena *arena;
    struct port *ports;
    struct {
        uint8_t mac[6];
        struct port *port;
    } learnt[LEARNT];
};

static unsigned slot_of(const uint8_t mac[6]) {
    return (mac[5] ^ mac[4] * 31u ^ mac[3] * 131u) % LEARNT;
}

static void enqueue(struct port *p, struct weir_pkt *pkt, uint64_t now) {
    if (p->queued == p->limit) {
        weir_link_drop(&p->link, pkt, WEIR_LINK_QUEUE_FULL, now);
        return;
    }
    pkt->next = NULL;
    *p->tail = pkt;
    p->tail = &pkt->next;
    p->queued++;
}

static void flood(struct port *from, struct weir_pkt *pkt, uint64_t now) {
    struct port *last = NULL;
    for (struct port *p = from->sw->ports; p; p = p->next) {
        if (p == from)
            continue;
        if (last) {
            struct weir_pkt *copy = weir_pkt_clone(pkt);
            if (copy)
                enqueue(last, copy, now);
        }
        last = p;
    }
    if (last)
        enqueue(last, pkt, now);
    else
        weir_link_drop(&from->link, pkt, WEIR_LINK_NO_PORT, now);
}

static void port_send(struct weir_link *link, struct weir_pkt *list,
                      uint64_t now) {
    struct port *from = (struct port *)link;
    struct mswitch *sw = from->sw;
    for (struct weir_pkt *pkt = list, *next; pkt; pkt = next) {
        next = pkt->next;
        uint8_t mac[12];
        if (pkt->len < 14) {
            weir_link_drop(link, pkt, WEIR_PKT_TOO_SMALL, now);
            continue;
        }
        link->stats.tx_frames++;
        link->stats.tx_bytes += pkt->len;
        weir_pkt_copy_out(pkt, 0, mac, sizeof(mac));
        if (!(mac[6] & 1)) {
            unsigned s = slot_of(mac + 6);
            memcpy(sw->learnt[s].mac, mac + 6, 6);
            sw->learnt[s].port = from;
        }
        unsigned d = slot_of(mac);
        struct port *to = sw->learnt[d].port;
        bool known = !(mac[0] & 1) && to && !memcmp(sw->learnt[d].mac, mac, 6);
        if (known && to != from)
            enqueue(to, pkt, now);
        else
            flood(from, pkt, now);
    }
}

static unsigned port_poll(struct weir_link *link, uint64_t now) {
    struct port *p = (struct port *)link;
    struct weir_pkt *list = p->head;
    unsigned n = p->queued;
    p->head = NULL;
    p->tail = &p->head;
    p->queued = 0;
    for (struct weir_pkt *pkt = list; pkt; pkt = pkt->next) {
        link->stats.rx_frames++;
        link->stats.rx_bytes += pkt->len;
        pkt->t_ns = now;
    }
    if (list && link->deliver) {
        link->deliver(link->to, link, list, now);
    } else {
        while (list) {
            struct weir_pkt *next = list->next;
            weir_link_drop(link, list, WEIR_LINK_DOWN, now);
            list = next;
        }
    }
    return n;
}

static uint64_t port_deadline(const struct weir_link *link) {
    return ((const struct port *)link)->queued ? 0 : WEIR_NEVER;
}

static int port_fd(const struct weir_link *link) {
    (void)link;
    return -1;
}

static void port_close(struct weir_link *link) {
    struct port *p = (struct port *)link;
    while (p->head) {
        struct weir_pkt *pkt = p->head;
        p->head = pkt->next;
        weir_pkt_free(pkt);
    }
    struct port **at = &p->sw->ports;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    for (unsigned i = 0; i < LEARNT; i++)
        if (p->sw->learnt[i].port == p)
            p->sw->learnt[i].port = NULL;
    free(p);
}

static const struct weir_link_ops port_ops = {
    .kind = "switch",
    .send = port_send,
    .poll = port_poll,
    .deadline = port_deadline,
    .fd = port_fd,
    .close = port_close,
};

struct mswitch *switch_create(struct weir_arena *arena) {
    struct mswitch *sw = calloc(1, sizeof(*sw));
    if (sw)
        sw->arena = arena;
    return sw;
}

void switch_destroy(struct mswitch *sw) {
    assert(!sw->ports);
    free(sw);
}

struct weir_link *switch_port(struct mswitch *sw, const char *name,
                              uint32_t mtu, unsigned queue_frames) {
    struct port *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->link.ops = &port_ops;
    p->link.arena = sw->arena;
    p->link.mtu = mtu;
    p->link.features = WEIR_LINK_CSUM | WEIR_LINK_GSO;
    snprintf(p->link.name, sizeof(p->link.name), "%s", name);
    p->sw = sw;
    p->tail = &p->head;
    p->limit = queue_frames ? queue_frames : 10000;
    p->next = sw->ports;
    sw->ports = p;
    return &p->link;
}
