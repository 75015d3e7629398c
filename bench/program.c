/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * program [-s SIZE] [-n STREAMS] [-b] [-c ADDR:PORT] MODE SECONDS
 * program [-s SIZE] [-b] -l PORT MODE
 * An ordinary program whose two ends talk over TCP, run unchanged on the kernel
 * and on weir: by default two processes over 127.0.0.1; -l is the server alone,
 * -c the client alone. NewReno is asked for everywhere. Prints one number, and
 * p50=, p99=, p999= where single times make sense.
 *   rr    request/response of SIZE bytes (1), blocking, or with -b spinning on
 *         a non-blocking socket: microseconds a round trip
 *   bulk  STREAMS (1) at once, writes of 64 KiB: Gbit/s of bytes that arrived
 *   crr   connect, SIZE bytes each way, close: thousands a second
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "percentile.h"

static size_t size = 1;
static int streams = 1, spin;
static struct percentile times;

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void must(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void tune(int s) {
    int on = 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

/* at->sin_port 0: any; the one that was taken is filled in. */
static int server_socket(struct sockaddr_in *at) {
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    socklen_t len = sizeof(*at);
    must(s >= 0, "socket");
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    tune(s);
    must(!bind(s, (struct sockaddr *)at, sizeof(*at)), "bind");
    must(!listen(s, 128), "listen");
    must(!getsockname(s, (struct sockaddr *)at, &len), "getsockname");
    return s;
}

/* A server that has only just been started gets some time. */
static int client_socket(const struct sockaddr_in *at) {
    for (int try = 0;; try++) {
        int c = socket(AF_INET, SOCK_STREAM, 0);
        must(c >= 0, "socket");
        tune(c);
        if (!connect(c, (const struct sockaddr *)at, sizeof(*at)))
            return c;
        must(errno == ECONNREFUSED && try < 300, "connect");
        close(c);
        usleep(10000);
    }
}

/* Exactly size bytes; 0 at end of file. */
static int take(int c, char *buf) {
    for (size_t have = 0; have < size;) {
        ssize_t n = recv(c, buf + have, size - have, spin ? MSG_DONTWAIT : 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return 0;
        have += n > 0 ? (size_t)n : 0;
    }
    return 1;
}

static void answer(int c, int bulk) {
    static char buf[1 << 18];
    if (bulk)
        while (read(c, buf, sizeof(buf)) > 0)
            ;
    else
        while (take(c, buf) && write(c, buf, size) == (ssize_t)size)
            ;
    close(c);
}

/* Until it is killed. Streams at once have a process each. */
static void serve(int s, int bulk) {
    for (;;) {
        int c = accept(s, NULL, NULL);
        while (bulk && waitpid(-1, NULL, WNOHANG) > 0)
            ;
        must(c >= 0, "accept");
        tune(c);
        if (!bulk)
            answer(c, 0);
        else if (fork() == 0) {
            answer(c, 1);
            _exit(0);
        }
        if (bulk)
            close(c);
    }
}

static void round_trip(int c, char *buf) {
    double begin = now();
    must(write(c, buf, size) == (ssize_t)size && take(c, buf), "round trip");
    percentile_add(&times, (now() - begin) * 1e9);
}

static double rr(const struct sockaddr_in *at, double seconds) {
    char *buf = calloc(1, size);
    int c = client_socket(at);
    long n = 0;
    double begin = now(), t;
    do {
        for (int i = 0; i < 100; i++, n++)
            round_trip(c, buf);
    } while ((t = now() - begin) < seconds);
    return t / (double)n * 1e6;
}

/* Bytes that the other end has taken: it closes when it has read all. */
static double stream(const struct sockaddr_in *at, double until) {
    static char buf[65536];
    int c = client_socket(at);
    double bytes = 0;
    do
        for (int i = 0; i < 16; i++) {
            ssize_t n = write(c, buf, sizeof(buf));
            must(n > 0, "write");
            bytes += (double)n;
        }
    while (now() < until);
    shutdown(c, SHUT_WR);
    must(read(c, buf, 1) == 0, "end of the stream");
    close(c);
    return bytes;
}

static double bulk(const struct sockaddr_in *at, double seconds) {
    int tell[2];
    double begin = now(), bytes = 0, part;
    if (streams == 1)
        bytes = stream(at, begin + seconds);
    must(!pipe(tell), "pipe");
    for (int i = 0; i < streams && streams > 1; i++)
        if (fork() == 0) {
            part = stream(at, begin + seconds);
            _exit(write(tell[1], &part, sizeof(part)) != sizeof(part));
        }
    close(tell[1]);
    while (read(tell[0], &part, sizeof(part)) == sizeof(part))
        bytes += part;
    double t = now() - begin;
    for (int i = 0; i < streams && streams > 1; i++)
        wait(NULL);
    return bytes * 8 / t / 1e9;
}

static double crr(const struct sockaddr_in *at, double seconds) {
    char *buf = calloc(1, size);
    long n = 0;
    double begin = now(), t;
    do {
        double one = now();
        int c = client_socket(at);
        must(write(c, buf, size) == (ssize_t)size && take(c, buf), "crr");
        close(c);
        percentile_add(&times, (now() - one) * 1e9);
        n++;
    } while ((t = now() - begin) < seconds);
    return (double)n / t / 1e3;
}

static void client(const struct sockaddr_in *at, const char *mode,
                   double seconds) {
    double result = !strcmp(mode, "bulk") ? bulk(at, seconds)
                    : !strcmp(mode, "rr") ? rr(at, seconds)
                                          : crr(at, seconds);
    printf("%.3f", result);
    percentile_print(&times);
    printf("\n");
}

int main(int argc, char **argv) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listening = 0, connecting = 0, o;
    while ((o = getopt(argc, argv, "s:n:bl:c:")) != -1)
        if (o == 's')
            size = (size_t)atoi(optarg);
        else if (o == 'n')
            streams = atoi(optarg);
        else if (o == 'b')
            spin = 1;
        else if (o == 'l' || o == 'c') {
            char *port = strchr(optarg, ':');
            listening = o == 'l', connecting = o == 'c';
            at.sin_port = htons((uint16_t)atoi(port ? port + 1 : optarg));
            if (port)
                *port = 0;
            at.sin_addr.s_addr = port ? inet_addr(optarg) : INADDR_ANY;
        } else
            return 2;
    must(argc - optind == 2 - listening, "usage: program [...] MODE SECONDS");
    const char *mode = argv[optind];
    double seconds = listening ? 0 : atof(argv[optind + 1]);
    signal(SIGPIPE, SIG_IGN);
    if (connecting) {
        client(&at, mode, seconds);
        return 0;
    }
    int s = server_socket(&at);
    pid_t server = listening ? 0 : fork();
    if (server == 0)
        serve(s, !strcmp(mode, "bulk"));
    client(&at, mode, seconds);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
