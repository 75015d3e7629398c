/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notours [-r ROUNDS] [-w "WEIR run --new --"]: what a call costs that weir has
 * no part in, alone and under `weir run`, in rounds in turn.
 *
 *   read      a byte from a pipe
 *   getppid   nothing at all
 *   epoll     epoll_wait with no time, nothing ready
 * and calls whose arguments the filter has to look at:
 *   sendto    a byte into an AF_UNIX pair, no address, and
 *   recvfrom  out of it
 *
 * First the most that one of the first three costs more (medians), ns; then
 * NAME=ALONE/UNDER for each, in ns a call. `notours --once` prints one round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { READ, GETPPID, EPOLL, SENDTO, RECVFROM, CALLS };
#define UNFILTERED SENDTO /* those before it */
static const char *const names[CALLS] = {"read", "getppid", "epoll", "sendto",
                                         "recvfrom"};
#define TURNS 20000
#define BATCH 32 /* calls between two looks at the clock */
#define ROUNDS_MAX 100

static double now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int ends[2], pipes[2], ep;

static void must(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void one(int call) {
    struct epoll_event ev;
    char byte = 'x';
    switch (call) {
    case READ:
        must(read(pipes[0], &byte, 1) == 1, "read");
        break;
    case GETPPID:
        syscall(SYS_getppid);
        break;
    case EPOLL:
        must(epoll_wait(ep, &ev, 1, 0) == 0, "epoll_wait");
        break;
    case SENDTO:
        must(sendto(ends[0], &byte, 1, 0, NULL, 0) == 1, "sendto");
        break;
    default:
        must(recvfrom(ends[1], &byte, 1, 0, NULL, NULL) == 1, "recvfrom");
    }
}

/* What a call needs before it, or leaves behind, is not timed. */
static void around(int call, int before) {
    char bytes[BATCH] = {0};
    if (call == READ && before)
        must(write(pipes[1], bytes, BATCH) == BATCH, "write");
    for (int i = 0; call == RECVFROM && before && i < BATCH; i++)
        must(write(ends[0], bytes, 1) == 1, "write");
    for (int left = BATCH; call == SENDTO && !before && left > 0;) {
        ssize_t n = read(ends[1], bytes, (size_t)left);
        must(n > 0, "read");
        left -= (int)n;
    }
}

/* The fastest tenth of the batches: what disturbs only adds. */
static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double measure(int call) {
    static double batch[TURNS / BATCH];
    for (int i = 0; i < TURNS / BATCH; i++) {
        around(call, 1);
        double begin = now_ns();
        for (int k = 0; k < BATCH; k++)
            one(call);
        batch[i] = (now_ns() - begin) / BATCH;
        around(call, 0);
    }
    qsort(batch, TURNS / BATCH, sizeof(double), by_size);
    return batch[TURNS / BATCH / 10];
}

static int once(void) {
    must(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    must(!pipe(pipes), "pipe");
    must((ep = epoll_create1(0)) >= 0, "epoll");
    struct epoll_event ev = {.events = EPOLLIN};
    must(!epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], &ev), "epoll_ctl");
    for (int i = 0; i < CALLS; i++)
        printf("%.1f ", measure(i));
    printf("\n");
    return 0;
}

static void ask(const char *command, int round, double out[][ROUNDS_MAX]) {
    FILE *f = popen(command, "r");
    for (int i = 0; i < CALLS; i++)
        must(f && fscanf(f, "%lf", &out[i][round]) == 1, command);
    pclose(f);
}

static double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof(*v), by_size);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

int main(int argc, char **argv) {
    static double alone[CALLS][ROUNDS_MAX], under[CALLS][ROUNDS_MAX];
    char here[4096], there[8192];
    const char *weir = "weir run --new --";
    int rounds = 7, c;
    if (argc == 2 && !strcmp(argv[1], "--once"))
        return once();
    while ((c = getopt(argc, argv, "r:w:")) != -1)
        if (c == 'r')
            rounds = atoi(optarg);
        else if (c == 'w')
            weir = optarg;
        else
            return 2;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    snprintf(here, sizeof(here), "%s --once", argv[0]);
    snprintf(there, sizeof(there), "%s %s", weir, here);
    for (int r = 0; r < rounds; r++) {
        ask(here, r, alone);
        ask(there, r, under);
    }
    double most = 0, a[CALLS], u[CALLS];
    for (int i = 0; i < CALLS; i++) {
        a[i] = median(alone[i], rounds);
        u[i] = median(under[i], rounds);
        if (i < UNFILTERED && u[i] - a[i] > most)
            most = u[i] - a[i];
    }
    printf("%.1f", most);
    for (int i = 0; i < CALLS; i++)
        printf(" %s=%.0f/%.0f", names[i], a[i], u[i]);
    printf("\n");
    return 0;
}
