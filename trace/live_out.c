/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line at a time into one stream, or with -ff into a file a thread. What
 * strace begins it ends on the same line, unless another line comes between.
 * The result stands in column 40 where there is room, as strace's does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trace/live_in.h"
#include "trace/words.h"

#define RESULT_COLUMN 39

int live_out_open(struct live_out *w, const struct live_options *o,
                  int64_t wall_ns) {
    memset(w, 0, sizeof(*w));
    w->o = o;
    w->wall_ns = wall_ns;
    char path[1024];
    snprintf(path, sizeof(path), "%s%s", o->path ? o->path : "",
             o->path && o->split ? ".net" : "");
    w->main = o->path ? fopen(path, "we") : fdopen(dup(STDERR_FILENO), "w");
    return w->main ? 0 : -errno;
}

void live_out_close(struct live_out *w) {
    for (unsigned i = 0; i < w->nfiles; i++)
        fclose(w->file[i].f);
    fclose(w->main);
}

void live_out_flush(struct live_out *w) {
    fflush(w->main);
    for (unsigned i = 0; i < w->nfiles; i++)
        fflush(w->file[i].f);
}

static FILE *stream(struct live_out *w, uint32_t tid) {
    if (!w->o->split || !w->o->path || !tid)
        return w->main;
    for (unsigned i = 0; i < w->nfiles; i++)
        if (w->file[i].tid == tid)
            return w->file[i].f;
    char path[1024];
    snprintf(path, sizeof(path), "%s.%u", w->o->path, tid);
    FILE *f = w->nfiles < LIVE_FILES ? fopen(path, "we") : NULL;
    if (!f)
        return w->main;
    w->file[w->nfiles++] = (struct live_file){tid, f};
    return f;
}

static bool shared(const struct live_out *w) {
    return !(w->o->split && w->o->path);
}

static void mark_cut(struct live_out *w) {
    for (unsigned i = 0; i < w->nbegun; i++)
        if (w->begun[i].tid == w->open_tid)
            w->begun[i].cut = true;
}

/* Another line comes: leave the open one. */
static void cut_open(struct live_out *w) {
    if (!w->open_tid)
        return;
    fputs(" <unfinished ...>\n", w->main);
    mark_cut(w);
    w->open_tid = 0;
}

