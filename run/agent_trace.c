/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traced mode: data calls and close on our sockets, seen one by one.
 *
 * The filter sends them to the tracer before they run (a stop at SECCOMP). For
 * a descriptor that is not ours the thread goes on at once. For ours a record
 * is begun, the kernel runs the call on the carrier, so that blocking, signals
 * and restart are its own, and at the exit stop the result is read. Where the
 * carrier could not say what TCP would (a pending ETIMEDOUT; ECONNRESET before
 * EPIPE; ENOTCONN), the result is rewritten, and a SIGPIPE that TCP would not
 * have raised is dropped at its delivery.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/agent_in.h"

#define OPTIONS                                                                \
    (PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |        \
     PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD |        \
     PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)
#define SYSCALL_STOP (SIGTRAP | 0x80)
/* Kernel-internal results: the call will be restarted, or end with EINTR. */
#define RESTART_FIRST 512
#define RESTART_LAST 516

static const struct traced_call {
    int nr;
    enum weir_call what;
} traced_calls[] = {
    {SYS_read, WEIR_CALL_read},       {SYS_write, WEIR_CALL_write},
    {SYS_readv, WEIR_CALL_readv},     {SYS_writev, WEIR_CALL_writev},
    {SYS_close, WEIR_CALL_close},     {SYS_sendto, WEIR_CALL_send},
    {SYS_recvfrom, WEIR_CALL_recv},   {SYS_sendfile, WEIR_CALL_sendfile},
    {SYS_splice, WEIR_CALL_splice},   {SYS_preadv2, WEIR_CALL_readv},
    {SYS_pwritev2, WEIR_CALL_writev},
};

static enum weir_call what_of(int nr) {
    for (unsigned i = 0; i < sizeof(traced_calls) / sizeof(traced_calls[0]);
         i++)
        if (traced_calls[i].nr == nr)
            return traced_calls[i].what;
    return WEIR_CALL_none;
}

static bool is_input(enum weir_call what) {
    return what == WEIR_CALL_read || what == WEIR_CALL_readv ||
           what == WEIR_CALL_recv;
}

int trace_seize(struct agent *ag, pid_t pid) {
    (void)ag;
    return ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) ? -errno : 0;
}

static void go_on(pid_t tid, int sig) {
    ptrace(PTRACE_CONT, tid, 0, sig);
}

/* ---- one call ---- */

static void traced_free(struct call *c) {
    call_give_back(c);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    free(c);
}

/* The stop is over; wait for the exit of the call, or run on. */
static void began(struct call *c, const struct proto *m, const void *data) {
    (void)data;
    c->task->event = m->result == PROTO_FOREIGN ? 0 : c->event;
    c->task->inode = m->result == PROTO_FOREIGN ? 0 : c->inode;
    ptrace(c->task->inode ? PTRACE_SYSCALL : PTRACE_CONT, c->task->tid, 0, 0);
    traced_free(c);
}

static struct call *traced_new(struct agent *ag, struct task *t) {
    struct call *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    *c = (struct call){.ag = ag,
                       .task = t,
                       .nr = t->stop_nr,
                       .what = what_of(t->stop_nr),
                       .dup = -1,
                       .fd = -1,
                       .event = t->event,
                       .inode = t->inode};
    memcpy(c->args, t->stop_args, sizeof(c->args));
    c->next = ag->calls;
    c->prev = &ag->calls;
    if (c->next)
        c->next->prev = &c->next;
    ag->calls = c;
    return c;
}

static void call_ended(struct agent *ag, struct task *t, int64_t result) {
    struct proto m = {.op = PROTO_CALL,
                      .event = t->event,
                      .inode = t->inode,
                      .call = (uint16_t)what_of(t->stop_nr),
                      .pid = (uint32_t)t->pid,
                      .tid = (uint32_t)t->tid,
                      .fd = (int)t->stop_args[0],
                      .result = (int32_t)result};
    agent_note(ag, &m, NULL, -1);
    if (t->stop_nr == SYS_close && result == 0) {
        struct proto gone = {.op = PROTO_RELEASE, .inode = t->inode};
        agent_note(ag, &gone, NULL, -1);
    }
    t->stop_nr = -1;
    t->event = t->inode = 0;
}

