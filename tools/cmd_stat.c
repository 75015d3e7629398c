/* SPDX-License-Identifier: BSD-2-Clause */
/* weir stat: counters of hosts, in nstat's form: a name and a value a row,
 * under Linux's names; drops by reason; copies made of each byte. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/cmd.h"

static const char usage[] =
    "usage: weir stat [-a] [--json] [--network NAME] [HOST]\n"
    "  -a, --zeros  also counters that are zero\n"
    "Counters under Linux's names (nstat, netstat -s), drops by reason, and\n"
    "how often payload bytes were copied.\n";

struct copies {
    long long in, out, inside;
};

static void remember(struct copies *c, const char *name, long long value) {
    if (!strcmp(name, "WeirBytesCopiedIn"))
        c->in = value;
    else if (!strcmp(name, "WeirBytesCopiedOut"))
        c->out = value;
    else if (!strcmp(name, "WeirBytesCopiedInside"))
        c->inside = value;
}

static void print_copies(const struct copies *c) {
    if (!c->in && !c->out && !c->inside)
        return;
    printf("%-32s %-16lld copied into the stack (0 where a door lends its "
           "buffers)\n",
           "#bytes in", c->in);
    printf("%-32s %-16lld copied out of it\n", "#bytes out", c->out);
    printf("%-32s %-16lld copied from buffer to buffer\n", "#bytes inside",
           c->inside);
}

static void print(struct answer *a, bool zeros) {
    char host[64] = "";
    struct copies copies = {0};
    json_t *o;
    while ((o = ask_next(a))) {
        const char *name = ask_text(o, "name"), *drop = ask_text(o, "drop");
        long long value = ask_number(o, "value");
        if (strcmp(host, ask_text(o, "host"))) {
            if (host[0])
                print_copies(&copies);
            copies = (struct copies){0};
            snprintf(host, sizeof(host), "%s", ask_text(o, "host"));
            printf("#%s\n", host);
        }
        remember(&copies, name, value);
        if (*drop) {
            char text[64];
            snprintf(text, sizeof(text), "Drop:%s", drop);
            printf("%-32s %-16lld %s\n", text, value, ask_text(o, "text"));
        } else if (value || zeros) {
            printf("%-32s %-16lld\n", name, value);
        }
        json_decref(o);
    }
    print_copies(&copies);
}

int cmd_stat(int argc, char **argv) {
    static const struct option longs[] = {
        {"zeros", no_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},
        {"network", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    bool zeros = false, json = false;
    const char *network = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "ajh", longs, NULL)) != -1) {
        if (c == 'a') {
            zeros = true;
        } else if (c == 'j') {
            json = true;
        } else if (c == 'n') {
            network = optarg;
        } else {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : EXIT_WEIR;
        }
    }
    struct answer a;
    network = ask_which(network);
    const char *host = argv[optind] ? argv[optind] : "";
    if (!network || !ask(&a, network, "stat %s", host))
        return EXIT_WEIR;
    if (json)
        ask_print(&a);
    else
        print(&a, zeros);
    ask_free(&a);
    return 0;
}
