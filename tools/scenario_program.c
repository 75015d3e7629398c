/* SPDX-License-Identifier: BSD-2-Clause */
/* What runs on a host: commands, their input, when they start and how they are
 * expected to end. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tools/scenario_in.h"

static void read_word(struct yaml *y, struct fy_node *value, void *to) {
    struct sc_program *p = to;
    unsigned n = 0;
    while (p->argv && p->argv[n])
        n++;
    char **argv = realloc(p->argv, (n + 2) * sizeof(*argv));
    if (!argv)
        abort();
    argv[n] = (char *)yaml_text(y, value);
    argv[n + 1] = NULL;
    p->argv = argv;
}

static void read_cmd(struct yaml *y, struct fy_node *value, void *to) {
    struct sc_program *p = to;
    if (yaml_is_scalar(value)) { /* a line for the shell */
        static const char *const shell[] = {"/bin/sh", "-c"};
        free(p->argv);
        p->argv = calloc(4, sizeof(*p->argv));
        if (!p->argv)
            abort();
        p->argv[0] = (char *)shell[0];
        p->argv[1] = (char *)shell[1];
        p->argv[2] = (char *)yaml_text(y, value);
        return;
    }
    yaml_elements(y, value, "a command", read_word, p);
    if (!p->argv)
        yaml_fail(y, value, "a command has at least one word");
}

static void read_name(struct yaml *y, struct fy_node *v, void *to) {
    ((struct sc_program *)to)->name = yaml_text(y, v);
}

static void read_stdin(struct yaml *y, struct fy_node *v, void *to) {
    ((struct sc_program *)to)->input = yaml_text(y, v);
}

static void read_keep(struct yaml *y, struct fy_node *v, void *to) {
    ((struct sc_program *)to)->keep_input = yaml_bool(y, v);
}

static void read_after(struct yaml *y, struct fy_node *v, void *to) {
    ((struct sc_program *)to)->after_ns = yaml_time(y, v);
}

static void read_restart(struct yaml *y, struct fy_node *v, void *to) {
    ((struct sc_program *)to)->restart = yaml_bool(y, v);
}

static void read_fast(struct yaml *y, struct fy_node *v, void *to) {
    ((struct sc_program *)to)->fast = yaml_bool(y, v);
}

static void read_manual(struct yaml *y, struct fy_node *v, void *to) {
    ((struct sc_program *)to)->manual = yaml_bool(y, v);
}

static void read_wait(struct yaml *y, struct fy_node *v, void *to) {
    struct sc_program *p = to;
    const char *text = yaml_text(y, v), *colon = strrchr(text, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || *end || port < 1 || port > 65535) {
        yaml_fail(y, v, "'%s' is not HOST:PORT to wait for", text);
        return;
    }
    free(p->wait_host);
    p->wait_host = strndup(text, (size_t)(colon - text));
    p->wait_port = (uint16_t)port;
}

int scenario_signal(struct yaml *y, struct fy_node *v, const char *text) {
    const char *name = strncmp(text, "SIG", 3) ? text : text + 3;
    for (int i = 1; i < 32; i++)
        if (sigabbrev_np(i) && !strcmp(sigabbrev_np(i), name))
            return i;
    yaml_fail(y, v, "unknown signal '%s'", text);
    return 0;
}

static void read_exit(struct yaml *y, struct fy_node *v, void *to) {
    struct sc_program *p = to;
    const char *text = yaml_text(y, v);
    if (!strcmp(text, "running")) {
        p->end = END_RUNNING;
    } else if (!strcmp(text, "any")) {
        p->end = END_ANY;
    } else if (!strncmp(text, "SIG", 3)) {
        p->end = END_SIGNAL;
        p->status = scenario_signal(y, v, text);
    } else {
        p->end = END_EXIT;
        p->status = (int)yaml_number(y, v, 0, 255);
    }
}

static void read_output(struct yaml *y, struct fy_node *v, void *to) {
    ((struct sc_program *)to)->output = yaml_text(y, v);
}

static void read_program_expect(struct yaml *y, struct fy_node *v, void *to) {
    static const struct yaml_key keys[] = {
        {"exit", read_exit}, {"output", read_output}, {NULL, NULL}};
    if (yaml_is_scalar(v))
        read_exit(y, v, to);
    else
        yaml_mapping(y, v, "expect", keys, to);
}

static struct sc_program *program_add(struct scenario *s, struct yaml *y,
                                      struct fy_node *at, unsigned host) {
    if (s->nprograms == SC_PROGRAMS) {
        yaml_fail(y, at, "at most %d programs", SC_PROGRAMS);
        return NULL;
    }
    struct sc_program *p = &s->program[s->nprograms++];
    *p = (struct sc_program){.host = host, .end = END_EXIT};
    return p;
}

static void read_program(struct yaml *y, struct fy_node *v, void *to) {
    static const struct yaml_key keys[] = {{"cmd", read_cmd},
                                           {"name", read_name},
                                           {"stdin", read_stdin},
                                           {"keep_stdin", read_keep},
                                           {"after", read_after},
                                           {"wait", read_wait},
                                           {"restart", read_restart},
                                           {"fast", read_fast},
                                           {"manual", read_manual},
                                           {"expect", read_program_expect},
                                           {NULL, NULL}};
    struct host_reader *r = to;
    struct sc_program *p = program_add(r->s, y, v, r->host);
    if (!p)
        return;
    if (yaml_is_mapping(v))
        yaml_mapping(y, v, "a program", keys, p);
    else
        read_cmd(y, v, p);
    if (!p->argv) {
        yaml_fail(y, v, "a program needs 'cmd'");
        return;
    }
    const char *base = strrchr(p->argv[0], '/');
    if (!p->name)
        p->name = base ? base + 1 : p->argv[0];
}

static void first_is_word(struct yaml *y, struct fy_node *v, void *to) {
    (void)y;
    int *seen = to;
    if (*seen == 0)
        *seen = yaml_is_scalar(v) ? 1 : 2;
}

/* "run": a line, a list of words, or a list of programs. */
void scenario_read_run(struct yaml *y, struct fy_node *v, void *to) {
    int kind = 1;
    if (yaml_is_sequence(v)) {
        kind = 0;
        yaml_elements(y, v, "run", first_is_word, &kind);
    }
    if (kind == 2)
        yaml_elements(y, v, "run", read_program, to);
    else
        read_program(y, v, to);
}
