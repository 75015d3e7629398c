/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request and its answer are wake-ups one after the other: client, stack,
 * server, stack, client; so are the calls that the stack answers. The scheduler
 * spreads them over idle processors, and waking a processor that sleeps costs
 * many times what the switch does. Where there is little to do at the same
 * time, all of them are faster on one processor. So is bulk: what one has just
 * copied the next one finds in the processor's cache.
 *
 * Whether that is so is tried, not guessed. What the stack is asked (carriers
 * that became readable, calls, and bulk by its bytes) is counted over a few
 * milliseconds; then the few threads that asked, or whoever their carriers were
 * left to, and the stack, are bound to its processor for as long;
 * where much more was done in that time they stay, and now and then are apart
 * again for a moment to see whether it still pays. Where not, the next trial is
 * put off, twice as long each time. Who is let go has the processors he had
 * before, as have threads and processes that were born meanwhile, who inherit
 * the bond. A program that asks for its processors (the agent sees
 * sched_getaffinity) is let go before it gets an answer.
 */
#include "run/near.h"

#include <dirent.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define WINDOW_NS 4000000u /* a measurement */
#define BUSY 40            /* asked in a window: else nothing to gain */
#define PAUSE_NS 16000000u /* after a trial that failed; doubled each time, */
#define PAUSE_MOST 2048000000 /* up to this */
#define STAY_NS 128000000u    /* before a look apart; likewise */
#define STAY_MOST 2048000000
#define BULK_BYTES 16384 /* so many at once are work in themselves, */
#define BULK_UNIT 4096   /* for each of these as much as to be asked */
#define DEPTH 8          /* of descendants that are searched */

struct bound {
    pid_t tid;
    cpu_set_t had;
};

enum state { APART, TRIED, NEAR, LOOK };

struct near {
    struct loop *loop;
    struct loop_passer passer;
    enum state state;
    /* This window: */
    uint64_t begin_ns;
    unsigned asked, nseen;
    bool too_many;
    struct near_who seen[THREADS];
    /* What was found: asked a millisecond, apart and near. */
    double apart, near;
    uint64_t pause_ns, stay_ns; /* the next ones */
    uint64_t not_before_ns;     /* of a trial, or of a look */
    unsigned nbound;
    struct bound bound[THREADS + 1]; /* [0]: the stack, tid 0 */
    int cpu;
    uint64_t since_ticks;
    uint64_t spin_ns; /* what the loop did before */
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

/* Clock ticks since the machine started; `task`: when that one began. */
static uint64_t ticks_now(void) {
    struct timespec ts;
    uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * hz + (uint64_t)ts.tv_nsec * hz / 1000000000u;
}

static uint64_t ticks_begun(const char *task) {
    char path[96], text[512];
    snprintf(path, sizeof(path), "%s/stat", task);
    FILE *f = fopen(path, "re");
    size_t len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[len] = '\0';
    unsigned long long begun = 0;
    const char *at = strrchr(text, ')'); /* the name may hold anything */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at && sscanf(at, "%llu", &begun) == 1 ? begun : 0;
}

static void unbind_born(const struct near *n, pid_t pid, const cpu_set_t *had,
                        int depth);

static void unbind_children(const struct near *n, const char *task,
                            const cpu_set_t *had, int depth) {
    char path[96];
    int pid;
    snprintf(path, sizeof(path), "%s/children", task);
    FILE *f = fopen(path, "re");
    while (f && fscanf(f, "%d", &pid) == 1)
        unbind_born(n, pid, had, depth + 1);
    if (f)
        fclose(f);
}

/* Of a process's threads and descendants those that were born meanwhile. */
static void unbind_born(const struct near *n, pid_t pid, const cpu_set_t *had,
                        int depth) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = depth < DEPTH ? opendir(path) : NULL;
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        char task[sizeof(path) + 16];
        if (e->d_name[0] == '.')
            continue;
        snprintf(task, sizeof(task), "%s/%.10s", path, e->d_name);
        if (ticks_begun(task) >= n->since_ticks)
            unbind(n, (pid_t)atoi(e->d_name), had);
        unbind_children(n, task, had, depth);
    }
    if (dir)
        closedir(dir);
}

static void part(struct near *n) {
    if (n->nbound == 0)
        return;
    for (unsigned i = 0; i < n->nbound; i++)
        unbind(n, n->bound[i].tid, &n->bound[i].had);
    for (unsigned i = 1; i < n->nbound; i++)
        unbind_born(n, n->bound[i].tid, &n->bound[i].had, 0);
    unbind_born(n, getpid(), &n->bound[0].had, 0); /* orphans come to us */
    n->nbound = 0;
    loop_spin(n->loop, n->spin_ns);
}

static bool holds(pid_t pid, const struct near_who *who) {
    char path[64], want[48], link[64];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, who->fd);
    snprintf(want, sizeof(want), "socket:[%llu]",
             (unsigned long long)who->inode);
    ssize_t len = readlink(path, link, sizeof(link) - 1);
    link[len > 0 ? len : 0] = '\0';
    return !strcmp(link, want);
}

