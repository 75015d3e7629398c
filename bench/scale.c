/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many connections over the direct API, both ends in memory in one thread,
 * MTU 1500, checksums summed, flight recorder on (unless NO_RECORD is set).
 *
 *   scale crr SECONDS        thousands a second: connect, a byte each way,
 * close, 200 at a time. What became of TIME_WAIT stands behind it: tw= those
 * there are, overflow= those that tcp_max_tw_buckets did not let be. scale held
 * ENDPOINTS     thousands of connections a second while all are kept; bytes= an
 * endpoint once all is quiet, gib= of all, byte_us= then a byte over each of
 * them scale random CONNECTIONS SECONDS microseconds a round trip of 1 byte,
 * the connection picked at random each time
 *
 * The server has as many addresses as the ports of the client ask for.
 */
#include <errno.h>

#include "percentile.h"
#include "stage.h"

enum { BATCH = 200, PORT = 7, PER_ADDRESS = 60000 };

struct pair {
    int client, server;
};

static struct weir_stack *client, *server;
static uint64_t virtual_ns, skipped_ns;
static int listener;
static unsigned address; /* the server's that is connected to */
static uint32_t on_address;
static uint64_t drawn = 88172645463325252u;

static double now(void) {
    return (double)clock_ns() / 1e9;
}

static uint64_t draw(void) { /* xorshift64 (Marsaglia, 2003) */
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    return drawn ^= drawn << 17;
}

static void drain(struct weir_stack *s) {
    struct weir_ready r;
    while (weir_ready_next(s, &r))
        ;
}

static void half(struct weir_stack *from, struct weir_stack *to) {
    unsigned ifindex;
    struct weir_pkt *list;
    weir_poll(from);
    while ((list = weir_output(from, &ifindex)))
        weir_input(to, 2, list);
}

/* The clock goes on by a step, and no slower than the one on the wall. */
static void tick(uint64_t ns) {
    uint64_t real = clock_ns() + skipped_ns;
    virtual_ns = real > virtual_ns + ns ? real : virtual_ns + ns;
    weir_clock(client, virtual_ns);
    weir_clock(server, virtual_ns);
}

static void turn(void) {
    tick(1000);
    half(client, server);
    half(server, client);
    drain(client);
    drain(server);
}

static uint32_t server_address(unsigned n) {
    return WEIR_IP4(10, 1, n / 250, n % 250 + 1);
}

static void set_up(uint64_t connections) {
    size_t bytes = (size_t)20 << 30;
    void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert(mem != MAP_FAILED);
    madvise(mem, bytes, MADV_HUGEPAGE); /* fewer walks of page tables */
    /* A page that a virtual machine touches first costs it microseconds. */
    size_t touched = (size_t)256 << 20, most = (size_t)8 << 30;
    touched += connections * 700;
    for (size_t i = 0; i < touched && i < most; i += 4096)
        ((volatile char *)mem)[i] = 0;
    struct weir_arena *arena = weir_arena_init(mem, bytes);
    struct weir_recorder *rec = stage_recorder(0);
    client = stage_stack(arena, rec, 1, 1500, 0);
    server = stage_stack(arena, rec, 2, 1500, 0);
    weir_sysctl_set(client, "ip_local_port_range", "1024 65535");
    weir_sysctl_set(server, "somaxconn", "65535");
    for (unsigned n = 0; n <= connections / PER_ADDRESS; n++) {
        struct weir_addr addr = weir_addr_v4(server_address(n));
        int r = weir_addr_add(server, 2, &addr, 8);
        assert(r == 0);
    }
    struct weir_endpoint at = {.addr = weir_addr_v4(0), .port = PORT};
    listener = weir_socket(server, AF_INET, SOCK_STREAM, 0);
    int r = weir_bind(server, listener, &at);
    r = r ? r : weir_listen(server, listener, 65535);
    assert(r == 0);
}

static int begin(void) {
    if (on_address++ == PER_ADDRESS) {
        on_address = 1;
        address++;
    }
    struct weir_endpoint to = {.addr = weir_addr_v4(server_address(address)),
                               .port = PORT};
    int s = weir_socket(client, AF_INET, SOCK_STREAM, 0);
    int r = weir_connect(client, s, &to);
    assert(r == -EINPROGRESS);
    return s;
}

static void send_byte(struct weir_stack *s, int sock) {
    char x = 'x';
    ssize_t n = weir_send(s, sock, &(struct iovec){&x, 1}, 1, 0, NULL);
    assert(n == 1);
}

static ssize_t recv_byte(struct weir_stack *s, int sock) {
    char x;
    return weir_recv(s, sock, &(struct iovec){&x, 1}, 1, 0, NULL, NULL);
}

