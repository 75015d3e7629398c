/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reassembly (RFC 791 3.2, RFC 815 for the idea of holes).
 *
 * Fragments of a datagram (same addresses, protocol and id) wait in a queue,
 * sorted by offset. When they are whole they are copied into one buffer: a
 * datagram may be cut into thousands of pieces, and a packet has few slices.
 *
 * A fragment that overlaps another ends the whole datagram (RFC 5722 3, which
 * Linux applies to IPv4 too): nobody sends that in good faith. One that is
 * there already, byte range for byte range, was duplicated on the way and is
 * dropped alone. Memory has a limit, and so has time: ipfrag_time after the
 * first fragment the queue ends, and the sender is told where the beginning
 * came (RFC 1122 3.3.2).
 */
#include "base/bytes.h"
#include "ip/state.h"
#include "wire/icmp.h"

struct frag_queue {
    struct hash_node node;
    struct wtimer timer;
    struct list link;
    struct pkt_queue pieces; /* sorted; offset in csum_start, see piece_off */
    uint32_t src, dst;
    uint16_t id;
    uint8_t proto;
    uint8_t raw_len;
    uint32_t total; /* payload bytes; 0: the last fragment has not come */
    uint32_t have;
    size_t bytes; /* memory of it all */
    unsigned ifindex;
    weir_event_id first_event;
    uint8_t raw[IP4_HDR_MAX]; /* header of the first fragment */
};

/* While a fragment waits, its checksum offset serves no purpose: the place
 * in the datagram is kept there (in units of 8 bytes, it fits). */
static uint32_t piece_off(const struct weir_pkt *pkt) {
    return pkt->csum_start * 8u;
}

/* What a waiting fragment costs: a buffer that nobody else refers to is held by
 * it whole, however few of its bytes are used. */
static size_t truesize(const struct weir_pkt *pkt) {
    size_t bytes = sizeof(*pkt);
    for (unsigned i = 0; i < pkt->nslices; i++) {
        const struct weir_slice *s = &pkt->slice[i];
        bytes += s->buf->refs == 1 ? s->buf->size : s->len;
    }
    return bytes;
}

bool frag_init(struct ip *ip) {
    return hash_init(&ip->frags, ip->env->arena);
}

static void queue_free(struct ip *ip, struct frag_queue *q) {
    wheel_disarm(ip->env->wheel, &q->timer);
    hash_remove(&ip->frags, &q->node);
    list_remove(&q->link);
    ip->frag_bytes -= q->bytes;
    arena_free(ip->env->arena, q, sizeof(*q));
}

static void drop_piece(struct ip *ip, const struct frag_queue *q,
                       struct weir_pkt *pkt, enum weir_reason reason) {
    const struct drop_info info = {
        .src = q->src, .dst = q->dst, .proto = q->proto, .len = pkt->len};
    pkt_drop(ip->env, pkt, reason, &info);
}

static void queue_kill(struct ip *ip, struct frag_queue *q,
                       enum weir_reason reason) {
    struct weir_pkt *pkt;
    COUNT(ip->env, Ip, ReasmFails);
    while ((pkt = pkt_queue_pop(&q->pieces)))
        drop_piece(ip, q, pkt, reason);
    queue_free(ip, q);
}

void frag_flush(struct ip *ip) {
    LIST_EACH(&ip->frag_list, at) {
        struct frag_queue *q = container_of(at, struct frag_queue, link);
        struct weir_pkt *pkt;
        while ((pkt = pkt_queue_pop(&q->pieces)))
            weir_pkt_free(pkt);
        queue_free(ip, q);
    }
    hash_fini(&ip->frags);
}

void ip_frag_timer(struct ip *ip, struct wtimer *timer) {
    struct frag_queue *q = container_of(timer, struct frag_queue, timer);
    struct env *env = ip->env;
    weir_event_id cause = env->cause;
    env->cause = q->first_event;
    struct weir_event *ev = env_record(env, WEIR_EV_TIMER_FIRED, 0);
    if (ev) {
        ev->timer.timer = WEIR_TIMER_REASSEMBLY;
        ev->timer.tries = 1;
        ev->timer.bytes = q->have;
        env->cause = ev->id;
    }
    COUNT(env, Ip, ReasmTimeout);
    struct weir_pkt *first = q->pieces.head;
    if (first && piece_off(first) == 0)
        icmp_send_error(
            ip, first, 0, q->raw, q->raw_len,
            (struct icmp_error){ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0});
    queue_kill(ip, q, WEIR_FRAG_REASM_TIMEOUT);
    env->cause = cause;
}

static struct frag_queue *queue_get(struct ip *ip, const struct ip4_hdr *h,
                                    unsigned ifindex) {
    struct env *env = ip->env;
    const uint32_t key[3] = {h->src, h->dst, (uint32_t)h->id << 16 | h->proto};
    uint64_t hash = siphash(env->hash_key, key, sizeof(key));
    struct frag_queue *q;
    for (struct hash_node *n = hash_first(&ip->frags, hash); n;
         n = hash_next(n)) {
        q = container_of(n, struct frag_queue, node);
        if (q->src == h->src && q->dst == h->dst && q->id == h->id &&
            q->proto == h->proto)
            return q;
    }
    q = arena_zalloc(env->arena, sizeof(*q));
    if (!q)
        return NULL;
    q->src = h->src;
    q->dst = h->dst;
    q->id = h->id;
    q->proto = h->proto;
    q->ifindex = ifindex;
    q->first_event = env->cause;
    q->bytes = sizeof(*q);
    ip->frag_bytes += q->bytes;
    hash_insert(&ip->frags, &q->node, hash);
    list_push_back(&ip->frag_list, &q->link);
    wheel_arm(env->wheel, &q->timer, WTIMER_FRAG,
              env->now + (uint64_t)env->sysctl.ipfrag_time * IP_SEC);
    return q;
}

