/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * weir trace's lines. The owner of the stack has the recorder in its own memory
 * and writes as rounds go by; one who joined reads the owner's recording, a
 * file that grows, fifty times a second.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run/run_in.h"
#include "trace/why.h"

#define JOINED_NS 20000000u

static struct back *back_of(struct loop_passer *p) {
    return (struct back *)((char *)p - offsetof(struct back, live_passer));
}

static bool lines_pass(struct loop_passer *p, uint64_t now) {
    live_pass(back_of(p)->live, now);
    return false;
}

static uint64_t lines_deadline(struct loop_passer *p) {
    struct back *b = back_of(p);
    uint64_t due = live_deadline(b->live);
    uint64_t poll = loop_now(b->loop) + JOINED_NS;
    return b->owner || due < poll ? due : poll;
}

void live_begin(struct back *b) {
    if (!b->opt->live)
        return;
    const struct record *r = &b->record;
    if (!b->owner) {
        int err = record_open_network(&b->joined, b->opt->network);
        if (err) {
            fprintf(stderr,
                    "weir: no lines: the recording of network '%s': %s\n",
                    b->opt->network, strerror(-err));
            return;
        }
        r = &b->joined;
    }
    b->live = live_create(b->opt->live, r, !b->owner);
    if (!b->live) {
        fprintf(stderr, "weir: %s: %s\n",
                b->opt->live->path ? b->opt->live->path : "stderr",
                strerror(errno));
        return;
    }
    live_root(b->live, (uint32_t)b->cmd);
    b->live_passer =
        (struct loop_passer){.pass = lines_pass, .deadline = lines_deadline};
    loop_join(b->loop, &b->live_passer);
}

/* To a person at a terminal, not into what somebody else reads. */
static void say_failures(const struct back *b) {
    if (!b->owner || b->opt->live || !b->record.path[0] ||
        !isatty(STDERR_FILENO))
        return;
    unsigned n = why_count(&b->record);
    if (n)
        fprintf(stderr, "weir: %u call%s failed; run: weir why\n", n,
                n == 1 ? "" : "s");
}

void live_finish(struct back *b) {
    say_failures(b);
    if (!b->live)
        return;
    loop_leave(b->loop, &b->live_passer);
    live_end(b->live);
    b->live = NULL;
    record_close(&b->joined);
}
