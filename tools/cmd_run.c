/* SPDX-License-Identifier: BSD-2-Clause */
/* weir run, weir trace, weir exec: a program on a host of weir. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/place.h"
#include "run/run.h"
#include "tools/cmd.h"

#define DRAIN_NS 5000000000u

static const char *const help_run =
    "usage: weir %s [options] %s-- COMMAND [ARGUMENT...]\n"
    "\n"
    "  --new               a host of its own; join no other run\n"
    "  --network NAME      the network to join (run: \"default\")\n"
    "  --wait              also wait for what COMMAND leaves running\n"
    "  --timeout SECONDS   end it after that time (status 124)\n"
    "  --drain SECONDS     how long unsent bytes may drain afterwards (5)\n"
    "  --trace, --fast     see every data call, or only control calls\n"
    "  --allow-inherited   let inherited sockets of the kernel pass\n"
    "  --no-record         keep no recording\n"
    "\n"
    "The exit status is COMMAND's; 124: time-out, 125: weir failed, 126: not\n"
    "executable, 127: not found.\n";

enum {
    O_NEW = 256,
    O_WAIT,
    O_NETWORK,
    O_TIMEOUT,
    O_DRAIN,
    O_TRACE,
    O_FAST,
    O_INHERITED,
    O_NO_RECORD
};

static const struct option options[] = {
    {"new", no_argument, NULL, O_NEW},
    {"wait", no_argument, NULL, O_WAIT},
    {"network", required_argument, NULL, O_NETWORK},
    {"timeout", required_argument, NULL, O_TIMEOUT},
    {"drain", required_argument, NULL, O_DRAIN},
    {"trace", no_argument, NULL, O_TRACE},
    {"fast", no_argument, NULL, O_FAST},
    {"allow-inherited", no_argument, NULL, O_INHERITED},
    {"no-record", no_argument, NULL, O_NO_RECORD},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static uint64_t seconds(const char *text) {
    char *end;
    double s = strtod(text, &end);
    if (end == text || *end || s < 0 || s > 1e9) {
        fprintf(stderr, "weir: not a number of seconds: %s\n", text);
        exit(EXIT_WEIR);
    }
    return (uint64_t)(s * 1e9);
}

static void usage(FILE *to, const char *name) {
    fprintf(to, help_run, name, strcmp(name, "exec") ? "" : "HOST ");
}

static bool take_option(struct run_options *o, int c) {
    switch (c) {
    case O_NEW:
        o->alone = true;
        return true;
    case O_WAIT:
        o->wait = true;
        return true;
    case O_NETWORK:
        o->network = optarg;
        return true;
    case O_TIMEOUT:
        o->timeout_ns = seconds(optarg);
        return true;
    case O_DRAIN:
        o->drain_ns = seconds(optarg);
        return true;
    case O_TRACE:
    case O_FAST:
        o->traced = c == O_TRACE;
        return true;
    case O_INHERITED:
        o->allow_inherited = true;
        return true;
    case O_NO_RECORD:
        o->no_record = true;
        return true;
    default:
        return false;
    }
}

/* The network that is up, where it is the only one. */
static const char *the_network(void) {
    static char name[64], other[64];
    if (!place_list(0, name, sizeof(name)))
        return "default";
    if (!place_list(1, other, sizeof(other)))
        return name;
    fprintf(stderr, "weir: several networks are up; say --network NAME "
                    "(weir ps lists them)\n");
    exit(EXIT_WEIR);
}

int cmd_run(int argc, char **argv) {
    bool is_exec = !strcmp(argv[0], "exec");
    struct run_options o = {.command = argv,
                            .network = "default",
                            .traced = strcmp(argv[0], "run") != 0,
                            .drain_ns = DRAIN_NS};
    int c;
    optind = 1;
    while ((c = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (c == 'h') {
            usage(stdout, argv[0]);
            return 0;
        }
        if (!take_option(&o, c)) {
            usage(stderr, argv[0]);
            return EXIT_WEIR;
        }
    }
    o.join_only = is_exec;
    if (is_exec && !strcmp(o.network, "default"))
        o.network = the_network();
    if (is_exec && optind < argc) {
        o.host = argv[optind++];
        if (optind < argc && !strcmp(argv[optind], "--"))
            optind++;
    }
    if (optind >= argc) {
        usage(stderr, argv[0]);
        return EXIT_WEIR;
    }
    o.argv = argv + optind;
    return run_program(&o);
}
