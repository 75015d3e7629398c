/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local PATH: the notes' local-socket pair. A client without a server (no such
 * file), a server where it may not bind, then a pair that talks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_un named(const char *path) {
    struct sockaddr_un a = {.sun_family = AF_LOCAL};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    return a;
}

static void say(const char *what, long r) {
    printf("%s = %ld%s%s\n", what, r, r < 0 ? " " : "",
           r < 0 ? strerror(errno) : "");
}

static void client(const struct sockaddr_un *to) {
    char buf[100];
    int c = socket(AF_LOCAL, SOCK_STREAM, 0);
    say("connect", connect(c, (const struct sockaddr *)to, sizeof(*to)));
    say("client write", write(c, "clien", 5));
    ssize_t n = read(c, buf, sizeof(buf));
    printf("client read \"%.*s\"\n", (int)n, buf);
    say("client read", read(c, buf, sizeof(buf)));
}

int main(int argc, char **argv) {
    char buf[100];
    if (argc < 2)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sockaddr_un at = named(argv[1]), other = named("/forbidden.sock");
    int s = socket(AF_LOCAL, SOCK_STREAM, 0);
    say("connect, no server", connect(s, (struct sockaddr *)&at, sizeof(at)));
    if (geteuid()) /* root may */
        say("bind, not allowed",
            bind(s, (struct sockaddr *)&other, sizeof(other)));
    say("bind", bind(s, (struct sockaddr *)&at, sizeof(at)));
    say("listen", listen(s, 5));
    pid_t pid = fork();
    if (pid == 0) {
        client(&at);
        return 0;
    }
    int c = accept(s, NULL, NULL), status;
    ssize_t n = read(c, buf, sizeof(buf));
    printf("server read \"%.*s\"\n", (int)n, buf);
    say("server write", write(c, "hi", 2));
    close(c);
    wait(&status);
    unlink(argv[1]);
    return status != 0;
}
