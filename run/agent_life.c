/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's life, and what it does by time: held calls that run out. */
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "run/agent_in.h"

#define CANCEL_CHECK_NS 5000000u /* is a held connect still waited for? */

/* ---- held calls and time ---- */

static struct agent *of_passer(struct loop_passer *p) {
    return (struct agent *)((char *)p - offsetof(struct agent, passer));
}

static bool agent_pass(struct loop_passer *p, uint64_t now) {
    struct agent *ag = of_passer(p);
    bool any = false;
    for (struct call *c = ag->calls, *next; c; c = next) {
        next = c->next;
        if (c->held == NOT_HELD || c->seq)
            continue;
        if (c->held == HELD_REPLY || c->held == HELD_SOON) {
            if (c->step-- == 0)
                c->expired(c);
            any = true;
        } else if (now >= c->deadline_ns) {
            c->expired(c);
            any = true;
        } else if (c->held == HELD_CONNECT && !call_valid(c)) {
            c->expired(c); /* interrupted: the attempt goes on without it */
            any = true;
        }
    }
    return any;
}

static uint64_t agent_deadline(struct loop_passer *p) {
    struct agent *ag = of_passer(p);
    uint64_t due = UINT64_MAX, now = loop_now(ag->loop);
    for (struct call *c = ag->calls; c; c = c->next) {
        if (c->held == NOT_HELD || c->seq)
            continue;
        uint64_t d = c->deadline_ns;
        if (c->held == HELD_CONNECT && d > now + CANCEL_CHECK_NS)
            d = now + CANCEL_CHECK_NS;
        due = d < due ? d : due;
    }
    return due;
}

/* ---- life ---- */

static void child_changed(struct loop_source *src, uint32_t events) {
    (void)events;
    struct agent *ag =
        (struct agent *)((char *)src - offsetof(struct agent, sigchld));
    struct signalfd_siginfo si[8];
    while (read(src->fd, si, sizeof(si)) > 0)
        ;
    agent_reap(ag);
}

static void from_stack(struct proto_pipe *p, const struct proto *m,
                       const void *data, int fd) {
    agent_message((struct agent *)((char *)p - offsetof(struct agent, pipe)), m,
                  data, fd);
}

static int rendezvous_open(struct agent *ag) {
    ag->meet.sun_family = AF_UNIX;
    carrier_path(ag, ag->meet.sun_path, 'm');
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&ag->meet, sizeof(ag->meet)) ||
        listen(fd, 64))
        return -1;
    return fd;
}

/* Each connection takes a descriptor here, too, and each thread one. */
static void files_raise(struct agent *ag) {
    getrlimit(RLIMIT_NOFILE, &ag->files);
    struct rlimit all = {ag->files.rlim_max, ag->files.rlim_max};
    setrlimit(RLIMIT_NOFILE, &all);
}

struct agent *agent_create(const struct agent_config *config) {
    struct agent *ag = calloc(1, sizeof(*ag));
    if (!ag)
        return NULL;
    ag->config = *config;
    ag->loop = config->loop;
    ag->pipe.send = from_stack;
    ag->rendezvous = rendezvous_open(ag);
    files_raise(ag);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    ag->sigchld = (struct loop_source){
        .ready = child_changed,
        .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (ag->rendezvous < 0 || ag->sigchld.fd < 0 ||
        loop_add(ag->loop, &ag->sigchld, EPOLLIN)) {
        free(ag);
        return NULL;
    }
    ag->passer =
        (struct loop_passer){.pass = agent_pass, .deadline = agent_deadline};
    loop_join(ag->loop, &ag->passer);
    return ag;
}

void agent_destroy(struct agent *ag) {
    loop_leave(ag->loop, &ag->passer);
    loop_del(ag->loop, &ag->sigchld);
    close(ag->sigchld.fd);
    close(ag->rendezvous);
    unlink(ag->meet.sun_path);
    /* Whoever is still stopped in a call gets ENOSYS from the kernel. */
    for (struct notifier *nf = ag->notifiers, *next; nf; nf = next) {
        next = nf->next;
        loop_del(ag->loop, &nf->src);
        close(nf->src.fd);
        free(nf);
    }
    free(ag);
}

void agent_connect(struct agent *ag, struct proto_pipe *stack) {
    ag->stack = stack;
}

struct proto_pipe *agent_pipe(struct agent *ag) {
    return &ag->pipe;
}
