/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tap MODE SECONDS [poll|yield|spin] [CPU WEIR-CPU] [CONGESTION]: a program on
 * the kernel's TCP and weir's direct API, over a TAP with offload, in a network
 * namespace of its own (needs root); flight recorder on. Prints the figure,
 * then how it came about. rr   microseconds a round trip of 1 byte, the program
 * asking; p50= p99= p999= in   Gbit/s, the program sends to weir out  Gbit/s,
 * weir sends to the program The program's calls block. weir waits in ppoll
 * (poll), gives the processor away (yield) or keeps reading (spin).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/stage.h"
#include "links/tap.h"

#define KERNEL WEIR_IP4(10, 0, 0, 1)
#define WEIR WEIR_IP4(10, 0, 0, 2)
#define TIMES (1u << 22)

static void must(bool ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static double seconds;
static const char *congestion;

/* ---- the program ---- */

static int dial(void) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(WEIR),
                             .sin_port = htons(7)};
    int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    must(s >= 0, "socket");
    if (congestion)
        must(!setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, congestion,
                         (socklen_t)strlen(congestion)),
             congestion);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    must(!connect(s, (struct sockaddr *)&at, sizeof(at)), "connect");
    return s;
}

static void ask(int s) {
    uint32_t *times = malloc(TIMES * sizeof(*times));
    memset(times, 0, TIMES * sizeof(*times));
    size_t n = 0;
    char x = 'x';
    for (int i = 0; i < 2000; i++)
        must(write(s, &x, 1) == 1 && read(s, &x, 1) == 1, "read");
    uint64_t begin = clock_ns(), t = begin;
    uint64_t end = begin + (uint64_t)(seconds * 1e9);
    for (; t < end && n < TIMES; n++) {
        must(write(s, &x, 1) == 1 && read(s, &x, 1) == 1, "read");
        uint64_t now = clock_ns();
        times[n] = (uint32_t)(now - t);
        t = now;
    }
    printf("%.3f", (double)(t - begin) / (double)n / 1e3);
    stage_quantiles(times, n);
}

/* In pieces of 32 KiB: while a longer one is copied the socket is locked, and
 * the timer by which bbr paces itself has to wait. */
static void pour(int s) {
    static char buf[1 << 15];
    while (write(s, buf, sizeof(buf)) > 0)
        ;
}

static void swallow(int s) {
    static char buf[1 << 18];
    uint64_t bytes = 0, begin = clock_ns(), t = begin;
    bool warm = false;
    ssize_t n;
    while ((n = read(s, buf, sizeof(buf))) > 0) {
        bytes += (uint64_t)n;
        t = clock_ns();
        if (!warm && t > begin + 200000000) {
            warm = true;
            begin = t;
            bytes = 0;
        }
        if (warm && (double)(t - begin) > seconds * 1e9)
            break;
    }
    printf("%.3f", (double)bytes * 8 / (double)(t - begin));
}

/* The kernel's, that is. */
static void say_congestion(void) {
    char name[16] = "?";
    FILE *f = fopen("/proc/sys/net/ipv4/tcp_congestion_control", "r");
    if (f && fscanf(f, "%15s", name) != 1)
        name[0] = '?';
    if (f)
        fclose(f);
    printf(" congestion=%s\n", congestion ? congestion : name);
}

static int program(const char *mode, int cpu) {
    signal(SIGPIPE, SIG_IGN);
    pin(cpu);
    int s = dial();
    if (!strcmp(mode, "rr"))
        ask(s);
    else if (!strcmp(mode, "in"))
        pour(s);
    else
        swallow(s);
    if (strcmp(mode, "rr") && strcmp(mode, "in"))
        say_congestion();
    fflush(stdout);
    return 0;
}

/* ---- weir ---- */

static struct weir_stack *stack;
static struct weir_link *link_;
static enum { POLL, YIELD, SPIN } waiting;

static void wait_for_frames(uint64_t now) {
    if (waiting == SPIN)
        return;
    if (waiting == YIELD) {
        sched_yield();
        return;
    }
    uint64_t due = weir_deadline(stack);
    struct pollfd p = {.fd = link_->ops->fd(link_), .events = POLLIN};
    uint64_t ns = due == WEIR_NEVER ? 1000000000u : due > now ? due - now : 0;
    struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    if (ns)
        ppoll(&p, 1, &ts, NULL);
}

static void turn(void) {
    uint64_t now = clock_ns();
    weir_clock(stack, now);
    if (weir_deadline(stack) <= now)
        stage_flush(stack, link_, now);
}

