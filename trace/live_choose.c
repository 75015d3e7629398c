/* SPDX-License-Identifier: BSD-2-Clause */
/* Which lines: -e trace=. How many: -c. */
#include <stdlib.h>
#include <string.h>

#include "trace/live_in.h"

static const struct {
    const char *word;
    unsigned lines;
} kinds[] = {{"segments", LIVE_SEGMENTS}, {"states", LIVE_STATES},
             {"drops", LIVE_DROPS},       {"timers", LIVE_TIMERS},
             {"faults", LIVE_FAULTS},     {"programs", LIVE_PROGRAMS}};

/* The calls and kinds of lines that a word names; false: it names none. */
static bool named(const char *word, uint64_t *calls, unsigned *lines) {
    bool group = *word == '%';
    word += group;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(word, kinds[i].word)) {
            *lines |= kinds[i].lines;
            return true;
        }
    /* Everything here is about the network; the wire, too. */
    if (!strcmp(word, "network") || !strcmp(word, "net") ||
        !strcmp(word, "all")) {
        *calls = ~0ull;
        *lines |= LIVE_ALL;
        return true;
    }
    if (!strcmp(word, "calls")) {
        *calls = ~0ull;
        return true;
    }
    bool any = false;
    for (unsigned c = 1; c < WEIR_CALL_MAX; c++)
        if (!strcmp(word, weir_call_name(c)) || !strcmp(word, strace_name(c)) ||
            (!strncmp(word, "desc", 4) &&
             (c >= WEIR_CALL_read && c <= WEIR_CALL_writev))) {
            *calls |= 1ull << c;
            any = true;
        }
    return any;
}

const char *live_choose(struct live_options *o, const char *words) {
    char *copy = strdup(words), *save = NULL;
    uint64_t calls = 0;
    unsigned lines = 0;
    bool but = *words == '!';
    const char *why = copy ? NULL : "out of memory";
    for (char *w = copy ? strtok_r(copy + but, ",", &save) : NULL; w && !why;
         w = strtok_r(NULL, ",", &save))
        if (!named(w, &calls, &lines))
            why = "names neither a socket call nor one of %network, calls, "
                  "segments, states, drops, timers, faults, programs";
    free(copy);
    if (why)
        return why;
    o->hidden = but ? o->hidden | calls : ~calls;
    o->lines = but ? o->lines & ~lines : lines;
    return NULL;
}

void live_sum_add(struct live_sum *sum, const struct weir_event *ev) {
    unsigned c = ev->call.call < WEIR_CALL_MAX ? ev->call.call : 0;
    sum->call[c].calls++;
    sum->call[c].errors += ev->call.result < 0;
    sum->call[c].us += ev->call.took_us;
}

struct line {
    unsigned call;
    uint64_t us;
};

static int by_time(const void *a, const void *b) {
    const struct line *x = a, *y = b;
    if (x->us != y->us)
        return x->us < y->us ? 1 : -1;
    return x->call < y->call ? -1 : x->call > y->call;
}

static void sum_line(FILE *out, double share, uint64_t us, uint64_t calls,
                     uint64_t errors, const char *name) {
    char failed[24] = "";
    if (errors)
        snprintf(failed, sizeof(failed), "%llu", (unsigned long long)errors);
    fprintf(out, "%6.2f %11.6f %11llu %9llu %9s %s\n", share, (double)us / 1e6,
            (unsigned long long)(calls ? us / calls : 0),
            (unsigned long long)calls, failed, name);
}

/* strace's table; its seconds are between begin and end of calls (strace -w).
 */
void live_sum_print(FILE *out, const struct live_sum *sum) {
    static const char rule[] = "------ ----------- ----------- --------- "
                               "--------- ----------------\n";
    struct line line[WEIR_CALL_MAX];
    uint64_t us = 0, calls = 0, errors = 0;
    unsigned n = 0;
    for (unsigned c = 0; c < WEIR_CALL_MAX; c++) {
        if (!sum->call[c].calls)
            continue;
        line[n++] = (struct line){c, sum->call[c].us};
        us += sum->call[c].us;
        calls += sum->call[c].calls;
        errors += sum->call[c].errors;
    }
    qsort(line, n, sizeof(line[0]), by_time);
    fputs("% time     seconds  usecs/call     calls    errors syscall\n", out);
    fputs(rule, out);
    for (unsigned i = 0; i < n; i++)
        sum_line(out, us ? 100.0 * (double)line[i].us / (double)us : 0,
                 line[i].us, sum->call[line[i].call].calls,
                 sum->call[line[i].call].errors, strace_name(line[i].call));
    fputs(rule, out);
    sum_line(out, 100, us, calls, errors, "total");
}
