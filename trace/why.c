/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chain is walked by the causes that events name; where a call names none,
 * its own reason is given. Nothing is guessed: a chain ends at a program, at
 * a timer's arming, or at "arrived on" a real link.
 */
#include "trace/why.h"

#include <errno.h>
#include <string.h>

#include "trace/words.h"

#define DEPTH 24 /* causes shown of one chain */

static bool is_failure(const struct weir_event *ev) {
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
        if (s->ev[i].id > id && is_failure(&s->ev[i]))
            return s->ev[i].id;
    return 0;
}

/* A failed connect or getsockopt(SO_ERROR) that took one counts by its ERROR.
 */
weir_event_id why_last(const struct story *s) {
    weir_event_id error = 0, pending = 0;
    for (size_t i = s->n; i-- > 0;) {
        const struct weir_event *ev = &s->ev[i];
        if (is_failure(ev))
            return ev->id;
        if (ev->kind == WEIR_EV_ERROR && !ev->error.soft && !error)
            error = ev->id;
        if (ev->kind == WEIR_EV_CALL && !pending &&
            ev->call.result == WEIR_CALL_PENDING)
            pending = ev->id;
    }
    return error ? error : pending;
}

static const char *advice(unsigned reason) {
    switch (reason) {
    case WEIR_TCP_ABORT_ON_CLOSE:
        return "read to end of file before close, or shutdown(SHUT_WR) and "
               "read the rest";
    case WEIR_TCP_ABORT_ON_DATA:
        return "the peer had closed: stop writing once read gives 0";
    case WEIR_TCP_REFUSED:
    case WEIR_NO_SOCKET:
        return "is the server running, and on that address and port? "
               "(weir ss -l)";
    case WEIR_ADDR_IN_USE:
        return "end the holder, or set SO_REUSEADDR where it is in TIME_WAIT";
    case WEIR_NO_ROUTE:
    case WEIR_IP_OUTNOROUTES:
        return "weir's network is closed: only its own hosts can be reached";
    case WEIR_TCP_SYN_TIMEOUT:
    case WEIR_TCP_RETRANSMIT_TIMEOUT:
        return "net.ipv4.tcp_syn_retries and tcp_retries2 set how long it "
               "tries; TCP_USER_TIMEOUT does so for one socket";
    default:
        return NULL;
    }
}

/* The ERROR this socket was last given before the call `ev` ended. */
static const struct weir_event *error_before(const struct story *s,
                                             const struct weir_event *ev) {
    const struct weir_event *found = NULL;
    uint64_t end = ev->t_ns + (uint64_t)ev->call.took_us * 1000 + 999;
    for (size_t i = 0; i < s->n && s->ev[i].t_ns <= end; i++)
        if (s->ev[i].kind == WEIR_EV_ERROR && s->ev[i].host == ev->host &&
            s->ev[i].sock == ev->sock && ev->sock)
            found = &s->ev[i];
    return found;
}

/* A call that already reported that error, before `ev`. */
static const struct weir_event *reported(const struct story *s,
                                         const struct weir_event *error,
                                         const struct weir_event *ev) {
    for (size_t i = 0; i < s->n && s->ev[i].id < ev->id; i++)
        if (s->ev[i].kind == WEIR_EV_CALL && s->ev[i].host == ev->host &&
            s->ev[i].sock == ev->sock && s->ev[i].id > error->id &&
            s->ev[i].call.result == -error->error.error)
            return &s->ev[i];
    return NULL;
}

/* Who listens on, or is bound to, the address a bind wanted. */
static void print_holder(FILE *out, const struct story *s,
                         const struct weir_event *bind) {
    for (size_t i = s->nsockets; i-- > 0;) {
        const struct story_socket *k = &s->socket[i];
        if (k->host != bind->host || k->lport != bind->call.a1 ||
            k->first >= bind->id || k->sock == bind->sock)
            continue;
        char who[48];
        fprintf(out, " <- e%llu %s has port %u (fd %d%s)\n",
                (unsigned long long)k->first,
                words_program(s, k->pid, who, sizeof(who)), k->lport, k->fd,
                k->listening ? ", listening" : "");
        return;
    }
}

