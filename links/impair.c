/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames are first cut to the MTU and their checksums completed, so that loss
 * hits what would be a frame on a wire. Each frame then draws its fate from the
 * seeded generator in a fixed order (rule, loss, corrupt, duplicate, reorder,
 * jitter), whether or not a setting is on: a setting changed in mid-run does
 * not move the fate of the others. What is delayed waits in a heap ordered by
 * the time it is due, then by arrival.
 */
#include "links/impair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "links/link.h"
#include "links/units.h"

struct waiting {
    uint64_t due, order;
    struct weir_pkt *pkt;
};

struct rule { /* drop the nth frame with these flags */
    bool on;
    uint8_t flags; /* of FIN SYN RST ACK; with `data`: none */
    bool data;     /* frames that carry data */
    unsigned nth;  /* 0: every */
    unsigned seen;
    char words[32];
};

struct impair {
    struct weir_link link;
    struct weir_link *inner;
    uint64_t rng;
    uint64_t delay_ns, jitter_ns, rate;
    uint32_t loss, duplicate, reorder, corrupt; /* share of 2^32 - 1 */
    struct rule rule;
    bool cut;
    uint64_t free_at; /* when the (rated) wire is free */
    unsigned limit;
    struct waiting *heap;
    unsigned n, room;
    uint64_t order;
};

