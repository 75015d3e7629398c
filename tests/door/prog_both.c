/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Megabytes both ways at once over several connections, a thread for each
 * direction of each end: pieces of all sizes, readers that pause, peek or want
 * all; every byte is known. At its end each writer shuts its direction down,
 * and every reader sees that end behind the last byte.
 */
#include "prog.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/uio.h>

enum { PAIRS = 6, PATTERN = 1 << 20, PIECE = 1 << 18 };
static const uint64_t most_bytes = 30u << 20;

static char pattern[PATTERN];

/* One direction, seen from either of its ends. */
struct way {
    int fd, number;
    uint64_t seed, bytes, done;
    const char *wrong; /* NULL: all is well */
};

static uint64_t draw(uint64_t *s) {
    uint64_t z = *s += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static char byte_at(const struct way *w, uint64_t place) {
    return pattern[(place + (uint64_t)w->number * 7919) % PATTERN];
}

static void *writer(void *arg) {
    static const uint64_t sizes[] = {300, 20000, PIECE};
    struct way *w = arg;
    char *buf = malloc(PIECE);
    uint64_t kind = draw(&w->seed) % 3;
    while (w->done < w->bytes) {
        uint64_t left = w->bytes - w->done,
                 n = 1 + draw(&w->seed) % sizes[kind];
        n = n < left ? n : left;
        for (uint64_t i = 0; i < n; i++)
            buf[i] = byte_at(w, w->done + i);
        struct iovec v[2] = {{buf, n / 2}, {buf + n / 2, n - n / 2}};
        ssize_t r =
            draw(&w->seed) % 2 ? write(w->fd, buf, n) : writev(w->fd, v, 2);
        if (r < 0) {
            w->wrong = strerrorname_np(errno);
            break;
        }
        w->done += (uint64_t)r;
        if (draw(&w->seed) % 200 == 0)
            usleep(draw(&w->seed) % 3000);
        if (draw(&w->seed) % 64 == 0)
            kind = draw(&w->seed) % 3;
    }
    shutdown(w->fd, SHUT_WR);
    free(buf);
    return NULL;
}

static void *reader(void *arg) {
    static const int flags[20] = {MSG_PEEK, MSG_WAITALL, MSG_WAITALL};
    struct way *w = arg;
    char *buf = malloc(PIECE);
    for (;;) {
        uint64_t n = 1 + draw(&w->seed) % (draw(&w->seed) % 2 ? PIECE : 5000);
        int how = flags[draw(&w->seed) % 20];
        ssize_t r = recv(w->fd, buf, n, how);
        if (r < 0)
            w->wrong = strerrorname_np(errno);
        for (ssize_t i = 0; i < r && !w->wrong; i++)
            if (buf[i] != byte_at(w, w->done + (uint64_t)i))
                w->wrong = "another byte";
        if (r <= 0 || w->wrong)
            break;
        w->done += how == MSG_PEEK ? 0 : (uint64_t)r;
        if (draw(&w->seed) % 300 == 0)
            usleep(draw(&w->seed) % 20000); /* windows fill */
    }
    if (!w->wrong && w->done != w->bytes)
        w->wrong = "an early end";
    free(buf);
    return NULL;
}

static void round_of(uint64_t seed) {
    static struct way ways[PAIRS * 4];
    pthread_t t[PAIRS * 4];
    int ends[2];
    for (int i = 0; i < PAIRS; i++) {
        pair(&ends[0], &ends[1]);
        for (int d = 0; d < 2; d++) {
            uint64_t most = draw(&seed) % 3 ? most_bytes : 1000;
            struct way w = {.number = 2 * i + d, .bytes = draw(&seed) % most};
            ways[4 * i + 2 * d] = ways[4 * i + 2 * d + 1] = w;
            ways[4 * i + 2 * d].fd = ends[d];
            ways[4 * i + 2 * d].seed = draw(&seed);
            ways[4 * i + 2 * d + 1].fd = ends[!d];
            ways[4 * i + 2 * d + 1].seed = draw(&seed);
        }
    }
    for (int i = 0; i < PAIRS * 4; i++)
        pthread_create(&t[i], NULL, i % 2 ? reader : writer, &ways[i]);
    for (int i = 0; i < PAIRS * 4; i++) {
        pthread_join(t[i], NULL);
        printf("%d %s: %lu bytes, %s\n", ways[i].number,
               i % 2 ? "read" : "written", (unsigned long)ways[i].done,
               ways[i].wrong ? ways[i].wrong : "right");
    }
    for (int i = 0; i < PAIRS * 4; i += 2)
        close(ways[i].fd);
}

int main(void) {
    uint64_t seed = 1;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < PATTERN; i++)
        pattern[i] = (char)(draw(&seed) >> 5);
    for (uint64_t i = 0; i < 8; i++)
        round_of(i);
    return 0;
}
