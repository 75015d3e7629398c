/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The back of a run: agent and stack in one process, in a process group of its
 * own, so that no key on the terminal reaches it. It is the parent of CMD and
 * inherits every orphan under it, so it stays the ancestor of all programs.
 *
 * The run ends with CMD: whoever else is left is named and ended, what lies in
 * send queues may drain for a while, and what is lost then is said.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/net.h"
#include "run/agent.h"
#include "run/recorded.h"
#include "run/run_in.h"
#include "run/serve.h"
#include "trace/record.h"

#define GRACE_NS 1000000000u /* between SIGTERM and SIGKILL */

_Noreturn void back_fail(struct back *b, int status, const char *what,
                         int err) {
    if (what)
        fprintf(stderr, "weir: %s%s%s\n", what, err ? ": " : "",
                err ? strerror(-err) : "");
    struct run_message m = {RUN_ENDED, -1, status};
    send(b->front.fd, &m, sizeof(m), MSG_NOSIGNAL);
    if (b->owner)
        remove_dir(b);
    _exit(status);
}

/* ---- the end ---- */

static void tell_front(struct back *b) {
    if (b->front.fd < 0)
        return;
    send(b->front.fd, &b->end, sizeof(b->end), MSG_NOSIGNAL);
    loop_del(b->loop, &b->front);
    close(b->front.fd);
    b->front.fd = -1;
}

static void say_undelivered(struct back *b) {
    uint64_t bytes = 0;
    unsigned n = serve_draining(b->serve, &bytes);
    if (n > 0)
        fprintf(stderr,
                "weir: %llu bytes of %u connection%s were not delivered\n",
                (unsigned long long)bytes, n, n == 1 ? "" : "s");
}

/* All of ours is done. The owner's stack stays while others use it. */
static void finish(struct back *b, uint64_t now) {
    if (b->owner && serve_agents(b->serve) > 1) {
        for (struct host *h = b->net->hosts; h && b->down; h = h->next)
            serve_programs(b->serve, h, SERVE_KILL);
        tell_front(b);
        b->phase = HOSTING;
        b->due_ns = now + 20000000u;
        return;
    }
    if (b->owner && b->phase == DRAINING)
        say_undelivered(b);
    loop_stop(b->loop, 0);
    b->phase = OVER;
    b->due_ns = UINT64_MAX;
}

static void tear_down(struct back *b) {
    if (b->control)
        control_close(b->control);
    if (b->door)
        door_close(b->door);
    agent_destroy(b->agent);
    if (b->link)
        door_leave(b->link);
    live_finish(b);
    if (!b->owner)
        return;
    serve_destroy(b->serve);
    net_destroy(b->net);
    record_close(&b->record);
    remove_dir(b);
}

static void name_program(pid_t pid) {
    char path[48], comm[32] = "?";
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, comm, sizeof(comm) - 1);
    if (fd >= 0)
        close(fd);
    if (n > 0)
        comm[n - (comm[n - 1] == '\n')] = '\0';
    fprintf(stderr, "weir: still running after the command, ended: %s (%d)\n",
            comm, (int)pid);
}

static bool end_others(struct back *b, int sig, bool say) {
    pid_t pids[256];
    unsigned n = agent_programs(b->agent, pids, 256);
    for (unsigned i = 0; i < n; i++) {
        if (say)
            name_program(pids[i]);
        kill(pids[i], sig);
        kill(pids[i], SIGCONT);
    }
    return n > 0;
}

static void next_phase(struct back *b, uint64_t now) {
    uint64_t bytes;
    switch (b->phase) {
    case RUNNING:
        if (b->due_ns == UINT64_MAX)
            return;
        b->timed_out = !b->down;
        kill(b->cmd, b->killed ? SIGKILL : SIGTERM);
        b->killed = true;
        b->due_ns = now + GRACE_NS;
        return;
    case WAITING:
        b->due_ns = now + 50000000u;
        if (agent_programs(b->agent, (pid_t[1]){0}, 1) > 0)
            return;
        b->phase = ENDING;
        b->killed = true;
        /* fallthrough */
    case ENDING:
        if (end_others(b, b->killed ? SIGKILL : SIGTERM, !b->killed)) {
            b->due_ns = now + (b->killed ? 10000000u : GRACE_NS);
            b->killed = true;
            return;
        }
        b->phase = DRAINING;
        b->due_ns = now + b->opt->drain_ns;
        if (b->owner)
            serve_sweep(b->serve);
        return;
    case DRAINING:
        if (!b->owner || now >= b->due_ns ||
            serve_draining(b->serve, &bytes) == 0)
            finish(b, now);
        return;
    case HOSTING:
        finish(b, now);
        return;
    case OVER:
        return;
    }
}

