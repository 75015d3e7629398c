/* SPDX-License-Identifier: BSD-2-Clause */
/* Thousands of connections open at once, and descriptors that run out. */
#include "prog.h"

#include <sys/resource.h>

static int clients(int n, int port) {
    int *fd = calloc((size_t)n, sizeof(*fd)), bad = 0;
    char out[16], in[16];
    for (int i = 0; i < n; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM, 0);
        int len = snprintf(out, sizeof(out), "%d", i);
        if (fd[i] < 0 || call_to(fd[i], port) || write(fd[i], out, len) != len)
            die("client");
    }
    for (int i = 0; i < n; i++) {
        ssize_t len = read(fd[i], in, sizeof(in) - 1);
        in[len > 0 ? len : 0] = '\0';
        bad += atoi(in) != i || len <= 0;
    }
    return bad;
}

static void limit(int files) {
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = (rlim_t)files;
    if (setrlimit(RLIMIT_NOFILE, &r))
        die("setrlimit");
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 2000, port, l = listener(&port);
    listen(l, 4096);
    limit(n + 64);
    pid_t pid = fork();
    if (pid == 0)
        _exit(clients(n, port) ? 1 : 0);
    int *fd = calloc((size_t)n, sizeof(*fd)), status;
    char buf[16];
    for (int i = 0; i < n; i++)
        if ((fd[i] = accept(l, NULL, NULL)) < 0)
            die("accept");
    for (int i = 0; i < n; i++) {
        ssize_t len = read(fd[i], buf, sizeof(buf));
        if (len <= 0 || write(fd[i], buf, (size_t)len) != len)
            die("echo");
    }
    waitpid(pid, &status, 0);
    printf("all echoed: %d\n", status == 0);
    for (int i = 0; i < n; i++)
        close(fd[i]);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    limit(c + 1);
    said("socket, no descriptor left", socket(AF_INET, SOCK_STREAM, 0));
    said("connect", call_to(c, port));
    said("accept, no descriptor left", accept(l, NULL, NULL));
    limit(c + 2);
    fcntl(l, F_SETFL, O_NONBLOCK);
    said("accept", accept(l, NULL, NULL) >= 0 ? 0 : -1);
    return 0;
}
