/* SPDX-License-Identifier: BSD-2-Clause */
/* client ADDRESS [PORT]: three messages, each answered. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    static const char *const says[] = {"hello", "how are you", "bye"};
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)(argc > 2 ? atoi(argv[2]) : 8000))};
    if (argc < 2 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
        return 2;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to))) {
        perror("connect");
        return 1;
    }
    for (int i = 0; i < 3; i++) {
        char buf[1024];
        if (write(s, says[i], strlen(says[i])) < 0)
            perror("write");
        ssize_t n = read(s, buf, sizeof(buf) - 1);
        if (n < 0)
            perror("read");
        buf[n < 0 ? 0 : n] = 0;
        printf("client: got \"%s\"\n", buf);
    }
    close(s);
    return 0;
}