static void cmd_exited(void *ctx, pid_t pid, int status) {
    struct back *b = ctx;
    uint64_t now = loop_now(b->loop);
    if (b->phase == RUNNING && pid == b->cmd) {
        b->end = (struct run_message){RUN_ENDED, status, 0};
        if (b->timed_out)
            b->end = (struct run_message){RUN_ENDED, -1, RUN_TIMED_OUT};
        b->phase = b->opt->wait ? WAITING : ENDING;
        b->killed = false;
        b->due_ns = now;
    } else if (b->phase == WAITING || b->phase == ENDING) {
        b->due_ns =
            b->phase == WAITING || !agent_programs(b->agent, (pid_t[1]){0}, 1)
                ? now
                : b->due_ns;
    }
}

static void cmd_stopped(void *ctx, pid_t pid, int sig) {
    struct back *b = ctx;
    struct run_message m = {RUN_STOPPED, sig, 0};
    if (pid == b->cmd)
        send(b->front.fd, &m, sizeof(m), MSG_NOSIGNAL);
}

static bool back_pass(struct loop_passer *p, uint64_t now) {
    struct back *b = (struct back *)((char *)p - offsetof(struct back, passer));
    enum phase was = b->phase;
    if (b->phase == DRAINING || now >= b->due_ns)
        next_phase(b, now);
    return b->phase != was;
}

static uint64_t back_deadline(struct loop_passer *p) {
    struct back *b = (struct back *)((char *)p - offsetof(struct back, passer));
    return b->due_ns;
}

/* Whoever signalled the front signalled its process group, CMD with it. */
static bool has_got_it(const struct back *b) {
    return b->opt->grouped && getpgid(b->cmd) == getpgid(getppid());
}

