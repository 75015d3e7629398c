/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The poll loop: one epoll descriptor, one timerless wait (epoll_pwait2 where
 * the kernel has it takes nanoseconds), passers run to quiescence. Sources may
 * be removed while a round is under way: what a round still holds for a removed
 * source is forgotten.
 *
 * Spinning is a bet that the next event is nearer than a sleep and the wake-up
 * out of it would last. Each wait settles one: the stake (`nerve`) grows by one
 * when the event came within the limit and halves when not; with nothing left
 * the loop sleeps at once, and only watches whether a bet would have been won.
 */
#include "host/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define NERVE_MOST 64
#define ROUNDS 10000 /* passes without a wait before descriptors get a turn */

struct loop {
    int epfd;
    bool stopped;
    int result;
    uint64_t spin_ns;
    unsigned nerve;
    uint64_t now;
    struct loop_passer *passers;
    struct epoll_event ev[BATCH]; /* of this round */
    int n, at;
};

static uint64_t clock_now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct loop *loop_create(void) {
    struct loop *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    l->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epfd < 0) {
        free(l);
        return NULL;
    }
    l->now = clock_now();
    return l;
}

void loop_destroy(struct loop *loop) {
    close(loop->epfd);
    free(loop);
}

static int control(struct loop *loop, int op, struct loop_source *src,
                   uint32_t events) {
    struct epoll_event ev = {.events = events, .data.ptr = src};
    return epoll_ctl(loop->epfd, op, src->fd, &ev) ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *src, uint32_t events) {
    return control(loop, EPOLL_CTL_ADD, src, events);
}

int loop_mod(struct loop *loop, struct loop_source *src, uint32_t events) {
    return control(loop, EPOLL_CTL_MOD, src, events);
}

void loop_del(struct loop *loop, struct loop_source *src) {
    control(loop, EPOLL_CTL_DEL, src, 0);
    for (int i = loop->at; i < loop->n; i++)
        if (loop->ev[i].data.ptr == src)
            loop->ev[i].data.ptr = NULL;
}

void loop_join(struct loop *loop, struct loop_passer *p) {
    p->next = loop->passers;
    loop->passers = p;
    if (p->begin)
        p->begin(p, loop->now);
}

void loop_leave(struct loop *loop, struct loop_passer *p) {
    struct loop_passer **at = &loop->passers;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
}

uint64_t loop_now(const struct loop *loop) {
    return loop->now;
}

static bool pass_all(struct loop *loop) {
    bool any = false;
    for (struct loop_passer *p = loop->passers, *next; p; p = next) {
        next = p->next;
        any |= p->pass(p, loop->now);
    }
    return any;
}

/* Milliseconds would round a 40 us deadline up to 1 ms: wait in ns. */
static int sleep_until(struct loop *loop, uint64_t deadline, uint64_t now) {
    struct timespec ts, *timeout = NULL;
    if (deadline != UINT64_MAX) {
        uint64_t left = deadline > now ? deadline - now : 0;
        ts = (struct timespec){.tv_sec = (time_t)(left / 1000000000u),
                               .tv_nsec = (long)(left % 1000000000u)};
        timeout = &ts;
    }
    return epoll_pwait2(loop->epfd, loop->ev, BATCH, timeout, NULL);
}

/* Events, or 0 when the limit or the deadline is reached. */
static int spin(struct loop *loop, uint64_t limit) {
    int n;
    do
        n = epoll_wait(loop->epfd, loop->ev, BATCH, 0);
    while (n == 0 && clock_now() < limit);
    return n;
}

static int wait_until(struct loop *loop, uint64_t deadline) {
    uint64_t begin = clock_now(), limit = begin + loop->spin_ns;
    if (deadline <= begin)
        return epoll_wait(loop->epfd, loop->ev, BATCH, 0);
    int n = loop->nerve ? spin(loop, limit < deadline ? limit : deadline) : 0;
    if (n == 0)
        n = sleep_until(loop, deadline, loop->nerve ? clock_now() : begin);
    if (!loop->spin_ns)
        return n;
    if (clock_now() < limit)
        loop->nerve += loop->nerve < NERVE_MOST;
    else
        loop->nerve /= 2;
    return n;
}

static uint64_t earliest(struct loop *loop) {
    uint64_t due = UINT64_MAX;
    for (struct loop_passer *p = loop->passers; p; p = p->next) {
        uint64_t d = p->deadline ? p->deadline(p) : UINT64_MAX;
        if (d < due)
            due = d;
    }
    return due;
}

void loop_spin(struct loop *loop, uint64_t ns) {
    loop->spin_ns = ns;
    loop->nerve = ns ? NERVE_MOST : 0;
}

uint64_t loop_spins(const struct loop *loop) {
    return loop->spin_ns;
}

void loop_tick(struct loop *loop) {
    loop->now = clock_now();
    for (struct loop_passer *p = loop->passers; p; p = p->next)
        if (p->begin)
            p->begin(p, loop->now);
}

int loop_run(struct loop *loop) {
    loop->stopped = false;
    bool busy = true;
    while (!loop->stopped) {
        int n = wait_until(loop, busy ? 0 : earliest(loop));
        loop_tick(loop);
        loop->n = n > 0 ? n : 0;
        for (loop->at = 0; loop->at < loop->n && !loop->stopped;) {
            struct epoll_event *ev = &loop->ev[loop->at++];
            struct loop_source *src = ev->data.ptr;
            if (src)
                src->ready(src, ev->events);
        }
        loop->n = 0;
        busy = true;
        for (int i = 0; busy && i < ROUNDS && !loop->stopped; i++)
            busy = pass_all(loop);
    }
    return loop->result;
}

void loop_stop(struct loop *loop, int result) {
    loop->stopped = true;
    loop->result = result;
}
