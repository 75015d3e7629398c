/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front of a run: what the shell sees. It stays in the foreground process
 * group and mirrors the fate of CMD, which is the back's child and in the same
 * group. What the terminal sends to the whole group reaches CMD by itself and
 * is not repeated; what somebody sends to the front alone is passed on.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/run_in.h"

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

static void on_signal(int back, const struct signalfd_siginfo *si) {
    int sig = (int)si->ssi_signo;
    bool terminal = si->ssi_code == SI_KERNEL;
    if (!terminal && sig != SIGTSTP)
        tell(back, RUN_SIGNAL, sig);
    else if (!terminal)
        tell(back, RUN_SIGNAL, SIGTSTP);
}

static int front_main(int back, int sigfd) {
    struct pollfd p[2] = {{.fd = back, .events = POLLIN},
                          {.fd = sigfd, .events = POLLIN}};
    for (;;) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return RUN_FAILED;
        struct signalfd_siginfo si;
        if (p[1].revents & POLLIN && read(sigfd, &si, sizeof(si)) > 0)
            on_signal(back, &si);
        if (!(p[0].revents & (POLLIN | POLLHUP)))
            continue;
        struct run_message m;
        ssize_t n = recv(back, &m, sizeof(m), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n != sizeof(m)) {
            fprintf(stderr, "weir: the stack ended unexpectedly\n");
            return RUN_FAILED;
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
    int sigfd = signalfd(-1, &set, SFD_CLOEXEC);
    return front_main(ctl[0], sigfd);
}
