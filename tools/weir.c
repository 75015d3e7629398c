/* SPDX-License-Identifier: BSD-2-Clause */
/* The command: picks the subcommand. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/cmd.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", cmd_run, "run a program on your default host"},
    {"trace", cmd_run, "the same, with every call on the timeline"},
    {"exec", cmd_run, "run a program on a host of a network that is up"},
    {"up", cmd_up, "start the network a file describes"},
    {"ps", cmd_ps, "networks, hosts and programs that are up"},
    {"down", cmd_down, "end a network"},
    {"timeline", cmd_timeline, "what happened: calls, segments, states"},
    {"why", cmd_why, "the reason behind an error, a reset, a stall"},
    {"dump", cmd_dump, "frames, in tcpdump's words"},
    {"ss", cmd_ss, "sockets, in ss's words"},
    {"lsof", cmd_lsof, "who holds a port, in lsof's words"},
    {"stat", cmd_stat, "counters"},
    {"link", cmd_link, "delay, lose, cut frames of a link"},
    {"fault", cmd_fault, "cut, heal, crash, reboot, freeze"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to) {
    fprintf(to, "usage: weir COMMAND ...\n\n");
    for (unsigned i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    fprintf(to, "\n`weir COMMAND --help` says more.\n");
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : NULL;
    for (unsigned i = 0; name && i < COMMANDS; i++)
        if (!strcmp(commands[i].name, name))
            return commands[i].run(argc - 1, argv + 1);
    if (name && (!strcmp(name, "--version") || !strcmp(name, "-V"))) {
        puts("weir " WEIR_VERSION);
        return 0;
    }
    bool asked = name && (!strcmp(name, "help") || !strcmp(name, "--help") ||
                          !strcmp(name, "-h"));
    if (name && !asked)
        fprintf(stderr, "weir: no such command: %s\n", name);
    usage(asked ? stdout : stderr);
    return asked ? 0 : EXIT_WEIR;
}
