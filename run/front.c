/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front of a run: what the shell sees. It stays in the foreground process
 * group and mirrors the fate of CMD, which is the back's child and in the same
 * group. What the terminal sends to the whole group reaches CMD by itself and
 * is not repeated; what somebody sends to the front alone is passed on.
 *
 * The back answers whatever it is told. One that does not, or has died, must
 * not take the user's terminal with it: the front then kills it and every
 * program (which come to it as orphans) and removes what it has left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run/place.h"
#include "run/run_in.h"

#define PATIENCE_MS 3000 /* without an answer, after a signal to end */
#define AGAIN_MS 300     /* a second signal that comes later counts */

static const int mirrored[] = {SIGINT, SIGQUIT, SIGTSTP, SIGTERM,
                               SIGHUP, SIGCONT, SIGUSR1, SIGUSR2};

static void die_by(int sig) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none); /* CMD has left its own */
    signal(sig, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(sig);
}

static int mirror(const struct run_message *m) {
    if (m->value == -1)
        return m->status;
    if (WIFSIGNALED(m->value)) {
        die_by(WTERMSIG(m->value));
        return 128 + WTERMSIG(m->value);
    }
    return WEXITSTATUS(m->value);
}

static void tell(int back, int word, int value) {
    struct run_message m = {word, value, 0};
    send(back, &m, sizeof(m), MSG_NOSIGNAL);
}

struct front {
    const struct run_options *opt;
    int back; /* what we say to it */
    int sigfd;
    pid_t pid;         /* of the back */
    int64_t asked_ms;  /* it has not answered since then; 0: it has */
    unsigned unheeded; /* signals to end since then */
};

static int64_t clock_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void on_signal(struct front *f, const struct signalfd_siginfo *si) {
    int sig = (int)si->ssi_signo;
    bool terminal = si->ssi_code == SI_KERNEL;
    tell(f->back, RUN_SIGNAL, terminal ? 0 : sig);
    if (sig != SIGINT && sig != SIGTERM && sig != SIGQUIT && sig != SIGHUP)
        return;
    if (f->asked_ms == 0)
        f->asked_ms = clock_ms();
    else if (clock_ms() - f->asked_ms >= AGAIN_MS)
        f->unheeded++;
}

/* Every process under us, as they become orphans and so our children. */
static void kill_orphans(void) {
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    for (;;) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
        if (fd >= 0)
            close(fd);
        text[n > 0 ? n : 0] = '\0';
        for (char *at = text, *end; (at = strtok_r(at, " ", &end)); at = NULL)
            kill((pid_t)atoi(at), SIGKILL);
        if (waitpid(-1, NULL, __WALL) < 0 && errno == ECHILD)
            return;
    }
}

static int end_hard(struct front *f, const char *why) {
    char name[32], dir[128];
    fprintf(stderr, "weir: %s: the program is killed\n", why);
    kill(f->pid, SIGKILL);
    kill_orphans();
    snprintf(name, sizeof(name), "%d", (int)f->pid);
    if (place_of(f->opt->alone ? name : f->opt->network, dir, sizeof(dir)) ==
            0 &&
        place_take(dir) >= 0) /* nobody else's now */
        place_remove(dir);
    return RUN_FAILED;
}

static int front_main(struct front *f) {
    int back = f->back;
    struct pollfd p[2] = {{.fd = back, .events = POLLIN},
                          {.fd = f->sigfd, .events = POLLIN}};
    for (;;) {
        int64_t left =
            f->asked_ms ? f->asked_ms + PATIENCE_MS - clock_ms() : -1;
        if (f->asked_ms && (left <= 0 || f->unheeded > 0))
            return end_hard(f, "the stack does not answer");
        if (poll(p, 2, (int)left) < 0 && errno != EINTR)
            return RUN_FAILED;
        struct signalfd_siginfo si;
        if (p[1].revents & POLLIN && read(f->sigfd, &si, sizeof(si)) > 0)
            on_signal(f, &si);
        if (!(p[0].revents & (POLLIN | POLLHUP)))
            continue;
        struct run_message m;
        ssize_t n = recv(back, &m, sizeof(m), MSG_DONTWAIT);
        /* Reset: it has ended with a word of ours unread; its last one, or end
         * of file, is behind that. */
        if (n < 0 && (errno == EAGAIN || errno == ECONNRESET))
            continue;
        if (n != sizeof(m))
            return end_hard(f, "the stack ended unexpectedly");
        if (m.word == RUN_HEARD) {
            f->asked_ms = 0;
            f->unheeded = 0;
        }
        if (m.word == RUN_ENDED)
            return mirror(&m);
        if (m.word == RUN_STOPPED) {
            raise(SIGSTOP); /* so that the shell sees it */
            tell(back, RUN_SIGNAL, SIGCONT);
        }
    }
}

int run_program(const struct run_options *opt) {
    int ctl[2];
    sigset_t set, mask;
    sigemptyset(&set);
    for (unsigned i = 0; i < sizeof(mirrored) / sizeof(mirrored[0]); i++)
        sigaddset(&set, mirrored[i]);
    fflush(NULL);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ctl)) {
        fprintf(stderr, "weir: %s\n", strerror(errno));
        return RUN_FAILED;
    }
    sigprocmask(SIG_BLOCK, &set, &mask);
    pid_t pgid = getpgrp();
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* see end_hard */
    pid_t pid = fork();
    if (pid < 0) {
        fprintf(stderr, "weir: fork: %s\n", strerror(errno));
        return RUN_FAILED;
    }
    if (pid == 0) {
        close(ctl[0]);
        back_main(opt, ctl[1], pgid, &mask);
    }
    close(ctl[1]);
    /* Hold nobody's pipe open. */
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    close_range(3, (unsigned)ctl[0] - 1, 0);
    close_range((unsigned)ctl[0] + 1, ~0u, 0);
    struct front f = {.opt = opt,
                      .back = ctl[0],
                      .pid = pid,
                      .sigfd = signalfd(-1, &set, SFD_CLOEXEC)};
    return front_main(&f);
}
