/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known beside a chain: bytes that were lost, faults in force, who has
 * the port, when the peer was last heard. Facts of the recording, each with the
 * event that shows it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "trace/why_in.h"
#include "trace/words.h"

typedef unsigned long long ull;

/* ---- faults ---- */

void why_faults(struct why *w, weir_event_id at) {
    const struct weir_event *f;
    char text[320];
    for (unsigned n = 0; n < 8 && (f = fact_fault(w->s, at, n)); n++)
        why_add(w, WHY_ALSO, f->id, "since e%llu, %.3f ms: %s", (ull)f->id,
                why_ms(w->s, f), words_event(w->s, f, text, sizeof(text)));
}

/* ---- resets ---- */

static void lost_bytes(struct why *w, const struct weir_event *r) {
    char who[48];
    const struct story_socket *k = story_socket(w->s, r->host, r->sock, r->id);
    words_program(w->s,
                  r->released.pid ? r->released.pid
                  : k             ? k->pid
                                  : 0,
                  who, sizeof(who));
    ull unread = r->released.unread;
    if (unread)
        why_add(w, WHY_ALSO, r->id,
                "%s left %llu received bytes unread: they are lost", who,
                unread);
    if (r->released.unsent)
        why_add(w, WHY_ALSO, r->id,
                "%u bytes that %s had written were not acknowledged yet",
                r->released.unsent, who);
}

/* Why the last reference went: a close is in the chain; else the program
 * ended. */
static void ended_program(struct why *w, const struct weir_event *r) {
    const struct weir_event *c = r->cause ? story_find(w->s, r->cause) : NULL;
    if (c && c->kind == WEIR_EV_CALL)
        return;
    char text[320];
    for (size_t i = 0; i < w->s->n; i++) {
        const struct weir_event *x = &w->s->ev[i];
        int64_t gap = (int64_t)(x->t_ns - r->t_ns);
        if (x->kind == WEIR_EV_PROGRAM_EXITED && r->released.pid &&
            x->program.pid == r->released.pid && gap > -1000000000 &&
            gap < 1000000000)
            why_add(w, WHY_ALSO, x->id, "e%llu, %.3f ms: %s", (ull)x->id,
                    why_ms(w->s, x), words_event(w->s, x, text, sizeof(text)));
    }
}

static void other_ports(struct why *w, const struct weir_event *rst) {
    char list[200] = "";
    for (size_t i = 0; i < w->s->nsockets; i++) {
        const struct story_socket *k = &w->s->socket[i];
        if (k->host != rst->host || !k->listening || k->first > rst->id ||
            fact_state(w->s, k, rst->id, NULL) != WEIR_TCP_LISTEN)
            continue;
        char one[48];
        words_address(w->s, k->local, k->lport, one, sizeof(one));
        size_t n = strlen(list);
        if (n + strlen(one) + 3 < sizeof(list))
            snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", one);
    }
    if (list[0])
        why_add(w, WHY_ALSO, 0, "what listened on %s then: %s",
                story_host(w->s, rst->host), list);
    else
        why_add(w, WHY_ALSO, 0, "nothing listened on %s then",
                story_host(w->s, rst->host));
}

static void reset(struct why *w) {
    const struct weir_event *rst = w->rst;
    if (w->released) {
        lost_bytes(w, w->released);
        ended_program(w, w->released);
    }
    if (!rst || rst->seg.reason != WEIR_NO_SOCKET)
        return;
    const struct weir_event *crash = fact_crash(w->s, rst->host, rst->id);
    char text[320];
    if (crash)
        why_add(w, WHY_ALSO, crash->id,
                "e%llu, %.3f ms: %s; it knows no connection from before",
                (ull)crash->id, why_ms(w->s, crash),
                words_event(w->s, crash, text, sizeof(text)));
    const struct weir_event *got = story_find(w->s, rst->cause);
    if (got && got->kind == WEIR_EV_SEGMENT_RECEIVED &&
        (got->seg.tcp_flags & (WEIR_SYN | WEIR_ACK)) == WEIR_SYN)
        other_ports(w, rst);
}

/* ---- time-outs ---- */

static void heard(struct why *w, const struct story_socket *k,
                  weir_event_id at) {
    const struct weir_event *h =
        fact_last(w->s, k, WEIR_EV_SEGMENT_RECEIVED, at);
    char text[320];
    if (h)
        why_add(w, WHY_ALSO, h->id,
                "last heard from the peer: e%llu, %.3f ms: "
                "%s",
                (ull)h->id, why_ms(w->s, h),
                words_event(w->s, h, text, sizeof(text)));
    else
        why_add(w, WHY_ALSO, 0, "nothing was ever heard from the peer");
}

