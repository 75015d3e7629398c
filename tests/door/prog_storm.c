/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls under a storm of signals: each must happen once. A call that a handler
 * interrupts is restarted by the kernel (SA_RESTART) or by us (EINTR).
 *
 *     prog_storm ROUNDS restart|eintr
 */
#include "prog.h"

#include <pthread.h>
#include <sys/time.h>

static volatile sig_atomic_t signals;

static void on_alarm(int sig) {
    (void)sig;
    signals++;
}

static int again(int r) {
    return r < 0 && errno == EINTR;
}

static int rounds;
static struct sockaddr_in server;

static void *serve(void *arg) {
    int l = *(int *)arg;
    for (int i = 0; i < rounds; i++) {
        int s;
        while (again(s = accept(l, NULL, NULL)))
            ;
        if (s < 0)
            die("accept");
        char buf[16];
        ssize_t n;
        while (again((int)(n = recv(s, buf, sizeof(buf), 0))))
            ;
        while (again((int)send(s, buf, (size_t)n, 0)))
            ;
        close(s);
    }
    return NULL;
}

static int one_bind(void) {
    int fd;
    while (again(fd = socket(AF_INET, SOCK_STREAM, 0)))
        ;
    struct sockaddr_in a = loopback(0);
    int r;
    while (again(r = bind(fd, (struct sockaddr *)&a, sizeof(a))))
        ;
    if (r)
        die("bind");
    return fd;
}

static int wrong;

static void one_connect(int i) {
    int fd = one_bind(), r, first = 1;
    while (again(r = connect(fd, (struct sockaddr *)&server, sizeof(server))))
        first = 0;
    /* After EINTR the attempt goes on: connected by now, or by the next call */
    if (r && !(errno == EISCONN && !first) && !(errno == EALREADY && !first))
        die("connect");
    wait_for(fd, POLLOUT);
    char out[16], in[16] = "";
    int n = snprintf(out, sizeof(out), "%d", i);
    while (again((int)send(fd, out, (size_t)n, 0)))
        ;
    ssize_t got;
    while (again((int)(got = recv(fd, in, sizeof(in) - 1, 0))))
        ;
    wrong += got != n || memcmp(in, out, (size_t)n);
    close(fd);
}

int main(int argc, char **argv) {
    rounds = argc > 1 ? atoi(argv[1]) : 200;
    bool restart = argc < 3 || !strcmp(argv[2], "restart");
    int port, l = listener(&port);
    server = loopback(port);
    struct sigaction sa = {.sa_handler = on_alarm,
                           .sa_flags = restart ? SA_RESTART : 0};
    sigaction(SIGALRM, &sa, NULL);
    pthread_t t;
    struct itimerval it = {{0, 300}, {0, 300}};
    setitimer(ITIMER_REAL, &it, NULL);
    pthread_create(&t, NULL, serve, &l);
    for (int i = 0; i < rounds; i++)
        one_connect(i);
    pthread_join(t, NULL);
    it = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &it, NULL);
    printf("%d rounds, %d wrong, signals %s\n", rounds, wrong,
           signals > 10 ? "many" : "few");
    return wrong != 0;
}
