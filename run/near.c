/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A blocking request and its answer are four wake-ups one after the other:
 * client, stack, server, stack, client. The scheduler spreads them over idle
 * processors, and waking a processor that sleeps costs many times what the
 * switch does. So while a few threads do nothing but wait for each other
 * through the stack, they and the stack are bound to one processor.
 *
 * The sign is a streak of rounds of the loop with one carrier ready, whose
 * program had been given something since it wrote last: an answer. Each round
 * that is otherwise then counts against it, and a look every few milliseconds
 * ends it where rounds are no faster than they were: programs that spin, that
 * have begun to compute, or stopped talking. Then all are given back the
 * processors they had, as are threads and processes that were born meanwhile,
 * who inherit the bond. A program that asks for its processors (the agent sees
 * sched_getaffinity) is let go before it gets an answer.
 */
#include "run/near.h"

#include <dirent.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define STREAK 64              /* rounds, before anybody is bound */
#define LONG_NS 300000u        /* a wait like that is no conversation */
#define LOOK_NS 4000000u       /* how often who is bound is looked at */
#define STRIKES 16             /* rounds that are otherwise, and it is over */
#define PAUSE_NS 10000000u     /* after that; doubled each time, */
#define PAUSE_MOST 1280000000u /* up to this */
#define DEPTH 4                /* of descendants that are searched */

struct bound {
    pid_t tid;
    cpu_set_t had;
};

struct near {
    struct loop *loop;
    struct loop_passer passer;
    pid_t seen[THREADS]; /* in the streak */
    unsigned nseen;
    uint64_t round;
    unsigned in_round; /* carriers ready */
    pid_t tid;         /* of the last one, */
    bool answers;      /* which had been given something since it last was */
    uint64_t round_ns;
    unsigned streak;
    uint64_t since_ns; /* it lasts */
    /* While bound: */
    unsigned nbound;
    struct bound bound[THREADS + 1]; /* [0]: the stack, tid 0 */
    int cpu;
    uint64_t apart_ns; /* what a round took before */
    unsigned rounds, strikes;
    uint64_t look_ns;
    uint64_t pause_ns, not_before_ns;
};

/* ---- binding ---- */

static bool bind_one(struct near *n, pid_t tid) {
    struct bound *b = &n->bound[n->nbound];
    cpu_set_t one;
    b->tid = tid;
    CPU_ZERO(&one);
    CPU_SET(n->cpu, &one);
    if (sched_getaffinity(tid, sizeof(b->had), &b->had) ||
        !CPU_ISSET(n->cpu, &b->had) ||
        sched_setaffinity(tid, sizeof(one), &one))
        return false;
    n->nbound++;
    return true;
}

static bool is_bound(const struct near *n, pid_t tid) {
    cpu_set_t now;
    return sched_getaffinity(tid, sizeof(now), &now) == 0 &&
           CPU_COUNT(&now) == 1 && CPU_ISSET(n->cpu, &now);
}

static void unbind(const struct near *n, pid_t tid, const cpu_set_t *had) {
    if (is_bound(n, tid)) /* else it has chosen for itself */
        sched_setaffinity(tid, sizeof(*had), had);
}

static void unbind_process(const struct near *n, pid_t pid,
                           const cpu_set_t *had, int depth);

static void unbind_children(const struct near *n, const char *task,
                            const cpu_set_t *had, int depth) {
    char path[96];
    int pid;
    snprintf(path, sizeof(path), "%s/children", task);
    FILE *f = fopen(path, "re");
    while (f && fscanf(f, "%d", &pid) == 1)
        unbind_process(n, pid, had, depth + 1);
    if (f)
        fclose(f);
}

/* Its threads, and what they have begotten. */
static void unbind_process(const struct near *n, pid_t pid,
                           const cpu_set_t *had, int depth) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = depth < DEPTH ? opendir(path) : NULL;
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        char task[sizeof(path) + 16];
        if (e->d_name[0] == '.')
            continue;
        unbind(n, (pid_t)atoi(e->d_name), had);
        snprintf(task, sizeof(task), "%s/%.10s", path, e->d_name);
        unbind_children(n, task, had, depth);
    }
    if (dir)
        closedir(dir);
}