/* Before the call: whose descriptor is it? */
static void entered(struct agent *ag, struct task *t,
                    const struct __ptrace_syscall_info *si) {
    bool again = t->event && t->stop_nr == (int)si->seccomp.nr &&
                 !memcmp(t->stop_args, si->seccomp.args, sizeof(t->stop_args));
    if (again) { /* restarted after a signal: the same record */
        ptrace(PTRACE_SYSCALL, t->tid, 0, 0);
        return;
    }
    if (t->event)
        call_ended(ag, t, -EINTR);
    t->stop_nr = (int)si->seccomp.nr;
    for (unsigned i = 0; i < 6; i++)
        t->stop_args[i] = si->seccomp.args[i];
    int from = t->stop_nr == SYS_splice ? 2 : 0; /* either end may be ours */
    struct call *c = traced_new(ag, t);
    int err = c ? call_borrow(c) : -ENOMEM;
    t->stop_input = from ? !err : is_input(what_of(t->stop_nr));
    t->drop_sigpipe = false;
    if (err && c && from) {
        c->args[0] = c->args[2];
        err = call_borrow(c);
    }
    if (err || !hint_get(ag, c->inode)) {
        t->stop_nr = -1;
        if (c)
            traced_free(c);
        go_on(t->tid, 0);
        return;
    }
    socklen_t len = sizeof(t->stop_type);
    getsockopt(c->dup, SOL_SOCKET, SO_TYPE, &t->stop_type, &len);
    call_give_back(c); /* else close would not be the last one */
    struct proto m = {.op = PROTO_CALL, .rec = {(uint32_t)c->args[2]}};
    call_ask(c, &m, NULL, began);
}

static void set_result(pid_t tid, int64_t result) {
#if defined(__x86_64__)
    ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rax),
           result);
#else
    struct user_pt_regs regs;
    struct iovec iov = {&regs, sizeof(regs)};
    ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &iov);
    regs.regs[0] = (uint64_t)result;
    ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &iov);
#endif
}

/* The signal has come before the answer of the call it belongs to: the call is
 * not made again, nor is it EINTR. */
static void answer_epipe(struct task *t) {
    t->broken_pipe = false;
#if defined(__x86_64__)
    long at = offsetof(struct user_regs_struct, rax);
    long result = ptrace(PTRACE_PEEKUSER, t->tid, at, 0);
    if (result > -RESTART_FIRST || result < -RESTART_LAST)
        return;
    t->lost.nr = -1;
    set_result(t->tid, -EPIPE);
#endif
}

static void finish(struct agent *ag, struct task *t, int64_t result) {
    call_ended(ag, t, result);
    go_on(t->tid, 0);
}

static bool no_signal(const struct task *t) {
    return t->stop_nr == SYS_sendto && t->stop_args[3] & MSG_NOSIGNAL;
}

/* The error the core has for this socket, which the call takes. */
static void error_known(struct call *c, const struct proto *m,
                        const void *data) {
    struct task *t = c->task;
    struct agent *ag = c->ag;
    int error = 0;
    int64_t result = c->done_result;
    if (m->result == 0 && m->len >= sizeof(error))
        memcpy(&error, data, sizeof(error));
    if (!error && result == -ECONNRESET && t->stop_type == SOCK_STREAM) {
        result = 0; /* somebody has taken the error before */
        set_result(t->tid, result);
    }
    if (error) {
        t->drop_sigpipe = result == -EPIPE && error != EPIPE && !no_signal(t);
        result = -error;
        set_result(t->tid, result);
    }
    traced_free(c);
    finish(ag, t, result);
}

/* The carrier is at its end; the connection perhaps was reset (EPIPE: behind
 * its end, which reads as such). */
static void end_known(struct call *c, const struct proto *m, const void *data) {
    struct task *t = c->task;
    struct agent *ag = c->ag;
    (void)data;
    if (m->result > 0 && m->result != EPIPE) {
        struct proto ask = {.op = PROTO_GETOPT,
                            .a = {SOL_SOCKET, SO_ERROR, sizeof(int)}};
        call_ask(c, &ask, NULL, error_known);
        return;
    }
    traced_free(c);
    finish(ag, t, 0);
}

static bool at_end(const struct task *t, int64_t result) {
    return result == 0 && t->stop_input && t->stop_type == SOCK_STREAM &&
           t->stop_args[2] > 0;
}