static void say_setting(struct why *w, const struct story_socket *k,
                        enum record_setting which) {
    uint32_t value;
    if (record_setting(w->s->record, k->host, which, &value))
        why_add(w, WHY_ALSO, 0, "%s was %u", record_setting_name(which), value);
}

/* The socket's own option, or the host's setting. */
static unsigned in_force(struct why *w, const struct story_socket *k, int name,
                         enum record_setting which, weir_event_id at) {
    int own = 0;
    uint32_t value = 0;
    if (fact_option(w->s, k, 6, name, at, &own))
        return (unsigned)own;
    record_setting(w->s->record, k->host, which, &value);
    return value;
}

static void settings(struct why *w, const struct story_socket *k,
                     weir_event_id at) {
    int ms = 0;
    if (w->reason == WEIR_TCP_SYN_TIMEOUT)
        say_setting(w, k, RECORD_SYN_RETRIES);
    if (w->reason == WEIR_TCP_RETRANSMIT_TIMEOUT ||
        w->reason == WEIR_TCP_PROBE_TIMEOUT)
        say_setting(w, k, RECORD_RETRIES2);
    if (w->reason == WEIR_TCP_KEEPALIVE_TIMEOUT)
        why_add(w, WHY_ALSO, 0,
                "keep-alive in force: after %u s idle, every %u s, %u probes",
                in_force(w, k, 4, RECORD_KEEPALIVE_TIME, at),
                in_force(w, k, 5, RECORD_KEEPALIVE_INTVL, at),
                in_force(w, k, 6, RECORD_KEEPALIVE_PROBES, at));
    if (fact_option(w->s, k, 6, 18, at, &ms) && ms)
        why_add(w, WHY_ALSO, 0, "TCP_USER_TIMEOUT was %d ms", ms);
}

static void time_out(struct why *w, const struct story_socket *k,
                     weir_event_id at) {
    const struct weir_event *last;
    settings(w, k, at);
    heard(w, k, at);
    unsigned lost = fact_lost(w->s, k, at, &last);
    if (lost)
        why_add(w, WHY_ALSO, last->id,
                "%u segments sent since then were lost, the last (%u bytes) at "
                "e%llu: %s (%s)",
                lost, last->seg.len, (ull)last->id,
                weir_reason_text(last->seg.reason),
                weir_reason_name(last->seg.reason));
    if (w->error && w->error->error.unsent)
        why_add(w, WHY_ALSO, w->error->id,
                "%u bytes were not acknowledged and are lost",
                w->error->error.unsent);
    why_faults(w, at);
}

/* ---- ports ---- */

static void reuse(struct why *w, const struct story_socket *k, const char *who,
                  weir_event_id at) {
    int on = 0;
    bool set = fact_option(w->s, k, 1, 2, at, &on) && on;
    why_add(w, WHY_ALSO, 0, "%s has %s SO_REUSEADDR", who,
            set ? "set" : "not set");
}

static void holder(struct why *w) {
    const struct weir_event *bind = w->ev;
    const struct story_socket *own =
        story_socket(w->s, bind->host, bind->sock, bind->id);
    char who[48], text[80];
    for (size_t i = w->s->nsockets; i-- > 0;) {
        const struct story_socket *k = &w->s->socket[i];
        const struct weir_event *since;
        if (k->host != bind->host || k->lport != bind->call.a1 ||
            k->first >= bind->id || k->sock == bind->sock)
            continue;
        unsigned state = fact_state(w->s, k, bind->id, &since);
        bool tcp = k->proto == 6;
        if (tcp && since && state == WEIR_TCP_CLOSED)
            continue;
        bool waits = state == WEIR_TCP_TIME_WAIT;
        uint32_t lasts = 0;
        bool known =
            record_setting(w->s->record, k->host, RECORD_TIMEWAIT_LEN, &lasts);
        words_program(w->s, k->pid, who, sizeof(who));
        if (waits && known)
            snprintf(text, sizeof(text), "TIME_WAIT for %.0f s more",
                     lasts - (double)(bind->t_ns - since->t_ns) / 1e9);
        else
            snprintf(text, sizeof(text), "fd %d%s%s", k->fd, since ? ", " : "",
                     k->listening ? "listening"
                     : since      ? weir_tcp_state_name(state)
                                  : "");
        why_add(w, WHY_CAUSE, k->first, "%s has port %u (%s)", who, k->lport,
                text);
        if (waits)
            why_add(w, WHY_ALSO, since->id,
                    "this end closed first (e%llu), so TIME_WAIT is here",
                    (ull)since->id);
        if (own)
            reuse(w, own, "this socket", bind->id);
        reuse(w, k, "the holder", bind->id);
        return;
    }
}

