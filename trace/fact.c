/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/fact.h"

#include <string.h>

const struct weir_event *fact_earlier(const struct story *s,
                                      const struct story_socket *k,
                                      const struct weir_event *ev) {
    ev = story_before(s, ev);
    return ev && ev->id >= k->first ? ev : NULL;
}

const struct weir_event *fact_latest(const struct story *s,
                                     const struct story_socket *k,
                                     weir_event_id at) {
    const struct weir_event *ev = k->last ? &s->ev[k->last - 1] : NULL;
    while (ev && ev->id > at)
        ev = fact_earlier(s, k, ev);
    return ev;
}

const struct weir_event *fact_last(const struct story *s,
                                   const struct story_socket *k,
                                   enum weir_event_kind kind,
                                   weir_event_id at) {
    const struct weir_event *ev = fact_latest(s, k, at);
    while (ev && ev->kind != kind)
        ev = fact_earlier(s, k, ev);
    return ev;
}

bool fact_option(const struct story *s, const struct story_socket *k, int level,
                 int name, weir_event_id at, int *value) {
    const struct weir_event *ev = fact_latest(s, k, at);
    for (; ev; ev = fact_earlier(s, k, ev))
        if (ev->kind == WEIR_EV_CALL && ev->call.result == 0 &&
            ev->call.call == WEIR_CALL_setsockopt &&
            ev->call.a0 == ((uint32_t)level << 16 | (uint32_t)name)) {
            *value = (int)ev->call.a1;
            return true;
        }
    return false;
}

const struct story_socket *fact_peer(const struct story *s,
                                     const struct story_socket *k) {
    if (!k->rport)
        return NULL;
    for (size_t i = s->nsockets; i-- > 0;) {
        const struct story_socket *p = &s->socket[i];
        if (p != k && p->proto == k->proto && p->lport == k->rport &&
            p->rport == k->lport && p->local == k->remote &&
            p->remote == k->local)
            return p;
    }
    return NULL;
}

unsigned fact_state(const struct story *s, const struct story_socket *k,
                    weir_event_id at, const struct weir_event **since) {
    const struct weir_event *ev =
        k->rport ? story_state(s, k->host, k->local, k->lport, k->remote,
                               k->rport, at)
                 : fact_last(s, k, WEIR_EV_STATE, at);
    if (since)
        *since = ev;
    return ev ? ev->state.to : 0;
}

static bool undone(const struct weir_event *ev, const struct weir_event *by) {
    if (ev->kind != by->kind)
        return false;
    unsigned a = by->link.action;
    bool same = ev->kind == WEIR_EV_LINK
                    ? !strncmp(ev->link.name, by->link.name, 16)
                    : ev->host == by->host;
    switch (ev->link.action) {
    case WEIR_ACT_LINK_CUT:
        return same && a == WEIR_ACT_LINK_HEAL;
    case WEIR_ACT_LINK_DOWN:
        return same && a == WEIR_ACT_LINK_UP;
    case WEIR_ACT_FREEZE:
        return same && (a == WEIR_ACT_THAW || a == WEIR_ACT_CRASH);
    case WEIR_ACT_CRASH:
        return same && a == WEIR_ACT_REBOOT;
    default:
        return false;
    }
}

const struct weir_event *fact_fault(const struct story *s, weir_event_id at,
                                    unsigned n) {
    for (size_t i = 0; i < s->n && s->ev[i].id <= at; i++) {
        const struct weir_event *ev = &s->ev[i];
        if (ev->kind != WEIR_EV_LINK && ev->kind != WEIR_EV_FAULT)
            continue;
        bool over = true;
        switch (ev->link.action) {
        case WEIR_ACT_LINK_CUT:
        case WEIR_ACT_LINK_DOWN:
        case WEIR_ACT_CRASH:
        case WEIR_ACT_FREEZE:
            over = false;
            break;
        default: /* heals, thaws: nothing that lasts */
            break;
        }
        for (size_t j = i + 1; !over && j < s->n && s->ev[j].id <= at; j++)
            over = undone(ev, &s->ev[j]);
        if (!over && n-- == 0)
            return ev;
    }
    return NULL;
}

const struct weir_event *fact_crash(const struct story *s, uint8_t host,
                                    weir_event_id at) {
    const struct weir_event *found = NULL;
    for (size_t i = 0; i < s->n && s->ev[i].id <= at; i++) {
        const struct weir_event *ev = &s->ev[i];
        if (ev->kind == WEIR_EV_FAULT && ev->host == host &&
            (ev->link.action == WEIR_ACT_CRASH ||
             ev->link.action == WEIR_ACT_REBOOT))
            found = ev;
    }
    return found;
}

unsigned fact_lost(const struct story *s, const struct story_socket *k,
                   weir_event_id at, const struct weir_event **last) {
    unsigned n = 0;
    *last = NULL;
    const struct weir_event *ev = fact_latest(s, k, at);
    for (; ev && ev->kind != WEIR_EV_SEGMENT_RECEIVED;
         ev = fact_earlier(s, k, ev)) {
        uint32_t end =
            ev->kind == WEIR_EV_SEGMENT_SENT ? s->arrival[ev - s->ev] : 0;
        if (!end || s->ev[end - 1].kind != WEIR_EV_DROP)
            continue;
        n++;
        if (!*last)
            *last = &s->ev[end - 1];
    }
    return n;
}