/* After the call. */
static void left(struct agent *ag, struct task *t, int64_t result) {
    if (result <= -RESTART_FIRST && result >= -RESTART_LAST) {
        go_on(t->tid, 0);
        return;
    }
    bool input = t->stop_input;
    if (at_end(t, result)) {
        struct call *c = traced_new(ag, t);
        struct proto m = {.op = PROTO_INFO, .a = {PROTO_INFO_ERROR}};
        if (c) {
            call_ask(c, &m, NULL, end_known);
            return;
        }
    }
    if (result == -ECONNRESET || (result == -EPIPE && !input)) {
        struct call *c = traced_new(ag, t);
        struct proto m = {.op = PROTO_GETOPT,
                          .a = {SOL_SOCKET, SO_ERROR, sizeof(int)}};
        if (c) {
            c->done_result = result;
            c->args[0] = c->args[t->stop_nr == SYS_splice && !input ? 2 : 0];
            if (result == -EPIPE && call_borrow(c) == 0) {
                /* What this call takes, the carrier must not say again. */
                int stand_in;
                socklen_t len = sizeof(stand_in);
                getsockopt(c->dup, SOL_SOCKET, SO_ERROR, &stand_in, &len);
                call_give_back(c);
            }
            call_ask(c, &m, NULL, error_known);
            return;
        }
    }
    int64_t was = result;
    bool stream = t->stop_type == SOCK_STREAM;
    bool urgent = t->stop_nr == SYS_recvfrom && t->stop_args[3] & MSG_OOB;
    if (input && stream && result == -EINVAL && !urgent)
        result = -ENOTCONN; /* a stream that was never connected */
    if (!input && !stream && result == -ENOTCONN)
        result = -EDESTADDRREQ;
    if (!input && stream && result == -ENOTCONN) {
        result = -EPIPE;
        if (!no_signal(t))
            syscall(SYS_tgkill, t->pid, t->tid, SIGPIPE);
    }
    if (result != was)
        set_result(t->tid, result);
    finish(ag, t, result);
}

/* ---- stops ---- */

static void event_stop(struct agent *ag, struct task *t, int event, int sig) {
    unsigned long message = 0;
    switch (event) {
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        if (ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &message) == 0)
            task_get(ag, (pid_t)message); /* a new process is said here */
        go_on(t->tid, 0);
        return;
    case PTRACE_EVENT_EXEC:
        t->stop_nr = -1;
        t->event = t->inode = 0;
        program_executed(ag, t->pid);
        go_on(t->tid, 0);
        return;
    case PTRACE_EVENT_EXIT: /* its descriptors are still open: said in order */
        if (t->tid == t->pid &&
            ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &message) == 0)
            program_ending(ag, t->pid, (int)message);
        go_on(t->tid, 0);
        return;
    case PTRACE_EVENT_STOP:
        if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN ||
            sig == SIGTTOU) {
            if (ag->config.stopped && t->tid == t->pid)
                ag->config.stopped(ag->config.ctx, t->pid, sig);
            ptrace(PTRACE_LISTEN, t->tid, 0, 0);
        } else {
            go_on(t->tid, 0);
        }
        return;
    default:
        go_on(t->tid, 0);
        return;
    }
}

bool trace_stop(struct agent *ag, pid_t tid, int status) {
    if (!ag->config.traced)
        return false;
    struct task *t = task_get(ag, tid);
    int sig = WSTOPSIG(status), event = status >> 16;
    struct __ptrace_syscall_info si;
    if (!t) {
        go_on(tid, 0);
    } else if (event == PTRACE_EVENT_SECCOMP) {
        if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(si), &si) > 0)
            entered(ag, t, &si);
        else
            go_on(tid, 0);
    } else if (event) {
        event_stop(ag, t, event, sig);
    } else if (sig == SYSCALL_STOP) {
        bool known =
            t->stop_nr >= 0 && t->inode &&
            ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(si), &si) > 0 &&
            si.op == PTRACE_SYSCALL_INFO_EXIT;
        if (known)
            left(ag, t, si.exit.rval);
        else
            go_on(tid, 0);
    } else {
        if (sig == SIGPIPE && t->broken_pipe)
            answer_epipe(t);
        bool drop = sig == SIGPIPE && t->drop_sigpipe;
        t->drop_sigpipe = t->drop_sigpipe && !drop;
        go_on(tid, drop ? 0 : sig);
    }
    return true;
}