void near_let_go(struct near *n) {
    n->streak = n->nseen = 0;
    if (n->nbound == 0)
        return;
    for (unsigned i = 0; i < n->nbound; i++)
        unbind(n, n->bound[i].tid, &n->bound[i].had);
    for (unsigned i = 1; i < n->nbound; i++)
        unbind_process(n, n->bound[i].tid, &n->bound[i].had, 0);
    n->nbound = 0;
    n->not_before_ns = loop_now(n->loop) + n->pause_ns;
}

static void draw_near(struct near *n, uint64_t round_ns) {
    n->apart_ns = round_ns;
    n->cpu = sched_getcpu();
    n->strikes = n->rounds = 0;
    n->look_ns = loop_now(n->loop) + LOOK_NS;
    bool all = n->cpu >= 0 && bind_one(n, 0);
    for (unsigned i = 0; all && i < n->nseen; i++)
        all = bind_one(n, n->seen[i]);
    n->streak = n->nseen = 0;
    if (all)
        return;
    n->pause_ns = PAUSE_MOST; /* not ours to bind */
    near_let_go(n);
    n->not_before_ns = loop_now(n->loop) + n->pause_ns;
}

/* ---- watching ---- */

static bool known(struct near *n, pid_t tid) {
    for (unsigned i = 0; i < n->nseen; i++)
        if (n->seen[i] == tid)
            return true;
    if (n->nseen == THREADS)
        return false;
    n->seen[n->nseen++] = tid;
    return true;
}

static void is_over(struct near *n) {
    near_let_go(n);
    n->pause_ns = n->pause_ns < PAUSE_MOST ? n->pause_ns * 2 : PAUSE_MOST;
}

static void watch(struct near *n, bool alternates, uint64_t now) {
    n->rounds += alternates;
    n->strikes += !alternates;
    if (n->strikes > STRIKES) {
        is_over(n);
    } else if (now >= n->look_ns) {
        if (n->rounds * n->apart_ns < LOOK_NS)
            is_over(n);
        else if (n->rounds > STREAK) /* a good while: forget what was */
            n->pause_ns = PAUSE_NS;
        n->rounds = n->strikes = 0;
        n->look_ns = now + LOOK_NS;
    }
}

/* A round begins: judge the last one. */
static void near_begin(struct loop_passer *p, uint64_t now) {
    struct near *n = (struct near *)((char *)p - offsetof(struct near, passer));
    if (n->round == loop_round(n->loop))
        return; /* the clock was read anew */
    n->round = loop_round(n->loop);
    unsigned carriers = n->in_round;
    bool alternates =
        carriers == 1 && n->answers && now - n->round_ns < LONG_NS;
    bool idle = carriers == 0 && now < n->look_ns; /* a timer, a signal */
    n->in_round = 0;
    n->round_ns = now;
    if (n->nbound) {
        if (!idle)
            watch(n, alternates, now);
        return;
    }
    if (!alternates || now < n->not_before_ns || !known(n, n->tid)) {
        n->streak = n->nseen = 0;
        return;
    }
    if (n->streak++ == 0)
        n->since_ns = now;
    if (n->streak == STREAK && !loop_spins(n->loop))
        draw_near(n, (now - n->since_ns) / STREAK);
}

static bool near_pass(struct loop_passer *p, uint64_t now) {
    (void)p, (void)now;
    return false;
}

static uint64_t near_deadline(struct loop_passer *p) {
    struct near *n = (struct near *)((char *)p - offsetof(struct near, passer));
    return n->nbound ? n->look_ns : UINT64_MAX;
}

void near_saw(struct near *n, pid_t tid, bool answers) {
    n->in_round++;
    n->tid = tid;
    n->answers = answers;
}

struct near *near_create(struct loop *loop) {
    struct near *n = calloc(1, sizeof(*n));
    if (!n)
        return NULL;
    n->loop = loop;
    n->pause_ns = PAUSE_NS;
    n->passer = (struct loop_passer){
        .begin = near_begin, .pass = near_pass, .deadline = near_deadline};
    loop_join(loop, &n->passer);
    return n;
}

void near_destroy(struct near *n) {
    near_let_go(n);
    loop_leave(n->loop, &n->passer);
    free(n);
}
