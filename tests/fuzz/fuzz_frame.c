/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames and calls into a whole stack, by its public API. The input is a list
 * of steps, each a byte that says what and bytes that say how:
 *
 *   raw frames; IPv4 packets whose header is completed; TCP segments that
 * belong to what the stack sent last (so that the fuzzer gets past the
 * handshake); ARP; ICMP errors about what it sent; time; socket calls.
 *
 * Checksums of transports are marked as verified: the fuzzer shall not search
 * for them. What must hold: no sanitizer finding, no assert, all memory is
 * given back when the stack ends.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "weir/socket.h"
#include "weir/weir.h"

enum { ARENA_BYTES = 8 << 20, SOCKS = 8 };

struct input {
    const uint8_t *p, *end;
};

static uint8_t u8(struct input *in) {
    return in->p < in->end ? *in->p++ : 0;
}

static uint16_t u16(struct input *in) {
    uint8_t high = u8(in);
    return (uint16_t)(high << 8 | u8(in));
}

struct world {
    struct weir_stack *s;
    struct weir_arena *arena;
    uint64_t now;
    int sock[SOCKS];
    uint8_t sent[128]; /* the last IP packet it sent, its beginning */
    uint32_t sent_len; /* bytes of `sent` */
    uint32_t seq, ack; /* of its last TCP segment: next byte, acknowledged */
    uint16_t sport, dport;
};

static uint16_t get16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}
static uint32_t get32(const uint8_t *p) {
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}
static void put16(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static void put32(uint8_t *p, uint32_t v) {
    put16(p, v >> 16);
    put16(p + 2, v);
}

static const uint8_t self_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2};

/* Give a frame; `cut`: how much of it lies in the head, the rest in slices. */
static void give(struct world *w, const uint8_t *frame, uint32_t len,
                 uint32_t cut) {
    struct weir_pkt *pkt = weir_pkt_alloc(w->arena, 0);
    if (!pkt)
        return;
    cut %= 100;
    if (cut > len)
        cut = len;
    memcpy(pkt->head, frame, cut);
    pkt->head_len = (uint16_t)cut;
    pkt->len = cut;
    pkt->flags = WEIR_PKT_CSUM_VALID;
    while (cut < len) {
        uint32_t n = len - cut;
        if (n > 40 && pkt->nslices < 4)
            n = n / 2 + 1;
        struct weir_buf *buf = weir_buf_alloc(w->arena, n);
        if (!buf) {
            weir_pkt_free(pkt);
            return;
        }
        memcpy(buf->data, frame + cut, n);
        weir_pkt_append(pkt, buf, 0, n);
        cut += n;
    }
    weir_input(w->s, 2, pkt);
}

static void give_ip(struct world *w, uint8_t *f, uint32_t len, uint32_t cut) {
    uint32_t hlen = (f[14] & 15u) * 4, sum = 0;
    memcpy(f, self_mac, 6);
    memcpy(f + 6, peer_mac, 6);
    put16(f + 12, 0x0800);
    put16(f + 16, len - 14);
    put16(f + 24, 0);
    if (hlen >= 20 && 14 + hlen <= len) {
        for (uint32_t i = 0; i < hlen; i += 2)
            sum += get16(f + 14 + i);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        put16(f + 24, ~sum);
    }
    give(w, f, len, cut);
}

static void ip_header(uint8_t *f, struct input *in, uint8_t proto) {
    f[14] = 0x45;
    f[15] = 0;
    put16(f + 18, u8(in) & 3u);
    put16(f + 20, 0);
    f[22] = 64;
    f[23] = proto;
    put32(f + 26, 0x0a000002);
    put32(f + 30, 0x0a000001);
}

static uint32_t rest(struct input *in, uint8_t *to, uint32_t max) {
    uint32_t n = u8(in);
    if (n > max)
        n = max;
    for (uint32_t i = 0; i < n; i++)
        to[i] = u8(in);
    return n;
}

