/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams of many megabytes, each byte compared: both ways at once, small and
 * large pieces, a half close, a look ahead, readers that stop, bulk and small
 * talk in turns, writers and readers that die. */
#include "prog.h"

#include <sys/mman.h>
#include <time.h>

#define TABLE 1000003 /* the byte at offset n is table[n % TABLE] */
#define PIECE 262144
#define MB 1000000ull

static unsigned char table[TABLE + PIECE];
static unsigned char piece[PIECE];

static void table_make(void) {
    unsigned x = 1;
    for (unsigned i = 0; i < TABLE; i++)
        table[i] = (unsigned char)((x = x * 1103515245u + 12345u) >> 16);
    memcpy(table + TABLE, table, PIECE);
}

static size_t size_of(unsigned n) {
    static const size_t sizes[] = {131072, 1,     65536, 700,   262144,
                                   3,      16384, 8192,  40000, 131072};
    return sizes[n % (sizeof(sizes) / sizeof(sizes[0]))];
}

/* Bytes [0, all) into `fd`: how many went. */
static unsigned long long put(int fd, unsigned long long all) {
    unsigned long long at = 0;
    for (unsigned n = 0; at < all; n++) {
        size_t want = size_of(n);
        want = want < all - at ? want : (size_t)(all - at);
        ssize_t r = write(fd, table + at % TABLE, want);
        if (r < 0)
            return at;
        at += (unsigned long long)r;
    }
    return at;
}

/* Read and compare bytes from offset `at` up to `all`, or the end: where it
 * got to. */
static unsigned long long get(int fd, unsigned long long at,
                              unsigned long long all) {
    for (unsigned n = 3; at < all; n++) {
        size_t want = size_of(n);
        want = want < all - at ? want : (size_t)(all - at);
        ssize_t r = read(fd, piece, want);
        if (r <= 0)
            return at;
        if (memcmp(piece, table + at % TABLE, (size_t)r)) {
            printf("wrong bytes in [%llu, %llu)\n", at,
                   at + (unsigned long long)r);
            exit(1);
        }
        at += (unsigned long long)r;
    }
    return at;
}

/* A process that writes, and one that reads, at one end each. */
static pid_t writer(int fd, int other, unsigned long long all) {
    pid_t pid = fork();
    if (pid)
        return pid;
    signal(SIGPIPE, SIG_IGN);
    close(other);
    _exit(put(fd, all) == all ? 0 : 3);
}

static pid_t reader(int fd, int other, unsigned long long all) {
    pid_t pid = fork();
    if (pid)
        return pid;
    close(other);
    _exit(get(fd, 0, all) == all ? 0 : 4);
}

