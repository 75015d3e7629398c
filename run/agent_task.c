/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs and their threads: who they are, their memory, their descriptors.
 *
 * A pidfd names the thread for as long as we hold it; a recycled number shows
 * as ESRCH. Memory is copied once and the copy is acted on; after each copy the
 * notification must still be valid, else it was some other process's memory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/agent_in.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9 */
#endif

/* ---- threads ---- */

/* "Tgid:" or "PPid:" of /proc/PID/status; 0 where it is gone. */
static pid_t status_field(pid_t pid, const char *field) {
    char path[48], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strstr(text, field);
    return at ? (pid_t)atoi(at + strlen(field)) : 0;
}

static int task_open(pid_t tid, pid_t pid) {
    int fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
    return fd >= 0 ? fd : (int)syscall(SYS_pidfd_open, pid, 0);
}

struct task *task_get(struct agent *ag, pid_t tid) {
    struct task **at = &ag->task[(unsigned)tid % TASKS];
    for (struct task *t = *at; t; t = t->next)
        if (t->tid == tid)
            return t;
    struct task *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->tid = tid;
    t->pid = status_field(tid, "\nTgid:");
    t->pid = t->pid ? t->pid : tid;
    t->pidfd = task_open(tid, t->pid);
    t->lost.nr = t->last_ok.nr = t->stop_nr = -1;
    t->next = *at;
    *at = t;
    program_seen(ag, t->pid);
    return t;
}

void task_forget(struct agent *ag, struct task *t) {
    struct task **at = &ag->task[(unsigned)t->tid % TASKS];
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    if (t->pidfd >= 0)
        close(t->pidfd);
    free(t);
}

/* ---- processes ---- */

static void program_event(struct agent *ag, struct program *p,
                          enum weir_event_kind kind, pid_t ppid, int status) {
    struct proto m = {.op = PROTO_PROGRAM,
                      .pid = (uint32_t)p->pid,
                      .a = {kind, (uint32_t)ppid, (uint32_t)status},
                      .len = sizeof(p->comm)};
    agent_note(ag, &m, p->comm, -1);
}

static void read_comm(struct program *p) {
    char path[48];
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)p->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    memset(p->comm, 0, sizeof(p->comm));
    ssize_t n = read(fd, p->comm, sizeof(p->comm) - 1);
    close(fd);
    if (n > 0 && p->comm[n - 1] == '\n')
        p->comm[n - 1] = '\0';
}

static void program_gone(struct loop_source *src, uint32_t events) {
    (void)events;
    struct program *p = (struct program *)src;
    struct agent *ag = p->ag;
    agent_reap(ag); /* perhaps ours, then with its status */
    for (struct program *q = ag->programs; q; q = q->next)
        if (q == p) {
            program_ended(ag, p, -1);
            return;
        }
}

struct program *program_seen(struct agent *ag, pid_t pid) {
    for (struct program *p = ag->programs; p; p = p->next)
        if (p->pid == pid)
            return p;
    struct program *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->ag = ag;
    p->pid = pid;
    p->src = (struct loop_source){.ready = program_gone,
                                  .fd = (int)syscall(SYS_pidfd_open, pid, 0)};
    p->next = ag->programs;
    ag->programs = p;
    read_comm(p);
    pid_t ppid = status_field(pid, "\nPPid:");
    bool first = ppid == getpid();
    program_event(ag, p,
                  first ? WEIR_EV_PROGRAM_STARTED : WEIR_EV_PROGRAM_FORKED,
                  ppid, 0);
    if (p->src.fd >= 0)
        loop_add(ag->loop, &p->src, EPOLLIN);
    return p;
}

void program_executed(struct agent *ag, pid_t pid) {
    struct program *p = program_seen(ag, pid);
    if (!p)
        return;
    read_comm(p);
    program_event(ag, p, WEIR_EV_PROGRAM_EXECUTED, status_field(pid, "\nPPid:"),
                  0);
}