/* A segment that answers the stack's last one, more or less. */
static void tcp_segment(struct world *w, struct input *in) {
    uint8_t f[14 + 20 + 60 + 256] = {0};
    ip_header(f, in, 6);
    uint8_t *t = f + 34, how = u8(in);
    put16(t, how & 1 ? 1000 + (u8(in) & 3u) : w->dport);
    put16(t + 2, how & 1 ? 80 : w->sport);
    put32(t + 4, w->ack + (how & 2 ? (uint32_t)(int8_t)u8(in) * 64 : 0));
    put32(t + 8, w->seq + (how & 4 ? (uint32_t)(int8_t)u8(in) * 64 : 0));
    t[13] = u8(in);
    put16(t + 14, how & 8 ? u16(in) : 0xffff);
    put16(t + 18, how & 16 ? u16(in) : 0);
    uint32_t opts = how & 32 ? rest(in, t + 20, 40) : 0;
    while (opts % 4)
        opts++;
    if (how & 64 && opts == 0) { /* a plausible timestamp */
        memcpy(t + 20, (const uint8_t[4]){1, 1, 8, 10}, 4);
        put32(t + 24, (uint32_t)(w->now / 1000000));
        put32(t + 28, (uint32_t)(w->now / 1000000));
        opts = 12;
    }
    t[12] = (uint8_t)((20 + opts) / 4 << 4);
    uint32_t n = rest(in, t + 20 + opts, 200);
    if (how & 128)
        n = 0;
    give_ip(w, f, 34 + 20 + opts + n, u8(in));
}

static void arp(struct world *w, struct input *in) {
    uint8_t f[42] = {0};
    memset(f, 0xff, 6);
    memcpy(f + 6, peer_mac, 6);
    put16(f + 12, 0x0806);
    memcpy(f + 14, (const uint8_t[6]){0, 1, 8, 0, 6, 4}, 6);
    put16(f + 20, 1 + (u8(in) & 1u));
    memcpy(f + 22, peer_mac, 6);
    put32(f + 28, 0x0a000000u + (u8(in) & 7u));
    put32(f + 38, 0x0a000000u + (u8(in) & 3u));
    give(w, f, 42, 99);
}

static void icmp_error(struct world *w, struct input *in) {
    uint8_t f[14 + 20 + 8 + 128] = {0};
    ip_header(f, in, 1);
    f[34] = u8(in);
    f[35] = u8(in);
    put16(f + 40, u16(in));
    uint32_t n = w->sent_len;
    if (u8(in) & 1)
        n = u8(in) % 129;
    if (n > sizeof(w->sent))
        n = sizeof(w->sent);
    memcpy(f + 42, w->sent, n);
    give_ip(w, f, 42 + n, u8(in));
}

static void call(struct world *w, struct input *in) {
    static uint8_t buf[9000];
    uint8_t what = u8(in);
    int *sock = &w->sock[u8(in) % SOCKS];
    struct iovec iov = {buf, u16(in) % sizeof(buf)};
    struct weir_endpoint to = {weir_addr_v4(0x0a000000u + (what >> 6)),
                               (uint16_t)(1000 + (what >> 6)), 0};
    int32_t v = u8(in);
    switch (what % 12) {
    case 0:
        if (*sock < 0)
            *sock = weir_socket(w->s, 2, 1 + (u8(in) & 1), 0);
        break;
    case 1:
        weir_bind(w->s, *sock, &to);
        break;
    case 2:
        weir_listen(w->s, *sock, u8(in) % 5);
        break;
    case 3:
        weir_connect(w->s, *sock, &to);
        break;
    case 4: {
        int got = weir_accept(w->s, w->sock[0], NULL);
        if (got >= 0 && *sock < 0)
            *sock = got;
        else if (got >= 0)
            weir_close(w->s, got);
        break;
    }
    case 5:
    case 6:
        weir_send(w->s, *sock, &iov, 1, u8(in) & 1, what & 64 ? &to : NULL);
        break;
    case 7:
    case 8:
        weir_recv(w->s, *sock, &iov, 1, u8(in) & 0x23, NULL, NULL);
        break;
    case 9:
        weir_shutdown(w->s, *sock, u8(in) % 3);
        break;
    case 10:
        weir_close(w->s, *sock);
        *sock = -1;
        break;
    case 11:
        weir_setsockopt(w->s, *sock, u8(in) & 1 ? 6 : 1, u8(in) % 40, &v,
                        sizeof(v));
        break;
    }
}

