/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's heart: receive notifications, run the family of the call, answer.
 *
 * A call is answered at once, after a word with the stack, or held until
 * something happens (connect, accept, and data calls that must be emulated).
 * Held calls stay interruptible: a signal takes the caller away, which shows as
 * ENOENT when the answer is sent. The answer is then kept, because with
 * SA_RESTART the same thread comes again with the same call and must not run it
 * twice. The kernel may also restart a call whose answer it has taken, so the
 * last bind or connect that succeeded is kept as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/agent_in.h"
#include "run/view.h"

#define X32_BIT 0x40000000
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

bool call_valid(struct call *c) {
    if (c->from && !c->gone && !c->committed)
        c->gone =
            ioctl(c->from->src.fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &c->id) != 0;
    return !c->gone;
}

static void call_free(struct call *c) {
    call_give_back(c);
    if (c->fd >= 0)
        close(c->fd);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    free(c->message);
    free(c);
}

static bool is_same(const struct answer *a, const struct call *c) {
    return a->nr == c->nr && !memcmp(a->args, c->args, sizeof(a->args));
}

static void keep_answer(struct answer *a, const struct call *c,
                        int64_t result) {
    a->nr = c->nr;
    a->result = result;
    a->inode = c->inode;
    memcpy(a->args, c->args, sizeof(a->args));
}

bool done_before(const struct call *c) {
    return is_same(&c->task->last_ok, c) && c->task->last_ok.inode == c->inode;
}

static void record_end(struct call *c, int64_t result) {
    if (!c->event)
        return;
    struct proto m = {.op = PROTO_CALL,
                      .event = c->event,
                      .inode = c->inode,
                      .call = (uint16_t)c->what,
                      .pid = (uint32_t)c->task->pid,
                      .tid = (uint32_t)c->task->tid,
                      .fd = (int)c->args[0],
                      .a = {(uint32_t)c->type},
                      .result = (int32_t)result};
    agent_note(c->ag, &m, NULL, -1);
}

static int send_answer(struct call *c, int64_t result, uint32_t flags) {
    struct seccomp_notif_resp r = {
        .id = c->id,
        .val = result < 0 ? 0 : result,
        .error = result < 0 ? (int)result : 0,
        .flags = flags,
    };
    return ioctl(c->from->src.fd, SECCOMP_IOCTL_NOTIF_SEND, &r) ? -errno : 0;
}

void call_return(struct call *c, int64_t result) {
    call_give_back(c);
    record_end(c, result);
    if (c->broken_pipe && result == -EPIPE) {
        /* It takes the caller away from here, and what it calls again is
         * answered then; a handler without SA_RESTART makes EINTR of it, unless
         * we trace. */
        c->task->broken_pipe = c->ag->config.traced;
        syscall(SYS_tgkill, c->task->pid, c->task->tid, SIGPIPE);
    }
    bool ok = send_answer(c, result, 0) == 0;
    if (!ok && c->held == NOT_HELD && !c->gone)
        keep_answer(&c->task->lost, c, result);
    if (ok && result == 0 &&
        (c->what == WEIR_CALL_bind || c->what == WEIR_CALL_connect))
        keep_answer(&c->task->last_ok, c, result);
    call_free(c);
}

