/* SPDX-License-Identifier: BSD-2-Clause */
/* server [PORT [CLIENTS]]: listens on 8000, answers every message. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void serve(int c) {
    char buf[1024], answer[1100];
    ssize_t n;
    while ((n = read(c, buf, sizeof(buf) - 1)) > 0) {
        buf[n] = 0;
        printf("server: got \"%s\"\n", buf);
        int len = snprintf(answer, sizeof(answer), "you said: %s", buf);
        if (write(c, answer, (size_t)len) != len)
            fail("write");
    }
    printf("server: read = %zd\n", n);
}

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 8000;
    int clients = argc > 2 ? atoi(argv[2]) : 1;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port)};
    if (s < 0 || bind(s, (struct sockaddr *)&any, sizeof(any)))
        fail("bind");
    if (listen(s, 5))
        fail("listen");
    printf("server: listen ok\n");
    fflush(stdout);
    while (clients-- > 0) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        int c = accept(s, (struct sockaddr *)&peer, &len);
        if (c < 0)
            fail("accept");
        printf("server: a client from %s\n", inet_ntoa(peer.sin_addr));
        serve(c);
        close(c);
    }
    close(s);
    return 0;
}