static void look_at(struct world *w, const struct weir_pkt *pkt) {
    uint8_t f[14 + sizeof(w->sent)];
    uint32_t n = pkt->len < sizeof(f) ? pkt->len : sizeof(f);
    weir_pkt_copy_out(pkt, 0, f, n);
    if (n < 34 || get16(f + 12) != 0x0800)
        return;
    w->sent_len = n - 14;
    memcpy(w->sent, f + 14, n - 14);
    if (f[23] != 6 || n < 54)
        return;
    w->sport = get16(f + 34);
    w->dport = get16(f + 36);
    w->ack = get32(f + 42);
    w->seq = get32(f + 38) + pkt->len - 34 - (f[46] >> 4) * 4u;
    if (f[47] & 3)
        w->seq++;
}

static void pass(struct world *w) {
    struct weir_pkt *list;
    unsigned ifindex;
    struct weir_ready r;
    weir_poll(w->s);
    while ((list = weir_output(w->s, &ifindex))) {
        while (list) {
            struct weir_pkt *next = list->next;
            look_at(w, list);
            weir_pkt_free(list);
            list = next;
        }
    }
    while (weir_ready_next(w->s, &r))
        ;
}

static void step(struct world *w, struct input *in) {
    uint8_t f[14 + 256] = {0};
    uint32_t n;
    switch (u8(in) % 10) {
    case 0: /* whatever */
        n = rest(in, f, sizeof(f));
        give(w, f, n, u8(in));
        break;
    case 1: /* some IPv4 packet: options, fragments, any protocol */
        ip_header(f, in, 0);
        n = rest(in, f + 14, sizeof(f) - 14);
        if (n >= 20)
            give_ip(w, f, 14 + n, u8(in));
        break;
    case 2: /* a fragment */
        ip_header(f, in, 17);
        put16(f + 20, u16(in) & 0x200f);
        n = rest(in, f + 34, sizeof(f) - 34);
        give_ip(w, f, 34 + n, u8(in));
        break;
    case 3:
        arp(w, in);
        break;
    case 4:
        icmp_error(w, in);
        break;
    case 5: /* UDP, ICMP echo */
        ip_header(f, in, u8(in) & 1 ? 17 : 1);
        n = rest(in, f + 34, sizeof(f) - 34);
        give_ip(w, f, 34 + n, u8(in));
        break;
    case 6: /* time: microseconds to minutes */
        w->now += (uint64_t)(1 + u8(in)) << (10 + u8(in) % 28);
        weir_clock(w->s, w->now);
        break;
    case 7:
        call(w, in);
        break;
    default:
        tcp_segment(w, in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void *mem;
    static struct weir_event bulk[256], rare[256];
    if (!mem)
        mem = aligned_alloc(4096, ARENA_BYTES);
    struct weir_recorder rec = {1, {0, 255, bulk}, {0, 255, rare}};
    struct input in = {data, data + size};
    struct world w = {.arena = weir_arena_init(mem, ARENA_BYTES),
                      .now = 1000000000000};
    struct weir_config config = {.arena = w.arena,
                                 .rec = &rec,
                                 .seed = {u8(&in)},
                                 .now_ns = w.now,
                                 .host = 1};
    w.s = weir_create(&config);
    assert(w.s);
    struct weir_if eth = {.name = "eth0", .up = true, .mtu = 1500};
    memcpy(eth.mac, self_mac, 6);
    uint8_t how = u8(&in);
    if (how & 1)
        eth.features = WEIR_LINK_CSUM | WEIR_LINK_GSO;
    if (how & 2)
        weir_sysctl_set(w.s, "net.ipv4.ip_forward", "1");
    weir_if_add(w.s, &eth);
    const struct weir_addr self = weir_addr_v4(0x0a000001);
    weir_addr_add(w.s, 2, &self, 24);
    for (int i = 0; i < SOCKS; i++)
        w.sock[i] = i < 4 ? weir_socket(w.s, 2, i < 3 ? 1 : 2, 0) : -1;
    struct weir_endpoint any = {weir_addr_v4(0), 80, 0},
                         peer = {weir_addr_v4(0x0a000002), 1001, 0};
    weir_bind(w.s, w.sock[0], &any);
    weir_listen(w.s, w.sock[0], 4);
    weir_connect(w.s, w.sock[1], &peer);
    weir_bind(w.s, w.sock[3], &any);
    static const uint8_t who_has[] = {0, 2, 1};
    arp(&w, &(struct input){who_has, who_has + sizeof(who_has)});
    pass(&w);
    while (in.p < in.end) {
        step(&w, &in);
        pass(&w);
    }
    weir_destroy(w.s);
    assert(weir_arena_used(w.arena) == 0);
    return 0;
}
