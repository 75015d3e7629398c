/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel is the oracle: the same random socket calls on 127.0.0.1 here and
 * in a stack of weir; results, errnos and the poll masks of all sockets must be
 * the same after each call.
 *
 *     oracle [--seeds N] [--from K] [-v]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "weir/socket.h"
#include "weir/weir.h"

enum { SLOTS = 6, STEPS = 40, ARENA = 64 << 20 };

enum op {
    OP_SOCKET,
    OP_BIND,
    OP_LISTEN,
    OP_CONNECT,
    OP_CONNECT_DEAD,
    OP_UNCONNECT,
    OP_ACCEPT,
    OP_SEND,
    OP_SEND_OOB,
    OP_RECV,
    OP_PEEK,
    OP_RECV_OOB,
    OP_AT_MARK,
    OP_SHUTDOWN,
    OP_CLOSE,
    OP_ERROR,
    OP_PEERNAME,
    OP_LINGER0,
    OP_REUSE,
    OP_INLINE,
    OP_SETOPT,
    OP_GETOPT,
    OP_MAX
};

static const char *const op_names[] = {"socket",
                                       "bind",
                                       "listen",
                                       "connect",
                                       "connect dead port",
                                       "connect AF_UNSPEC",
                                       "accept",
                                       "send",
                                       "send OOB",
                                       "recv",
                                       "recv PEEK",
                                       "recv OOB",
                                       "SIOCATMARK",
                                       "shutdown",
                                       "close",
                                       "SO_ERROR",
                                       "getpeername",
                                       "SO_LINGER 0",
                                       "SO_REUSEADDR",
                                       "SO_OOBINLINE",
                                       "setsockopt",
                                       "getsockopt"};

struct step {
    enum op op;
    int slot, to, arg;
};

static uint64_t rng;
static uint32_t below(uint32_t n) {
    uint64_t z = rng += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

/* Options whose values are compared; what is set is picked from `values`. */
static const struct {
    int level, name;
} options[] = {
    {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_KEEPIDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_SYNCNT},
    {IPPROTO_TCP, TCP_LINGER2},
    {IPPROTO_TCP, TCP_USER_TIMEOUT},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
    {SOL_SOCKET, SO_KEEPALIVE},
    {SOL_SOCKET, SO_RCVLOWAT},
    {SOL_SOCKET, SO_LINGER},
    {SOL_SOCKET, SO_REUSEADDR},
    {SOL_SOCKET, SO_REUSEPORT},
    {SOL_SOCKET, SO_OOBINLINE},
    {SOL_SOCKET, SO_ACCEPTCONN},
    {SOL_SOCKET, SO_TYPE},
    {SOL_SOCKET, SO_BROADCAST},
    {IPPROTO_IP, IP_TOS},
    {IPPROTO_IP, IP_TTL},
    {IPPROTO_TCP, 99},
    {SOL_SOCKET, 999},
};
enum { NOPTIONS = sizeof(options) / sizeof(options[0]) };
static const int values[] = {0, 1, 2, -1, 7, 60, 127, 128, 255, 256, 40000};

/* Setting these would change what the network does a moment later. */
static bool harmless(unsigned i) {
    return options[i].level != IPPROTO_TCP ||
           (options[i].name != TCP_CORK && options[i].name != TCP_LINGER2 &&
            options[i].name != TCP_NOTSENT_LOWAT);
}

/* ---- the kernel ---- */

static int kfd[SLOTS];
static uint16_t live_port, dead_port;

static struct sockaddr_in kaddr(uint16_t port) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint16_t free_port(void) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = kaddr(0);
    socklen_t len = sizeof(a);
    if (s < 0 || bind(s, (void *)&a, len) < 0)
        exit(77);
    getsockname(s, (void *)&a, &len);
    close(s);
    return ntohs(a.sin_port);
}

static int neg(long r) {
    return r < 0 ? -errno : (int)r;
}