static void front_says(struct loop_source *src, uint32_t events) {
    struct back *b =
        (struct back *)((char *)src - offsetof(struct back, front));
    struct run_message m;
    (void)events;
    ssize_t n = recv(src->fd, &m, sizeof(m), MSG_DONTWAIT);
    if (n == 0) { /* the front was killed: the run is over */
        loop_del(b->loop, src);
        kill(b->cmd, SIGKILL);
    } else if (n == sizeof(m) && m.word == RUN_SIGNAL) {
        if (b->phase == RUNNING && !has_got_it(b))
            kill(b->cmd, m.value);
        struct run_message heard = {.word = RUN_HEARD};
        send(src->fd, &heard, sizeof(heard), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

/* ---- the beginning ---- */

/* `weir down`: as a time-out, but that the exit status is the program's. */
static void down(void *ctx) {
    struct back *b = ctx;
    b->down = true;
    if (b->phase == RUNNING)
        b->due_ns = loop_now(b->loop);
}

static void make_control(struct back *b) {
    struct control_owner owner = {.recording = b->record.path,
                                  .command = b->record.header->command,
                                  .down = down,
                                  .ctx = b};
    b->control = control_open(b->net, b->serve, b->dir, &owner);
    if (!b->control)
        back_fail(b, RUN_FAILED, "no control socket", -errno);
}

static void make_stack(struct back *b) {
    uint64_t seed = 0;
    getrandom(&seed, sizeof(seed), 0);
    int err =
        record_create(&b->record, b->opt->network,
                      (char *const *)b->opt->command, seed, !b->opt->no_record);
    if (err)
        back_fail(b, RUN_FAILED, "no recording", err);
    b->net = net_create(b->loop, b->opt->network, seed, &b->record.header->rec);
    if (!b->net || !net_add_default_host(b->net))
        back_fail(b, RUN_FAILED, "no network", -errno);
    recorded_net(&b->record, b->net);
    b->serve = serve_create(b->net, b->dir);
    if (!b->serve)
        back_fail(b, RUN_FAILED, "no stack", -errno);
    make_control(b);
    if (b->opt->alone)
        return;
    char path[108];
    snprintf(path, sizeof(path), "%s/door.sock", b->dir);
    b->door = door_open(b->loop, b->serve, path);
    if (!b->door)
        back_fail(b, RUN_FAILED, path, -errno);
}

/* The stack we joined has ended or crashed: nothing works any more. */
static void stack_lost(void *ctx) {
    struct back *b = ctx;
    if (b->phase >= DRAINING)
        return;
    fprintf(stderr, "weir: the stack this run had joined is gone\n");
    end_others(b, SIGKILL, false);
    b->end = (struct run_message){RUN_ENDED, -1, RUN_FAILED};
    b->phase = OVER;
    loop_stop(b->loop, 0);
}

static _Noreturn void no_such_host(struct back *b) {
    char what[128];
    snprintf(what, sizeof(what), "network '%s' has no host '%s' (see weir ps)",
             b->opt->network, b->opt->host);
    back_fail(b, RUN_FAILED, what, 0);
}

static void say_hello(struct back *b) {
    char dir[80];
    int err = door_hello(b->link, b->opt->host, dir, sizeof(dir));
    if (err == -ENOENT)
        no_such_host(b);
    if (err)
        back_fail(b, RUN_FAILED, "the stack does not answer", err);
}

static void make_agent(struct back *b) {
    struct agent_config config = {.loop = b->loop,
                                  .dir = b->dir,
                                  .traced = b->opt->traced,
                                  .exited = cmd_exited,
                                  .stopped = cmd_stopped,
                                  .ctx = b};
    b->agent = agent_create(&config);
    if (!b->agent)
        back_fail(b, RUN_FAILED, "no agent", -errno);
    if (!b->owner) {
        door_attach(b->link, b->agent, stack_lost, b);
        return;
    }
    struct host *h = b->net->hosts;
    if (b->opt->host)
        h = net_find_host(b->net, b->opt->host);
    if (!h)
        no_such_host(b);
    struct serve_conn *conn = serve_join(b->serve, h, agent_pipe(b->agent));
    agent_connect(b->agent, serve_pipe(conn));
}

static void start(struct back *b, pid_t pgid, const sigset_t *mask) {
    char stage = 0;
    pid_t pid =
        agent_start(b->agent, (char *const *)b->opt->argv, pgid, mask, &stage);
    if (pid < 0 && stage == 'g')
        back_fail(b, RUN_FAILED,
                  "this machine does not let weir take descriptors of its own "
                  "programs (pidfd_getfd); in a container, start it with "
                  "--cap-add=SYS_PTRACE",
                  0);
    if (pid < 0 && stage == 't')
        back_fail(b, RUN_FAILED,
                  "this machine does not let weir trace its own programs; "
                  "--fast does without",
                  pid);
    if (pid == -EBUSY)
        back_fail(b, RUN_FAILED,
                  "another supervisor already notifies system calls here "
                  "(a program inside weir run?)",
                  0);
    if (pid < 0)
        back_fail(b, RUN_FAILED, "the filter cannot be installed", pid);
    b->cmd = pid;
}

_Noreturn void back_main(const struct run_options *opt, int front, pid_t pgid,
                         const sigset_t *mask) {
    static struct back back;
    struct back *b = &back;
    b->opt = opt;
    b->front = (struct loop_source){.ready = front_says, .fd = front};
    b->due_ns = UINT64_MAX;
    sigset_t more;
    sigemptyset(&more);
    sigaddset(&more, SIGTTOU);
    sigaddset(&more, SIGPIPE);
    sigaddset(&more, SIGHUP);
    sigprocmask(SIG_BLOCK, &more, NULL);
    inherited_list(b);
    setpgid(0, 0);
    b->loop = loop_create();
    if (!b->loop)
        back_fail(b, RUN_FAILED, "no poll loop", -errno);
    loop_spin(b->loop, opt->spin_ns);
    make_dir(b);
    if (b->owner)
        make_stack(b);
    else
        say_hello(b);
    make_agent(b);
    start(b, pgid, mask);
    inherited_close(b);
    b->passer =
        (struct loop_passer){.pass = back_pass, .deadline = back_deadline};
    loop_add(b->loop, &b->front, EPOLLIN);
    loop_join(b->loop, &b->passer);
    live_begin(b);
    if (opt->timeout_ns)
        b->due_ns = loop_now(b->loop) + opt->timeout_ns;
    loop_run(b->loop);
    tear_down(b);
    tell_front(b);
    _exit(0);
}
