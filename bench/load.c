/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load [-c CONNECTIONS] [-d SECONDS] [-p PORT] [-r http|ping|get] [--spin USEC]
 *      -- SERVER [ARGUMENT...]
 *
 * A client on the direct API and an unmodified server behind the door, in one
 * loop: this process owns the host, starts the server on it as `weir run` does,
 * and drives keep-alive connections to it over `lo`, each a request at a time,
 * flight recorder on. Prints requests a second, then p50, p99, p999 in
 * microseconds.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/percentile.h"
#include "host/net.h"
#include "run/agent.h"
#include "run/serve.h"
#include "trace/record.h"

#define CONNECTIONS 1024
#define TAG ((uint64_t)1 << 63) /* ours; carriers have inodes */
#define RETRY_NS 20000000u
#define ANSWER_MAX 4096

static const char *const requests[] = {
    "GET / HTTP/1.1\r\nHost: weir\r\n\r\n",
    "*1\r\n$4\r\nPING\r\n",
    "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n",
};
enum kind { HTTP, PING, GET };

struct client {
    int sock;
    bool stands;
    uint64_t asked_ns;
    size_t have; /* of the answer */
    char answer[ANSWER_MAX];
};

static struct load {
    struct loop *loop;
    struct host *host;
    struct serve *serve;
    struct agent *agent;
    void (*carriers)(void *door, struct host *h, const struct weir_ready *r);
    struct loop_passer passer;
    enum kind kind;
    unsigned clients, connected;
    uint16_t port;
    uint64_t length_ns, begin_ns, end_ns, retry_ns;
    uint64_t answers;
    bool ended;
    struct client client[CONNECTIONS];
    struct percentile times;
} load;

static _Noreturn void fail(const char *what, int err) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(err));
    exit(1);
}

static uint64_t clock_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- a connection ---- */

static void ask(struct client *c) {
    const char *text = requests[load.kind];
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    c->asked_ns = clock_ns();
    c->have = 0;
    ssize_t n = weir_send(load.host->stack, c->sock, &iov, 1, 0, NULL);
    if (n != (ssize_t)iov.iov_len)
        fail("request", n < 0 ? (int)-n : EIO);
}

/* Where the answer ends; 0: not yet. */
static size_t answer_end(const struct client *c) {
    if (load.kind != HTTP) {
        const char *nl = memchr(c->answer, '\n', c->have);
        size_t line = nl ? (size_t)(nl - c->answer) + 1 : 0;
        if (!nl || c->answer[0] != '$' || c->answer[1] == '-')
            return line;
        size_t all = line + (size_t)atoi(c->answer + 1) + 2;
        return c->have >= all ? all : 0;
    }
    const char *body = memmem(c->answer, c->have, "\r\n\r\n", 4);
    const char *len = memmem(c->answer, c->have, "Content-Length: ", 16);
    if (!body || !len)
        return 0;
    size_t all = (size_t)(body + 4 - c->answer) + (size_t)atoi(len + 16);
    return c->have >= all ? all : 0;
}

static void answered(struct client *c) {
    if (load.kind == HTTP && memcmp(c->answer, "HTTP/1.1 200", 12))
        fail("the answer is not 200", EPROTO);
    uint64_t now = clock_ns();
    if (now >= load.begin_ns && now < load.end_ns) {
        percentile_add(&load.times, (double)(now - c->asked_ns));
        load.answers++;
    }
    if (now < load.end_ns)
        ask(c);
}

static void receive(struct client *c) {
    struct iovec iov = {c->answer + c->have, ANSWER_MAX - 1 - c->have};
    ssize_t n = weir_recv(load.host->stack, c->sock, &iov, 1, 0, NULL, NULL);
    if (n == -EAGAIN)
        return;
    if (n <= 0)
        fail("the server closed", n < 0 ? (int)-n : ECONNRESET);
    c->have += (size_t)n;
    c->answer[c->have] = '\0';
    if (answer_end(c))
        answered(c);
}

static void again(struct client *c) { /* refused: the server is not up yet */
    weir_close(load.host->stack, c->sock);
    c->sock = -1;
}

static void ready(void *door, struct host *h, const struct weir_ready *r) {
    if (!(r->tag & TAG)) {
        load.carriers(door, h, r);
        return;
    }
    struct client *c = &load.client[r->tag & ~TAG];
    if (c->sock != r->sock)
        return;
    if (r->mask & WEIR_ERR) {
        if (c->stands)
            fail("connection", ECONNRESET);
        again(c);
    } else if (!c->stands && r->mask & WEIR_OUT) {
        c->stands = true;
        load.connected++;
        ask(c);
    } else if (r->mask & (WEIR_IN | WEIR_HUP)) {
        receive(c);
    }
}

