/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp PORT [no-peer]: a server and a client in one process each; recvfrom and
 * sendto. Datagrams keep their bounds, a short read loses the rest, MSG_TRUNC
 * tells.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_in at;

static void server(int s) {
    char buf[100];
    struct sockaddr_in from;
    for (;;) {
        socklen_t len = sizeof(from);
        ssize_t n =
            recvfrom(s, buf, 8, MSG_TRUNC, (struct sockaddr *)&from, &len);
        printf("server: %zd bytes from %s (%u bytes of address)\n", n,
               inet_ntoa(from.sin_addr), len);
        n = n > 8 ? 8 : n;
        if (sendto(s, buf, (size_t)n, 0, (struct sockaddr *)&from, len) != n)
            perror("sendto");
        if (n == 0)
            return;
    }
}

static void client(bool no_peer) {
    static const char *const says[] = {"one", "twelve bytes", ""};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < 3; i++) {
        char buf[100];
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        ssize_t n = sendto(s, says[i], strlen(says[i]), 0,
                           (struct sockaddr *)&at, sizeof(at));
        printf("client: sendto = %zd\n", n);
        n = recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
        printf("client: recvfrom = %zd \"%.*s\", from the server: %d\n", n,
               (int)n, buf, from.sin_port == at.sin_port);
    }
    ssize_t n = recv(s, &n, sizeof(n), MSG_DONTWAIT);
    printf("client: nothing left: %zd %s\n", n, strerror(errno));
    if (!no_peer)
        return;
    n = send(s, "x", 1, 0);
    printf("client: send without a peer: %zd %s\n", n, strerror(errno));
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    at = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 9000))};
    int s = socket(AF_INET, SOCK_DGRAM, 0), status;
    if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof(at))) {
        perror("bind");
        return 1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(s);
        client(argc > 2);
        return 0;
    }
    server(s);
    wait(&status);
    return status != 0;
}
