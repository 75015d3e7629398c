/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shards N MODE SECONDS [MTU] [mesh]: a server of N shards and a client of N
 * shards on N cores, one of each in a thread; direct API, checksums summed,
 * flight recorder on. All shards of one are joined with all of the other by
 * rings, and each flow goes where its hash says. Both hosts spread by one
 * symmetric key, so that the two ends of a connection lie on one core (as where
 * the peer is another machine: nothing crosses); with `mesh` each has a key of
 * its own, and N - 1 of N connections cross.
 *   rr    thousand round trips of 1 byte a second, 16 connections a client
 * shard crr   thousand connections a second (1 byte each way, close), 16 at a
 * time bulk  Gbit/s, one stream a client shard
 */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bench/stage.h"
#include "host/shards.h"

#define CONNS 16
#define SERVER WEIR_IP4(10, 0, 0, 1)
#define CLIENT WEIR_IP4(10, 0, 0, 2)

enum mode { RR, CRR, BULK };

struct count {
    _Alignas(128) _Atomic uint64_t n;
};

static struct shards *server, *client;
static struct count count[WEIR_SHARDS_MAX];
static _Atomic bool over;
static _Atomic unsigned ready_threads;
static enum mode mode;
static unsigned nshards;
static char zeros[1 << 16];

static void add(unsigned shard, uint64_t n) {
    struct count *c = &count[shard];
    atomic_store_explicit(&c->n,
                          atomic_load_explicit(&c->n, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static void no_delay(struct shard *sh, int sock) {
    int one = 1;
    weir_setsockopt(sh->stack, sock, 6, 1, &one, sizeof(one));
}

/* ---- the server: swallow, and answer a byte with a byte ---- */

static void serve(struct shard *sh, const struct weir_ready *r, void *ctx) {
    static _Thread_local char buf[1 << 18];
    struct weir_stack *s = sh->stack;
    (void)ctx;
    if (r->tag == 1) { /* the listener */
        int c;
        while ((c = weir_accept(s, r->sock, NULL)) >= 0)
            no_delay(sh, c);
        return;
    }
    struct iovec in = {buf, sizeof(buf)}, out = {buf, 1};
    ssize_t n;
    while ((n = weir_recv(s, r->sock, &in, 1, 0, NULL, NULL)) > 0)
        if (mode == BULK)
            add(sh->index, (uint64_t)n);
        else
            weir_send(s, r->sock, &out, 1, 0, NULL);
    if (n == 0)
        weir_close(s, r->sock);
}

/* ---- the client ---- */

static void open_one(struct shard *sh) {
    struct weir_endpoint at = {.addr = weir_addr_v4(SERVER), .port = 7};
    int sock = weir_socket(sh->stack, AF_INET, SOCK_STREAM, 0);
    int err = weir_connect(sh->stack, sock, &at);
    if (err != -EINPROGRESS) {
        fprintf(stderr, "connect: %s\n", strerror(-err));
        exit(1);
    }
    no_delay(sh, sock);
}

static void drive(struct shard *sh, const struct weir_ready *r, void *ctx) {
    struct weir_stack *s = sh->stack;
    char x = 'x';
    struct iovec byte = {&x, 1}, bulk = {zeros, sizeof(zeros)};
    (void)ctx;
    if (mode == BULK) {
        if (r->mask & WEIR_OUT)
            while (weir_send(s, r->sock, &bulk, 1, 0, NULL) > 0)
                ;
        return;
    }
    if (r->tag == 0 && (r->mask & WEIR_OUT)) { /* connected */
        weir_set_tag(s, r->sock, 1, 0);
        weir_send(s, r->sock, &byte, 1, 0, NULL);
    }
    if (!(r->mask & WEIR_IN) ||
        weir_recv(s, r->sock, &byte, 1, 0, NULL, NULL) != 1)
        return;
    add(sh->index, 1);
    if (mode == RR) {
        weir_send(s, r->sock, &byte, 1, 0, NULL);
    } else {
        weir_close(s, r->sock);
        open_one(sh);
    }
}

/* ---- threads ---- */

static void *work(void *arg) {
    unsigned i = (unsigned)(uintptr_t)arg;
    struct shard *s = shards_at(server, i), *c = shards_at(client, i);
    pin((int)i);
    weir_set_tag(s->stack, stage_listen(s->stack, 7), 1, 0);
    atomic_fetch_add(&ready_threads, 1);
    while (atomic_load(&ready_threads) < nshards)
        ;
    for (int k = 0; k < (mode == BULK ? 1 : CONNS); k++)
        open_one(c);
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        uint64_t now = clock_ns();
        shard_pass(c, now);
        shard_pass(s, now);
    }
    return NULL;
}

static struct shards *host(uint8_t number, uint32_t addr, uint32_t mtu,
                           bool mesh) {
    static uint8_t symmetric[WEIR_RSS_KEY]; /* both directions hash alike */
    for (unsigned i = 0; i < WEIR_RSS_KEY; i++)
        symmetric[i] = i & 1 ? 0x5a : 0x6d;
    bool is_client = addr == CLIENT;
    struct shards_config config = {.n = nshards,
                                   .host = number,
                                   .name = "bench",
                                   .addr = weir_addr_v4(addr),
                                   .plen = 24,
                                   .mac = {2, [5] = number},
                                   .mtu = mtu,
                                   .seed = number,
                                   .key = mesh ? NULL : symmetric,
                                   .ready = is_client ? drive : serve};
    struct shards *s = shards_create(&config);
    assert(s);
    for (unsigned i = 0; i < nshards; i++) {
        struct weir_stack *st = shards_at(s, i)->stack;
        weir_sysctl_set(st, "ip_local_port_range", "1024 65535");
        weir_sysctl_set(st, "tcp_max_tw_buckets", "0");
        weir_sysctl_set(st, "somaxconn", "65535");
    }
    return s;
}

static uint64_t total(void) {
    uint64_t n = 0;
    for (unsigned i = 0; i < nshards; i++)
        n += atomic_load_explicit(&count[i].n, memory_order_relaxed);
    return n;
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    nshards = (unsigned)atoi(argv[1]);
    mode = !strcmp(argv[2], "rr") ? RR : !strcmp(argv[2], "crr") ? CRR : BULK;
    uint32_t mtu = argc > 4 ? (uint32_t)atoi(argv[4]) : 1500;
    bool mesh = argc > 5 && !strcmp(argv[5], "mesh");
    pthread_t thread[WEIR_SHARDS_MAX];
    server = host(1, SERVER, mtu, mesh);
    client = host(100, CLIENT, mtu, mesh);
    int err = shards_join(client, server);
    assert(!err);
    for (unsigned i = 0; i < nshards; i++)
        pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)i);
    usleep(200000); /* warm */
    uint64_t n = total(), t = clock_ns();
    usleep((useconds_t)(atof(argv[3]) * 1e6));
    n = total() - n;
    t = clock_ns() - t;
    atomic_store(&over, true);
    for (unsigned i = 0; i < nshards; i++)
        pthread_join(thread[i], NULL);
    printf("%.3f", (double)n / (double)t * (mode == BULK ? 8 : 1e6));
    for (unsigned i = 0; i < nshards; i++)
        printf(" shard%u=%.3f", i,
               (double)atomic_load(&count[i].n) / (double)total());
    printf("\n");
    return 0;
}