/* The call of the same socket at the origin of a segment or a state. */
static void print_chain(FILE *out, const struct story *s,
                        const struct weir_event *ev, unsigned *reason) {
    char text[320];
    weir_event_id cause = ev->cause;
    for (int i = 0; cause && i < DEPTH; i++) {
        const struct weir_event *c = story_find(s, cause);
        if (!c) {
            fprintf(out, " <- e%llu (overwritten: the recording is a ring)\n",
                    (unsigned long long)cause);
            return;
        }
        fprintf(out, " <- e%llu %8.3f ms  %s\n", (unsigned long long)c->id,
                (double)(c->t_ns - s->ev[0].t_ns) / 1e6,
                words_event(s, c, text, sizeof(text)));
        if ((c->kind == WEIR_EV_SEGMENT_SENT || c->kind == WEIR_EV_DROP) &&
            c->seg.reason)
            *reason = c->seg.reason;
        if (c->kind == WEIR_EV_ERROR && !*reason)
            *reason = c->error.reason;
        /* A call is where a program began it: what completed that call does
         * not belong to this chain. */
        if (c->kind == WEIR_EV_CALL)
            return;
        cause = c->cause;
    }
}

static void explain_failure(FILE *out, const struct story *s,
                            const struct weir_event *ev, unsigned *reason) {
    const struct weir_event *error = error_before(s, ev);
    const struct weir_event *first = error ? reported(s, error, ev) : NULL;
    char text[320];
    if (ev->call.reason && !ev->cause)
        fprintf(out, " because: %s (%s)\n", weir_reason_text(ev->call.reason),
                weir_reason_name(ev->call.reason));
    *reason = ev->call.reason;
    if (ev->call.call == WEIR_CALL_bind && ev->call.result == -EADDRINUSE)
        print_holder(out, s, ev);
    if (ev->cause) {
        print_chain(out, s, ev, reason);
    } else if (error) {
        fprintf(out, " <- e%llu %8.3f ms  %s\n", (unsigned long long)error->id,
                (double)(error->t_ns - s->ev[0].t_ns) / 1e6,
                words_event(s, error, text, sizeof(text)));
        if (first)
            fprintf(out, "    that error was already reported by e%llu %s\n",
                    (unsigned long long)first->id,
                    weir_call_name(first->call.call));
        print_chain(out, s, error, reason);
    }
}

static void explain_pending(FILE *out, const struct story *s,
                            const struct weir_event *ev) {
    const struct weir_event *last = &s->ev[s->n - 1];
    fprintf(out, " it has not returned: blocked for %.3f s so far\n",
            (double)(last->t_ns - ev->t_ns) / 1e9);
    char text[320];
    for (size_t i = s->n; i-- > 0;) {
        const struct weir_event *x = &s->ev[i];
        if (x->kind == WEIR_EV_LINK || x->kind == WEIR_EV_FAULT)
            fprintf(out, " since e%llu: %s\n", (unsigned long long)x->id,
                    words_event(s, x, text, sizeof(text)));
    }
}

bool why_print(FILE *out, const struct story *s, weir_event_id id) {
    const struct weir_event *ev = story_find(s, id);
    if (!ev)
        return false;
    char text[320];
    unsigned reason = 0;
    fprintf(out, "e%llu %11.3f ms  %s\n", (unsigned long long)id,
            (double)(ev->t_ns - s->ev[0].t_ns) / 1e6,
            words_event(s, ev, text, sizeof(text)));
    if (is_failure(ev))
        explain_failure(out, s, ev, &reason);
    else if (ev->kind == WEIR_EV_CALL && ev->call.result == WEIR_CALL_PENDING)
        explain_pending(out, s, ev);
    else
        print_chain(out, s, ev, &reason);
    if (ev->kind == WEIR_EV_SEGMENT_SENT || ev->kind == WEIR_EV_DROP)
        reason = ev->seg.reason;
    const char *hint = advice(reason);
    if (hint)
        fprintf(out, "try: %s\n", hint);
    return true;
}