static void open_client(unsigned i) {
    struct weir_stack *s = load.host->stack;
    struct weir_endpoint to = {.addr = weir_addr_v4(WEIR_IP4(127, 0, 0, 1)),
                               .port = load.port};
    struct client *c = &load.client[i];
    int one = 1;
    c->sock = weir_socket(s, AF_INET, SOCK_STREAM, 0);
    if (c->sock < 0)
        fail("socket", -c->sock);
    weir_setsockopt(s, c->sock, IPPROTO_TCP, 1, &one, sizeof(one));
    weir_set_tag(s, c->sock, TAG | i, (uint32_t)getpid());
    int err = weir_connect(s, c->sock, &to);
    if (err && err != -EINPROGRESS)
        fail("connect", -err);
}

/* ---- time ---- */

static bool pass(struct loop_passer *p, uint64_t now) {
    (void)p;
    if (load.connected < load.clients && now >= load.retry_ns) {
        load.retry_ns = now + RETRY_NS;
        for (unsigned i = 0; i < load.clients; i++)
            if (load.client[i].sock < 0)
                open_client(i);
        return true;
    }
    if (load.connected == load.clients && load.begin_ns == UINT64_MAX) {
        load.begin_ns = now + 100000000u; /* a tenth of a second to warm up */
        load.end_ns = load.begin_ns + load.length_ns;
    }
    if (now >= load.end_ns && !load.ended) {
        load.ended = true;
        loop_stop(load.loop, 0);
    }
    return false;
}

static uint64_t deadline(struct loop_passer *p) {
    (void)p;
    return load.connected < load.clients ? load.retry_ns : load.end_ns;
}

static void exited(void *ctx, pid_t pid, int status) {
    (void)ctx, (void)pid, (void)status;
    if (!load.ended)
        fail("the server ended", ECHILD);
}

/* ---- the host, the door, the server ---- */

static struct record record;

static void make_host(char **argv, const char *dir) {
    uint64_t seed = 0;
    getrandom(&seed, sizeof(seed), 0);
    load.loop = loop_create();
    if (!load.loop || record_create(&record, "load", argv, seed, true))
        fail("recording", errno);
    struct net *net = net_create(load.loop, "load", seed, &record.header->rec);
    if (!net || !(load.host = net_add_default_host(net)))
        fail("network", errno);
    load.serve = serve_create(net, dir);
    struct agent_config config = {
        .loop = load.loop, .dir = dir, .exited = exited};
    load.agent = load.serve ? agent_create(&config) : NULL;
    if (!load.agent)
        fail("door", errno);
    struct serve_conn *conn =
        serve_join(load.serve, load.host, agent_pipe(load.agent));
    agent_connect(load.agent, serve_pipe(conn));
    load.carriers = load.host->ready;
    load.host->ready = ready;
    load.passer = (struct loop_passer){.pass = pass, .deadline = deadline};
    loop_join(load.loop, &load.passer);
}

static void end_server(pid_t pid, const char *dir) {
    pid_t pids[64];
    kill(pid, SIGTERM);
    for (int i = 0; i < 100 && agent_programs(load.agent, pids, 64); i++)
        usleep(10000);
    for (unsigned n = agent_programs(load.agent, pids, 64); n > 0; n--)
        kill(pids[n - 1], SIGKILL);
    serve_destroy(load.serve);
    agent_destroy(load.agent);
    record_close(&record);
    rmdir(dir);
}

static unsigned spin_usec;

static char **options(int argc, char **argv) {
    static const struct option longs[] = {
        {"spin", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
    int c;
    double seconds = 1;
    load.clients = 64;
    load.port = 8080;
    while ((c = getopt_long(argc, argv, "+c:d:p:r:", longs, NULL)) != -1)
        if (c == 'c')
            load.clients = (unsigned)atoi(optarg);
        else if (c == 'd')
            seconds = atof(optarg);
        else if (c == 'p')
            load.port = (uint16_t)atoi(optarg);
        else if (c == 'r')
            load.kind = *optarg == 'h' ? HTTP : *optarg == 'p' ? PING : GET;
        else if (c == 's')
            spin_usec = (unsigned)atoi(optarg);
        else
            exit(2);
    if (optind == argc || load.clients - 1u >= CONNECTIONS || seconds <= 0) {
        fputs("usage: load [-c CONNECTIONS] [-d SECONDS] [-p PORT] "
              "[-r http|ping|get] [--spin USEC] -- SERVER [ARGUMENT...]\n",
              stderr);
        exit(2);
    }
    load.length_ns = (uint64_t)(seconds * 1e9);
    load.begin_ns = load.end_ns = UINT64_MAX;
    return argv + optind;
}

int main(int argc, char **argv) {
    char dir[] = "/tmp/weir-load.XXXXXX", stage = 0;
    char **server = options(argc, argv);
    sigset_t mask;
    if (!mkdtemp(dir))
        fail(dir, errno);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    make_host(argv, dir);
    for (unsigned i = 0; i < load.clients; i++)
        load.client[i].sock = -1;
    pid_t pid = agent_start(load.agent, server, 0, &mask, &stage);
    if (pid < 0)
        fail("the server cannot be started", -pid);
    loop_spin(load.loop, spin_usec * (uint64_t)1000);
    loop_run(load.loop);
    end_server(pid, dir);
    printf("%.0f", (double)load.answers / ((double)load.length_ns / 1e9));
    percentile_print(&load.times);
    printf("\n");
    return 0;
}
