/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An expectation names some members of an event; the others do not matter. It
 * holds when the number of events that match lies within its bounds.
 */
#include "tools/judge.h"

#include <string.h>

#include "trace/why.h"
#include "trace/words.h"

static bool is_segment_named(const char *name, const struct weir_event *ev) {
    uint8_t f = ev->seg.tcp_flags & (WEIR_SYN | WEIR_ACK | WEIR_FIN | WEIR_RST);
    uint8_t proto = ev->seg.proto;
    if (!strcmp(name, "any"))
        return true;
    if (!strcmp(name, "UDP"))
        return proto == 17;
    if (!strcmp(name, "ICMP"))
        return proto == 1;
    if (proto != 6)
        return false;
    if (!strcmp(name, "SYN"))
        return f == WEIR_SYN;
    if (!strcmp(name, "SYN+ACK"))
        return f == (WEIR_SYN | WEIR_ACK);
    if (!strcmp(name, "FIN"))
        return f & WEIR_FIN;
    if (!strcmp(name, "RST"))
        return f & WEIR_RST;
    if (!strcmp(name, "data"))
        return ev->seg.len > 0;
    return f == WEIR_ACK && ev->seg.len == 0; /* "ACK" */
}

static bool is_segment(const struct weir_event *ev) {
    return ev->kind == WEIR_EV_SEGMENT_SENT ||
           ev->kind == WEIR_EV_SEGMENT_RECEIVED || ev->kind == WEIR_EV_DROP ||
           ev->kind == WEIR_EV_SEGMENT_FORWARDED;
}

static unsigned own_reason(const struct weir_event *ev) {
    if (ev->kind == WEIR_EV_CALL)
        return ev->call.reason;
    if (ev->kind == WEIR_EV_STATE)
        return ev->state.reason;
    if (ev->kind == WEIR_EV_ERROR)
        return ev->error.reason;
    return is_segment(ev) ? ev->seg.reason : 0;
}

/* The reason stands in the event itself or in one of its causes. */
static bool has_reason(unsigned reason, const struct weir_event *ev,
                       const struct story *story) {
    for (int depth = 0; ev && depth < 24; depth++) {
        if (own_reason(ev) == reason)
            return true;
        ev = story ? story_find(story, ev->cause) : NULL;
    }
    return false;
}

static bool port_matches(uint16_t port, const struct weir_event *ev) {
    if (is_segment(ev))
        return ev->seg.sport == port || ev->seg.dport == port;
    if (ev->kind == WEIR_EV_STATE)
        return ev->state.lport == port || ev->state.rport == port;
    if (ev->kind == WEIR_EV_NAMED)
        return ev->named.lport == port || ev->named.rport == port;
    return ev->kind == WEIR_EV_CALL && ev->call.a1 == port;
}

/* What the expectation says the event is; an expectation that names no kind
 * matches any. */
static bool kind_matches(const struct sc_match *m,
                         const struct weir_event *ev) {
    if (m->call && (ev->kind != WEIR_EV_CALL || ev->call.call != m->call))
        return false;
    if (m->call && m->has_result && ev->call.result != m->result)
        return false;
    if (m->state && (ev->kind != WEIR_EV_STATE || ev->state.to != m->state))
        return false;
    if (m->sent &&
        (ev->kind != WEIR_EV_SEGMENT_SENT || !is_segment_named(m->sent, ev)))
        return false;
    if (m->received && (ev->kind != WEIR_EV_SEGMENT_RECEIVED ||
                        !is_segment_named(m->received, ev)))
        return false;
    if (m->dropped && ev->kind != WEIR_EV_DROP)
        return false;
    if (m->error && (ev->kind != WEIR_EV_ERROR || ev->error.error != m->error))
        return false;
    if (m->timer &&
        (ev->kind != WEIR_EV_TIMER_FIRED || ev->timer.timer != m->timer))
        return false;
    if (m->arp &&
        (ev->kind != WEIR_EV_ARP || ev->arp.op != m->result || !ev->arp.out))
        return false;
    return true;
}

