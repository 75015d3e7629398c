/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network of the simulation. Frames in flight lie in a heap by arrival; a
 * step takes the earliest of them and of the stacks' deadlines, moves the clock
 * there and lets it happen. After each step the stacks' invariants are checked.
 */
#include "net.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sock/sock.h"
#include "tcp/rooms.h"

enum { ARENA = 256 << 20, RING = 1 << 14 };

struct inflight {
    uint64_t at, order;
    struct weir_pkt *pkt;
    unsigned to, from;
};

uint64_t net_random(struct net *n) {
    uint64_t z = n->rng[0] += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

uint64_t net_below(struct net *n, uint64_t limit) {
    return limit ? net_random(n) % limit : 0;
}

bool net_chance(struct net *n, double p) {
    return p > 0 && (double)(net_random(n) >> 11) / 9007199254740992.0 < p;
}

static bool before(const struct inflight *a, const struct inflight *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_push(struct net *n, struct inflight f) {
    if (n->nheap == n->room) {
        n->room = n->room ? n->room * 2 : 256;
        n->heap = realloc(n->heap, n->room * sizeof(*n->heap));
    }
    unsigned i = n->nheap++;
    while (i && before(&f, &n->heap[(i - 1) / 2])) {
        n->heap[i] = n->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    n->heap[i] = f;
}

static struct inflight heap_pop(struct net *n) {
    struct inflight top = n->heap[0], f = n->heap[--n->nheap];
    unsigned i = 0, k;
    while ((k = 2 * i + 1) < n->nheap) {
        if (k + 1 < n->nheap && before(&n->heap[k + 1], &n->heap[k]))
            k++;
        if (!before(&n->heap[k], &f))
            break;
        n->heap[i] = n->heap[k];
        i = k;
    }
    n->heap[i] = f;
    return top;
}

void net_open(struct net *n, uint64_t seed, unsigned nhosts,
              const struct net_params *p) {
    *n = (struct net){.nhosts = nhosts, .now = 5 * S, .p = *p};
    n->rng[0] = seed * 0x2545f4914f6cdd1dull + 1;
    n->mem = mmap(NULL, ARENA, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert(n->mem != MAP_FAILED);
    n->arena = weir_arena_init(n->mem, ARENA);
    for (unsigned h = 0; h < nhosts; h++) {
        struct weir_recorder *r = &n->rec[h];
        *r = (struct weir_recorder){
            .next = ((uint64_t)(h + 1) << 48) + 1,
            .bulk = {0, RING - 1, calloc(RING, sizeof(struct weir_event))},
            .rare = {0, RING - 1, calloc(RING, sizeof(struct weir_event))},
        };
        n->shown[h] = r->next;
        struct weir_config config = {.arena = n->arena,
                                     .rec = r,
                                     .now_ns = n->now,
                                     .host = (uint8_t)(h + 1)};
        config.name[0] = (char)('a' + h);
        memcpy(config.seed, &seed, sizeof(seed));
        config.seed[31] = (uint8_t)h;
        n->host[h] = weir_create(&config);
        assert(n->host[h]);
        struct weir_if eth = {.name = "eth0",
                              .mac = {2, 0, 0, 0, 0, (uint8_t)(h + 1)},
                              .up = true,
                              .mtu = p->mtu ? p->mtu : 1500,
                              .features = p->features};
        int index = weir_if_add(n->host[h], &eth);
        assert(index == 2);
        n->addr[h] = weir_addr_v4(WEIR_IP4(10, 0, 0, h + 1));
        int r0 = weir_addr_add(n->host[h], 2, &n->addr[h], 24);
        assert(r0 == 0);
    }
}

void net_close(struct net *n) {
    for (unsigned h = 0; h < n->nhosts; h++) {
        weir_destroy(n->host[h]);
        free(n->rec[h].bulk.slot);
        free(n->rec[h].rare.slot);
    }
    while (n->nheap)
        weir_pkt_free(heap_pop(n).pkt);
    free(n->heap);
    assert(weir_arena_used(n->arena) == 0);
    munmap(n->mem, ARENA);
}

struct weir_endpoint net_at(const struct net *n, unsigned host, uint16_t port) {
    return (struct weir_endpoint){.addr = n->addr[host], .port = port};
}

/* ---- what the network does to a frame ---- */

static bool describe(const struct weir_pkt *pkt, unsigned from,
                     struct frame_info *f) {
    uint8_t b[54];
    if (pkt->len < sizeof(b))
        return false;
    weir_pkt_copy_out(pkt, 0, b, sizeof(b));
    if (b[12] != 8 || b[13] != 0 || b[23] != 6 || b[14] != 0x45)
        return false;
    unsigned hlen = (b[46] >> 4) * 4u;
    *f = (struct frame_info){.from = from, .pkt = pkt, .flags = b[47]};
    f->len = (uint32_t)(b[16] << 8 | b[17]) - 20 - hlen;
    f->sport = (uint16_t)(b[34] << 8 | b[35]);
    f->dport = (uint16_t)(b[36] << 8 | b[37]);
    f->seq = WEIR_IP4(b[38], b[39], b[40], b[41]);
    f->ack = WEIR_IP4(b[42], b[43], b[44], b[45]);
    return true;
}

/* One bit, past the Ethernet header, in a copy of its own. */
static struct weir_pkt *corrupt(struct net *n, struct weir_pkt *pkt) {
    uint8_t type[2];
    weir_pkt_copy_out(pkt, 12, type, 2);
    if (type[0] != 8 || type[1] != 0 || pkt->gso_size)
        return pkt; /* ARP has no checksum: a flipped bit would be believed */
    if (pkt->flags & WEIR_PKT_CSUM_PARTIAL)
        pkt = weir_pkt_segment(pkt); /* completes the checksum */
    struct weir_pkt *copy = weir_pkt_alloc(n->arena, 0);
    struct weir_buf *buf = weir_buf_alloc(n->arena, pkt->len);
    weir_pkt_copy_out(pkt, 0, buf->data, pkt->len);
    copy->event = pkt->event;
    uint32_t bit = (uint32_t)net_below(n, (pkt->len - 14) * 8u) + 14 * 8;
    buf->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    int r = weir_pkt_append(copy, buf, 0, pkt->len);
    assert(r == 0);
    copy->len = pkt->len;
    weir_pkt_free(pkt);
    n->corrupted++;
    return copy;
}

static uint64_t when(struct net *n, unsigned from, uint32_t len) {
    uint64_t start = n->now;
    if (n->p.rate) {
        if (n->busy_until[from] < n->now)
            n->busy_until[from] = n->now;
        start = n->busy_until[from] += len * 8ull * S / n->p.rate;
    }
    uint64_t at = start + n->p.delay + net_below(n, n->p.jitter + 1);
    if (net_chance(n, n->p.reorder))
        at += n->p.delay / 2 + net_below(n, n->p.delay + MS);
    return at;
}

static void carry(struct net *n, unsigned from, struct weir_pkt *pkt) {
    struct frame_info f;
    uint8_t dst[6];
    n->sent++;
    bool drop = n->cut || net_chance(n, n->p.loss);
    if (!drop && n->filter && describe(pkt, from, &f))
        drop = n->filter(n->filter_ctx, &f);
    if (!drop && n->p.rate && n->p.queue &&
        n->busy_until[from] > n->now + n->p.queue * 12000ull * S / n->p.rate)
        drop = true; /* the queue is full */
    if (drop) {
        n->lost++;
        weir_pkt_free(pkt);
        return;
    }
    if (net_chance(n, n->p.corrupt))
        pkt = corrupt(n, pkt);
    uint64_t at = when(n, from, pkt->len);
    weir_pkt_copy_out(pkt, 0, dst, 6);
    for (unsigned h = 0; h < n->nhosts; h++) {
        if (h == from || (!(dst[0] & 1) && dst[5] != h + 1))
            continue;
        struct weir_pkt *copy = weir_pkt_clone(pkt);
        heap_push(n, (struct inflight){at, n->order++, copy, h, from});
        if (net_chance(n, n->p.dup)) {
            n->doubled++;
            heap_push(n, (struct inflight){at + net_below(n, n->p.delay + 1),
                                           n->order++, weir_pkt_clone(pkt), h,
                                           from});
        }
    }
    weir_pkt_free(pkt);
}

static uint64_t mix(uint64_t a, uint64_t b) {
    a ^= b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2);
    return a * 0xff51afd7ed558ccdull;
}

/* Every byte that leaves a host. */
static void digest_frame(struct net *n, const struct weir_pkt *pkt) {
    uint8_t b[256];
    for (uint32_t at = 0, len; at < pkt->len; at += len) {
        len = pkt->len - at < sizeof(b) ? pkt->len - at : sizeof(b);
        weir_pkt_copy_out(pkt, at, b, len);
        for (uint32_t i = 0; i < len; i++)
            n->digest = (n->digest ^ b[i]) * 0x100000001b3ull;
    }
}

void net_digest_counters(struct net *n) {
    for (unsigned h = 0; h < n->nhosts; h++) {
        for (unsigned c = 0; c < WEIR_CTR_MAX; c++)
            if (c != WEIR_CTR_TcpExt_TCPHPHits &&
                c != WEIR_CTR_TcpExt_TCPHPAcks)
                n->digest = mix(n->digest, weir_counter(n->host[h], c));
        for (unsigned r = 0; r < WEIR_REASON_MAX; r++)
            n->digest = mix(n->digest, weir_drops(n->host[h], r));
    }
}

static void collect(struct net *n, unsigned h) {
    struct weir_pkt *list;
    unsigned ifindex;
    while ((list = weir_output(n->host[h], &ifindex))) {
        while (list) {
            struct weir_pkt *pkt = list;
            list = pkt->next;
            pkt->next = NULL;
            if (n->bytes)
                digest_frame(n, pkt);
            carry(n, h, pkt);
        }
    }
}

/* ---- events ---- */

static void show_segment(FILE *out, const struct weir_event *e) {
    static const char letters[] = "FSRPAU";
    fprintf(out, "%u>%u ", e->seg.sport, e->seg.dport);
    for (unsigned i = 0; i < 6; i++)
        if (e->seg.tcp_flags & 1 << i)
            fputc(letters[i], out);
    fprintf(out, " seq %u ack %u len %u win %u nth %u %s", e->seg.seq,
            e->seg.ack, e->seg.len, e->seg.win, e->seg.nth,
            e->seg.reason ? weir_reason_name(e->seg.reason) : "");
}

static void show_event(FILE *out, const struct weir_event *e) {
    fprintf(out, "%12.6f %c s%-3u %-16s ", (double)e->t_ns / 1e9,
            'a' + e->host - 1, e->sock, weir_event_name(e->kind));
    switch (e->kind) {
    case WEIR_EV_SEGMENT_SENT:
    case WEIR_EV_SEGMENT_RECEIVED:
    case WEIR_EV_DROP:
        show_segment(out, e);
        break;
    case WEIR_EV_STATE:
        fprintf(out, "%s -> %s %s", weir_tcp_state_name(e->state.from),
                weir_tcp_state_name(e->state.to),
                weir_reason_name(e->state.reason));
        break;
    case WEIR_EV_CALL:
        fprintf(out, "%s(%u) = %d", weir_call_name(e->call.call), e->call.a0,
                e->call.result);
        break;
    case WEIR_EV_TIMER_FIRED:
        fprintf(out, "%s try %u, next %u ms, %u bytes",
                weir_timer_name(e->timer.timer), e->timer.tries,
                e->timer.next_ms, e->timer.bytes);
        break;
    case WEIR_EV_ERROR:
        fprintf(out, "errno %d %s%s", e->error.error,
                weir_reason_name(e->error.reason),
                e->error.soft ? " soft" : "");
        break;
    default:
        break;
    }
    fputc('\n', out);
}

void net_show(struct net *n) {
    for (unsigned h = 0; h < n->nhosts; h++) {
        for (; n->shown[h] < n->rec[h].next; n->shown[h]++) {
            const struct weir_event *e =
                weir_event_find(&n->rec[h], n->shown[h]);
            if (!e)
                continue;
            uint64_t word[8];
            memcpy(word, e, sizeof(word));
            for (unsigned i = 0; i < 8; i++)
                n->digest = mix(n->digest, word[i]);
            if (n->verbose)
                show_event(n->verbose, e);
        }
    }
}

const struct weir_event *net_event(struct net *n, unsigned host, unsigned kind,
                                   weir_event_id after) {
    struct weir_recorder *r = &n->rec[host];
    for (weir_event_id id = after + 1; id < r->next; id++) {
        const struct weir_event *e = weir_event_find(r, id);
        if (e && e->kind == kind)
            return e;
    }
    return NULL;
}

/* ---- time ---- */

void net_settle(struct net *n) {
    for (unsigned h = 0; h < n->nhosts; h++) {
        weir_clock(n->host[h], n->now);
        weir_poll(n->host[h]);
        collect(n, h);
        tcp_check(n->host[h]->tcp);
    }
    net_show(n);
}

static uint64_t next_time(struct net *n) {
    uint64_t t = n->nheap ? n->heap[0].at : WEIR_NEVER;
    for (unsigned h = 0; h < n->nhosts; h++) {
        uint64_t d = weir_deadline(n->host[h]);
        if (d < t)
            t = d;
    }
    return t;
}

void net_run(struct net *n, uint64_t until) {
    net_settle(n);
    for (;;) {
        uint64_t t = next_time(n);
        if (t > until)
            break;
        if (t > n->now)
            n->now = t;
        bool touched[3] = {false};
        while (n->nheap && n->heap[0].at <= n->now) {
            struct inflight f = heap_pop(n);
            weir_clock(n->host[f.to], n->now);
            f.pkt->next = NULL;
            weir_input(n->host[f.to], 2, f.pkt);
            touched[f.to] = true;
        }
        for (unsigned h = 0; h < n->nhosts; h++) {
            if (!touched[h] && weir_deadline(n->host[h]) > n->now)
                continue;
            weir_clock(n->host[h], n->now);
            weir_poll(n->host[h]);
            collect(n, h);
            tcp_check(n->host[h]->tcp);
        }
        net_show(n);
    }
    if (until > n->now)
        n->now = until;
    for (unsigned h = 0; h < n->nhosts; h++)
        weir_clock(n->host[h], n->now);
}