/* splitmix64 */
static uint64_t draw(struct impair *im) {
    uint64_t z = (im->rng += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool hit(uint64_t drawn, uint32_t share) {
    return share && (uint32_t)(drawn >> 32) <= share;
}

static bool before(const struct waiting *a, const struct waiting *b) {
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static bool heap_push(struct impair *im, struct waiting w) {
    if (im->n == im->room) {
        unsigned room = im->room ? im->room * 2 : 64;
        struct waiting *heap = realloc(im->heap, room * sizeof(*heap));
        if (!heap)
            return false;
        im->heap = heap;
        im->room = room;
    }
    unsigned i = im->n++;
    while (i && before(&w, &im->heap[(i - 1) / 2])) {
        im->heap[i] = im->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    im->heap[i] = w;
    return true;
}

static struct weir_pkt *heap_pop(struct impair *im) {
    struct weir_pkt *top = im->heap[0].pkt;
    struct waiting w = im->heap[--im->n];
    unsigned i = 0;
    for (unsigned c = 1; c < im->n; c = 2 * i + 1) {
        if (c + 1 < im->n && before(&im->heap[c + 1], &im->heap[c]))
            c++;
        if (!before(&im->heap[c], &w))
            break;
        im->heap[i] = im->heap[c];
        i = c;
    }
    im->heap[i] = w;
    return top;
}

static void note(struct impair *im, const struct weir_pkt *pkt,
                 enum weir_link_action action, uint64_t now) {
    struct weir_event *ev = weir_record(im->link.rec, WEIR_EV_IMPAIRED,
                                        im->link.host, 0, pkt->event, now);
    if (!ev)
        return;
    ev->link.link = im->link.id;
    ev->link.action = (uint8_t)action;
    ev->link.frame = pkt->event;
    memcpy(ev->link.name, im->link.name, sizeof(ev->link.name));
}

static bool rule_hits(struct rule *r, const struct weir_pkt *pkt) {
    struct frame_info f;
    if (!r->on || !frame_parse(pkt, &f) || f.proto != 6)
        return false;
    uint8_t flags = f.tcp_flags & (WEIR_FIN | WEIR_SYN | WEIR_RST | WEIR_ACK);
    bool match = r->data ? f.len > 0 : flags == r->flags;
    if (match && !r->data && r->flags == WEIR_ACK)
        match = f.len == 0;
    if (!match)
        return false;
    r->seen++;
    return r->nth == 0 || r->seen == r->nth;
}

/* Flip one bit past the Ethernet header, in a private copy of the bytes. */
static struct weir_pkt *flip(struct weir_pkt *pkt, uint64_t drawn) {
    if (pkt->len <= 14)
        return pkt;
    struct weir_buf *buf = weir_buf_alloc(pkt->arena, pkt->len);
    struct weir_pkt *bad = buf ? weir_pkt_alloc(pkt->arena, 0) : NULL;
    if (!bad) {
        if (buf)
            weir_buf_unref(buf);
        return pkt;
    }
    weir_pkt_copy_out(pkt, 0, buf->data, pkt->len);
    uint32_t at = 14 + (uint32_t)(drawn >> 8) % (pkt->len - 14);
    buf->data[at] ^= (uint8_t)(1u << (drawn & 7));
    weir_pkt_append(bad, buf, 0, pkt->len);
    bad->event = pkt->event;
    bad->owner = pkt->owner;
    bad->copies = (uint8_t)(pkt->copies + 1);
    weir_pkt_free(pkt);
    return bad;
}

static void hold(struct impair *im, struct weir_pkt *pkt, uint64_t due,
                 uint64_t now) {
    if (im->n >= im->limit) {
        weir_link_drop(&im->link, pkt, WEIR_LINK_QUEUE_FULL, now);
        return;
    }
    struct waiting w = {.due = due, .order = im->order++, .pkt = pkt};
    if (!heap_push(im, w))
        weir_link_drop(&im->link, pkt, WEIR_NOMEM, now);
}

/* When a frame handed over now arrives, given its place in the rated queue. */
static uint64_t due_time(struct impair *im, const struct weir_pkt *pkt,
                         uint64_t jitter_draw, bool early, uint64_t now) {
    uint64_t out = now;
    if (im->rate) {
        uint64_t bits = (uint64_t)pkt->len * 8;
        out = im->free_at > now ? im->free_at : now;
        out += bits * 1000000000u / im->rate;
        im->free_at = out;
    }
    if (early)
        return out;
    out += im->delay_ns;
    if (im->jitter_ns) {
        uint64_t j = jitter_draw % (2 * im->jitter_ns + 1);
        out = out + j > im->jitter_ns + now ? out + j - im->jitter_ns : now;
    }
    return out;
}

static void send_one(struct impair *im, struct weir_pkt *pkt, uint64_t now) {
    uint64_t d[6];
    for (int i = 0; i < 6; i++)
        d[i] = draw(im);
    im->link.stats.tx_frames++;
    im->link.stats.tx_bytes += pkt->len;
    if (im->cut) {
        weir_link_drop(&im->link, pkt, WEIR_LINK_CUT, now);
        return;
    }
    if (rule_hits(&im->rule, pkt)) {
        weir_link_drop(&im->link, pkt, WEIR_IMPAIR_RULE, now);
        return;
    }
    if (hit(d[0], im->loss)) {
        weir_link_drop(&im->link, pkt, WEIR_IMPAIR_LOSS, now);
        return;
    }
    if (hit(d[1], im->corrupt)) {
        note(im, pkt, WEIR_ACT_CORRUPTED, now);
        pkt = flip(pkt, d[1]);
    }
    bool early = im->delay_ns && hit(d[3], im->reorder);
    if (early)
        note(im, pkt, WEIR_ACT_REORDERED, now);
    if (hit(d[2], im->duplicate)) {
        struct weir_pkt *copy = weir_pkt_clone(pkt);
        if (copy) {
            note(im, pkt, WEIR_ACT_DUPLICATED, now);
            hold(im, copy, due_time(im, copy, d[4], early, now), now);
        }
    }
    hold(im, pkt, due_time(im, pkt, d[5], early, now), now);
}

static void release_due(struct impair *im, uint64_t now) {
    struct weir_pkt *head = NULL, **tail = &head;
    while (im->n && im->heap[0].due <= now) {
        struct weir_pkt *pkt = heap_pop(im);
        pkt->next = NULL;
        *tail = pkt;
        tail = &pkt->next;
    }
    if (head)
        im->inner->ops->send(im->inner, head, now);
}

/* Nothing is set: hand over as it is, uncut. */
static bool transparent(const struct impair *im) {
    return !im->cut && !im->rule.on && !im->delay_ns && !im->jitter_ns &&
           !im->rate && !im->loss && !im->duplicate && !im->reorder &&
           !im->corrupt && im->n == 0;
}

static void impair_send(struct weir_link *link, struct weir_pkt *list,
                        uint64_t now) {
    struct impair *im = (struct impair *)link;
    if (transparent(im)) {
        im->inner->ops->send(im->inner, list, now);
        return;
    }
    for (struct weir_pkt *pkt = list, *next; pkt; pkt = next) {
        next = pkt->next;
        pkt->next = NULL;
        struct weir_pkt *cut = weir_pkt_segment(pkt), *after;
        for (; cut; cut = after) {
            after = cut->next;
            cut->next = NULL;
            send_one(im, cut, now);
        }
    }
    release_due(im, now);
}

static void impair_deliver(void *to, struct weir_link *from,
                           struct weir_pkt *list, uint64_t now) {
    struct impair *im = to;
    (void)from;
    if (im->link.deliver && !im->cut) {
        im->link.deliver(im->link.to, &im->link, list, now);
        return;
    }
    while (list) {
        struct weir_pkt *next = list->next;
        weir_link_drop(&im->link, list,
                       im->cut ? WEIR_LINK_CUT : WEIR_LINK_DOWN, now);
        list = next;
    }
}

static unsigned impair_poll(struct weir_link *link, uint64_t now) {
    struct impair *im = (struct impair *)link;
    unsigned had = im->n;
    release_due(im, now);
    return had - im->n + im->inner->ops->poll(im->inner, now);
}

static uint64_t impair_deadline(const struct weir_link *link) {
    const struct impair *im = (const struct impair *)link;
    uint64_t inner = im->inner->ops->deadline(im->inner);
    uint64_t own = im->n ? im->heap[0].due : WEIR_NEVER;
    return own < inner ? own : inner;
}

static int impair_fd(const struct weir_link *link) {
    const struct impair *im = (const struct impair *)link;
    return im->inner->ops->fd(im->inner);
}

static void forget_waiting(struct impair *im) {
    while (im->n)
        weir_pkt_free(im->heap[--im->n].pkt);
}

static void impair_close(struct weir_link *link) {
    struct impair *im = (struct impair *)link;
    forget_waiting(im);
    im->inner->ops->close(im->inner);
    free(im->heap);
    free(im);
}

static const struct weir_link_ops impair_ops = {
    .kind = "impair",
    .send = impair_send,
    .poll = impair_poll,
    .deadline = impair_deadline,
    .fd = impair_fd,
    .close = impair_close,
};

struct weir_link *impair_of(struct weir_link *link) {
    return link->ops == &impair_ops ? link : NULL;
}

struct weir_link *impair_wrap(struct weir_link *inner, uint64_t seed) {
    struct impair *im = calloc(1, sizeof(*im));
    if (!im)
        return NULL;
    im->link = *inner;
    im->link.ops = &impair_ops;
    im->link.deliver = NULL;
    memset(&im->link.stats, 0, sizeof(im->link.stats));
    im->inner = inner;
    im->rng = seed;
    im->limit = 1000;
    inner->deliver = impair_deliver;
    inner->to = im;
    return &im->link;
}

void impair_cut(struct weir_link *link, bool cut, uint64_t now) {
    struct impair *im = (struct impair *)link;
    im->cut = cut;
    if (cut)
        while (im->n)
            weir_link_drop(link, heap_pop(im), WEIR_LINK_CUT, now);
    struct weir_event *ev =
        weir_record(link->rec, WEIR_EV_LINK, link->host, 0, 0, now);
    if (!ev)
        return;
    ev->link.link = link->id;
    ev->link.action = cut ? WEIR_ACT_LINK_CUT : WEIR_ACT_LINK_HEAL;
    memcpy(ev->link.name, link->name, sizeof(ev->link.name));
}

bool impair_is_cut(const struct weir_link *link) {
    return ((const struct impair *)link)->cut;
}

/* ---- settings ---- */

static const char *set_rule(struct rule *r, const char *words) {
    static const struct {
        const char *name;
        uint8_t flags;
    } kinds[] = {{"SYN", WEIR_SYN},
                 {"SYN+ACK", WEIR_SYN | WEIR_ACK},
                 {"FIN", WEIR_FIN | WEIR_ACK},
                 {"RST", WEIR_RST},
                 {"RST+ACK", WEIR_RST | WEIR_ACK},
                 {"ACK", WEIR_ACK},
                 {"data", 0}};
    memset(r, 0, sizeof(*r));
    if (!strcmp(words, "none") || !strcmp(words, "0"))
        return NULL;
    char which[16], what[16], rest;
    if (sscanf(words, "%15s %15s %c", which, what, &rest) != 2)
        return "a rule is two words, as in \"2nd SYN+ACK\" or \"every RST\"";
    char *end = which;
    unsigned long nth = strtoul(which, &end, 10);
    bool ordinal = !strcmp(end, "st") || !strcmp(end, "nd") ||
                   !strcmp(end, "rd") || !strcmp(end, "th");
    bool every = !strcmp(which, "every");
    if (!every && (!ordinal || nth == 0 || nth > 1000000))
        return "a rule begins with 1st, 2nd, 3rd, ... or every";
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(what, kinds[i].name)) {
            r->on = true;
            r->flags = kinds[i].flags;
            r->data = !kinds[i].flags;
            r->nth = every ? 0 : (unsigned)nth;
            snprintf(r->words, sizeof(r->words), "%s %s", which, what);
            return NULL;
        }
    return "a rule names SYN, SYN+ACK, FIN, RST, RST+ACK, ACK or data";
}

static const char *set_delay(struct impair *im, const char *words) {
    char t[32], j[32] = "0", rest;
    uint64_t delay, jitter;
    int n = sscanf(words, "%31s %31s %c", t, j, &rest);
    if (n < 1 || n > 2 || !units_time(t, &delay) || !units_time(j, &jitter))
        return "a delay is a time and perhaps a jitter, as in \"20ms 5ms\"";
    im->delay_ns = delay;
    im->jitter_ns = jitter;
    return NULL;
}

const char *impair_set(struct weir_link *link, const char *key,
                       const char *words) {
    struct impair *im = (struct impair *)link;
    const struct {
        const char *key;
        uint32_t *share;
    } shares[] = {{"loss", &im->loss},
                  {"duplicate", &im->duplicate},
                  {"reorder", &im->reorder},
                  {"corrupt", &im->corrupt}};
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
        if (!strcmp(key, shares[i].key))
            return units_percent(words, shares[i].share)
                       ? NULL
                       : "a share is a percentage, as in \"1%\"";
    if (!strcmp(key, "delay"))
        return set_delay(im, words);
    if (!strcmp(key, "drop"))
        return set_rule(&im->rule, words);
    if (!strcmp(key, "rate"))
        return units_rate(words, &im->rate)
                   ? NULL
                   : "a rate is a number and a unit, as in \"10mbit\"";
    if (!strcmp(key, "limit")) {
        char *end;
        unsigned long v = strtoul(words, &end, 10);
        if (end == words || *end || v == 0 || v > 1000000)
            return "a limit is a number of frames, 1 to 1000000";
        im->limit = (unsigned)v;
        return NULL;
    }
    return "known are delay, loss, duplicate, reorder, corrupt, rate, limit "
           "and drop";
}

const char *impair_check(const char *key, const char *words) {
    struct impair scratch = {.limit = 0};
    return impair_set(&scratch.link, key, words);
}

void impair_show(const struct weir_link *link, char *out, size_t size) {
    const struct impair *im = (const struct impair *)link;
    const struct {
        const char *key;
        uint32_t share;
    } shares[] = {{"loss", im->loss},
                  {"duplicate", im->duplicate},
                  {"reorder", im->reorder},
                  {"corrupt", im->corrupt}};
    FILE *f = fmemopen(out, size, "w");
    if (!f)
        return;
    if (im->cut)
        fprintf(f, "cut ");
    if (im->delay_ns || im->jitter_ns)
        fprintf(f, "delay %gms %gms ", (double)im->delay_ns / 1e6,
                (double)im->jitter_ns / 1e6);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
        if (shares[i].share)
            fprintf(f, "%s %.4g%% ", shares[i].key,
                    100.0 * shares[i].share / UINT32_MAX);
    if (im->rate)
        fprintf(f, "rate %gmbit ", (double)im->rate / 1e6);
    if (im->rule.on)
        fprintf(f, "drop %s ", im->rule.words);
    fclose(f);
    size_t n = strnlen(out, size);
    if (n && n < size && out[n - 1] == ' ')
        out[n - 1] = 0;
}
