/* SPDX-License-Identifier: BSD-2-Clause */
/* weir ps: networks, hosts and programs that are up. weir down: their end. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run/place.h"
#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/table.h"

static const char usage_ps[] =
    "usage: weir ps [--json] [NETWORK]\n"
    "Networks that are up, their hosts and addresses, programs and what they\n"
    "listen on.\n";

static void program_row(struct table *t, const json_t *o, const char *host,
                        const char *addresses) {
    char pid[24], listens[256] = "";
    size_t i;
    const json_t *l;
    snprintf(pid, sizeof(pid), "%lld", ask_number(o, "pid"));
    json_array_foreach(json_object_get(o, "listens"), i, l) {
        size_t n = strlen(listens);
        snprintf(listens + n, sizeof(listens) - n, "%s%s", i ? " " : "",
                 json_string_value(l));
    }
    table_row(t, ask_text(o, "network"), host, addresses, pid,
              ask_text(o, "comm"), listens, NULL);
}

/* A host stands in the row of its first program, or in one of its own. */
static void add_rows(struct table *t, struct answer *a) {
    char host[64] = "", addresses[256] = "", network[64] = "";
    bool waiting = false;
    json_t *o;
    while ((o = ask_next(a))) {
        const char *kind = ask_text(o, "kind");
        if (!strcmp(kind, "program")) {
            program_row(t, o, host, addresses);
            waiting = false;
        } else if (!strcmp(kind, "host")) {
            if (waiting)
                table_row(t, network, host, addresses, NULL);
            const char *state = ask_text(o, "state");
            bool up = !strcmp(state, "up");
            snprintf(network, sizeof(network), "%s", ask_text(o, "network"));
            snprintf(host, sizeof(host), "%s%s%s%s", ask_text(o, "host"),
                     up ? "" : " (", up ? "" : state, up ? "" : ")");
            addresses[0] = 0;
            size_t i;
            const json_t *l;
            json_array_foreach(json_object_get(o, "addresses"), i, l) {
                size_t n = strlen(addresses);
                snprintf(addresses + n, sizeof(addresses) - n, "%s%s",
                         i ? " " : "", json_string_value(l));
            }
            waiting = true;
        }
        json_decref(o);
    }
    if (waiting)
        table_row(t, network, host, addresses, NULL);
}

int cmd_ps(int argc, char **argv) {
    static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    bool json = false;
    int c;
    while ((c = getopt_long(argc, argv, "jh", longs, NULL)) != -1) {
        if (c != 'j') {
            fputs(usage_ps, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : EXIT_WEIR;
        }
        json = true;
    }
    struct table t = table_begin(6, 1 << 3);
    table_row(&t, "NETWORK", "HOST", "ADDRESSES", "PID", "PROGRAM", "LISTENS",
              NULL);
    const char *only = argv[optind];
    if (only && !(only = ask_which(only)))
        return EXIT_WEIR;
    char name[64];
    int status = 0;
    for (unsigned i = 0; only ? i == 0 : place_list(i, name, sizeof(name));
         i++) {
        struct answer a;
        if (!ask(&a, only ? only : name, "ps")) {
            status = EXIT_WEIR;
            continue;
        }
        if (json)
            ask_print(&a);
        else
            add_rows(&t, &a);
        ask_free(&a);
    }
    if (!json)
        table_print(&t);
    table_free(&t);
    return status;
}

static const char usage_down[] =
    "usage: weir down [NETWORK]\n"
    "End a network: its programs get SIGTERM, then SIGKILL; nothing is left\n"
    "but the recording.\n";

/* Until it is gone, so that the name can be used again. */
static bool wait_gone(const char *network) {
    char parent[64], dir[128];
    if (place_parent(parent, sizeof(parent)))
        return false;
    snprintf(dir, sizeof(dir), "%s/%.16s", parent, network);
    for (int i = 0; i < 1500; i++) {
        if (!place_is_up(dir))
            return true;
        usleep(10000);
    }
    return false;
}

int cmd_down(int argc, char **argv) {
    static const struct option longs[] = {{"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c = getopt_long(argc, argv, "h", longs, NULL);
    if (c != -1 || optind + 1 < argc) {
        fputs(usage_down, c == 'h' ? stdout : stderr);
        return c == 'h' ? 0 : EXIT_WEIR;
    }
    const char *network = ask_which(argv[optind]);
    struct answer a;
    if (!network || !ask(&a, network, "down"))
        return EXIT_WEIR;
    ask_free(&a);
    if (wait_gone(network))
        return 0;
    fprintf(stderr, "weir: network '%s' has not ended after 15 s\n", network);
    return EXIT_WEIR;
}