static int kernel(const struct step *st) {
    int s = kfd[st->slot], v = 1;
    char buf[4096] = {0};
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    struct linger l = {1, 0};
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    switch (st->op) {
    case OP_SOCKET:
        kfd[st->slot] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        return kfd[st->slot] < 0 ? -errno : 0;
    case OP_BIND:
        a = kaddr(st->arg ? live_port : 0);
        return neg(bind(s, (void *)&a, sizeof(a)));
    case OP_LISTEN:
        return neg(listen(s, 16));
    case OP_CONNECT:
    case OP_CONNECT_DEAD:
        a = kaddr(st->op == OP_CONNECT ? live_port : dead_port);
        return neg(connect(s, (void *)&a, sizeof(a)));
    case OP_UNCONNECT:
        return neg(connect(s, &none, sizeof(none)));
    case OP_ACCEPT:
        v = accept4(s, NULL, NULL, SOCK_NONBLOCK);
        if (v < 0)
            return -errno;
        kfd[st->to] = v;
        return 0;
    case OP_SEND:
        return neg(send(s, buf, (size_t)st->arg, MSG_NOSIGNAL));
    case OP_SEND_OOB:
        return neg(send(s, buf, 1, MSG_NOSIGNAL | MSG_OOB));
    case OP_RECV:
        return neg(recv(s, buf, (size_t)st->arg, 0));
    case OP_PEEK:
        return neg(recv(s, buf, (size_t)st->arg, MSG_PEEK));
    case OP_RECV_OOB:
        return neg(recv(s, buf, 1, MSG_OOB));
    case OP_AT_MARK:
        return ioctl(s, SIOCATMARK, &v) ? -errno : v;
    case OP_SHUTDOWN:
        return neg(shutdown(s, st->arg));
    case OP_CLOSE:
        kfd[st->slot] = -1;
        return neg(close(s));
    case OP_ERROR:
        len = sizeof(v);
        getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &len);
        return v;
    case OP_PEERNAME:
        return neg(getpeername(s, (void *)&a, &len));
    case OP_LINGER0:
        return neg(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
    case OP_REUSE:
        return neg(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, sizeof(v)));
    case OP_INLINE:
        return neg(setsockopt(s, SOL_SOCKET, SO_OOBINLINE, &v, sizeof(v)));
    case OP_SETOPT:
        return neg(setsockopt(s, options[st->arg].level, options[st->arg].name,
                              &values[st->to], sizeof(int)));
    case OP_GETOPT:
        len = sizeof(v);
        if (getsockopt(s, options[st->arg].level, options[st->arg].name, &v,
                       &len) < 0)
            return -errno;
        return v;
    case OP_MAX:
        break;
    }
    return 0;
}

