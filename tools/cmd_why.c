/* SPDX-License-Identifier: BSD-2-Clause */
/* weir why: the causes of the last failure, of all, or of an event. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/cmd.h"
#include "tools/open.h"
#include "trace/why.h"

static const char usage[] =
    "usage: weir why [--all] [--pid PID] [--fd FD] [--json] [-r RECORDING] "
    "[ID]\n"
    "Explains the last failure of the last recording, every failure (of that\n"
    "process, on that descriptor), or the event ID (\"e24\" or \"24\", as the\n"
    "timeline numbers them). Where no call failed: what else is noteworthy.\n";

struct choice {
    bool all, json;
    long pid, fd; /* -1: any */
    const char *path;
};

static bool tell(const struct choice *o, const struct story *s,
                 weir_event_id id) {
    return o->json ? why_json(stdout, s, id) : why_print(stdout, s, id);
}

static int explain_one(const struct choice *o, const struct story *s,
                       const char *word) {
    char *end;
    weir_event_id id = strtoull(*word == 'e' ? word + 1 : word, &end, 10);
    if (*end || end == word || id == 0) {
        fprintf(stderr, "weir: '%s' is not an event; try: weir why e24\n",
                word);
        return EXIT_WEIR;
    }
    if (tell(o, s, id))
        return 0;
    fprintf(stderr,
            "weir: the recording has no event e%llu (it has e%llu to "
            "e%llu)\n",
            (unsigned long long)id, s->n ? (unsigned long long)s->ev[0].id : 0,
            s->n ? (unsigned long long)s->ev[s->n - 1].id : 0);
    return EXIT_WEIR;
}

static bool chosen(const struct choice *o, const struct story *s,
                   weir_event_id id) {
    const struct weir_event *ev = story_find(s, id);
    bool call = ev && ev->kind == WEIR_EV_CALL;
    return (o->pid < 0 || (call && ev->call.pid == o->pid)) &&
           (o->fd < 0 || (call && ev->call.fd == o->fd));
}

static int explain_none(const struct choice *o, const struct story *s) {
    if (o->json)
        return 0;
    puts("no call failed");
    fflush(stdout);
    why_look(stdout, s);
    return 0;
}

static int explain_all(const struct choice *o, const struct story *s) {
    weir_event_id id = 0;
    bool any = false;
    while ((id = why_next(s, id))) {
        if (!chosen(o, s, id))
            continue;
        if (any && !o->json)
            putchar('\n');
        any |= tell(o, s, id);
    }
    return any ? 0 : explain_none(o, s);
}

static int explain_last(const struct choice *o, const struct story *s) {
    weir_event_id last = why_last(s), id = 0;
    if (o->pid >= 0 || o->fd >= 0) {
        last = 0;
        while ((id = why_next(s, id)))
            last = chosen(o, s, id) ? id : last;
    }
    if (!last)
        return explain_none(o, s);
    tell(o, s, last);
    return 0;
}

static long number(const char *text) {
    char *end;
    long v = strtol(text, &end, 10);
    if (*text && !*end && v >= 0)
        return v;
    fprintf(stderr, "weir: not a number: %s\n", text);
    exit(EXIT_WEIR);
}

int cmd_why(int argc, char **argv) {
    static const struct option longs[] = {
        {"all", no_argument, NULL, 'a'},
        {"recording", required_argument, NULL, 'r'},
        {"json", no_argument, NULL, 'j'},
        {"pid", required_argument, NULL, 'p'},
        {"fd", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    struct choice o = {.pid = -1, .fd = -1};
    int c;
    while ((c = getopt_long(argc, argv, "ar:h", longs, NULL)) != -1) {
        if (c == 'a') {
            o.all = true;
        } else if (c == 'r') {
            o.path = optarg;
        } else if (c == 'j') {
            o.json = true;
        } else if (c == 'p') {
            o.pid = number(optarg);
        } else if (c == 'f') {
            o.fd = number(optarg);
        } else {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : EXIT_WEIR;
        }
    }
    struct record r;
    struct story s;
    if (!open_story(&r, &s, o.path))
        return EXIT_WEIR;
    int status = argv[optind] ? explain_one(&o, &s, argv[optind])
                 : o.all      ? explain_all(&o, &s)
                              : explain_last(&o, &s);
    close_story(&r, &s);
    return status;
}
