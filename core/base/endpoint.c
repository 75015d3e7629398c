/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every endpoint does alike: the list of those whose readiness may have
 * changed, and being given an error. The list is singly linked, in the order of
 * the first touch since it was last drained, so that the same inputs give the
 * same order of wake-ups.
 */
#include "base/endpoint.h"

void endpoint_touch(struct env *env, struct endpoint *ep) {
    ep->cause = env->cause;
    if (ep->flags & EP_READY_QUEUED)
        return;
    ep->flags |= EP_READY_QUEUED;
    ep->ready_next = NULL;
    if (env->ready_tail)
        env->ready_tail->ready_next = ep;
    else
        env->ready_head = ep;
    env->ready_tail = ep;
}

void endpoint_untouch(struct env *env, struct endpoint *ep) {
    if (!(ep->flags & EP_READY_QUEUED))
        return;
    struct endpoint *before = NULL, **at = &env->ready_head;
    while (*at != ep) {
        before = *at;
        at = &before->ready_next;
    }
    *at = ep->ready_next;
    if (env->ready_tail == ep)
        env->ready_tail = before;
    ep->ready_next = NULL;
    ep->flags &= (uint16_t)~EP_READY_QUEUED;
}

struct weir_event *endpoint_error(struct env *env, struct endpoint *ep,
                                  int error, enum weir_reason reason,
                                  bool soft) {
    struct weir_event *ev = env_record(env, WEIR_EV_ERROR, endpoint_sock(ep));
    if (ev) {
        ev->error.error = error;
        ev->error.reason = (uint8_t)reason;
        ev->error.soft = soft;
    }
    if (!soft) {
        ep->error = (uint16_t)error;
        ep->reason = (uint8_t)reason;
        endpoint_touch(env, ep);
    }
    return ev;
}

struct endpoint_extra *endpoint_extra(struct env *env, struct endpoint *ep) {
    if (!ep->extra)
        ep->extra = arena_zalloc(env->arena, sizeof(*ep->extra));
    return ep->extra;
}

void endpoint_inherit(struct env *env, struct endpoint *child,
                      const struct endpoint *listener) {
    child->tos = listener->tos;
    child->ttl = listener->ttl;
    child->pmtudisc = listener->pmtudisc;
    child->ifindex = listener->ifindex;
    const uint16_t kept = EP_REUSEADDR | EP_REUSEPORT | EP_BROADCAST |
                          EP_KEEPALIVE | EP_OOBINLINE;
    child->flags =
        (uint16_t)((child->flags & ~kept) | (listener->flags & kept));
    /* Where memory is out, the rare options are lost, not the connection. */
    if (listener->extra && endpoint_extra(env, child))
        *child->extra = *listener->extra;
}

void endpoint_release(struct env *env, struct endpoint *ep) {
    endpoint_untouch(env, ep);
    if (ep->extra)
        arena_free(env->arena, ep->extra, sizeof(*ep->extra));
    ep->extra = NULL;
}
