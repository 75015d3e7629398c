/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which leg each frame takes. Fragments are why there is any state: only the
 * first of a datagram names its ports, so what it said is remembered until all
 * have passed, and those that come before it are kept back (a few, briefly) and
 * follow it. All other frames are judged each for itself.
 */
#include "links/spread.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "links/flow.h"

#define DATAGRAMS 64                     /* in fragments, remembered */
#define KEPT 64                          /* fragments kept back, altogether */
#define FRAGMENT_NS (30 * 1000000000ull) /* as long as a stack would wait */

struct datagram {
    bool used, known; /* known: its first fragment has come */
    uint8_t proto;
    uint16_t id;
    uint32_t src, dst;
    unsigned leg;
    uint32_t bytes, end; /* passed; of the whole, 0: not known */
    uint64_t until;
    struct weir_pkt *kept, **kept_tail;
};

struct spread {
    struct weir_link link;
    unsigned n;
    struct weir_link *leg[WEIR_SHARDS_MAX];
    struct weir_rss rss;
    int epoll;
    unsigned used, kept; /* datagrams, fragments kept back */
    struct datagram datagram[DATAGRAMS];
    struct weir_pkt *out[WEIR_SHARDS_MAX], **out_tail[WEIR_SHARDS_MAX];
};

static void add(struct spread *s, unsigned leg, struct weir_pkt *pkt) {
    pkt->next = NULL;
    *s->out_tail[leg] = pkt;
    s->out_tail[leg] = &pkt->next;
}

static unsigned leg_of(const struct spread *s, const struct weir_flow *flow) {
    return weir_rss_shard(weir_rss_hash(&s->rss, flow), s->n);
}

/* ---- fragments ---- */

static void forget(struct spread *s, struct datagram *d, uint64_t now) {
    while (d->kept) {
        struct weir_pkt *pkt = d->kept;
        d->kept = pkt->next;
        s->kept--;
        weir_link_drop(&s->link, pkt, WEIR_FRAG_REASM_TIMEOUT, now);
    }
    d->used = false;
    s->used--;
}

static struct datagram *
datagram_of(struct spread *s, const struct flow_info *info, uint64_t now) {
    struct datagram *free = NULL, *oldest = NULL;
    for (struct datagram *d = s->datagram; d < s->datagram + DATAGRAMS; d++) {
        if (d->used && d->until <= now)
            forget(s, d, now);
        if (!d->used) {
            free = d;
            continue;
        }
        if (d->id == info->ip_id && d->src == info->flow.src &&
            d->dst == info->flow.dst && d->proto == info->proto)
            return d;
        if (!oldest || d->until < oldest->until)
            oldest = d;
    }
    if (!free) {
        forget(s, oldest, now);
        free = oldest;
    }
    *free = (struct datagram){.used = true,
                              .proto = info->proto,
                              .id = info->ip_id,
                              .src = info->flow.src,
                              .dst = info->flow.dst,
                              .until = now + FRAGMENT_NS};
    free->kept_tail = &free->kept;
    s->used++;
    return free;
}

static void fragment(struct spread *s, struct weir_pkt *pkt, bool first,
                     const struct flow_info *info, uint64_t now) {
    struct datagram *d = datagram_of(s, info, now);
    d->bytes += info->bytes;
    if (info->end)
        d->end = info->end;
    if (first) {
        d->leg = leg_of(s, &info->flow);
        d->known = true;
        add(s, d->leg, pkt);
        while (d->kept) {
            struct weir_pkt *next = d->kept->next;
            add(s, d->leg, d->kept);
            d->kept = next;
            s->kept--;
        }
        d->kept_tail = &d->kept;
    } else if (d->known) {
        add(s, d->leg, pkt);
    } else if (s->kept == KEPT) {
        weir_link_drop(&s->link, pkt, WEIR_FRAG_TOO_FAR, now);
        return;
    } else {
        pkt->next = NULL;
        *d->kept_tail = pkt;
        d->kept_tail = &pkt->next;
        s->kept++;
    }
    if (d->known && d->end && d->bytes >= d->end)
        forget(s, d, now);
}

/* ---- ARP ---- */

/* The request as an announcement of its sender (RFC 5227 3): nobody answers
 * it, and who knows the sender takes note. */
static struct weir_pkt *announcement(const struct weir_pkt *asks) {
    enum { OP = 14 + 6, SENDER = 14 + 14, TARGET = 14 + 24, LEN = 14 + 28 };
    struct weir_pkt *pkt = weir_pkt_alloc(asks->arena, 0);
    if (!pkt)
        return NULL;
    weir_pkt_copy_out(asks, 0, pkt->head, LEN);
    pkt->head[OP + 1] = 2;
    memcpy(pkt->head + TARGET, pkt->head + SENDER, 4);
    pkt->head_len = LEN;
    pkt->len = LEN;
    pkt->event = asks->event;
    return pkt;
}