static bool is_waited(const struct agent *ag, const struct task *t) {
    for (const struct call *c = ag->calls; c; c = c->next)
        if (c->task == t)
            return true;
    return false;
}

void program_ending(struct agent *ag, pid_t pid, int wait_status) {
    struct program *p = program_seen(ag, pid);
    if (!p || p->said)
        return;
    p->said = true;
    program_event(ag, p, WEIR_EV_PROGRAM_EXITED, 0, wait_status);
}

/* wait_status -1: not known (its parent has it). */
void program_ended(struct agent *ag, struct program *p, int wait_status) {
    if (!p->said)
        program_event(ag, p, WEIR_EV_PROGRAM_EXITED, 0, wait_status);
    struct program **at = &ag->programs;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    if (p->src.fd >= 0) {
        loop_del(ag->loop, &p->src);
        close(p->src.fd);
    }
    for (unsigned i = 0; i < TASKS; i++)
        for (struct task *t = ag->task[i], *next; t; t = next) {
            next = t->next;
            if (t->pid == p->pid && !is_waited(ag, t))
                task_forget(ag, t);
        }
    free(p);
    /* It may have held the last descriptor of a listening socket. */
    struct proto m = {.op = PROTO_RELEASE};
    agent_note(ag, &m, NULL, -1);
}

/* Traced: threads are reported, too. */
static void thread_ended(struct agent *ag, pid_t tid) {
    for (struct task *t = ag->task[(unsigned)tid % TASKS]; t; t = t->next)
        if (t->tid == tid && t->pid != tid && !is_waited(ag, t)) {
            task_forget(ag, t);
            return;
        }
}

void agent_reap(struct agent *ag) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status,
                          WNOHANG | WUNTRACED | WCONTINUED | __WALL)) > 0) {
        if (WIFSTOPPED(status) && trace_stop(ag, pid, status))
            continue;
        if (WIFSTOPPED(status)) {
            if (ag->config.stopped)
                ag->config.stopped(ag->config.ctx, pid, WSTOPSIG(status));
            continue;
        }
        if (WIFCONTINUED(status))
            continue;
        thread_ended(ag, pid);
        for (struct program *p = ag->programs; p; p = p->next)
            if (p->pid == pid) {
                program_ended(ag, p, status);
                break;
            }
        if (ag->config.exited)
            ag->config.exited(ag->config.ctx, pid, status);
    }
}

unsigned agent_programs(struct agent *ag, pid_t *pids, unsigned max) {
    unsigned n = 0;
    agent_reap(ag);
    for (struct program *p = ag->programs; p; p = p->next)
        if (n < max && kill(p->pid, 0) == 0)
            pids[n++] = p->pid;
    /* Orphans come to us; those never heard of are found as children. */
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    for (char *at = text, *end; (at = strtok_r(at, " ", &end)); at = NULL) {
        pid_t pid = (pid_t)atoi(at);
        bool known = false;
        for (unsigned i = 0; i < n; i++)
            known |= pids[i] == pid;
        if (!known && n < max && pid > 0)
            pids[n++] = pid;
    }
    return n;
}

/* ---- memory ---- */

ssize_t call_peek(struct call *c, uint64_t addr, void *buf, size_t len) {
    struct iovec local = {buf, len}, remote = {(void *)(uintptr_t)addr, len};
    if (len == 0)
        return 0;
    ssize_t n = process_vm_readv(c->task->tid, &local, 1, &remote, 1, 0);
    return n <= 0 ? -EFAULT : n;
}

ssize_t call_read(struct call *c, uint64_t addr, void *buf, size_t len) {
    ssize_t n = call_peek(c, addr, buf, len);
    return n > 0 && !call_valid(c) ? -EFAULT : n;
}

int call_write(struct call *c, uint64_t addr, const void *buf, size_t len) {
    struct iovec local = {(void *)(uintptr_t)buf, len},
                 remote = {(void *)(uintptr_t)addr, len};
    return len ? call_write_many(c, &local, &remote, 1) : 0;
}