/* Frames in, answers out; then wait where nothing came. */
static void round_(void) {
    uint64_t now = clock_ns();
    if (!link_->ops->poll(link_, now)) {
        turn();
        wait_for_frames(now);
        now = clock_ns();
        link_->ops->poll(link_, now);
    }
}

static void serve_rr(int c) {
    char x;
    struct iovec iov = {&x, 1};
    ssize_t n;
    for (;;) {
        while ((n = weir_recv(stack, c, &iov, 1, 0, NULL, NULL)) == -EAGAIN) {
            round_();
            turn();
        }
        if (n <= 0)
            return;
        weir_send(stack, c, &iov, 1, 0, NULL);
        turn();
    }
}

/* What came is looked at where it lies. */
static void serve_in(int c) {
    uint64_t bytes = 0, begin = clock_ns(), t = begin, end = 0;
    for (;;) {
        struct iovec iov[64];
        int n;
        size_t some = 0;
        while ((n = weir_peek(stack, c, iov, 64)) > 0) {
            size_t now = 0;
            for (int i = 0; i < n; i++)
                now += iov[i].iov_len;
            weir_consume(stack, c, now);
            some += now;
        }
        bytes += some;
        if (!some)
            round_();
        turn();
        t = clock_ns();
        if (!end && t > begin + 200000000) {
            begin = t;
            end = begin + (uint64_t)(seconds * 1e9);
            bytes = 0;
        }
        if (end && t > end)
            break;
    }
    printf("%.3f", (double)bytes * 8 / (double)(t - begin));
}

static void serve_out(int c) {
    struct weir_buf *buf = weir_buf_alloc(weir_arena(stack), 1 << 16);
    memset(buf->data, 'x', 1 << 16);
    for (;;) {
        struct weir_slice slice = {buf, 0, 1 << 16};
        int n = 1;
        weir_buf_ref(buf);
        while ((n = weir_send_slices(stack, c, &slice, 1, 0)) == 1)
            weir_buf_ref(buf);
        weir_buf_unref(buf);
        if (n < 0 && n != -EAGAIN)
            return;
        turn();
        round_();
        turn();
        if (weir_ready(stack, c) & (WEIR_ERR | WEIR_HUP | WEIR_RDHUP))
            return;
    }
}

static void configure(const char *ifname) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq ifr = {0};
    struct sockaddr_in *at = (struct sockaddr_in *)(void *)&ifr.ifr_addr;
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
    at->sin_family = AF_INET;
    at->sin_addr.s_addr = htonl(KERNEL);
    must(!ioctl(s, SIOCSIFADDR, &ifr), "SIOCSIFADDR");
    at->sin_addr.s_addr = htonl(0xffffff00);
    must(!ioctl(s, SIOCSIFNETMASK, &ifr), "SIOCSIFNETMASK");
    ifr.ifr_flags = IFF_UP | IFF_RUNNING;
    must(!ioctl(s, SIOCSIFFLAGS, &ifr), "SIOCSIFFLAGS");
    close(s);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    const char *mode = argv[1];
    seconds = atof(argv[2]);
    const char *how = argc > 3 ? argv[3] : "poll";
    waiting = !strcmp(how, "spin")    ? SPIN
              : !strcmp(how, "yield") ? YIELD
                                      : POLL;
    int cpu = argc > 5 ? atoi(argv[4]) : 0, own = argc > 5 ? atoi(argv[5]) : 0;
    congestion = argc > 6 ? argv[6] : NULL;
    must(!unshare(CLONE_NEWNET), "unshare");
    struct weir_arena *arena = stage_arena();
    link_ = tap_open(arena, "weir0", true);
    must(link_, "tap_open");
    configure("weir0");
    link_->rec = stage_recorder(0);
    stack = stage_stack(arena, link_->rec, 2, link_->mtu, link_->features);
    link_->deliver = stage_deliver;
    link_->to = stack;
    int l = stage_listen(stack, 7), c, one = 1;
    pid_t pid = fork();
    if (pid == 0)
        return program(mode, cpu);
    pin(own);
    while ((c = weir_accept(stack, l, NULL)) < 0) {
        round_();
        turn();
    }
    weir_setsockopt(stack, c, 6, 1, &one, sizeof(one)); /* TCP_NODELAY */
    if (!strcmp(mode, "rr"))
        serve_rr(c);
    else if (!strcmp(mode, "in"))
        serve_in(c);
    else
        serve_out(c);
    if (!strcmp(mode, "in"))
        say_congestion();
    fflush(stdout);
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    return 0;
}
