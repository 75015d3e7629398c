/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_HOST_LOOP_H
#define WEIR_HOST_LOOP_H
/*
 * One poll loop (epoll) for everything of one process: descriptors of doors and
 * links, and any number of passers (hosts, links with deadlines). A round:
 * wait; call the sources that are ready; run every passer until none has work;
 * wait no longer than the earliest deadline. Time is read once a round.
 */
#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop *loop_create(void); /* NULL with errno */
void loop_destroy(struct loop *loop);

/* A descriptor to wait for. Embedded in its owner; stays the owner's. */
struct loop_source {
    void (*ready)(struct loop_source *src, uint32_t epoll_events);
    int fd;
};
/* epoll_events: EPOLLIN, EPOLLOUT, EPOLLET... 0 or -errno. */
int loop_add(struct loop *loop, struct loop_source *src, uint32_t epoll_events);
int loop_mod(struct loop *loop, struct loop_source *src, uint32_t epoll_events);
void loop_del(struct loop *loop, struct loop_source *src);

/* Something that works each round, after the sources. */
struct loop_passer {
    /* A round begins, or loop_tick: set clocks. May be NULL. */
    void (*begin)(struct loop_passer *p, uint64_t now);
    /* Do what is due; true where it did anything (then all run again). */
    bool (*pass)(struct loop_passer *p, uint64_t now);
    /* When it must run next, ns; UINT64_MAX: not by time. */
    uint64_t (*deadline)(struct loop_passer *p);
    struct loop_passer *next;
};
void loop_join(struct loop *loop, struct loop_passer *p);
void loop_leave(struct loop *loop, struct loop_passer *p);

/* Before it sleeps the loop may look again and again for up to `ns` (0: never,
 * as it begins). It stops spinning by itself while that does not pay. */
void loop_spin(struct loop *loop, uint64_t ns);
uint64_t loop_spins(const struct loop *loop);

/* CLOCK_MONOTONIC of this round, ns. */
uint64_t loop_now(const struct loop *loop);
/* Read the clock anew in mid-round: a source that serves many requests. */
void loop_tick(struct loop *loop);

/* Run until loop_stop; returns its argument. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int result);

#endif