int call_write_many(struct call *c, const struct iovec *local,
                    const struct iovec *remote, unsigned n) {
    ssize_t all = 0;
    for (unsigned i = 0; i < n; i++)
        all += (ssize_t)local[i].iov_len;
    if (!call_valid(c))
        return -EFAULT;
    ssize_t put = process_vm_writev(c->task->tid, local, n, remote, n, 0);
    return put == all ? 0 : -EFAULT;
}

/* ---- descriptors ---- */

uint64_t inode_of(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

static int borrow(struct task *t, int fd) {
    int dup = (int)syscall(SYS_pidfd_getfd, t->pidfd, fd, 0);
    if (dup >= 0 || errno != ESRCH)
        return dup >= 0 ? dup : -errno;
    if (t->pidfd >= 0) /* the number was used again */
        close(t->pidfd);
    pid_t pid = status_field(t->tid, "\nTgid:");
    t->pid = pid ? pid : t->tid;
    t->pidfd = task_open(t->tid, t->pid);
    dup = (int)syscall(SYS_pidfd_getfd, t->pidfd, fd, 0);
    return dup >= 0 ? dup : -errno;
}

int call_borrow(struct call *c) {
    call_give_back(c);
    int dup = borrow(c->task, (int)c->args[0]);
    if (dup < 0)
        return dup == -ESRCH ? -EBADF : dup;
    uint64_t inode = inode_of(dup);
    if (inode == 0) {
        close(dup);
        return -ENOTSOCK;
    }
    c->dup = dup;
    c->inode = inode;
    return 0;
}

void call_give_back(struct call *c) {
    if (c->dup >= 0)
        close(c->dup);
    c->dup = -1;
}

void hint_set(struct agent *ag, uint64_t inode, pid_t tid, int fd) {
    struct hint *h = hint_get(ag, inode);
    if (!h) {
        h = calloc(1, sizeof(*h));
        if (!h)
            return;
        h->inode = inode;
        h->next = ag->hint[inode % HINTS];
        ag->hint[inode % HINTS] = h;
    }
    h->tid = tid;
    h->fd = fd;
}

struct hint *hint_get(struct agent *ag, uint64_t inode) {
    struct hint *h = ag->hint[inode % HINTS];
    while (h && h->inode != inode)
        h = h->next;
    return h;
}

void hint_drop(struct agent *ag, uint64_t inode) {
    struct hint **at = &ag->hint[inode % HINTS];
    while (*at && (*at)->inode != inode)
        at = &(*at)->next;
    if (!*at)
        return;
    struct hint *h = *at;
    *at = h->next;
    free(h);
}

/* The descriptor of `pid` that is that socket; -1. */
static int search(pid_t pid, uint64_t inode) {
    char path[64], want[48], link[64];
    snprintf(want, sizeof(want), "socket:[%llu]", (unsigned long long)inode);
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    int found = -1;
    struct dirent *e;
    while (dir && found < 0 && (e = readdir(dir))) {
        ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
        link[n > 0 ? n : 0] = '\0';
        if (!strcmp(link, want))
            found = atoi(e->d_name);
    }
    if (dir)
        closedir(dir);
    return found;
}

int agent_find(struct agent *ag, uint64_t inode) {
    struct hint *h = hint_get(ag, inode);
    if (h) {
        struct task *t = task_get(ag, h->tid);
        int dup = t ? borrow(t, h->fd) : -1;
        if (dup >= 0 && inode_of(dup) == inode)
            return dup;
        if (dup >= 0)
            close(dup);
    }
    pid_t pids[512];
    unsigned n = agent_programs(ag, pids, 512);
    for (unsigned i = 0; i < n; i++) {
        int fd = search(pids[i], inode);
        if (fd < 0)
            continue;
        struct task *t = task_get(ag, pids[i]);
        int dup = t ? borrow(t, fd) : -1;
        if (dup >= 0 && inode_of(dup) == inode) {
            hint_set(ag, inode, pids[i], fd);
            return dup;
        }
        if (dup >= 0)
            close(dup);
    }
    return -1;
}
