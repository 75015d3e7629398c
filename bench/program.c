/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * program MODE SECONDS: an ordinary program with two processes that talk over
 * 127.0.0.1, run unchanged on the kernel and on weir. Prints one number.
 *   rr    request/response of 1 byte, blocking: microseconds a round trip
 *   bulk  one stream, 64 KiB writes: Gbit/s
 *   crr   connect, 1 byte each way, close: thousands a second
 */
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

static int server_socket(struct sockaddr_in *at) {
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    socklen_t len = sizeof(*at);
    must(s >= 0, "socket");
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    *at = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must(!bind(s, (struct sockaddr *)at, sizeof(*at)), "bind");
    must(!listen(s, 128), "listen");
    must(!getsockname(s, (struct sockaddr *)at, &len), "getsockname");
    return s;
}

static int client_socket(const struct sockaddr_in *at) {
    int c = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    must(c >= 0, "socket");
    setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    must(!connect(c, (const struct sockaddr *)at, sizeof(*at)), "connect");
    return c;
}

/* Until the client goes: one byte back for each (rr, crr), or swallow all. */
static void serve(int s, int bulk) {
    static char buf[1 << 18];
    for (;;) {
        int c = accept(s, NULL, NULL), on = 1;
        must(c >= 0, "accept");
        setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        ssize_t n;
        while ((n = read(c, buf, bulk ? sizeof(buf) : 1)) > 0)
            if (!bulk && write(c, buf, 1) != 1)
                break;
        close(c);
    }
}

static double rr(const struct sockaddr_in *at, double seconds) {
    int c = client_socket(at);
    char b = 'x';
    long n = 0;
    double begin = now(), t;
    do {
        for (int i = 0; i < 100; i++, n++)
            must(write(c, &b, 1) == 1 && read(c, &b, 1) == 1, "rr");
    } while ((t = now() - begin) < seconds);
    return t / (double)n * 1e6;
}

static double bulk(const struct sockaddr_in *at, double seconds) {
    static char buf[65536];
    int c = client_socket(at);
    double bytes = 0, begin = now(), t;
    do
        for (int i = 0; i < 64; i++) {
            ssize_t n = write(c, buf, sizeof(buf));
            must(n > 0, "write");
            bytes += (double)n;
        }
    while ((t = now() - begin) < seconds);
    return bytes * 8 / t / 1e9;
}

static double crr(const struct sockaddr_in *at, double seconds) {
    char b = 'x';
    long n = 0;
    double begin = now(), t;
    do {
        int c = client_socket(at);
        must(write(c, &b, 1) == 1 && read(c, &b, 1) == 1, "crr");
        close(c);
        n++;
    } while ((t = now() - begin) < seconds);
    return (double)n / t / 1e3;
}

int main(int argc, char **argv) {
    must(argc == 3, "usage: program rr|bulk|crr SECONDS");
    double seconds = atof(argv[2]), result;
    struct sockaddr_in at;
    int s = server_socket(&at);
    int is_bulk = !strcmp(argv[1], "bulk");
    signal(SIGPIPE, SIG_IGN);
    pid_t server = fork();
    if (server == 0)
        serve(s, is_bulk);
    if (is_bulk)
        result = bulk(&at, seconds);
    else
        result = !strcmp(argv[1], "rr") ? rr(&at, seconds) : crr(&at, seconds);
    printf("%.3f\n", result);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