static int ended(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void both_ways(void) {
    int a, b;
    pair(&a, &b);
    pid_t p[4] = {writer(a, b, 200 * MB), reader(b, a, 200 * MB),
                  writer(b, a, 100 * MB), reader(a, b, 100 * MB)};
    close(a);
    close(b);
    for (int i = 0; i < 4; i++)
        printf("both ways, process %d: %d\n", i, ended(p[i]));
}

static void half_close(void) {
    int a, b;
    pair(&a, &b);
    pid_t p = fork();
    if (p == 0) {
        close(b);
        unsigned long long sent = put(a, 50 * MB);
        shutdown(a, SHUT_WR);
        _exit(sent == 50 * MB && get(a, 0, 30 * MB) == 30 * MB &&
                      read(a, piece, 1) == 0
                  ? 0
                  : 5);
    }
    close(a);
    unsigned long long at = get(b, 0, 50 * MB);
    ssize_t then = read(b, piece, 1);
    printf("half close: %llu, then %zd\n", at, then);
    printf("half close, back: %llu\n", put(b, 30 * MB));
    close(b);
    printf("half close, the other: %d\n", ended(p));
}

static void look_ahead(void) {
    int a, b;
    static unsigned char ahead[PIECE];
    pair(&a, &b);
    pid_t p = writer(a, b, 40 * MB);
    close(a);
    unsigned long long at = 0;
    while (at < 40 * MB) {
        ssize_t n = recv(b, ahead, 100000, MSG_PEEK);
        if (n <= 0 || memcmp(ahead, table + at % TABLE, (size_t)n))
            break;
        at = get(b, at, at + (unsigned long long)n);
        at = get(b, at, at + 500000 < 40 * MB ? at + 500000 : 40 * MB);
    }
    printf("look ahead: %llu, writer %d\n", at, ended(p));
    close(b);
}

/* A reader that is stopped, and goes on, again and again. */
static void stopped(void) {
    int a, b;
    pair(&a, &b);
    pid_t r = reader(b, a, 300 * MB), w = writer(a, b, 300 * MB);
    close(a);
    close(b);
    for (int i = 0; i < 5; i++) {
        usleep(5000);
        kill(i % 2 ? w : r, SIGSTOP);
        usleep(30000);
        kill(i % 2 ? w : r, SIGCONT);
    }
    printf("stopped: writer %d, reader %d\n", ended(w), ended(r));
}

/* Bulk, then a reader that does not read: what fits goes out, and no more;
 * then it reads again. */
static void idle_reader(void) {
    int a, b;
    pair(&a, &b);
    pid_t w = fork();
    if (w == 0) {
        close(b);
        put(a, 20 * MB);
        fcntl(a, F_SETFL, O_NONBLOCK);
        unsigned long long at = 20 * MB;
        struct pollfd p = {.fd = a, .events = POLLOUT};
        while (at < 120 * MB && poll(&p, 1, 300) > 0) {
            ssize_t n = write(a, table + at % TABLE, 100000);
            at += n > 0 ? (unsigned long long)n : 0;
        }
        printf("idle reader: more than 500 kB went %d, all of it %d\n",
               at > 20 * MB + 500000, at >= 120 * MB);
        fflush(stdout);
        fcntl(a, F_SETFL, 0);
        while (at < 120 * MB) {
            size_t left = (size_t)(120 * MB - at);
            ssize_t n =
                write(a, table + at % TABLE, left < 100000 ? left : 100000);
            if (n <= 0)
                _exit(6);
            at += (unsigned long long)n;
        }
        _exit(0);
    }
    close(a);
    get(b, 0, 20 * MB);
    usleep(900000);
    unsigned long long at = get(b, 20 * MB, 120 * MB);
    ssize_t then = read(b, piece, 1);
    printf("idle reader: %llu, then %zd, writer %d\n", at, then, ended(w));
    close(b);
}

static void dies(void) {
    int a, b;
    pair(&a, &b);
    pid_t w = writer(a, b, 100000 * MB);
    close(a);
    unsigned long long at = get(b, 0, 50 * MB);
    kill(w, SIGKILL);
    printf("writer dies: %d", ended(w));
    at = get(b, at, 100000 * MB);
    ssize_t then = read(b, piece, 1);
    printf(", after 50 MB %d, then %zd\n", at >= 50 * MB, then);
    close(b);
    pair(&a, &b);
    pid_t r = reader(b, a, 100000 * MB);
    close(b);
    w = fork();
    if (w == 0) {
        signal(SIGPIPE, SIG_IGN);
        _exit(put(a, 100000 * MB) >= 1 * MB ? 0 : 7);
    }
    close(a);
    usleep(50000);
    kill(r, SIGKILL);
    printf("reader dies: %d, writer %d\n", ended(r), ended(w));
}

/* Bulk, then questions and answers of a few bytes, in turns; at last an urgent
 * byte amid bulk, from whose mark on the rest is read. */
static void phases(void) {
    int a, b;
    pair(&a, &b);
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        close(b);
        unsigned long long at = 0, back = 0;
        for (int turn = 0; turn < 4; turn++) {
            for (int i = 0; i < 60; i++, at += 131072)
                if (write(a, table + at % TABLE, 131072) != 131072)
                    _exit(8);
            for (int i = 0; i < 100; i++, at += 50, back += 20)
                if (write(a, table + at % TABLE, 50) != 50 ||
                    get(a, back, back + 20) != back + 20)
                    _exit(9);
        }
        if (send(a, "!", 1, MSG_OOB) != 1)
            _exit(10);
        for (int i = 0; i < 60; i++, at += 131072)
            if (write(a, table + at % TABLE, 131072) != 131072)
                _exit(11);
        _exit(0);
    }
    close(a);
    unsigned long long at = 0, back = 0;
    for (int turn = 0; turn < 4; turn++) {
        at = get(b, at, at + 60 * 131072);
        for (int i = 0; i < 100; i++) {
            at = get(b, at, at + 50);
            ssize_t n = write(b, table + back % TABLE, 20);
            back += n > 0 ? (unsigned long long)n : 0;
        }
    }
    struct pollfd urgent = {.fd = b, .events = POLLPRI};
    char byte = 0;
    int woken = poll(&urgent, 1, 5000);
    ssize_t n = recv(b, &byte, 1, MSG_OOB);
    printf("phases: %llu, urgent %d %zd %c", at, woken, n, byte);
    at = get(b, at, at + 60 * 131072);
    n = read(b, piece, 1);
    printf(", %llu, then %zd, writer %d\n", at, n, ended(p));
    close(b);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    table_make();
    both_ways();
    half_close();
    look_ahead();
    stopped();
    idle_reader();
    phases();
    dies();
    return 0;
}
