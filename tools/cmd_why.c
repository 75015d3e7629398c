/* SPDX-License-Identifier: BSD-2-Clause */
/* weir why: the causes of the last failure, of all, or of an event. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/cmd.h"
#include "tools/open.h"
#include "trace/why.h"

static const char usage[] =
    "usage: weir why [--all] [-r RECORDING] [ID]\n"
    "Explains the last failure of the last recording, every failure, or the\n"
    "event ID (\"e24\" or \"24\", as the timeline numbers them).\n";

static int explain_one(const struct story *s, const char *word) {
    char *end;
    weir_event_id id = strtoull(*word == 'e' ? word + 1 : word, &end, 10);
    if (*end || end == word || id == 0) {
        fprintf(stderr, "weir: '%s' is not an event; try: weir why e24\n",
                word);
        return EXIT_WEIR;
    }
    if (why_print(stdout, s, id))
        return 0;
    fprintf(stderr,
            "weir: the recording has no event e%llu (it has e%llu to "
            "e%llu)\n",
            (unsigned long long)id, s->n ? (unsigned long long)s->ev[0].id : 0,
            s->n ? (unsigned long long)s->ev[s->n - 1].id : 0);
    return EXIT_WEIR;
}

static int explain_all(const struct story *s) {
    weir_event_id id = 0;
    bool any = false;
    while ((id = why_next(s, id))) {
        if (any)
            putchar('\n');
        any = why_print(stdout, s, id);
    }
    if (!any)
        puts("no call failed");
    return 0;
}

int cmd_why(int argc, char **argv) {
    static const struct option longs[] = {
        {"all", no_argument, NULL, 'a'},
        {"recording", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    bool all = false;
    const char *path = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "ar:h", longs, NULL)) != -1) {
        if (c == 'a') {
            all = true;
        } else if (c == 'r') {
            path = optarg;
        } else {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : EXIT_WEIR;
        }
    }
    struct record r;
    struct story s;
    if (!open_story(&r, &s, path))
        return EXIT_WEIR;
    int status = 0;
    weir_event_id last = why_last(&s);
    if (argv[optind])
        status = explain_one(&s, argv[optind]);
    else if (all)
        status = explain_all(&s);
    else if (last)
        why_print(stdout, &s, last);
    else
        puts("no call failed");
    close_story(&r, &s);
    return status;
}
