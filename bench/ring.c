/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring MODE SECONDS [MTU]: two threads on two cores, a stack each, joined by
 * links/ring; both spin, direct API, checksums summed, flight recorder on.
 *   rr      microseconds a round trip of 1 byte, then p50= p99= p999=
 *   bulk    Gbit/s of one stream; MTU 1500 or 65535
 *   frames  nanoseconds a round trip of a 64-byte frame, no stacks
 *   flood   million 64-byte frames a second one way, no stacks
 */
#include <stdatomic.h>

#include "bench/stage.h"
#include "links/ring.h"

#define TIMES (1u << 24)

struct side {
    struct weir_arena *arena;
    struct weir_recorder *rec;
    struct weir_stack *s;
    struct weir_link *link;
    uint64_t now;
    unsigned spins;
    uint64_t frames;
};

static struct side side[2];
static _Atomic bool ready, over;
static bool is_bulk, is_flood;
static uint64_t span_ns;
static uint32_t mtu = 1500;
static uint32_t *times;
static size_t ntimes;

/* Sums are made, as on a wire: the stacks are told of no offload. */
static void set_up(unsigned i, struct ring *ring, bool stacks) {
    struct side *e = &side[i];
    e->arena = stage_arena();
    e->rec = stage_recorder(i);
    e->link = ring_end(ring, i, e->arena, i ? "b:eth0" : "a:eth0", mtu);
    e->link->rec = e->rec;
    if (stacks)
        e->s = stage_stack(e->arena, e->rec, (uint8_t)(i + 1), mtu, 0);
    e->link->deliver = stage_deliver;
    e->link->to = e->s;
    e->now = clock_ns();
}

/* The clock is read while nothing comes, so seldom that it costs little. */
static unsigned spin(struct side *e) {
    unsigned n = e->link->ops->poll(e->link, e->now);
    if (!n && (++e->spins & 63) == 0)
        e->now = clock_ns();
    return n;
}

static void turn(struct side *e) {
    weir_clock(e->s, e->now);
    stage_flush(e->s, e->link, e->now);
}

static void await(struct side *e) {
    while (!spin(e) && !atomic_load_explicit(&over, memory_order_relaxed))
        if ((e->spins & 1023) == 0)
            turn(e); /* timers */
}

static void put_byte(struct side *e, int sock) {
    char x = 'x';
    ssize_t n = weir_send(e->s, sock, &(struct iovec){&x, 1}, 1, 0, NULL);
    assert(n == 1);
    turn(e);
}

static bool get_byte(struct side *e, int sock) {
    char x;
    struct iovec iov = {&x, 1};
    while (weir_recv(e->s, sock, &iov, 1, 0, NULL, NULL) != 1) {
        if (atomic_load_explicit(&over, memory_order_relaxed))
            return false;
        await(e);
    }
    return true;
}

static void serve_bulk(struct side *e, int sock) {
    static char buf[1 << 18];
    struct iovec iov = {buf, sizeof(buf)};
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        ssize_t n;
        while ((n = weir_recv(e->s, sock, &iov, 1, 0, NULL, NULL)) > 0)
            e->frames += (uint64_t)n;
        turn(e);
        await(e);
    }
}

static void *server(void *arg) {
    struct side *e = &side[1];
    (void)arg;
    pin(1);
    set_up(1, arg, true);
    int l = stage_listen(e->s, 7), c, one = 1;
    atomic_store(&ready, true);
    while ((c = weir_accept(e->s, l, NULL)) < 0) {
        await(e);
        turn(e);
    }
    weir_setsockopt(e->s, c, 6, 1, &one, sizeof(one)); /* TCP_NODELAY */
    if (is_bulk)
        serve_bulk(e, c);
    else
        while (get_byte(e, c))
            put_byte(e, c);
    return NULL;
}

static int connect_to_server(struct side *e) {
    struct weir_endpoint at = {.addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 2)),
                               .port = 7};
    int c = weir_socket(e->s, AF_INET, SOCK_STREAM, 0), one = 1;
    weir_connect(e->s, c, &at);
    weir_setsockopt(e->s, c, 6, 1, &one, sizeof(one));
    while (!(weir_ready(e->s, c) & WEIR_OUT)) {
        turn(e);
        await(e);
    }
    return c;
}

