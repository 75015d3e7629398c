/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chain is walked by the causes that events name; where a call names none,
 * its own reason is given. Nothing is guessed: a chain ends at a program, at
 * a timer's arming, or at "arrived on" a real link. What is said beside it
 * (why_also.c) are facts of the recording, too.
 */
#include "trace/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "trace/jsonl.h"
#include "trace/why_in.h"
#include "trace/words.h"

#define DEPTH 24 /* causes shown of one chain */

bool why_is_failure(const struct weir_event *ev) {
    if (ev->kind != WEIR_EV_CALL || ev->call.result >= 0 ||
        ev->call.result == WEIR_CALL_PENDING)
        return false;
    /* Asking is no failure: programs look whether they are connected. */
    if (ev->call.call == WEIR_CALL_getpeername ||
        ev->call.call == WEIR_CALL_getsockopt)
        return false;
    switch (-ev->call.result) {
    case EAGAIN:
    case EINPROGRESS:
    case EALREADY:
    case EINTR:
    case EISCONN:
        return false;
    }
    return true;
}

weir_event_id why_next(const struct story *s, weir_event_id id) {
    for (size_t i = 0; i < s->n; i++)
        if (s->ev[i].id > id && why_is_failure(&s->ev[i]))
            return s->ev[i].id;
    return 0;
}

/* A failed connect or getsockopt(SO_ERROR) that took one counts by its ERROR.
 */
weir_event_id why_last(const struct story *s) {
    weir_event_id error = 0, pending = 0;
    for (size_t i = s->n; i-- > 0;) {
        const struct weir_event *ev = &s->ev[i];
        if (why_is_failure(ev))
            return ev->id;
        if (ev->kind == WEIR_EV_ERROR && !ev->error.soft && !error)
            error = ev->id;
        if (ev->kind == WEIR_EV_CALL && !pending &&
            ev->call.result == WEIR_CALL_PENDING)
            pending = ev->id;
    }
    return error ? error : pending;
}

unsigned why_count(const struct record *r) {
    struct record_cursor c = {0};
    const struct weir_event *ev;
    unsigned n = 0;
    while ((ev = record_next(r, &c)))
        n += why_is_failure(ev);
    return n;
}

double why_ms(const struct story *s, const struct weir_event *ev) {
    return (double)(int64_t)(ev->t_ns - s->ev[0].t_ns) / 1e6;
}

void why_add(struct why *w, enum why_kind kind, weir_event_id id,
             const char *format, ...) {
    if (w->n == WHY_LINES)
        return;
    struct why_line *l = &w->line[w->n++];
    l->kind = kind;
    l->id = id;
    va_list ap;
    va_start(ap, format);
    vsnprintf(l->text, sizeof(l->text), format, ap);
    va_end(ap);
}

static void add_event(struct why *w, enum why_kind kind,
                      const struct weir_event *ev) {
    char text[320];
    words_event(w->s, ev, text, sizeof(text));
    why_add(w, kind, ev->id, "%s", text);
}

/* ---- the chain ---- */

/* The ERROR this socket was last given before the call `ev` ended. */
static const struct weir_event *error_before(const struct story *s,
                                             const struct weir_event *ev) {
    const struct story_socket *k = story_socket(s, ev->host, ev->sock, ev->id);
    uint64_t end = ev->t_ns + (uint64_t)ev->call.took_us * 1000 + 999;
    const struct weir_event *x = k ? fact_latest(s, k, UINT64_MAX) : NULL;
    while (x && (x->kind != WEIR_EV_ERROR || x->t_ns > end))
        x = fact_earlier(s, k, x);
    return x;
}

/* A call that already reported that error, before `ev`. */
static const struct weir_event *reported(const struct story *s,
                                         const struct weir_event *error,
                                         const struct weir_event *ev) {
    const struct weir_event *found = NULL;
    const struct weir_event *x = ev;
    while ((x = story_before(s, x)) && x->id > error->id)
        if (x->kind == WEIR_EV_CALL && x->call.result == -error->error.error)
            found = x;
    return found;
}

static void remember(struct why *w, const struct weir_event *c) {
    if ((c->kind == WEIR_EV_SEGMENT_SENT || c->kind == WEIR_EV_DROP) &&
        c->seg.reason)
        w->reason = c->seg.reason;
    if (c->kind == WEIR_EV_SEGMENT_SENT && c->seg.tcp_flags & WEIR_RST)
        w->rst = c;
    if (c->kind == WEIR_EV_RELEASED)
        w->released = c;
    if (c->kind == WEIR_EV_ERROR) {
        w->error = c;
        if (!w->reason)
            w->reason = c->error.reason;
    }
}