static bool nth_matches(unsigned nth, const struct weir_event *ev) {
    if (is_segment(ev))
        return ev->seg.nth == nth;
    if (ev->kind == WEIR_EV_TIMER_FIRED)
        return ev->timer.tries == nth;
    return ev->kind == WEIR_EV_ARP && ev->arp.nth == nth;
}

bool judge_match(const struct sc_match *m, const struct weir_event *ev,
                 const struct story *story, uint64_t t0) {
    char text[320];
    uint64_t t = ev->t_ns > t0 ? ev->t_ns - t0 : 0;
    if (ev->kind == WEIR_EV_CALL && m->has_result) /* when it ended */
        t += (uint64_t)ev->call.took_us * 1000;
    if (m->host && ev->host != m->host)
        return false;
    if ((m->after_ns && t < m->after_ns) || (m->within_ns && t > m->within_ns))
        return false;
    if (!kind_matches(m, ev) || (m->nth && !nth_matches(m->nth, ev)))
        return false;
    if (m->port && !port_matches(m->port, ev))
        return false;
    if (m->copies && (ev->kind != WEIR_EV_CALL || ev->call.copies != m->copies))
        return false;
    if (m->reason && !has_reason(m->reason, ev, story))
        return false;
    return !m->text ||
           (story &&
            strstr(words_event(story, ev, text, sizeof(text)), m->text));
}

/* What an expectation asks for, in words. */
static void describe(const struct scenario *s, const struct sc_expect *e,
                     FILE *out) {
    const struct sc_match *m = &e->match;
    if (m->host)
        fprintf(out, " host %s", s->host[m->host - 1].name);
    if (m->call)
        fprintf(out, " call %s", weir_call_name(m->call));
    if (m->call && m->has_result && m->result < 0)
        fprintf(out, " errno %s", words_errno(-m->result));
    else if (m->call && m->has_result)
        fprintf(out, " result %d", m->result);
    if (m->state)
        fprintf(out, " state %s", weir_tcp_state_name(m->state));
    if (m->sent)
        fprintf(out, " sent %s", m->sent);
    if (m->received)
        fprintf(out, " received %s", m->received);
    if (m->error)
        fprintf(out, " error %s", words_errno(m->error));
    if (m->timer)
        fprintf(out, " timer %s", weir_timer_name(m->timer));
    if (m->arp)
        fprintf(out, " arp %s", m->result == 1 ? "request" : "reply");
    if (m->dropped)
        fprintf(out, " dropped");
    if (m->reason)
        fprintf(out, " reason %s", weir_reason_name(m->reason));
    if (m->nth)
        fprintf(out, " nth %u", m->nth);
    if (m->copies)
        fprintf(out, " copies %u", m->copies);
    if (m->text)
        fprintf(out, " text \"%s\"", m->text);
}

unsigned judge_all(const struct scenario *s, const struct story *story,
                   uint64_t t0, FILE *out) {
    unsigned failed = 0;
    for (unsigned i = 0; i < s->nexpects; i++) {
        const struct sc_expect *e = &s->expect[i];
        unsigned n = 0;
        for (size_t k = 0; k < story->n; k++)
            n += judge_match(&e->match, &story->ev[k], story, t0);
        if (n >= e->least && n <= e->most)
            continue;
        failed++;
        fprintf(out, "weir: expected");
        describe(s, e, out);
        if (e->most == 0)
            fprintf(out, " never");
        else if (e->most == UINT32_MAX)
            fprintf(out, " at least %u time%s", e->least,
                    e->least == 1 ? "" : "s");
        else
            fprintf(out, " %u time%s", e->least, e->least == 1 ? "" : "s");
        fprintf(out, "; seen %u\n", n);
    }
    return failed;
}
