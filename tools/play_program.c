/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs of a scenario. Each runs under a `weir exec` of its own, which
 * is its ancestor and agent; what it prints comes back by a pipe and is shown a
 * line at a time behind its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/play_in.h"

void actor_init(struct play *pl, unsigned i) {
    struct actor *a = &pl->actor[i];
    const struct sc_program *p = &pl->s->program[i];
    *a = (struct actor){
        .play = pl, .p = p, .out.fd = -1, .input = -1, .due_ns = UINT64_MAX};
    if (!p->wait_host && !p->manual)
        a->due_ns = pl->t0 + p->after_ns;
}

/* The port it waits for is listened on (or bound, UDP). */
bool actor_wait_over(struct actor *a) {
    struct host *h = net_find_host(a->play->net, a->p->wait_host);
    struct weir_sockinfo info;
    uint64_t cursor = 0;
    while (h && h->stack && weir_sockinfo_next(h->stack, &cursor, &info))
        if (info.local.port == a->p->wait_port &&
            (info.proto == 17 || info.state == WEIR_TCP_LISTEN))
            return true;
    return false;
}

static void keep(struct actor *a, const char *text, size_t n) {
    if (!a->output)
        a->output = malloc(OUTPUT_KEPT + 1);
    if (!a->output)
        return;
    size_t room = OUTPUT_KEPT - a->noutput;
    n = n < room ? n : room;
    memcpy(a->output + a->noutput, text, n);
    a->noutput += n;
    a->output[a->noutput] = 0;
}

static void show(struct actor *a, const char *text, size_t n) {
    if (a->play->o->quiet || a->play->o->detached)
        return;
    for (size_t i = 0; i < n; i++) {
        if (!a->line_begun)
            printf("%s:%s | ", a->play->s->host[a->p->host].name, a->p->name);
        a->line_begun = text[i] != '\n';
        putchar(text[i]);
    }
    fflush(stdout);
}

static void output_over(struct actor *a) {
    loop_del(a->play->loop, &a->out);
    close(a->out.fd);
    a->out.fd = -1;
    if (a->line_begun)
        show(a, "\n", 1);
}

static void output_ready(struct loop_source *src, uint32_t events) {
    (void)events;
    struct actor *a = (struct actor *)src;
    char buf[4096];
    ssize_t n;
    while ((n = read(a->out.fd, buf, sizeof(buf))) > 0) {
        keep(a, buf, (size_t)n);
        show(a, buf, (size_t)n);
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        output_over(a);
}

static _Noreturn void become(struct actor *a, int in, int out) {
    const struct sc_program *p = a->p;
    struct play *pl = a->play;
    unsigned n = 0;
    while (p->argv[n])
        n++;
    char **argv = calloc(n + 10, sizeof(*argv));
    if (!argv)
        _exit(125);
    const char *head[] = {"weir",
                          "exec",
                          "--grouped",
                          "--network",
                          pl->net->name,
                          p->fast || pl->o->fast ? "--fast" : "--trace",
                          pl->s->host[p->host].name,
                          "--"};
    memcpy(argv, head, sizeof(head));
    memcpy(argv + sizeof(head) / sizeof(head[0]), p->argv, n * sizeof(*argv));
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv("/proc/self/exe", argv);
    _exit(125);
}

static bool make_pipes(struct actor *a, int in[2], int out[2]) {
    if (pipe2(out, O_CLOEXEC))
        return false;
    in[1] = -1;
    in[0] = a->p->input || a->p->keep_input
                ? -1
                : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in[0] < 0 && pipe2(in, O_CLOEXEC))
        return false;
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    return true;
}

void actor_start(struct actor *a) {
    int in[2], out[2];
    a->due_ns = UINT64_MAX;
    a->started = true;
    a->ended = a->killed = false;
    if (!make_pipes(a, in, out)) {
        fprintf(stderr, "weir: %s: %s\n", a->p->name, strerror(errno));
        return;
    }
    serve_let_go(gate_serve(a->play->gate)); /* no child is born bound */
    a->pid = fork();
    if (a->pid == 0)
        become(a, in[0], out[1]);
    setpgid(a->pid, a->pid);
    close(in[0]);
    close(out[1]);
    if (a->out.fd >= 0)
        output_over(a);
    a->out = (struct loop_source){output_ready, out[0]};
    loop_add(a->play->loop, &a->out, EPOLLIN);
    a->input = in[1];
    if (a->p->input)
        actor_input(a, a->p->input);
    if (a->input >= 0 && !a->p->keep_input) {
        close(a->input);
        a->input = -1;
    }
}

void actor_input(struct actor *a, const char *text) {
    size_t n = strlen(text);
    if (a->input >= 0 && write(a->input, text, n) != (ssize_t)n)
        fprintf(stderr, "weir: %s does not read its input\n", a->p->name);
}

/* As from a terminal: to the whole process group, program included; --grouped
 * keeps it from being passed on once more. */
void actor_signal(struct actor *a, int sig) {
    if (a->pid > 0)
        kill(-a->pid, sig);
}

void actor_reap(struct play *pl) {
    for (unsigned i = 0; i < pl->s->nprograms; i++) {
        struct actor *a = &pl->actor[i];
        int status;
        if (a->pid <= 0 || waitpid(a->pid, &status, WNOHANG) != a->pid)
            continue;
        a->wait_status = status;
        a->pid = 0;
        a->ended = true;
        if (a->input >= 0)
            close(a->input);
        a->input = -1;
    }
}

static void how_ended(int status, char *out, size_t size) {
    if (WIFSIGNALED(status))
        snprintf(out, size, "was killed by SIG%s",
                 sigabbrev_np(WTERMSIG(status)));
    else
        snprintf(out, size, "ended with status %d", WEXITSTATUS(status));
}

bool actor_judge(const struct actor *a) {
    const struct sc_program *p = a->p;
    char how[48] = "never ran";
    if (a->started && !a->ended)
        snprintf(how, sizeof(how), "was still running");
    else if (a->started)
        how_ended(a->wait_status, how, sizeof(how));
    bool running = a->killed || (a->started && !a->ended);
    bool ok = true;
    if (p->manual && !a->started)
        return true;
    if (p->end == END_RUNNING)
        ok = running;
    else if (p->end == END_EXIT)
        ok = a->ended && !a->killed && WIFEXITED(a->wait_status) &&
             WEXITSTATUS(a->wait_status) == p->status;
    else if (p->end == END_SIGNAL)
        ok = a->ended && WIFSIGNALED(a->wait_status) &&
             WTERMSIG(a->wait_status) == p->status;
    if (!ok)
        fprintf(stderr, "weir: program %s on %s %s\n", p->name,
                a->play->s->host[p->host].name, how);
    if (p->output && (!a->output || !strstr(a->output, p->output))) {
        fprintf(stderr, "weir: program %s did not print \"%s\"\n", p->name,
                p->output);
        ok = false;
    }
    return ok;
}
