/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_DOOR_PROG_RANDOM_H
#define TESTS_DOOR_PROG_RANDOM_H
/* Random socket calls: the play (prog_random.c), how a call is made
 * (prog_random_calls.c), which comes next (prog_random_steps.c). */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "prog.h"

#define SLOTS 7
#define STEPS 60

struct slot {
    int fd, twin;                /* twin: a dup of it; -1 */
    bool stream, watched, tried; /* tried: connect() was called */
    bool shut;                   /* it called shutdown() for writing */
    unsigned sent; /* bytes, so that each is a function of its place */
    struct blocked *blocked;
};

/* ---- prog_random.c ---- */
uint32_t below(uint32_t n);
struct slot *slot_of(int i);
int slot_free(void);
void slot_open(int i, int fd, bool stream);
void slot_unwatch(int i);
int port_name(int port, bool stream);
bool is_fast(void);
/* One line of the story. False: the other run has another. */
bool step_said(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Wait until all looks as it should. */
bool step_settled(void);

enum { MOST = 6000, LEAST_LEFT = 40000, WAIT_US = 15000 };

enum verb { SEND, RECV, ACCEPT, CONNECT, POLL, SHUTDOWN };

/* Everything a call needs to be made anywhere. */
struct deed {
    enum verb verb;
    int fd, way, len, flags;
    unsigned from; /* place of the first byte */
    bool many;     /* two messages */
    bool to;       /* with an address: */
    struct sockaddr_in addr;
};

struct outcome {
    long r;
    int err, fd;
    bool pipe; /* SIGPIPE came */
    uint32_t digest;
};

struct blocked {
    pthread_t thread;
    _Atomic int tid;
    _Atomic bool done;
    struct deed deed;
    struct outcome out;
    char look[64];
};

/* ---- prog_random_calls.c ---- */
void calls_begin(void);
struct outcome make(const struct deed *d);
/* In a child that inherits the socket; what it accepts comes back. */
struct outcome make_in_child(const struct deed *d);
const char *result(const struct outcome *o, char out[64]);
bool is_end(const struct slot *s, const struct outcome *o);
void set_blocking(int fd, bool blocking);
/* In a thread of its own, which blocks in it perhaps; how it fares. */
void block_begin(struct slot *s, const struct deed *d);
const char *blocked_look(struct slot *s);
void block_interrupt(struct slot *s);
struct outcome block_end(struct slot *s); /* it has come back */
void slot_end(struct slot *s);

/* ---- prog_random_steps.c ---- */
void steps_begin(void);
bool steps_opening(void);
bool step_random(void);
bool anybody_blocked(void);

#endif