static void arp(struct spread *s, struct weir_pkt *pkt, bool asks) {
    for (unsigned i = 1; i < s->n; i++) {
        struct weir_pkt *copy = asks ? announcement(pkt) : weir_pkt_clone(pkt);
        if (copy)
            add(s, i, copy);
    }
    add(s, 0, pkt);
}

/* ---- the link ---- */

static void choose(struct spread *s, struct weir_pkt *pkt, uint64_t now) {
    struct flow_info info;
    switch (flow_of(pkt, &info)) {
    case FLOW_WHOLE:
        add(s, leg_of(s, &info.flow), pkt);
        break;
    case FLOW_FIRST:
        fragment(s, pkt, true, &info, now);
        break;
    case FLOW_LATER:
        fragment(s, pkt, false, &info, now);
        break;
    case FLOW_ARP_ASKS:
        arp(s, pkt, true);
        break;
    case FLOW_ARP_TELLS:
        arp(s, pkt, false);
        break;
    case FLOW_NONE:
        add(s, 0, pkt);
        break;
    }
}

static void spread_send(struct weir_link *link, struct weir_pkt *list,
                        uint64_t now) {
    struct spread *s = (struct spread *)link;
    for (unsigned i = 0; i < s->n; i++)
        s->out_tail[i] = &s->out[i];
    for (struct weir_pkt *pkt = list, *next; pkt; pkt = next) {
        next = pkt->next;
        link->stats.tx_frames++;
        link->stats.tx_bytes += pkt->len;
        choose(s, pkt, now);
    }
    for (unsigned i = 0; i < s->n; i++) {
        struct weir_pkt *out = s->out[i];
        s->out[i] = NULL;
        if (out)
            s->leg[i]->ops->send(s->leg[i], out, now);
    }
}

static void spread_deliver(void *to, struct weir_link *from,
                           struct weir_pkt *list, uint64_t now) {
    struct spread *s = to;
    (void)from;
    for (struct weir_pkt *pkt = list; pkt; pkt = pkt->next) {
        s->link.stats.rx_frames++;
        s->link.stats.rx_bytes += pkt->len;
    }
    s->link.deliver(s->link.to, &s->link, list, now);
}

static unsigned spread_poll(struct weir_link *link, uint64_t now) {
    struct spread *s = (struct spread *)link;
    unsigned frames = 0;
    for (unsigned i = 0; i < s->n; i++)
        frames += s->leg[i]->ops->poll(s->leg[i], now);
    return frames;
}

/* Each is asked: a leg may take it for "about to sleep". */
static uint64_t spread_deadline(const struct weir_link *link) {
    const struct spread *s = (const struct spread *)link;
    uint64_t due = WEIR_NEVER;
    for (unsigned i = 0; i < s->n; i++) {
        uint64_t d = s->leg[i]->ops->deadline(s->leg[i]);
        due = d < due ? d : due;
    }
    return due;
}

static int spread_fd(const struct weir_link *link) {
    return ((const struct spread *)link)->epoll;
}

static void spread_close(struct weir_link *link) {
    struct spread *s = (struct spread *)link;
    for (struct datagram *d = s->datagram; d < s->datagram + DATAGRAMS; d++)
        while (d->used && d->kept) {
            struct weir_pkt *next = d->kept->next;
            weir_pkt_free(d->kept);
            d->kept = next;
        }
    for (unsigned i = 0; i < s->n; i++)
        s->leg[i]->ops->close(s->leg[i]);
    close(s->epoll);
    free(s);
}

static const struct weir_link_ops spread_ops = {
    .kind = "spread",
    .send = spread_send,
    .poll = spread_poll,
    .deadline = spread_deadline,
    .fd = spread_fd,
    .close = spread_close,
};

struct weir_link *spread_create(struct weir_link *const *leg, unsigned n,
                                const struct weir_rss *rss) {
    if (n == 0 || n > WEIR_SHARDS_MAX) {
        errno = EINVAL;
        return NULL;
    }
    struct spread *s = calloc(1, sizeof(*s));
    if (!s || (s->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) {
        free(s);
        return NULL;
    }
    s->link = *leg[0];
    s->link.ops = &spread_ops;
    s->link.deliver = NULL;
    memset(&s->link.stats, 0, sizeof(s->link.stats));
    s->n = n;
    s->rss = *rss;
    for (unsigned i = 0; i < n; i++) {
        s->leg[i] = leg[i];
        leg[i]->deliver = spread_deliver;
        leg[i]->to = s;
        struct epoll_event ev = {.events = EPOLLIN};
        int fd = leg[i]->ops->fd(leg[i]);
        if (fd >= 0 && epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev)) {
            int err = errno;
            close(s->epoll);
            free(s);
            errno = err;
            return NULL;
        }
    }
    return &s->link;
}
