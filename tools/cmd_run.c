/* SPDX-License-Identifier: BSD-2-Clause */
/* weir run, weir trace, weir exec: a program on a host of weir. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/place.h"
#include "run/run.h"
#include "tools/cmd.h"
#include "trace/live.h"

#define DRAIN_NS 5000000000u
#define SPIN_USEC 50u
#define SPIN_USEC_MOST 100000u

static const char *const help_run =
    "usage: weir %s [options] %s-- COMMAND [ARGUMENT...]\n"
    "\n"
    "  --new               a host of its own; join no other run\n"
    "  --network NAME      the network to join (run: \"default\")\n"
    "  --wait              also wait for what COMMAND leaves running\n"
    "  --timeout SECONDS   end it after that time (status 124)\n"
    "  --drain SECONDS     how long unsent bytes may drain afterwards (5)\n"
    "  --spin[=USEC]       do not sleep within that time (50), where that "
    "pays\n"
    "  --trace, --fast     see every data call, or only control calls\n"
    "  --allow-inherited   let inherited sockets of the kernel pass\n"
    "  --no-record         keep no recording\n"
    "\n"
    "%s"
    "The exit status is COMMAND's; 124: time-out, 125: weir failed, 126: not\n"
    "executable, 127: not found.\n";

static const char *const help_trace =
    "Lines go to stderr, in strace's form, with its options:\n"
    "  -t, -tt, -ttt       time of day, with microseconds, since 1970\n"
    "  -r                  time since the line before\n"
    "  -T                  time spent in each call\n"
    "  -y, -yy             inode, or addresses, of each descriptor\n"
    "  -e trace=LIST       calls, %%network, segments, states, drops, timers,\n"
    "                      faults, programs; \"!\" in front: all but these\n"
    "  -z, -Z              only calls that succeeded, or failed\n"
    "  -c, -C              count calls; and show lines, too\n"
    "  -o FILE             write there; -ff: FILE.TID each, FILE.net\n"
    "  -q                  no lines, only the recording\n"
    "\n";

enum {
    O_NEW = 256,
    O_WAIT,
    O_NETWORK,
    O_TIMEOUT,
    O_DRAIN,
    O_SPIN,
    O_TRACE,
    O_FAST,
    O_INHERITED,
    O_NO_RECORD,
    O_GROUPED
};

static const struct option options[] = {
    {"new", no_argument, NULL, O_NEW},
    {"wait", no_argument, NULL, O_WAIT},
    {"network", required_argument, NULL, O_NETWORK},
    {"timeout", required_argument, NULL, O_TIMEOUT},
    {"drain", required_argument, NULL, O_DRAIN},
    {"spin", optional_argument, NULL, O_SPIN},
    {"trace", no_argument, NULL, O_TRACE},
    {"fast", no_argument, NULL, O_FAST},
    {"allow-inherited", no_argument, NULL, O_INHERITED},
    {"no-record", no_argument, NULL, O_NO_RECORD},
    {"grouped", no_argument, NULL, O_GROUPED}, /* weir up's own */
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

uint64_t spin_option(const char *text) {
    char *end = NULL;
    unsigned long usec = text ? strtoul(text, &end, 10) : SPIN_USEC;
    if (text && (end == text || *end || usec > SPIN_USEC_MOST)) {
        fprintf(stderr, "weir: --spin: not microseconds up to %u: %s\n",
                SPIN_USEC_MOST, text);
        exit(EXIT_WEIR);
    }
    return usec * (uint64_t)1000;
}

static void usage(FILE *to, const char *name) {
    char more[1024] = "";
    if (!strcmp(name, "trace"))
        snprintf(more, sizeof(more), help_trace);
    fprintf(to, help_run, name, strcmp(name, "exec") ? "" : "HOST ", more);
}

/* strace's options; false: none of them. */
static bool take_trace_option(struct live_options *l, int c) {
    static unsigned follow;
    const char *why = NULL;
    switch (c) {
    case 'f':
        l->split = ++follow > 1;
        return true;
    case 't':
        l->time += l->time < 3;
        return true;
    case 'r':
    case 'T':
    case 'z':
    case 'Z':
    case 'c':
    case 'C':
        *(c == 'r'   ? &l->relative
          : c == 'T' ? &l->took
          : c == 'z' ? &l->successful
          : c == 'Z' ? &l->failed
          : c == 'c' ? &l->summary
                     : &l->summary_too) = true;
        return true;
    case 'y':
        l->names += l->names < STRACE_FD_ADDRESS;
        return true;
    case 'o':
        l->path = optarg;
        return true;
    case 's': /* bytes are not recorded */
        return true;
    case 'e':
        if (strchr(optarg, '=') && strncmp(optarg, "trace=", 6))
            why = "only trace= is known";
        else
            why = live_choose(l, strchr(optarg, '=') ? optarg + 6 : optarg);
        if (why)
            fprintf(stderr, "weir: -e %s: %s\n", optarg, why);
        return !why;
    default:
        return false;
    }
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
    case O_SPIN:
        o->spin_ns = spin_option(optarg);
        return true;
    case O_TRACE:
    case O_FAST:
        o->traced = c == O_TRACE;
        return true;
    case O_INHERITED:
        o->allow_inherited = true;
        return true;
    case O_GROUPED:
        o->grouped = true;
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
    bool is_trace = !strcmp(argv[0], "trace");
    struct live_options live = {.lines = LIVE_ALL};
    o.live = is_trace ? &live : NULL;
    int c;
    optind = 1;
    while ((c = getopt_long(argc, argv, is_trace ? "+hftrTyo:s:e:czZCq" : "+h",
                            options, NULL)) != -1) {
        if (c == 'h') {
            usage(stdout, argv[0]);
            return 0;
        }
        if (c == 'q')
            o.live = NULL;
        else if (!take_option(&o, c) && !take_trace_option(&live, c)) {
            if (c != 'e')
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