static void chain(struct why *w, const struct weir_event *ev) {
    weir_event_id cause = ev->cause;
    for (int i = 0; cause && i < DEPTH; i++) {
        const struct weir_event *c = story_find(w->s, cause);
        if (!c) {
            why_add(w, WHY_NOTE, cause,
                    "e%llu (overwritten: the recording is a ring)",
                    (unsigned long long)cause);
            return;
        }
        if (c == w->ev)
            return; /* it comes back to what was asked about */
        add_event(w, WHY_CAUSE, c);
        remember(w, c);
        /* A call is where a program began it: what completed that call does
         * not belong to this chain. */
        if (c->kind == WEIR_EV_CALL)
            return;
        cause = c->cause;
    }
}

static void explain_failure(struct why *w) {
    const struct weir_event *ev = w->ev;
    const struct weir_event *error = error_before(w->s, ev);
    const struct weir_event *first = error ? reported(w->s, error, ev) : NULL;
    if (ev->call.reason && !ev->cause)
        why_add(w, WHY_BECAUSE, 0, "%s (%s)", weir_reason_text(ev->call.reason),
                weir_reason_name(ev->call.reason));
    w->reason = ev->call.reason;
    if (ev->cause) {
        chain(w, ev);
    } else if (error) {
        add_event(w, WHY_CAUSE, error);
        remember(w, error);
        if (first)
            why_add(w, WHY_NOTE, first->id,
                    "that error was already reported by e%llu %s",
                    (unsigned long long)first->id,
                    weir_call_name(first->call.call));
        chain(w, error);
    }
}

static bool explain(struct why *w, const struct story *s, weir_event_id id) {
    const struct weir_event *ev = story_find(s, id);
    if (!ev)
        return false;
    w->s = s;
    w->ev = ev;
    add_event(w, WHY_HEAD, ev);
    if (why_is_failure(ev))
        explain_failure(w);
    else if (ev->kind == WEIR_EV_CALL && ev->call.result == WEIR_CALL_PENDING)
        why_blocked(w);
    else
        chain(w, ev);
    remember(w, ev);
    why_also(w);
    why_try(w);
    return true;
}

/* ---- writing it ---- */

static void print_line(FILE *out, const struct why *w,
                       const struct why_line *l) {
    const struct weir_event *ev = l->id ? story_find(w->s, l->id) : NULL;
    unsigned long long id = l->id;
    switch (l->kind) {
    case WHY_HEAD:
        fprintf(out, "e%llu %11.3f ms  %s\n", id, why_ms(w->s, ev), l->text);
        return;
    case WHY_CAUSE:
        fprintf(out, " <- e%llu %8.3f ms  %s\n", id, why_ms(w->s, ev), l->text);
        return;
    case WHY_BECAUSE:
        fprintf(out, " because: %s\n", l->text);
        return;
    case WHY_NOTE:
        fprintf(out, "    %s\n", l->text);
        return;
    case WHY_ALSO:
        fprintf(out, "also: %s\n", l->text);
        return;
    case WHY_TRY:
        fprintf(out, "try: %s\n", l->text);
        return;
    }
}

bool why_print(FILE *out, const struct story *s, weir_event_id id) {
    struct why *w = calloc(1, sizeof(*w));
    bool found = w && explain(w, s, id);
    for (unsigned i = 0; found && i < w->n; i++)
        print_line(out, w, &w->line[i]);
    free(w);
    return found;
}

static void json_list(struct jsonl *j, const struct why *w, const char *key,
                      enum why_kind kind) {
    jsonl_open(j, key, '[');
    for (unsigned i = 0; i < w->n; i++)
        if (w->line[i].kind == kind)
            jsonl_element(j, w->line[i].text);
    jsonl_close(j, ']');
}

bool why_json(FILE *out, const struct story *s, weir_event_id id) {
    struct why *w = calloc(1, sizeof(*w));
    bool found = w && explain(w, s, id);
    if (found) {
        struct jsonl j = jsonl_begin(out);
        jsonl_number(&j, "id", (int64_t)id);
        jsonl_text(&j, "text", w->line[0].text);
        if (w->reason)
            jsonl_text(&j, "reason", weir_reason_name(w->reason));
        jsonl_open(&j, "causes", '[');
        for (unsigned i = 0; i < w->n; i++) {
            if (w->line[i].kind != WHY_CAUSE)
                continue;
            jsonl_open(&j, NULL, '{');
            jsonl_number(&j, "id", (int64_t)w->line[i].id);
            jsonl_text(&j, "text", w->line[i].text);
            jsonl_close(&j, '}');
        }
        jsonl_close(&j, ']');
        json_list(&j, w, "because", WHY_BECAUSE);
        json_list(&j, w, "notes", WHY_NOTE);
        json_list(&j, w, "also", WHY_ALSO);
        json_list(&j, w, "try", WHY_TRY);
        jsonl_end(&j);
    }
    free(w);
    return found;
}