static unsigned kernel_poll(int slot) {
    struct pollfd p = {kfd[slot], POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
    poll(&p, 1, 0);
    return (unsigned)(unsigned short)p.revents;
}

/* ---- weir ---- */

static struct weir_stack *stack;
static uint64_t now;
static int wfd[SLOTS];

static void settle(void) {
    weir_clock(stack, now += 100000);
    do
        weir_poll(stack);
    while (weir_deadline(stack) <= now);
}

static struct weir_endpoint waddr(uint16_t port) {
    return (struct weir_endpoint){.addr = weir_addr_v4(INADDR_LOOPBACK),
                                  .port = port};
}

static int weir(const struct step *st) {
    int s = wfd[st->slot], v = 1;
    char buf[4096] = {0};
    bool oob = st->op == OP_SEND_OOB || st->op == OP_RECV_OOB;
    struct iovec iov = {buf, oob ? 1 : (size_t)st->arg};
    struct weir_endpoint a;
    uint32_t len = sizeof(v);
    struct linger l = {1, 0};
    switch (st->op) {
    case OP_SOCKET:
        wfd[st->slot] = weir_socket(stack, AF_INET, SOCK_STREAM, 0);
        return wfd[st->slot] < 0 ? wfd[st->slot] : 0;
    case OP_BIND:
        a = waddr(st->arg ? live_port : 0);
        return weir_bind(stack, s, &a);
    case OP_LISTEN:
        return weir_listen(stack, s, 16);
    case OP_CONNECT:
    case OP_CONNECT_DEAD:
        a = waddr(st->op == OP_CONNECT ? live_port : dead_port);
        return weir_connect(stack, s, &a);
    case OP_UNCONNECT:
        return weir_connect(stack, s, NULL);
    case OP_ACCEPT:
        v = weir_accept(stack, s, NULL);
        if (v < 0)
            return v;
        wfd[st->to] = v;
        return 0;
    case OP_SEND:
        return (int)weir_send(stack, s, &iov, 1, 0, NULL);
    case OP_SEND_OOB:
        return (int)weir_send(stack, s, &iov, 1, MSG_OOB, NULL);
    case OP_RECV:
        return (int)weir_recv(stack, s, &iov, 1, 0, NULL, NULL);
    case OP_PEEK:
        return (int)weir_recv(stack, s, &iov, 1, MSG_PEEK, NULL, NULL);
    case OP_RECV_OOB:
        return (int)weir_recv(stack, s, &iov, 1, MSG_OOB, NULL, NULL);
    case OP_AT_MARK:
        return weir_sockatmark(stack, s);
    case OP_SHUTDOWN:
        return weir_shutdown(stack, s, st->arg);
    case OP_CLOSE:
        wfd[st->slot] = -1;
        return weir_close(stack, s);
    case OP_ERROR:
        weir_getsockopt(stack, s, SOL_SOCKET, SO_ERROR, &v, &len);
        return v;
    case OP_PEERNAME:
        return weir_getpeername(stack, s, &a);
    case OP_LINGER0:
        return weir_setsockopt(stack, s, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    case OP_REUSE:
        return weir_setsockopt(stack, s, SOL_SOCKET, SO_REUSEADDR, &v, len);
    case OP_INLINE:
        return weir_setsockopt(stack, s, SOL_SOCKET, SO_OOBINLINE, &v, len);
    case OP_SETOPT:
        return weir_setsockopt(stack, s, options[st->arg].level,
                               options[st->arg].name, &values[st->to],
                               sizeof(int));
    case OP_GETOPT: {
        int r = weir_getsockopt(stack, s, options[st->arg].level,
                                options[st->arg].name, &v, &len);
        return r < 0 ? r : v;
    }
    case OP_MAX:
        break;
    }
    return 0;
}

/* ---- the comparison ---- */

static int first_free(void) {
    for (int i = 0; i < SLOTS; i++)
        if (kfd[i] < 0)
            return i;
    return -1;
}

/* A step that makes sense often enough; false: skip it. */
static bool choose(struct step *st) {
    static const uint8_t weights[OP_MAX] = {
        [OP_SOCKET] = 6,  [OP_BIND] = 3,         [OP_LISTEN] = 3,
        [OP_CONNECT] = 8, [OP_CONNECT_DEAD] = 2, [OP_UNCONNECT] = 1,
        [OP_ACCEPT] = 6,  [OP_SEND] = 8,         [OP_SEND_OOB] = 1,
        [OP_RECV] = 8,    [OP_PEEK] = 1,         [OP_RECV_OOB] = 1,
        [OP_AT_MARK] = 1, [OP_SHUTDOWN] = 4,     [OP_CLOSE] = 4,
        [OP_ERROR] = 2,   [OP_PEERNAME] = 1,     [OP_LINGER0] = 1,
        [OP_REUSE] = 2,   [OP_INLINE] = 1,       [OP_SETOPT] = 4,
        [OP_GETOPT] = 4,
    };
    uint32_t sum = 0, pick;
    for (unsigned i = 0; i < OP_MAX; i++)
        sum += weights[i];
    pick = below(sum);
    unsigned op = 0;
    while (pick >= weights[op])
        pick -= weights[op++];
    *st = (struct step){.op = (enum op)op, .slot = (int)below(SLOTS)};
    if (st->op == OP_SOCKET)
        return kfd[st->slot] < 0;
    if (kfd[st->slot] < 0)
        return false;
    if (st->op == OP_ACCEPT && (st->to = first_free()) < 0)
        return false;
    if (st->op == OP_SHUTDOWN)
        st->arg = (int)below(3);
    else if (st->op == OP_BIND)
        st->arg = (int)below(2);
    else if (st->op == OP_SETOPT || st->op == OP_GETOPT) {
        st->arg = (int)below(NOPTIONS);
        st->to = (int)below(sizeof(values) / sizeof(values[0]));
        return st->op == OP_GETOPT || harmless((unsigned)st->arg);
    } else
        st->arg = 1 + (int)below(below(2) ? 10 : 1000);
    return true;
}

static void new_world(void *mem, uint64_t seed) {
    struct weir_config config = {.arena = weir_arena_init(mem, ARENA),
                                 .now_ns = now = 1000000000,
                                 .host = 1};
    memcpy(config.seed, &seed, sizeof(seed));
    stack = weir_create(&config);
    for (int i = 0; i < SLOTS; i++)
        kfd[i] = wfd[i] = -1;
    live_port = free_port();
    do
        dead_port = free_port();
    while (dead_port == live_port);
    rng = seed * 1000003;
}

static bool step_matches(const struct step *st, bool verbose) {
    int k = kernel(st), w = weir(st);
    settle();
    if (verbose)
        printf("  %s(%d, %d) = %d (%s)\n", op_names[st->op], st->slot, st->arg,
               k, k < 0 ? strerror(-k) : "");
    if (k != w) {
        printf("  %s(%d, %d): Linux %d (%s), weir %d (%s)\n", op_names[st->op],
               st->slot, st->arg, k, k < 0 ? strerror(-k) : "", w,
               w < 0 ? strerror(-w) : "");
        return false;
    }
    for (int i = 0; i < SLOTS; i++) {
        if (kfd[i] < 0)
            continue;
        unsigned kp = kernel_poll(i), wp = weir_ready(stack, wfd[i]);
        if (kp != wp) {
            printf("  poll(%d) after %s(%d, %d) = %d: Linux %#x, weir %#x\n", i,
                   op_names[st->op], st->slot, st->arg, k, kp, wp);
            return false;
        }
    }
    return true;
}

static bool run(void *mem, uint64_t seed, bool verbose) {
    bool good = true;
    new_world(mem, seed);
    /* most runs begin with a listener and a connection */
    const struct step opening[] = {
        {OP_SOCKET, 0, 0, 0}, {OP_BIND, 0, 0, 1},    {OP_LISTEN, 0, 0, 0},
        {OP_SOCKET, 1, 0, 0}, {OP_CONNECT, 1, 0, 0}, {OP_ACCEPT, 0, 2, 0},
    };
    unsigned n = below(4) ? 6 : below(7);
    for (unsigned i = 0; good && i < n; i++)
        good = step_matches(&opening[i], verbose);
    for (unsigned i = 0; good && i < STEPS; i++) {
        struct step st;
        if (choose(&st))
            good = step_matches(&st, verbose);
    }
    for (int i = 0; i < SLOTS; i++)
        if (kfd[i] >= 0)
            close(kfd[i]);
    weir_destroy(stack);
    return good;
}

int main(int argc, char **argv) {
    uint64_t seeds = 200, from = 1;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--seeds") && i + 1 < argc)
            seeds = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--from") && i + 1 < argc)
            from = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "-v"))
            verbose = true;
    }
    void *mem = mmap(NULL, ARENA, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    unsigned bad = 0;
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        if (run(mem, seed, verbose))
            continue;
        printf("DIFFERENT: oracle --from %llu --seeds 1 -v\n",
               (unsigned long long)seed);
        bad++;
    }
    printf("%llu runs, %u differ\n", (unsigned long long)seeds, bad);
    return bad != 0;
}