static int stamp(struct live_out *w, FILE *f, uint64_t t_ns) {
    uint64_t wall = t_ns + (uint64_t)w->wall_ns, us = wall / 1000 % 1000000;
    time_t sec = (time_t)(wall / 1000000000u);
    struct tm tm;
    int n = 0;
    if (w->o->relative) {
        uint64_t gap = w->last_ns && t_ns > w->last_ns ? t_ns - w->last_ns : 0;
        n +=
            fprintf(f, "%6llu.%06llu ", (unsigned long long)(gap / 1000000000u),
                    (unsigned long long)(gap / 1000 % 1000000));
    }
    w->last_ns = t_ns;
    localtime_r(&sec, &tm);
    if (w->o->time == 3)
        n += fprintf(f, "%lld.%06llu ", (long long)sec, (unsigned long long)us);
    else if (w->o->time)
        n += fprintf(f, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (w->o->time == 2)
        n += fprintf(f, ".%06llu", (unsigned long long)us);
    if (w->o->time == 1 || w->o->time == 2)
        n += fprintf(f, " ");
    return n;
}

/* Begin a line; its width so far. */
static int begin(struct live_out *w, FILE *f, uint32_t tid, uint64_t t_ns) {
    int n = 0;
    if (shared(w)) {
        cut_open(w);
        if (tid && !w->first)
            w->first = tid;
        w->many |= tid && tid != w->first;
        if (tid && w->o->path)
            n = fprintf(f, "%-5u ", tid);
        else if (tid && w->many)
            n = fprintf(f, "[pid %5u] ", tid);
    }
    return n + stamp(w, f, t_ns);
}

static void end_call(struct live_out *w, FILE *f, const struct story *s,
                     const struct weir_event *ev, const char *text, int width) {
    fputs(text, f);
    width += (int)strlen(text);
    if (width < RESULT_COLUMN)
        fprintf(f, "%*s", RESULT_COLUMN - width, "");
    strace_result(f, s, ev, w->o->names);
    if (w->o->took)
        fprintf(f, " <%u.%06u>", ev->call.took_us / 1000000,
                ev->call.took_us % 1000000);
    fputc('\n', f);
}

static void call_text(struct live_out *w, const struct story *s,
                      const struct weir_event *ev, bool enter, bool leave,
                      char *out, size_t size) {
    FILE *f = fmemopen(out, size, "w");
    out[0] = 0;
    if (!f)
        return;
    if (enter)
        strace_enter(f, s, ev, w->o->names);
    else
        fprintf(f, "<... %s resumed>", strace_name(ev->call.call));
    if (leave)
        strace_leave(f, ev);
    fclose(f);
    out[size - 1] = 0;
}

void live_out_call(struct live_out *w, const struct story *s,
                   const struct weir_event *ev) {
    if (w->o->summary)
        return;
    char text[400];
    FILE *f = stream(w, ev->call.tid);
    int width = begin(w, f, ev->call.tid, ev->t_ns);
    call_text(w, s, ev, true, true, text, sizeof(text));
    end_call(w, f, s, ev, text, width);
}

void live_out_enter(struct live_out *w, const struct story *s,
                    const struct weir_event *ev) {
    if (w->o->summary)
        return;
    char text[400];
    FILE *f = stream(w, ev->call.tid);
    int width = begin(w, f, ev->call.tid, ev->t_ns);
    call_text(w, s, ev, true, false, text, sizeof(text));
    fputs(text, f);
    w->open_width = width + (int)strlen(text);
    if (!shared(w))
        return;
    w->open_tid = ev->call.tid;
    if (w->nbegun < sizeof(w->begun) / sizeof(w->begun[0])) {
        w->begun[w->nbegun].tid = ev->call.tid;
        w->begun[w->nbegun++].cut = false;
    }
}

/* -z and -Z write nothing before a call has ended: then it is whole. */
void live_out_leave(struct live_out *w, const struct story *s,
                    const struct weir_event *ev, uint64_t at) {
    if (w->o->summary)
        return;
    char text[400];
    FILE *f = stream(w, ev->call.tid);
    bool entered = !w->o->successful && !w->o->failed, cut = false;
    for (unsigned i = 0; i < w->nbegun; i++)
        if (w->begun[i].tid == ev->call.tid) {
            cut = w->begun[i].cut;
            w->begun[i] = w->begun[--w->nbegun];
            break;
        }
    int width = shared(w) ? w->open_width : RESULT_COLUMN;
    if (!entered)
        width = begin(w, f, ev->call.tid, ev->t_ns);
    else if (cut)
        width = begin(w, f, ev->call.tid, at);
    if (entered && !cut) {
        FILE *m = fmemopen(text, sizeof(text), "w");
        if (m) {
            strace_leave(m, ev);
            fclose(m);
        }
        if (shared(w))
            w->open_tid = 0;
    } else {
        call_text(w, s, ev, !entered, true, text, sizeof(text));
    }
    end_call(w, f, s, ev, text, width);
}

void live_out_abandon(struct live_out *w) {
    if (!w->open_tid)
        return;
    fputs(" <unfinished ...>) = ?\n", w->main);
    w->open_tid = 0;
}

void live_out_exit(struct live_out *w, const struct weir_event *ev) {
    if (w->o->summary)
        return;
    FILE *f = stream(w, ev->program.pid);
    begin(w, f, ev->program.pid, ev->t_ns);
    if (ev->program.signal)
        fprintf(f, "+++ killed by SIG%s%s +++\n",
                sigabbrev_np(ev->program.signal)
                    ? sigabbrev_np(ev->program.signal)
                    : "?",
                ev->program.core ? " (core dumped)" : "");
    else if (ev->program.status < 0)
        fputs("+++ exited +++\n", f); /* its parent knows how */
    else
        fprintf(f, "+++ exited with %d +++\n", ev->program.status);
}

void live_out_lost(struct live_out *w, uint64_t records) {
    cut_open(w);
    fprintf(w->main, "weir: %llu records came too fast to be shown\n",
            (unsigned long long)records);
}

/* "a > S 0 win 65495 10.0.1.1:36596 > 10.0.1.2:8888" */
static void segment(struct live_out *w, const struct story *s,
                    const struct weir_event *ev) {
    char what[96], from[40], to[40];
    bool sent = ev->kind == WEIR_EV_SEGMENT_SENT;
    /* On one host a segment is received in the moment it is sent. */
    if (ev->kind == WEIR_EV_SEGMENT_RECEIVED && ev->seg.src == ev->seg.dst)
        return;
    words_segment(s, ev, what, sizeof(what));
    words_address(s, ev->seg.src, ev->seg.sport, from, sizeof(from));
    words_address(s, ev->seg.dst, ev->seg.dport, to, sizeof(to));
    if (ev->seg.proto == 1)
        from[strcspn(from, ":")] = to[strcspn(to, ":")] = 0;
    begin(w, w->main, 0, ev->t_ns);
    fprintf(w->main, "%s %s %s", story_host(s, ev->host),
            sent                                   ? ">"
            : ev->kind == WEIR_EV_SEGMENT_RECEIVED ? "<"
            : ev->kind == WEIR_EV_DROP             ? "x"
                                                   : "~",
            what);
    if (ev->seg.proto == 6 && ev->kind <= WEIR_EV_SEGMENT_RECEIVED)
        fprintf(w->main, " win %u", ev->seg.win);
    fprintf(w->main, " %s > %s", from, to);
    if (sent && ev->seg.nth > 1)
        fprintf(w->main, " [Retransmission %u]", ev->seg.nth - 1u);
    if (ev->seg.reason)
        fprintf(w->main, " %s: %s", weir_reason_name(ev->seg.reason),
                weir_reason_text(ev->seg.reason));
    fputc('\n', w->main);
}

static unsigned line_of(unsigned kind) {
    switch (kind) {
    case WEIR_EV_SEGMENT_SENT:
    case WEIR_EV_SEGMENT_RECEIVED:
    case WEIR_EV_SEGMENT_FORWARDED:
    case WEIR_EV_ARP:
        return LIVE_SEGMENTS;
    case WEIR_EV_STATE:
    case WEIR_EV_ERROR:
        return LIVE_STATES;
    case WEIR_EV_DROP:
        return LIVE_DROPS;
    case WEIR_EV_TIMER_FIRED:
        return LIVE_TIMERS;
    case WEIR_EV_LINK:
    case WEIR_EV_IMPAIRED:
    case WEIR_EV_FAULT:
    case WEIR_EV_ALARM:
    case WEIR_EV_TEXT:
        return LIVE_FAULTS;
    default:
        return 0;
    }
}

void live_out_other(struct live_out *w, const struct story *s,
                    const struct weir_event *ev) {
    char text[320], local[40], remote[40];
    unsigned line = line_of(ev->kind);
    if (!(line & w->o->lines) || w->o->successful || w->o->failed)
        return;
    if (ev->kind == WEIR_EV_DROP ||
        (line == LIVE_SEGMENTS && ev->kind != WEIR_EV_ARP)) {
        segment(w, s, ev);
        return;
    }
    begin(w, w->main, 0, ev->t_ns);
    if (ev->kind == WEIR_EV_STATE) {
        words_address(s, ev->state.local, ev->state.lport, local,
                      sizeof(local));
        words_address(s, ev->state.remote, ev->state.rport, remote,
                      sizeof(remote));
        fprintf(w->main, "%s - %s -> %s %s > %s", story_host(s, ev->host),
                weir_tcp_state_name(ev->state.from),
                weir_tcp_state_name(ev->state.to), local, remote);
        if (ev->state.reason)
            fprintf(w->main, " %s", weir_reason_name(ev->state.reason));
        fputc('\n', w->main);
        return;
    }
    fprintf(w->main, "- %s\n", words_event(s, ev, text, sizeof(text)));
}
