/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start a program: a child that puts on the filter and executes it.
 *
 * Child and agent speak through a shared page and a futex, which no filter of
 * ours touches: once the filter is on, even write may need an answer. The agent
 * fetches the listener with pidfd_getfd, which is also the test that it may
 * take descriptors of its programs at all.
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run/agent_in.h"
#include "run/filter.h"

enum { STEP_BORN, STEP_GO, STEP_FILTERED, STEP_FETCHED, STEP_FAILED };

struct desk { /* the shared page */
    _Atomic int step;
    int listener; /* number in the child */
    int err;
    char stage;
};

static void step_to(struct desk *d, int step) {
    d->step = step;
    syscall(SYS_futex, &d->step, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Wait until the step is no longer `from`; false where `child` died. */
static bool step_wait(struct desk *d, int from, pid_t child) {
    struct timespec ts = {.tv_nsec = 20000000};
    while (d->step == from) {
        syscall(SYS_futex, &d->step, FUTEX_WAIT, from, &ts, NULL, 0);
        siginfo_t si = {.si_pid = 0};
        if (child > 0 && d->step == from &&
            waitid(P_PID, (id_t)child, &si, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            si.si_pid == child)
            return false;
        if (child == 0 && getppid() == 1 && d->step == from)
            _exit(125);
    }
    return true;
}

static _Noreturn void child_main(struct desk *d, char *const argv[], pid_t pgid,
                                 const sigset_t *mask,
                                 const struct rlimit *files, bool traced) {
    if (pgid >= 0)
        setpgid(0, pgid);
    setrlimit(RLIMIT_NOFILE, files);
    for (int sig = 1; sig < 32; sig++)
        if (sig == SIGTTOU || sig == SIGPIPE)
            signal(sig, SIG_DFL);
    step_wait(d, STEP_BORN, 0);
    int fd = filter_install(traced);
    if (fd < 0 && fd != -EBUSY) {
        d->err = fd;
        d->stage = 'f';
        step_to(d, STEP_FAILED);
        _exit(125);
    }
    d->listener = fd;
    step_to(d, STEP_FILTERED);
    step_wait(d, STEP_FILTERED, 0);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    int err = errno;
    d->err = -err;
    d->stage = 'e';
    step_to(d, STEP_FAILED);
    dprintf(STDERR_FILENO, "weir: %s cannot be run: %s\n", argv[0],
            strerror(err));
    _exit(err == ENOENT ? 127 : 126);
}

/* The listener, or -errno with *stage. */
static int fetch_listener(struct desk *d, pid_t pid, char *stage) {
    *stage = d->stage ? d->stage : 'f';
    if (d->step != STEP_FILTERED)
        return d->err ? d->err : -ESRCH;
    if (d->listener < 0)
        return d->listener;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, d->listener, 0);
    int err = -errno;
    close(pidfd);
    *stage = 'g';
    return fd < 0 ? err : fd;
}

pid_t agent_start(struct agent *ag, char *const argv[], pid_t pgid,
                  const sigset_t *mask, char *stage) {
    struct desk *d = mmap(NULL, sizeof(*d), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (d == MAP_FAILED)
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        child_main(d, argv, pgid, mask, &ag->files, ag->config.traced);
    if (pid < 0) {
        munmap(d, sizeof(*d));
        return -errno;
    }
    int err = ag->config.traced ? trace_seize(ag, pid) : 0;
    int fd = -1;
    *stage = 't';
    if (!err) {
        step_to(d, STEP_GO);
        step_wait(d, STEP_GO, pid);
        fd = fetch_listener(d, pid, stage);
        err = fd < 0 ? fd : agent_listen_to(ag, fd);
        if (err == -EBUSY) {
            /* A run inside a run: the outer one's filter holds, and so does
             * its host. */
            fprintf(stderr, "weir: already on a host of weir: the program runs "
                            "there\n");
            err = 0;
        }
    }
    if (err) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        munmap(d, sizeof(*d));
        return err;
    }
    struct program *p = program_seen(ag, pid);
    if (p)
        p->ours = true;
    step_to(d, STEP_FETCHED);
    munmap(d, sizeof(*d));
    return pid;
}