static void rr(struct side *e, int c) {
    for (int i = 0; i < 20000; i++) { /* warm */
        put_byte(e, c);
        get_byte(e, c);
    }
    put_byte(e, c);
    uint64_t begin = clock_ns(), t = begin, until = begin + span_ns;
    while (t < until && ntimes < TIMES) {
        get_byte(e, c);
        put_byte(e, c);
        uint64_t now = clock_ns(); /* while the byte is on its way */
        times[ntimes++] = (uint32_t)(now - t);
        t = now;
    }
    printf("%.3f", (double)(t - begin) / (double)ntimes / 1e3);
    stage_quantiles(times, ntimes);
}

static void bulk(struct side *e, int c) {
    static char out[1 << 16];
    struct iovec iov = {out, sizeof(out)};
    uint64_t begin = clock_ns(), until = begin + span_ns, was = 0;
    bool warm = false;
    while (clock_ns() < until) {
        if (!warm && clock_ns() > begin + 100000000) {
            warm = true;
            begin = clock_ns();
            was = side[1].frames;
        }
        e->now = clock_ns();
        while (weir_send(e->s, c, &iov, 1, 0, NULL) > 0)
            turn(e);
        await(e);
        turn(e);
    }
    printf("%.3f\n",
           (double)(side[1].frames - was) * 8 / (double)(clock_ns() - begin));
}

/* ---- frames alone ---- */

static void count(void *to, struct weir_link *from, struct weir_pkt *list,
                  uint64_t now) {
    struct side *e = to;
    for (struct weir_pkt *next; list; list = next) {
        next = list->next;
        e->frames++;
        list->next = NULL;
        if (is_flood)
            weir_pkt_free(list);
        else
            from->ops->send(from, list, now); /* back */
    }
}

static void *echo(void *arg) {
    struct side *e = &side[1];
    pin(1);
    set_up(1, arg, false);
    e->link->deliver = count;
    e->link->to = e;
    atomic_store(&ready, true);
    while (!atomic_load_explicit(&over, memory_order_relaxed))
        e->link->ops->poll(e->link, 0);
    return NULL;
}

static void keep(void *to, struct weir_link *from, struct weir_pkt *list,
                 uint64_t now) {
    struct weir_pkt **at = to;
    (void)from;
    (void)now;
    *at = list;
}

static struct weir_pkt *frame(struct side *e) {
    struct weir_pkt *pkt = weir_pkt_alloc(e->arena, 0);
    memset(pkt->head, 1, 64);
    pkt->head_len = 64;
    pkt->len = 64;
    return pkt;
}

static void frames(struct side *e) {
    struct weir_pkt *pkt = frame(e), *back;
    e->link->deliver = keep;
    e->link->to = &back;
    uint64_t n = 0, begin = clock_ns(), t;
    do
        for (int i = 0; i < 10000; i++, n++) {
            back = NULL;
            e->link->ops->send(e->link, pkt, 0);
            while (!e->link->ops->poll(e->link, 0))
                ;
            pkt = back;
        }
    while ((t = clock_ns() - begin) < span_ns);
    printf("%.1f\n", (double)t / (double)n);
}

static void flood(struct side *e) {
    uint64_t begin = clock_ns(), t;
    do
        for (int i = 0; i < 1000; i++) {
            struct weir_pkt *list = NULL;
            for (int k = 0; k < 32; k++) {
                struct weir_pkt *pkt = frame(e);
                pkt->next = list;
                list = pkt;
            }
            e->link->ops->send(e->link, list, 0);
        }
    while ((t = clock_ns() - begin) < span_ns);
    printf("%.2f\n", (double)side[1].frames / (double)t * 1e3);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    const char *mode = argv[1];
    bool stacks = !strcmp(mode, "rr") || !strcmp(mode, "bulk");
    is_bulk = !strcmp(mode, "bulk");
    is_flood = !strcmp(mode, "flood");
    span_ns = (uint64_t)(atof(argv[2]) * 1e9);
    mtu = argc > 3 ? (uint32_t)atoi(argv[3]) : 1500;
    times = malloc(TIMES * sizeof(*times));
    memset(times, 0, TIMES * sizeof(*times));
    struct ring *ring = ring_create(0);
    pthread_t other;
    pin(0);
    set_up(0, ring, stacks);
    pthread_create(&other, NULL, stacks ? server : echo, ring);
    while (!atomic_load(&ready))
        ;
    if (stacks) {
        int c = connect_to_server(&side[0]);
        is_bulk ? bulk(&side[0], c) : rr(&side[0], c);
    } else {
        is_flood ? flood(&side[0]) : frames(&side[0]);
    }
    atomic_store(&over, true);
    pthread_join(other, NULL);
    return 0;
}
