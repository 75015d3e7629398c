/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random programs on a random network. Each seed sets up two or three hosts, a
 * network with its faults, settings, and some connections whose ends send and
 * receive pieces of random size, half-close, close or abort. Every byte must
 * arrive once and in order; in the end nothing may be left.
 *
 *     sim --seeds N --from K   run them; the first failure stops, with its seed
 *     sim SEED                 one, with every event
 *     sim --same SEED          twice; the event streams must be the same
 *     sim --ways N --from K    N seeds, each with header prediction and
 * without: the same events, bytes and counters
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"

enum { PAIRS = 4, CHUNK = 70000 };

struct end {
    int sock; /* -1: not there (yet, or any more) */
    unsigned host;
    uint64_t sent, total, got;
    bool eof, shut, done, failed;
    int error;
};

struct pair {
    struct end e[2]; /* 0 connects, 1 accepts (or connects too) */
    bool both_connect, may_abort, aborted;
    uint16_t port;
    uint64_t key;
};

struct sim {
    struct net n;
    struct pair pair[PAIRS];
    unsigned npairs;
};

static uint64_t current_seed;
static bool both_ways, unpredicted; /* --ways; without header prediction */

static struct {
    uint64_t bytes, clean, aborted, frames, lost;
    uint64_t rto, tlp, recoveries, undone, probes, predicted, segments;
} stat;

static void on_abort(int sig) {
    (void)sig;
    char text[64];
    int n = snprintf(text, sizeof(text), "FAILED: sim %llu\n",
                     (unsigned long long)current_seed);
    if (write(2, text, (size_t)n) < 0)
        _exit(3);
}