static void local_addresses(struct why *w) {
    const struct record_header *h = w->s->record->header;
    char list[200] = "127.0.0.0/8";
    for (uint32_t i = 0; i < h->nifs; i++) {
        uint32_t a = h->ifs[i].addr;
        size_t n = strlen(list);
        if (h->ifs[i].host == w->ev->host && a && n + 24 < sizeof(list))
            snprintf(list + n, sizeof(list) - n, ", %u.%u.%u.%u", a >> 24,
                     a >> 16 & 255, a >> 8 & 255, a & 255);
    }
    why_add(w, WHY_ALSO, 0, "addresses of %s: %s",
            story_host(w->s, w->ev->host), list);
}

/* How the ports of a host were used up. */
static void ports_used(struct why *w) {
    unsigned by_state[16] = {0}, total = 0;
    for (size_t i = 0; i < w->s->nsockets; i++) {
        const struct story_socket *k = &w->s->socket[i];
        unsigned state = k->host == w->ev->host && k->proto == 6 && k->lport
                             ? fact_state(w->s, k, w->ev->id, NULL)
                             : 0;
        if (!state || state == WEIR_TCP_CLOSED || state > 15)
            continue;
        by_state[state]++;
        total++;
    }
    why_add(w, WHY_ALSO, 0,
            "ports of %s in use: %u (%u established, %u in TIME_WAIT, %u in "
            "CLOSE_WAIT)",
            story_host(w->s, w->ev->host), total,
            by_state[WEIR_TCP_ESTABLISHED], by_state[WEIR_TCP_TIME_WAIT],
            by_state[WEIR_TCP_CLOSE_WAIT]);
}

/* ---- others ---- */

/* A connect that did not wait: what became of it. */
static void in_progress(struct why *w, const struct story_socket *k) {
    const struct weir_event *since;
    char text[320];
    unsigned state = fact_state(w->s, k, UINT64_MAX, &since);
    const struct weir_event *error =
        fact_last(w->s, k, WEIR_EV_ERROR, UINT64_MAX);
    if (error && error->id > w->ev->id)
        why_add(w, WHY_ALSO, error->id, "later, e%llu: %s", (ull)error->id,
                words_event(w->s, error, text, sizeof(text)));
    else if (state == WEIR_TCP_SYN_SENT)
        heard(w, k, UINT64_MAX);
    else if (since)
        why_add(w, WHY_ALSO, since->id, "it went on to %s",
                weir_tcp_state_name(state));
}

static void sigpipe(struct why *w) {
    for (size_t i = (size_t)(w->ev - w->s->ev); i < w->s->n; i++) {
        const struct weir_event *x = &w->s->ev[i];
        if (x->kind == WEIR_EV_PROGRAM_EXITED && x->program.signal == 13 &&
            x->program.pid == w->ev->call.pid)
            why_add(w, WHY_ALSO, x->id,
                    "SIGPIPE ended the program (e%llu); MSG_NOSIGNAL, or "
                    "ignoring it, leaves only EPIPE",
                    (ull)x->id);
    }
}

static bool is_time_out(unsigned reason) {
    return reason == WEIR_TCP_SYN_TIMEOUT || reason == WEIR_NEIGH_FAILED ||
           reason == WEIR_TCP_RETRANSMIT_TIMEOUT ||
           reason == WEIR_TCP_KEEPALIVE_TIMEOUT ||
           reason == WEIR_TCP_USER_TIMEOUT ||
           reason == WEIR_TCP_PROBE_TIMEOUT ||
           reason == WEIR_TCP_SYNACK_TIMEOUT;
}

void why_also(struct why *w) {
    const struct weir_event *ev = w->ev;
    const struct story_socket *k =
        story_socket(w->s, ev->host, ev->sock, ev->id);
    weir_event_id at =
        w->error && w->error->id > ev->id ? w->error->id : ev->id;
    if (w->rst || w->released)
        reset(w);
    if (is_time_out(w->reason) && k)
        time_out(w, k, at);
    if (w->reason == WEIR_ADDR_IN_USE && ev->kind == WEIR_EV_CALL)
        holder(w);
    if (w->reason == WEIR_ADDR_NOT_LOCAL)
        local_addresses(w);
    if (w->reason == WEIR_NO_PORTS)
        ports_used(w);
    if (ev->kind != WEIR_EV_CALL)
        return;
    if (ev->call.result == -EINPROGRESS && k)
        in_progress(w, k);
    if (ev->call.result == -EAGAIN && k)
        why_waits(w, k);
    if (ev->call.result == -EPIPE)
        sigpipe(w);
}