/* `n` connections, and a byte each way over each. */
static void open_batch(struct pair *p, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        p[i].client = begin();
    do /* SYN, SYN+ACK */
        turn();
    while (!(weir_ready(client, p[n - 1].client) & WEIR_OUT));
    for (unsigned i = 0; i < n; i++)
        send_byte(client, p[i].client);
    tick(1000);
    half(client, server); /* the byte, and the ACK with it */
    drain(server);
    for (unsigned i = 0; i < n; i++) {
        p[i].server = weir_accept(server, listener, NULL);
        assert(p[i].server >= 0);
        ssize_t got = recv_byte(server, p[i].server);
        assert(got == 1);
        send_byte(server, p[i].server);
    }
    half(server, client);
    drain(server);
    drain(client);
    for (unsigned i = 0; i < n; i++) {
        ssize_t got = recv_byte(client, p[i].client);
        assert(got == 1);
    }
    drain(client);
}

static void close_batch(struct pair *p, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        weir_close(client, p[i].client);
    half(client, server); /* FIN */
    drain(server);
    for (unsigned i = 0; i < n; i++) {
        ssize_t got = recv_byte(server, p[i].server);
        assert(got == 0);
        weir_close(server, p[i].server);
    }
    turn();
    half(server, client); /* FIN; the last ACK goes with the next turn */
}

/* One connection to each address, so that ARP is done with. */
static void warm(uint64_t connections) {
    for (unsigned n = 0; n <= connections / PER_ADDRESS; n++) {
        struct pair p;
        address = n;
        on_address = 0;
        open_batch(&p, 1);
        close_batch(&p, 1);
        turn();
    }
    address = on_address = 0;
}

static void crr(double seconds) {
    struct pair p[BATCH];
    set_up(PER_ADDRESS * 100ull);
    warm(PER_ADDRESS * 100ull);
    uint64_t n = 0;
    double begun = now(), t;
    do {
        open_batch(p, BATCH);
        close_batch(p, BATCH);
        n += BATCH;
    } while ((t = now() - begun) < seconds);
    turn();
    uint64_t over = weir_counter(client, WEIR_CTR_TcpExt_TCPTimeWaitOverflow);
    struct weir_sockinfo info;
    uint64_t cursor = 0, tw = 0;
    while (weir_sockinfo_next(client, &cursor, &info))
        tw += info.state == WEIR_TCP_TIME_WAIT;
    printf("%.1f tw=%llu overflow=%llu\n", (double)n / t / 1e3,
           (unsigned long long)tw, (unsigned long long)over);
}

static struct pair *open_all(uint64_t n, double *seconds) {
    struct pair *p = malloc(n * sizeof(*p));
    for (uint64_t i = 0; i < n; i++)
        p[i] = (struct pair){0, 0};
    double begun = now();
    for (uint64_t i = 0; i < n; i += BATCH) {
        open_batch(p + i, n - i < BATCH ? (unsigned)(n - i) : BATCH);
    }
    *seconds = now() - begun;
    return p;
}

/* Delayed ACKs go out, work blocks are given back. */
static void quiet(void) {
    for (int i = 0; i < 60; i++) {
        tick(100000000);
        turn();
    }
    skipped_ns = virtual_ns - clock_ns();
}

static void round_trip(const struct pair *p) {
    tick(1000);
    send_byte(client, p->client);
    half(client, server);
    ssize_t got = recv_byte(server, p->server);
    assert(got == 1);
    send_byte(server, p->server);
    half(server, client);
    got = recv_byte(client, p->client);
    assert(got == 1);
    drain(client);
    drain(server);
}

static void held(uint64_t endpoints) {
    uint64_t n = endpoints / 2;
    double seconds;
    set_up(n);
    warm(n);
    const struct weir_arena *arena = weir_arena(client);
    size_t before = weir_arena_used(arena);
    struct pair *p = open_all(n, &seconds);
    quiet();
    double all = (double)(weir_arena_used(arena) - before);
    double begun = now();
    for (uint64_t i = 0; i < n; i++)
        round_trip(&p[i]);
    printf("%.1f bytes=%.1f gib=%.2f byte_us=%.3f\n", (double)n / seconds / 1e3,
           all / (double)endpoints, all / (1 << 30),
           (now() - begun) / (double)n * 1e6);
}

static void at_random(uint64_t n, double seconds) {
    static struct percentile times;
    double t;
    set_up(n);
    warm(n);
    struct pair *p = open_all(n, &t);
    quiet();
    uint64_t trips = 0;
    double begun = now();
    do
        for (unsigned i = 0; i < 1000; i++, trips++) {
            struct pair one = p[draw() % n];
            uint64_t from = clock_ns();
            round_trip(&one);
            percentile_add(&times, (double)(clock_ns() - from));
        }
    while (now() - begun < seconds);
    double mean = (now() - begun) / (double)trips * 1e6;
    printf("%.3f", percentile_us(&times, 0.5));
    percentile_print(&times);
    printf(" mean=%.3f\n", mean);
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "crr"))
        crr(atof(argv[2]));
    else if (argc == 3 && !strcmp(argv[1], "held"))
        held(strtoull(argv[2], NULL, 0));
    else if (argc == 4 && !strcmp(argv[1], "random"))
        at_random(strtoull(argv[2], NULL, 0), atof(argv[3]));
    else
        return fprintf(stderr, "usage: scale crr SECONDS | held ENDPOINTS | "
                               "random CONNECTIONS SECONDS\n"),
               2;
    return 0;
}
