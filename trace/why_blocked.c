/* SPDX-License-Identifier: BSD-2-Clause */
/* A call that has not returned, or a connection that stands still: what it
 * waits for, since when, and what the other end does. */
#include <string.h>

#include "trace/why_in.h"
#include "trace/words.h"

typedef unsigned long long ull;

static bool reads(unsigned call) {
    return call == WEIR_CALL_read || call == WEIR_CALL_readv ||
           call == WEIR_CALL_recv || call == WEIR_CALL_recvfrom ||
           call == WEIR_CALL_recvmsg || call == WEIR_CALL_recvmmsg;
}

static bool writes(unsigned call) {
    return call >= WEIR_CALL_read && call <= WEIR_CALL_splice && !reads(call);
}

/* What the peer's program last did with its socket. */
static void peer_program(struct why *w, const struct story_socket *p,
                         weir_event_id at) {
    const struct weir_event *c = fact_last(w->s, p, WEIR_EV_CALL, at);
    const struct weir_event *since;
    char text[320];
    unsigned state = fact_state(w->s, p, at, &since);
    if (since)
        why_add(w, WHY_ALSO, since->id,
                "the other end, %s, is in %s since "
                "e%llu, %.3f ms",
                story_host(w->s, p->host), weir_tcp_state_name(state),
                (ull)since->id, why_ms(w->s, since));
    if (c)
        why_add(w, WHY_ALSO, c->id,
                "its program's last call there: e%llu, "
                "%.3f ms: %s",
                (ull)c->id, why_ms(w->s, c),
                words_event(w->s, c, text, sizeof(text)));
    else
        why_add(w, WHY_ALSO, 0, "no program there has %s it yet",
                p->parent ? "accepted" : "used");
}

static void window(struct why *w, const struct story_socket *k,
                   weir_event_id at) {
    const struct weir_event *h =
        fact_last(w->s, k, WEIR_EV_SEGMENT_RECEIVED, at);
    if (h && h->seg.proto == 6 && h->seg.win == 0)
        why_add(w, WHY_ALSO, h->id,
                "the peer's window is 0 since e%llu, %.3f ms: its program "
                "does not read",
                (ull)h->id, why_ms(w->s, h));
}

static void keep_alive(struct why *w, const struct story_socket *k) {
    int on = 0;
    if (!fact_option(w->s, k, 1, 9, UINT64_MAX, &on) || !on)
        why_add(w, WHY_ALSO, 0,
                "SO_KEEPALIVE is not set: an idle connection never finds out "
                "that its peer is gone");
}

static const char *waits_for(unsigned call) {
    if (call == WEIR_CALL_connect)
        return "an answer to its SYN";
    if (call == WEIR_CALL_accept || call == WEIR_CALL_accept4)
        return "a connection";
    if (reads(call))
        return "bytes from the peer";
    if (writes(call))
        return "room in the send buffer";
    return "its end";
}

void why_waits(struct why *w, const struct story_socket *k) {
    const struct weir_event *ev = w->ev;
    if (k->proto != 6 || k->listening)
        return;
    why_add(w, WHY_NOTE, 0, "it would have waited for %s",
            waits_for(ev->call.call));
    if (!writes(ev->call.call))
        return;
    if (ev->call.a1)
        why_add(w, WHY_ALSO, 0, "%u bytes were in the send queue", ev->call.a1);
    window(w, k, ev->id);
    const struct story_socket *p = fact_peer(w->s, k);
    if (p)
        peer_program(w, p, ev->id);
}

void why_blocked(struct why *w) {
    const struct weir_event *ev = w->ev, *last = &w->s->ev[w->s->n - 1];
    const struct story_socket *k =
        story_socket(w->s, ev->host, ev->sock, ev->id);
    why_add(w, WHY_NOTE, 0,
            "it has not returned: blocked for %.3f s so far, "
            "waiting for %s",
            (double)(last->t_ns - ev->t_ns) / 1e9, waits_for(ev->call.call));
    unsigned before = w->n;
    why_faults(w, last->id);
    bool fault = w->n > before;
    if (!k || k->proto != 6 || k->listening)
        return;
    const struct weir_event *h =
        fact_last(w->s, k, WEIR_EV_SEGMENT_RECEIVED, UINT64_MAX);
    if (h)
        why_add(w, WHY_ALSO, h->id, "the peer was last heard at e%llu, %.3f ms",
                (ull)h->id, why_ms(w->s, h));
    if (writes(ev->call.call))
        window(w, k, UINT64_MAX);
    const struct story_socket *p = fact_peer(w->s, k);
    if (p)
        peer_program(w, p, UINT64_MAX);
    if (fault && reads(ev->call.call))
        keep_alive(w, k);
}