enum placed { PLACED, DUPLICATE, OVERLAP };

/* Put a fragment in its place. */
static enum placed frag_place(struct frag_queue *q, struct weir_pkt *pkt) {
    uint32_t off = piece_off(pkt), end = off + pkt->len;
    struct weir_pkt **at = &q->pieces.head, *before = NULL;
    /* Most come in order: look at the end first. */
    if (q->pieces.head &&
        off >= piece_off(q->pieces.tail) + q->pieces.tail->len)
        at = &q->pieces.tail->next, before = q->pieces.tail;
    while (*at && piece_off(*at) < off) {
        before = *at;
        at = &before->next;
    }
    if (*at && piece_off(*at) == off && (*at)->len == pkt->len)
        return DUPLICATE;
    if ((before && piece_off(before) + before->len > off) ||
        (*at && piece_off(*at) < end))
        return OVERLAP;
    pkt->next = *at;
    *at = pkt;
    if (!pkt->next)
        q->pieces.tail = pkt;
    q->have += pkt->len;
    return PLACED;
}

/* All there: one packet of them. */
static void finish(struct ip *ip, struct frag_queue *q) {
    struct env *env = ip->env;
    struct weir_pkt *first = q->pieces.head;
    struct weir_pkt *whole = weir_pkt_alloc(env->arena, 0);
    struct weir_buf *buf = weir_buf_alloc(env->arena, q->total);
    if (!whole || !buf) {
        if (whole)
            weir_pkt_free(whole);
        if (buf)
            weir_buf_unref(buf);
        queue_kill(ip, q, WEIR_NOMEM);
        return;
    }
    whole->event = first->event;
    whole->t_ns = first->t_ns;
    whole->owner = first->owner;
    whole->copies = (uint8_t)(first->copies + 1);
    whole->ifindex = (uint16_t)q->ifindex;
    whole->flags = first->flags & WEIR_PKT_LINK_BROADCAST;
    struct weir_pkt *pkt;
    while ((pkt = pkt_queue_pop(&q->pieces))) {
        weir_pkt_copy_out(pkt, 0, buf->data + piece_off(pkt), pkt->len);
        weir_pkt_free(pkt);
    }
    COUNT_N(env, Weir, BytesCopiedInside, q->total);
    weir_pkt_append(whole, buf, 0, q->total);
    struct ip4_hdr h;
    uint8_t raw[IP4_HDR_MAX];
    memcpy(raw, q->raw, q->raw_len);
    put16(raw + 2, q->raw_len + q->total);
    put16(raw + 6, 0);
    ip4_csum_set(raw, q->raw_len);
    ip4_parse(raw, &h);
    unsigned ifindex = q->ifindex;
    queue_free(ip, q);
    COUNT(env, Ip, ReasmOKs);
    ip_deliver(ip, whole, &h, raw, ifindex, dst_is_broadcast(ip, h.dst));
}

/* Lengths that cannot be true. */
static bool malformed(const struct frag_queue *q, const struct weir_pkt *pkt,
                      const struct ip4_hdr *h) {
    uint32_t end = h->frag_off + pkt->len;
    if (end > IP4_PACKET_MAX - IP4_HDR_MIN)
        return true;
    if (h->mf) /* all but the last are multiples of 8 */
        return pkt->len % 8 || pkt->len == 0 || (q->total && end > q->total);
    if (q->total && q->total != end)
        return true;
    const struct weir_pkt *tail = q->pieces.head ? q->pieces.tail : NULL;
    return end == 0 || (tail && piece_off(tail) + tail->len > end);
}

void ip_reassemble(struct ip *ip, struct weir_pkt *pkt, const struct ip4_hdr *h,
                   const uint8_t *raw, unsigned ifindex) {
    struct env *env = ip->env;
    COUNT(env, Ip, ReasmReqds);
    const struct drop_info info = drop_info_of(pkt, 0, h);
    size_t cost = truesize(pkt);
    if (ip->frag_bytes + cost > (size_t)env->sysctl.ipfrag_high_thresh) {
        COUNT(env, Ip, ReasmFails);
        pkt_drop(env, pkt, WEIR_FRAG_TOO_FAR, &info);
        return;
    }
    struct frag_queue *q = queue_get(ip, h, ifindex);
    if (!q) {
        COUNT(env, Ip, ReasmFails);
        pkt_drop(env, pkt, WEIR_NOMEM, &info);
        return;
    }
    if (malformed(q, pkt, h)) {
        pkt_drop(env, pkt, WEIR_IP_INHDR, &info);
        queue_kill(ip, q, WEIR_IP_INHDR);
        return;
    }
    weir_pkt_checksum(pkt); /* its offset is needed for something else */
    pkt->csum_start = h->frag_off / 8;
    enum placed placed = frag_place(q, pkt);
    if (placed != PLACED) {
        pkt_drop(env, pkt, WEIR_DUP_FRAG, &info);
        if (placed == OVERLAP)
            queue_kill(ip, q, WEIR_DUP_FRAG);
        return;
    }
    q->bytes += cost;
    ip->frag_bytes += cost;
    if (!h->mf)
        q->total = h->frag_off + pkt->len;
    if (h->frag_off == 0) {
        memcpy(q->raw, raw, h->hlen);
        q->raw_len = h->hlen;
    }
    if (q->total && q->have == q->total)
        finish(ip, q);
}