void call_continue(struct call *c) {
    send_answer(c, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    call_free(c);
}

bool call_inject(struct call *c, int fd, bool cloexec) {
    struct seccomp_notif_addfd add = {
        .id = c->id,
        .flags = SECCOMP_ADDFD_FLAG_SEND,
        .srcfd = (uint32_t)fd,
        .newfd_flags = cloexec ? O_CLOEXEC : 0,
    };
    call_give_back(c);
    int n = ioctl(c->from->src.fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    int err = errno;
    if (n < 0 && err != ENOENT) /* EMFILE: the program's own limit */
        send_answer(c, -err, 0);
    if (n >= 0 && c->fresh)
        hint_set(c->ag, c->fresh, c->task->tid, n);
    if (n >= 0)
        c->inode = c->fresh;
    record_end(c, n < 0 ? (err == ENOENT ? -EINTR : -err) : n);
    call_free(c);
    return n >= 0;
}

void call_hold(struct call *c, int why, uint64_t timeout_ns,
               void (*retry)(struct call *), void (*expired)(struct call *)) {
    if (why != HELD_SOON)
        call_give_back(c);
    uint64_t now = loop_now(c->ag->loop);
    if (c->held == NOT_HELD)
        c->deadline_ns =
            timeout_ns >= UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
    c->held = why;
    c->retry = retry;
    c->expired = expired;
}

/* What calls on that socket are held for has (perhaps) come. Wakes in order of
 * arrival; the list has the newest first. */
void agent_wake(struct agent *ag, uint64_t inode, int why, int result) {
    struct call *batch[64];
    unsigned n = 0;
    for (struct call *c = ag->calls; c && n < 64; c = c->next)
        if ((int)c->held == why && c->inode == inode && !c->seq)
            batch[n++] = c;
    while (n > 0) {
        struct call *c = batch[--n];
        if (why == HELD_CONNECT || why == HELD_SOON)
            c->flags = result;
        if (why == HELD_SOON || call_valid(c)) /* the attempt goes on anyway */
            c->retry(c);
        else
            call_return(c, -EINTR); /* a signal took the caller away */
    }
}

void agent_note(struct agent *ag, struct proto *m, const void *data, int fd) {
    ag->stack->send(ag->stack, m, data, fd);
}

void call_ask(struct call *c, struct proto *m, const void *data,
              void (*reply)(struct call *, const struct proto *,
                            const void *)) {
    m->seq = c->seq = ++c->ag->seq ? c->ag->seq : ++c->ag->seq;
    m->pid = (uint32_t)c->task->pid;
    m->tid = (uint32_t)c->task->tid;
    m->fd = (int)c->args[0];
    m->call = (uint16_t)c->what;
    m->event = c->event;
    if (!m->inode)
        m->inode = c->inode;
    if (!c->event)
        m->flags |= PROTO_BEGIN;
    c->reply = reply;
    c->ag->stack->send(c->ag->stack, m, data, -1);
}

/* A signal to every program, until no new one has appeared meanwhile. */
static void agent_all(struct agent *ag, int sig) {
    pid_t pids[1024];
    unsigned before = 0, n;
    do {
        n = agent_programs(ag, pids, 1024);
        for (unsigned i = before; i < n && i < 1024; i++)
            kill(pids[i], sig);
        before = n;
    } while (agent_programs(ag, pids, 1024) > before);
}

/* Who is still held for it was left behind by a close in another thread. (Linux
 * keeps the socket for as long as a call on it lasts; a reference of ours would
 * hide the last close.) */
static void socket_gone(struct agent *ag, uint64_t inode) {
    hint_drop(ag, inode);
    agent_wake(ag, inode, HELD_ACCEPT, 0);
    agent_wake(ag, inode, HELD_DATA, 0);
}

static void message(struct agent *ag, const struct proto *m, const void *data) {
    if (m->seq) {
        for (struct call *c = ag->calls; c; c = c->next)
            if (c->seq == m->seq) {
                c->seq = 0;
                if (m->event)
                    c->event = m->event;
                c->reply(c, m, data);
                return;
            }
        return;
    }
    if (m->op == PROTO_CONNECTED)
        agent_connected(ag, m);
    else if (m->op == PROTO_PENDING)
        agent_wake(ag, m->inode, HELD_ACCEPT, 0);
    else if (m->op == PROTO_WAIT)
        agent_wake(ag, m->inode, HELD_DATA, 0);
    else if (m->op == PROTO_RESET)
        agent_reset(ag, m);
    else if (m->op == PROTO_VIEW)
        view_note(ag, m);
    else if (m->op == PROTO_GONE)
        socket_gone(ag, m->inode);
    else if (m->op == PROTO_FREEZE)
        agent_all(ag, (int[]){SIGCONT, SIGSTOP, SIGKILL}[m->a[0] % 3]);
}

void agent_message(struct agent *ag, const struct proto *m, const void *data,
                   int fd) {
    ag->passed = fd;
    message(ag, m, data);
    if (fd >= 0)
        close(fd);
}

void agent_say(struct agent *ag, enum agent_alarm what, pid_t pid,
               const char *text) {
    if (ag->alarms & 1u << what)
        return;
    ag->alarms |= 1u << what;
    fprintf(stderr, "weir: pid %d: %s\n", (int)pid, text);
    struct proto m = {
        .op = PROTO_ALARM, .pid = (uint32_t)pid, .len = (uint32_t)strlen(text)};
    agent_note(ag, &m, text, -1);
}

/* ---- notifications ---- */

struct family {
    int nr;
    enum weir_call what;
    void (*run)(struct call *c);
};

/* Where may it run? Where it always could: see run/near.h. */
static void let_go(struct call *c, const struct proto *m, const void *data) {
    (void)m, (void)data;
    call_continue(c);
}

static void agent_affinity(struct call *c) {
    struct proto m = {.op = PROTO_LET_GO};
    call_ask(c, &m, NULL, let_go);
}

static const struct family families[] = {
    {SYS_socket, WEIR_CALL_socket, agent_socket},
    {SYS_bind, WEIR_CALL_bind, agent_bind},
    {SYS_listen, WEIR_CALL_listen, agent_listen},
    {SYS_connect, WEIR_CALL_connect, agent_connect_call},
    {SYS_accept, WEIR_CALL_accept, agent_accept},
    {SYS_accept4, WEIR_CALL_accept4, agent_accept},
    {SYS_getsockname, WEIR_CALL_getsockname, agent_name},
    {SYS_getpeername, WEIR_CALL_getpeername, agent_name},
    {SYS_setsockopt, WEIR_CALL_setsockopt, agent_setsockopt},
    {SYS_getsockopt, WEIR_CALL_getsockopt, agent_getsockopt},
    {SYS_shutdown, WEIR_CALL_shutdown, agent_shutdown},
    {SYS_ioctl, WEIR_CALL_ioctl, agent_ioctl},
    {SYS_sendto, WEIR_CALL_sendto, agent_sendto},
    {SYS_recvfrom, WEIR_CALL_recvfrom, agent_recvfrom},
    {SYS_sendmsg, WEIR_CALL_sendmsg, agent_sendmsg},
    {SYS_recvmsg, WEIR_CALL_recvmsg, agent_recvmsg},
    {SYS_sendmmsg, WEIR_CALL_sendmmsg, agent_sendmmsg},
    {SYS_recvmmsg, WEIR_CALL_recvmmsg, agent_recvmmsg},
    {SYS_sched_getaffinity, WEIR_CALL_open, agent_affinity},
    {SYS_sched_setaffinity, WEIR_CALL_open, agent_affinity},
    {SYS_openat, WEIR_CALL_open, agent_open},
    {SYS_openat2, WEIR_CALL_open, agent_open},
#ifdef SYS_open
    {SYS_open, WEIR_CALL_open, agent_open},
#endif
};

/* Calls that could reach the kernel's sockets past us. */
static void refuse(struct call *c, uint32_t arch) {
    pid_t pid = c->task->pid;
    if (c->nr == 425)
        agent_say(c->ag, ALARM_IO_URING, pid,
                  "io_uring refused (ENOSYS): its calls cannot be seen");
    else if (c->nr & X32_BIT)
        agent_say(c->ag, ALARM_X32, pid, "x32 call refused (ENOSYS)");
    else if (arch)
        agent_say(c->ag, ALARM_I386, pid,
                  "32-bit program: its socket calls are refused (ENOSYS)");
    call_return(c, -ENOSYS);
}

static void dispatch(struct call *c, bool native) {
    if (!native || c->nr & X32_BIT || c->nr == 425) {
        refuse(c, !native);
        return;
    }
    for (unsigned i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        if (families[i].nr == c->nr) {
            c->what = families[i].what;
            families[i].run(c);
            return;
        }
    call_continue(c);
}

/* A held call of this thread is superseded by whatever it calls now. */
static void supersede(struct agent *ag, const struct task *t) {
    for (struct call *c = ag->calls, *next; c; c = next) {
        next = c->next;
        if (c->task == t && !c->seq && c->held == HELD_SOON)
            c->expired(c); /* the attempt goes on without it */
        else if (c->task == t && !c->seq && c->held != NOT_HELD)
            call_return(c, -EINTR);
    }
}

static void notified(struct notifier *nf, const struct seccomp_notif *n,
                     bool native) {
    struct agent *ag = nf->ag;
    struct task *t = task_get(ag, (pid_t)n->pid);
    struct call *c = calloc(1, sizeof(*c));
    if (!t || !c) {
        struct seccomp_notif_resp r = {.id = n->id, .error = -ENOMEM};
        ioctl(nf->src.fd, SECCOMP_IOCTL_NOTIF_SEND, &r);
        free(c);
        return;
    }
    *c = (struct call){.ag = ag,
                       .from = nf,
                       .task = t,
                       .id = n->id,
                       .nr = n->data.nr,
                       .dup = -1,
                       .fd = -1};
    for (unsigned i = 0; i < 6; i++)
        c->args[i] = n->data.args[i];
    supersede(ag, t);
    c->next = ag->calls;
    c->prev = &ag->calls;
    if (c->next)
        c->next->prev = &c->next;
    ag->calls = c;
    if (!is_same(&t->last_ok, c))
        t->last_ok.nr = -1;
    bool again = is_same(&t->lost, c);
    int64_t result = t->lost.result;
    t->lost.nr = -1;
    if (again)
        call_return(c, result);
    else
        dispatch(c, native);
}

#if defined(__x86_64__)
#define NATIVE_ARCH 0xc000003eu
#else
#define NATIVE_ARCH 0xc00000b7u
#endif

static void notifier_ready(struct loop_source *src, uint32_t events) {
    struct notifier *nf = (struct notifier *)src;
    union {
        struct seccomp_notif n;
        char room[512]; /* newer kernels may have a longer struct */
    } u;
    if (events & EPOLLIN) { /* one; more are told of in the next round */
        memset(&u, 0, sizeof(u));
        loop_tick(nf->ag->loop);
        if (ioctl(src->fd, SECCOMP_IOCTL_NOTIF_RECV, &u.n) == 0)
            notified(nf, &u.n, u.n.data.arch == NATIVE_ARCH);
        return; /* (ENOENT: the caller left before we looked) */
    }
    if (events & EPOLLHUP)
        loop_del(nf->ag->loop, src); /* nobody is left under this filter */
}

int agent_listen_to(struct agent *ag, int fd) {
    struct notifier *nf = calloc(1, sizeof(*nf));
    if (!nf)
        return -ENOMEM;
    uint64_t flags = 1; /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6 */
    ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    nf->src = (struct loop_source){.ready = notifier_ready, .fd = fd};
    nf->ag = ag;
    nf->next = ag->notifiers;
    ag->notifiers = nf;
    return loop_add(ag->loop, &nf->src, EPOLLIN);
}