/* The first descendant that has the carrier (fork keeps its number); 0. */
static pid_t child_that_holds(pid_t pid, const struct near_who *who,
                              int depth) {
    char path[64];
    int child;
    pid_t found = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid,
             (int)pid);
    FILE *f = depth < DEPTH ? fopen(path, "re") : NULL;
    while (f && !found && fscanf(f, "%d", &child) == 1)
        found =
            holds(child, who) ? child : child_that_holds(child, who, depth + 1);
    if (f)
        fclose(f);
    return found;
}

/* A server that accepts and leaves the rest to a child closes its own copy. */
static pid_t holder(const struct near_who *who) {
    if (!who->inode || holds(who->tid, who))
        return who->tid;
    pid_t child = child_that_holds(who->tid, who, 0);
    return child ? child : who->tid;
}

static bool join(struct near *n) {
    n->spin_ns = loop_spins(n->loop);
    loop_spin(n->loop, 0); /* who spins needs a processor to himself */
    n->cpu = sched_getcpu();
    n->since_ticks = ticks_now();
    bool all = n->cpu >= 0 && bind_one(n, 0);
    for (unsigned i = 0; all && i < n->nseen; i++)
        all = bind_one(n, holder(&n->seen[i]));
    if (!all && n->nbound == 0)
        loop_spin(n->loop, n->spin_ns);
    else if (!all)
        part(n);
    return all;
}

/* ---- trying ---- */

static uint64_t longer(uint64_t *ns, uint64_t most) {
    uint64_t was = *ns;
    *ns = was < most ? was * 2 : most;
    return was;
}

static void stay_apart(struct near *n, uint64_t now) {
    part(n);
    n->state = APART;
    n->stay_ns = STAY_NS;
    n->not_before_ns = now + longer(&n->pause_ns, PAUSE_MOST);
}

static void stay_near(struct near *n, uint64_t now) {
    n->state = NEAR;
    n->pause_ns = PAUSE_NS;
    n->not_before_ns = now + longer(&n->stay_ns, STAY_MOST);
}

static bool can_try(const struct near *n, uint64_t now) {
    return n->asked >= BUSY && n->nseen > 0 && !n->too_many &&
           now >= n->not_before_ns;
}

/* A window has ended, in which `rate` was asked. */
static void judge(struct near *n, double rate, uint64_t now) {
    switch (n->state) {
    case APART:
        n->apart = rate;
        if (!can_try(n, now))
            return;
        if (join(n))
            n->state = TRIED;
        else
            stay_apart(n, now);
        return;
    case TRIED:
        n->near = rate;
        if (rate > n->apart * 1.15 && !n->too_many)
            stay_near(n, now);
        else
            stay_apart(n, now);
        return;
    case NEAR:
        n->near = rate;
        if (rate < n->apart || n->too_many) {
            stay_apart(n, now); /* they do something else now */
        } else if (now >= n->not_before_ns) {
            part(n);
            n->state = LOOK;
        }
        return;
    case LOOK:
        n->apart = rate;
        if (rate < n->near && n->asked >= BUSY && !n->too_many && join(n))
            stay_near(n, now);
        else
            stay_apart(n, now);
        return;
    }
}

static void near_begin(struct loop_passer *p, uint64_t now) {
    struct near *n = (struct near *)((char *)p - offsetof(struct near, passer));
    uint64_t took = now - n->begin_ns;
    if (took < WINDOW_NS)
        return;
    if (n->asked > 0 || n->state != APART)
        judge(n, n->asked * 1e6 / (double)took, now);
    n->begin_ns = now;
    n->asked = n->nseen = 0;
    n->too_many = false;
}

static bool near_pass(struct loop_passer *p, uint64_t now) {
    (void)p, (void)now;
    return false;
}

static uint64_t near_deadline(struct loop_passer *p) {
    struct near *n = (struct near *)((char *)p - offsetof(struct near, passer));
    return n->state == APART ? UINT64_MAX : n->begin_ns + WINDOW_NS;
}

static void see(struct near *n, const struct near_who *who) {
    for (unsigned i = 0; i < n->nseen; i++)
        if (n->seen[i].tid == who->tid)
            return;
    if (n->nseen < THREADS && who->tid > 0)
        n->seen[n->nseen++] = *who;
    else
        n->too_many = who->tid > 0;
}

void near_saw(struct near *n, const struct near_who *who) {
    n->asked++;
    see(n, who);
}

void near_moved(struct near *n, const struct near_who *who, size_t bytes) {
    if (bytes < BULK_BYTES)
        return;
    n->asked += (unsigned)(bytes / BULK_UNIT);
    see(n, who);
}

void near_let_go(struct near *n) {
    if (n->nbound > 0)
        stay_apart(n, loop_now(n->loop));
}

struct near *near_create(struct loop *loop) {
    struct near *n = calloc(1, sizeof(*n));
    if (!n)
        return NULL;
    n->loop = loop;
    n->pause_ns = PAUSE_NS;
    n->stay_ns = STAY_NS;
    n->passer = (struct loop_passer){
        .begin = near_begin, .pass = near_pass, .deadline = near_deadline};
    loop_join(loop, &n->passer);
    return n;
}

void near_destroy(struct near *n) {
    part(n);
    loop_leave(n->loop, &n->passer);
    free(n);
}
