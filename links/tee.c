/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames pass untouched; a clone is cut and completed and its bytes written.
 * A frame nobody can clone (memory is out) passes unrecorded.
 */
#include "links/tee.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tee {
    struct weir_link link;
    struct weir_link *inner;
    struct pcapng *capture;
    int interface;
    int64_t wall_ns;
    const char *(*who)(void *ctx, uint32_t pid);
    void *ctx;
};

void tee_frame(struct pcapng *capture, int interface,
               const struct weir_pkt *pkt, enum pcapng_direction direction,
               uint64_t wall_ns, const char *comment) {
    struct weir_pkt *copy = weir_pkt_clone(pkt);
    if (!copy)
        return;
    copy->next = NULL;
    for (struct weir_pkt *f = weir_pkt_segment(copy), *next; f; f = next) {
        next = f->next;
        uint8_t *bytes = malloc(f->len ? f->len : 1);
        if (bytes) {
            weir_pkt_copy_out(f, 0, bytes, f->len);
            struct pcapng_packet packet = {.interface = interface,
                                           .wall_ns = wall_ns,
                                           .captured = f->len,
                                           .length = f->len,
                                           .bytes = bytes,
                                           .direction = direction,
                                           .packet_id = pkt->event,
                                           .pid = pkt->owner,
                                           .tid = pkt->owner,
                                           .comment = comment};
            pcapng_write(capture, &packet);
            free(bytes);
        }
        weir_pkt_free(f);
    }
}

static void record(struct tee *t, const struct weir_pkt *list,
                   enum pcapng_direction direction, uint64_t now) {
    for (const struct weir_pkt *pkt = list; pkt; pkt = pkt->next)
        tee_frame(t->capture, t->interface, pkt, direction,
                  now + (uint64_t)t->wall_ns,
                  t->who && pkt->owner ? t->who(t->ctx, pkt->owner) : NULL);
}

static void tee_send(struct weir_link *link, struct weir_pkt *list,
                     uint64_t now) {
    struct tee *t = (struct tee *)link;
    record(t, list, PCAPNG_OUTBOUND, now);
    t->inner->ops->send(t->inner, list, now);
}

static void tee_deliver(void *to, struct weir_link *from, struct weir_pkt *list,
                        uint64_t now) {
    struct tee *t = to;
    (void)from;
    record(t, list, PCAPNG_INBOUND, now);
    t->link.deliver(t->link.to, &t->link, list, now);
}

static unsigned tee_poll(struct weir_link *link, uint64_t now) {
    struct tee *t = (struct tee *)link;
    return t->inner->ops->poll(t->inner, now);
}

static uint64_t tee_deadline(const struct weir_link *link) {
    const struct tee *t = (const struct tee *)link;
    return t->inner->ops->deadline(t->inner);
}

static int tee_fd(const struct weir_link *link) {
    const struct tee *t = (const struct tee *)link;
    return t->inner->ops->fd(t->inner);
}

static void tee_close(struct weir_link *link) {
    struct tee *t = (struct tee *)link;
    t->inner->ops->close(t->inner);
    free(t);
}

static const struct weir_link_ops tee_ops = {
    .kind = "tee",
    .send = tee_send,
    .poll = tee_poll,
    .deadline = tee_deadline,
    .fd = tee_fd,
    .close = tee_close,
};

struct weir_link *tee_wrap(struct weir_link *inner, struct pcapng *capture,
                           int64_t wall_ns,
                           const char *(*who)(void *ctx, uint32_t pid),
                           void *ctx) {
    struct tee *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->link = *inner;
    t->link.ops = &tee_ops;
    t->link.deliver = NULL;
    memset(&t->link.stats, 0, sizeof(t->link.stats));
    t->inner = inner;
    t->capture = capture;
    t->wall_ns = wall_ns;
    t->who = who;
    t->ctx = ctx;
    t->interface = pcapng_interface(capture, inner->name, inner->ops->kind);
    inner->deliver = tee_deliver;
    inner->to = t;
    return &t->link;
}