#define REQUIRE(x)                                                             \
    do {                                                                       \
        if (!(x)) {                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);            \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* The byte at `off` of a direction. */
static uint8_t pattern(uint64_t key, unsigned dir, uint64_t off) {
    uint64_t x = (off >> 3) * 0x9e3779b97f4a7c15ull + key * 2 + dir;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9ull;
    return (uint8_t)(x >> (56 - (off & 7) * 4));
}

static void setup_pair(struct sim *s, struct pair *p, unsigned i) {
    struct net *n = &s->n;
    *p = (struct pair){.port = (uint16_t)(1000 + i), .key = net_random(n)};
    p->e[0].host = (unsigned)net_below(n, n->nhosts);
    do
        p->e[1].host = (unsigned)net_below(n, n->nhosts);
    while (n->nhosts > 1 && p->e[1].host == p->e[0].host && net_chance(n, 0.9));
    p->both_connect = p->e[0].host != p->e[1].host && net_chance(n, 0.15);
    p->may_abort = net_chance(n, 0.1);
    for (unsigned k = 0; k < 2; k++) {
        p->e[k].sock = -1;
        uint64_t scale = net_below(n, 4);
        p->e[k].total = scale == 0   ? 0
                        : scale == 1 ? net_below(n, 300)
                        : scale == 2 ? net_below(n, 20000)
                                     : net_below(n, 400000);
    }
}

static void random_options(struct net *n, struct weir_stack *s, int sock) {
    int on = 1, size;
    if (net_chance(n, 0.3))
        weir_setsockopt(s, sock, 6, 1, &on, sizeof(on)); /* TCP_NODELAY */
    if (net_chance(n, 0.2)) {
        size = (int)net_below(n, 40000) + 1;
        weir_setsockopt(s, sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
    if (net_chance(n, 0.2)) {
        size = (int)net_below(n, 40000) + 1;
        weir_setsockopt(s, sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    }
    if (net_chance(n, 0.2))
        weir_setsockopt(s, sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void start_listen(struct sim *s, struct pair *p) {
    struct net *n = &s->n;
    struct weir_stack *st = n->host[p->e[1].host];
    int sock = weir_socket(st, AF_INET, SOCK_STREAM, 0), on = 1;
    struct weir_endpoint at = net_at(n, p->e[1].host, p->port);
    if (net_chance(n, 0.5))
        at.addr = weir_addr_v4(0);
    weir_setsockopt(st, sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    random_options(n, st, sock);
    int r = weir_bind(st, sock, &at);
    REQUIRE(r == 0);
    r = weir_listen(st, sock, (int)net_below(n, 4));
    REQUIRE(r == 0);
    p->e[1].sock = sock;
}

static void start_connect(struct sim *s, struct pair *p, unsigned k) {
    struct net *n = &s->n;
    struct end *e = &p->e[k];
    struct weir_stack *st = n->host[e->host];
    e->sock = weir_socket(st, AF_INET, SOCK_STREAM, 0);
    random_options(n, st, e->sock);
    struct weir_endpoint to = net_at(n, p->e[!k].host, p->port);
    if (p->both_connect) {
        struct weir_endpoint at = net_at(n, e->host, p->port);
        int r = weir_bind(st, e->sock, &at);
        REQUIRE(r == 0);
    }
    int r = weir_connect(st, e->sock, &to);
    REQUIRE(r == -EINPROGRESS);
}

static void fail(struct end *e, int error) {
    e->failed = true;
    e->error = error;
}

static void do_send(struct sim *s, struct pair *p, unsigned k) {
    static uint8_t buf[CHUNK];
    struct end *e = &p->e[k];
    struct net *n = &s->n;
    uint64_t left = e->total - e->sent;
    size_t len = (size_t)net_below(n, net_chance(n, 0.5) ? 2000 : CHUNK) + 1;
    if (len > left)
        len = (size_t)left;
    if (!len)
        return;
    for (size_t i = 0; i < len; i++)
        buf[i] = pattern(p->key, k, e->sent + i);
    size_t cut = (size_t)net_below(n, len + 1);
    struct iovec v[2] = {{buf, cut}, {buf + cut, len - cut}};
    int flags = net_chance(n, 0.1) ? MSG_MORE : 0;
    ssize_t r = weir_send(n->host[e->host], e->sock, v, 2, flags, NULL);
    if (r > 0)
        e->sent += (uint64_t)r;
    else if (r != -EAGAIN)
        fail(e, (int)-r);
}

static void check_bytes(struct pair *p, unsigned k, const uint8_t *b,
                        size_t len) {
    struct end *e = &p->e[k];
    for (size_t i = 0; i < len; i++)
        REQUIRE(b[i] == pattern(p->key, !k, e->got + i));
    e->got += len;
    REQUIRE(e->got <= p->e[!k].sent);
}

static void do_recv(struct sim *s, struct pair *p, unsigned k) {
    static uint8_t buf[CHUNK];
    struct end *e = &p->e[k];
    struct net *n = &s->n;
    struct weir_stack *st = n->host[e->host];
    if (net_chance(n, 0.3)) { /* without a copy */
        struct iovec v[4];
        int r = weir_peek(st, e->sock, v, 4);
        REQUIRE(r >= 0);
        for (int i = 0; i < r; i++) {
            size_t len = v[i].iov_len;
            check_bytes(p, k, v[i].iov_base, len);
        }
        size_t sum = 0;
        for (int i = 0; i < r; i++)
            sum += v[i].iov_len;
        if (sum)
            REQUIRE(weir_consume(st, e->sock, sum) == 0);
        return;
    }
    size_t len = (size_t)net_below(n, net_chance(n, 0.5) ? 3000 : CHUNK) + 1;
    struct iovec v = {buf, len};
    ssize_t r = weir_recv(st, e->sock, &v, 1, 0, NULL, NULL);
    if (r > 0) {
        check_bytes(p, k, buf, (size_t)r);
    } else if (r == 0) {
        e->eof = true;
        if (!p->aborted)
            REQUIRE(e->got == p->e[!k].sent);
    } else if (r != -EAGAIN) {
        fail(e, (int)-r);
    }
}

static void end_close(struct sim *s, struct end *e) {
    int r = weir_close(s->n.host[e->host], e->sock);
    REQUIRE(r == 0);
    e->sock = -1;
    e->done = true;
}

/* One step of one end's program. */
static void act(struct sim *s, struct pair *p, unsigned k) {
    struct end *e = &p->e[k];
    struct net *n = &s->n;
    struct weir_stack *st = n->host[e->host];
    if (e->sock < 0 || e->done)
        return;
    if (k == 1 && !p->both_connect) {
        struct weir_sockinfo info;
        weir_sockinfo(st, e->sock, &info);
        if (info.state == WEIR_TCP_LISTEN) {
            int r = weir_accept(st, e->sock, NULL);
            if (r < 0)
                return;
            REQUIRE(weir_close(st, e->sock) == 0);
            e->sock = r;
        }
    }
    unsigned ready = weir_ready(st, e->sock);
    if (p->may_abort && net_chance(n, 0.02)) {
        p->aborted = true;
        if (net_chance(n, 0.5))
            end_close(s, e);
        else {
            weir_abort(st, e->sock, WEIR_PROGRAM_EXIT);
            e->sock = -1;
            e->done = true;
        }
        return;
    }
    if (ready & WEIR_ERR || e->failed) {
        p->aborted = true;
        end_close(s, e);
        return;
    }
    if (ready & WEIR_OUT && e->sent < e->total)
        do_send(s, p, k);
    if (e->sock >= 0 && ready & WEIR_IN && !e->eof && net_chance(n, 0.8))
        do_recv(s, p, k);
    if (ready & WEIR_OUT && e->sent == e->total && !e->shut &&
        net_chance(n, 0.5)) {
        int r = weir_shutdown(st, e->sock, SHUT_WR);
        REQUIRE(r == 0 || r == -ENOTCONN);
        e->shut = true;
    }
    if (e->shut && e->eof)
        end_close(s, e);
}

static void random_net(struct net *n, uint64_t seed, struct net_params *p,
                       unsigned *hosts) {
    n->rng[0] = seed * 77 + 5;
    *p = (struct net_params){.mtu = 1500};
    p->delay = net_below(n, 4) ? net_below(n, 100 * MS) : net_below(n, MS);
    if (net_chance(n, 0.4))
        p->jitter = net_below(n, 20 * MS);
    if (net_chance(n, 0.6))
        p->loss = 0.1 * (double)net_below(n, 100) / 100;
    if (net_chance(n, 0.3))
        p->dup = 0.05;
    if (net_chance(n, 0.4))
        p->reorder = 0.2 * (double)net_below(n, 100) / 100;
    if (net_chance(n, 0.3))
        p->corrupt = 0.03;
    if (net_chance(n, 0.3))
        p->features = WEIR_LINK_CSUM | WEIR_LINK_GSO;
    if (net_chance(n, 0.2))
        p->mtu = (uint32_t)net_below(n, 8000) + 576;
    if (net_chance(n, 0.2)) {
        p->rate = 1000000 + net_below(n, 100000000);
        p->queue = (uint32_t)net_below(n, 100) + 10;
    }
    *hosts = net_chance(n, 0.2) ? 3 : 2;
}

static void random_settings(struct net *n) {
    for (unsigned h = 0; h < n->nhosts; h++) {
        if (net_chance(n, 0.15))
            weir_sysctl_set(n->host[h], "tcp_sack", "0");
        if (net_chance(n, 0.15))
            weir_sysctl_set(n->host[h], "tcp_timestamps", "0");
        if (net_chance(n, 0.1))
            weir_sysctl_set(n->host[h], "tcp_window_scaling", "0");
        if (unpredicted)
            weir_sysctl_set(n->host[h], "tcp_prediction", "0");
    }
}

/* Are both ends through? */
static bool over(const struct sim *s) {
    for (unsigned i = 0; i < s->npairs; i++)
        for (unsigned k = 0; k < 2; k++)
            if (!s->pair[i].e[k].done)
                return false;
    return true;
}

/* The other end never came: its program gives up. */
static void give_up(struct sim *s) {
    for (unsigned i = 0; i < s->npairs; i++)
        for (unsigned k = 0; k < 2; k++)
            if (s->pair[i].e[k].sock >= 0) {
                s->pair[i].aborted = true;
                end_close(s, &s->pair[i].e[k]);
            }
}

/* A closed socket that gave up (on a network that lost six tries in a row) is
 * gone without a word; its peer, which only waits, cannot know. */
static bool gave_up(const struct sim *s) {
    for (unsigned h = 0; h < s->n.nhosts; h++)
        if (weir_counter(s->n.host[h], WEIR_CTR_TcpExt_TCPAbortOnTimeout))
            return true;
    return false;
}

static bool stuck_allowed(const struct sim *s) {
    for (unsigned i = 0; i < s->npairs; i++)
        for (unsigned k = 0; k < 2; k++) {
            const struct pair *p = &s->pair[i];
            if (!p->e[k].done && !p->aborted)
                return false;
        }
    return true;
}

static void nothing_left(struct sim *s) {
    for (unsigned h = 0; h < s->n.nhosts; h++) {
        struct weir_sockinfo info;
        uint64_t cursor = 0;
        while (weir_sockinfo_next(s->n.host[h], &cursor, &info)) {
            fprintf(stderr, "left on %u: sock %d %s %u>%u txq %u timer %u\n", h,
                    info.sock, weir_tcp_state_name(info.state), info.local.port,
                    info.peer.port, info.tx_queue, info.timer);
            REQUIRE(!"a socket is left");
        }
    }
}

static void count(const struct sim *s) {
    for (unsigned i = 0; i < s->npairs; i++) {
        stat.clean += !s->pair[i].aborted;
        stat.aborted += s->pair[i].aborted;
        stat.bytes += s->pair[i].e[0].got + s->pair[i].e[1].got;
    }
    stat.frames += s->n.sent;
    stat.lost += s->n.lost;
    for (unsigned h = 0; h < s->n.nhosts; h++) {
        const struct weir_stack *st = s->n.host[h];
        stat.rto += weir_counter(st, WEIR_CTR_TcpExt_TCPTimeouts);
        stat.tlp += weir_counter(st, WEIR_CTR_TcpExt_TCPLossProbes);
        stat.recoveries += weir_counter(st, WEIR_CTR_TcpExt_TCPSackRecovery) +
                           weir_counter(st, WEIR_CTR_TcpExt_TCPRenoRecovery);
        stat.undone += weir_counter(st, WEIR_CTR_TcpExt_TCPFullUndo) +
                       weir_counter(st, WEIR_CTR_TcpExt_TCPDSACKUndo) +
                       weir_counter(st, WEIR_CTR_TcpExt_TCPLossUndo);
        stat.probes += weir_counter(st, WEIR_CTR_TcpExt_TCPWinProbe);
        stat.predicted += weir_counter(st, WEIR_CTR_TcpExt_TCPHPHits);
        stat.segments += weir_counter(st, WEIR_CTR_Tcp_InSegs);
    }
}

static uint64_t run_seed(uint64_t seed, FILE *verbose) {
    static struct sim s;
    struct net_params p;
    unsigned hosts;
    memset(&s, 0, sizeof(s));
    current_seed = seed;
    random_net(&s.n, seed, &p, &hosts);
    net_open(&s.n, seed, hosts, &p);
    s.n.verbose = verbose;
    s.n.bytes = both_ways;
    if (verbose)
        fprintf(verbose,
                "hosts %u delay %.1f ms jitter %.1f ms loss %.3f dup %.2f "
                "reorder %.2f corrupt %.2f features %u mtu %u rate %llu\n",
                hosts, (double)p.delay / 1e6, (double)p.jitter / 1e6, p.loss,
                p.dup, p.reorder, p.corrupt, p.features, p.mtu,
                (unsigned long long)p.rate);
    random_settings(&s.n);
    s.npairs = 1 + (unsigned)net_below(&s.n, PAIRS);
    for (unsigned i = 0; i < s.npairs; i++) {
        struct pair *pr = &s.pair[i];
        setup_pair(&s, pr, i);
        if (!pr->both_connect)
            start_listen(&s, pr);
        start_connect(&s, pr, 0);
        if (pr->both_connect) {
            if (net_chance(&s.n, 0.3))
                net_run(&s.n, s.n.now + net_below(&s.n, p.delay));
            start_connect(&s, pr, 1);
        }
    }
    uint64_t pace = net_below(&s.n, 3) ? 3 * MS : 40 * MS;
    uint64_t limit = s.n.now + 3000 * S;
    for (uint64_t step = 0; !over(&s) && s.n.now < limit; step++) {
        if (s.n.now > 600 * S)
            pace = 2 * S;
        struct pair *pr = &s.pair[net_below(&s.n, s.npairs)];
        act(&s, pr, (unsigned)net_below(&s.n, 2));
        if (net_chance(&s.n, 0.5))
            net_run(&s.n, s.n.now + net_below(&s.n, pace));
    }
    if (!over(&s))
        REQUIRE(gave_up(&s) || stuck_allowed(&s));
    give_up(&s);
    net_run(&s.n, s.n.now + 4000 * S);
    nothing_left(&s);
    count(&s);
    if (both_ways)
        net_digest_counters(&s.n);
    uint64_t digest = s.n.digest;
    net_close(&s.n);
    return digest;
}

/* Nobody can tell which way a segment went. */
static int compare_ways(uint64_t seeds, uint64_t from) {
    uint64_t differ = 0;
    both_ways = true;
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        unpredicted = false;
        uint64_t a = run_seed(seed, NULL);
        unpredicted = true;
        uint64_t b = run_seed(seed, NULL);
        if (a != b) {
            fprintf(stderr, "seed %llu differs\n", (unsigned long long)seed);
            differ++;
        }
    }
    printf("%llu seeds both ways, %llu differ; %llu of %llu segments with data "
           "predicted\n",
           (unsigned long long)seeds, (unsigned long long)differ,
           (unsigned long long)stat.predicted,
           (unsigned long long)stat.segments / 2);
    return differ != 0 || !stat.predicted;
}

int main(int argc, char **argv) {
    uint64_t seeds = 0, ways = 0, from = 1;
    signal(SIGABRT, on_abort);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--seeds") && i + 1 < argc) {
            seeds = strtoull(argv[++i], NULL, 0);
        } else if (!strcmp(argv[i], "--ways") && i + 1 < argc) {
            ways = strtoull(argv[++i], NULL, 0);
        } else if (!strcmp(argv[i], "--from") && i + 1 < argc) {
            from = strtoull(argv[++i], NULL, 0);
        } else if (!strcmp(argv[i], "--same") && i + 1 < argc) {
            uint64_t seed = strtoull(argv[++i], NULL, 0);
            uint64_t a = run_seed(seed, NULL), b = run_seed(seed, NULL);
            printf("%016llx %016llx\n", (unsigned long long)a,
                   (unsigned long long)b);
            return a != b;
        } else {
            run_seed(strtoull(argv[i], NULL, 0), stdout);
            return 0;
        }
    }
    if (ways)
        return compare_ways(ways, from);
    for (uint64_t seed = from; seed < from + seeds; seed++)
        run_seed(seed, NULL);
    printf("%llu seeds from %llu: ok\n", (unsigned long long)seeds,
           (unsigned long long)from);
    printf(
        "%llu connections ended well, %llu aborted; %llu bytes, %llu frames, "
        "%llu lost; %llu RTOs, %llu TLPs, %llu recoveries, %llu undone, %llu "
        "window probes\n",
        (unsigned long long)stat.clean, (unsigned long long)stat.aborted,
        (unsigned long long)stat.bytes, (unsigned long long)stat.frames,
        (unsigned long long)stat.lost, (unsigned long long)stat.rto,
        (unsigned long long)stat.tlp, (unsigned long long)stat.recoveries,
        (unsigned long long)stat.undone, (unsigned long long)stat.probes);
    return 0;
}
