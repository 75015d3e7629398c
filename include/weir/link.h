/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINK_H
#define WEIR_LINK_H
/*
 * What a link driver provides. A link carries Ethernet frames and needs no
 * core: whoever owns one sets `deliver` and gets what arrives; two links that
 * deliver to each other are a bridge. Links wrap links (impair, tee).
 */
#include <stdint.h>

#include "weir/event.h"
#include "weir/pkt.h"

#define WEIR_NEVER UINT64_MAX /* no deadline */

enum weir_link_feature {
    WEIR_LINK_CSUM = 1 << 0, /* takes and gives WEIR_PKT_CSUM_PARTIAL */
    WEIR_LINK_GSO = 1 << 1,  /* takes TCP segments up to 64 KiB (gso_size) */
};

struct weir_link;

struct weir_link_ops {
    const char *kind; /* "switch", "tap", "impair", ... */
    /* Send a list of frames; takes them. Never fails: what cannot be sent is
     * dropped with a reason. Must not deliver before it returns. */
    void (*send)(struct weir_link *link, struct weir_pkt *list, uint64_t now);
    /* Readable, or the deadline came: deliver what has arrived. Returns the
     * number of frames delivered; where more are left the descriptor stays
     * readable, or the deadline is 0. */
    unsigned (*poll)(struct weir_link *link, uint64_t now);
    /* When poll is next due without the descriptor; WEIR_NEVER: not. Ask
     * before each wait: a link may ring its descriptor only for who asked. */
    uint64_t (*deadline)(const struct weir_link *link);
    /* A descriptor to wait on for reading, or -1. */
    int (*fd)(const struct weir_link *link);
    void (*close)(struct weir_link *link);
};

struct weir_link_stats {
    uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
    uint64_t rx_dropped, tx_dropped;
};

struct weir_link {
    const struct weir_link_ops *ops;
    /* Where arriving frames go: takes the list. Set by whoever attaches. */
    void (*deliver)(void *to, struct weir_link *from, struct weir_pkt *list,
                    uint64_t now);
    void *to;
    struct weir_recorder *rec; /* NULL: events are not recorded */
    struct weir_arena *arena;
    struct weir_link_stats stats;
    uint32_t mtu;      /* IP bytes a frame may carry */
    uint32_t features; /* enum weir_link_feature */
    uint8_t mac[6];
    uint8_t host;  /* the host at this end, for events; 0: none */
    uint8_t id;    /* this link's number in events */
    char name[16]; /* "a:eth0" */
};

/* Drop a frame: counts it, records a DROP event with its reason, frees it. */
void weir_link_drop(struct weir_link *link, struct weir_pkt *pkt,
                    enum weir_reason reason, uint64_t now);

#endif
