/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors of what was sent (RFC 1122 4.1.3.3). A connected socket is told by the
 * next call; one with IP_RECVERR, connected or not, also finds each error in a
 * queue of its own (ip(7)), with the datagram that caused it.
 */
#include <errno.h>

#include "base/abi.h"
#include "udp/state.h"
#include "wire/udp.h"

#define ORIGIN_LOCAL 1 /* SO_EE_ORIGIN_* */
#define ORIGIN_ICMP 2
#define ERROR_COST 1024u /* of one in the receive buffer */

static bool wants_queue(const struct udp_sock *s) {
    return s->ep.extra && s->ep.extra->recverr;
}

static void enqueue(struct udp *udp, struct udp_sock *s,
                    const struct weir_queued_error *what, const uint8_t *data,
                    uint32_t len) {
    struct udp_error **at = &s->errors, *q;
    uint32_t cost = s->rx_mem + ERROR_COST;
    for (; *at; at = &(*at)->next)
        cost += ERROR_COST;
    if (cost >= s->rcvbuf)
        return; /* as Linux: the queue shares the receive buffer */
    q = arena_alloc(udp->env->arena, sizeof(*q) + len);
    if (!q)
        return;
    *q = (struct udp_error){.what = *what, .len = len};
    if (len)
        memcpy(q->data, data, len);
    *at = q;
    endpoint_touch(udp->env, &s->ep);
}

void udp_icmp_error(void *room, const struct ip_rx_error *err) {
    struct udp *udp = room;
    if (err->head_len < UDP_HDR)
        return;
    const struct udp_hdr h = udp_hdr_parse(err->head);
    struct udp_sock *s =
        udp_lookup(udp, &err->src, h.sport, &err->dst, h.dport, 0);
    if (!s)
        return;
    bool hard = err->hard;
    if (err->mtu) {
        ip_pmtu_update(udp->ip, &err->dst, err->mtu);
        if (s->ep.pmtudisc == ABI_IP_PMTUDISC_DONT)
            return;
        hard = true; /* Linux: EMSGSIZE is told, so that it sends smaller */
    }
    if (wants_queue(s)) {
        const struct weir_queued_error what = {
            .to = {.addr = err->dst, .port = h.dport},
            .offender = err->from,
            .error = (uint32_t)err->error,
            .info = err->mtu,
            .origin = ORIGIN_ICMP,
            .type = err->icmp_type,
            .code = err->icmp_code};
        enqueue(udp, s, &what, err->head + UDP_HDR,
                err->head_len - (uint32_t)UDP_HDR);
    }
    bool told = wants_queue(s) || (hard && s->connected);
    endpoint_error(udp->env, &s->ep, err->error, err->reason, !told);
}

void udp_local_error(struct udp *udp, struct udp_sock *s, int error,
                     const struct weir_addr *to, uint32_t info) {
    const struct weir_queued_error what = {
        .to = {.addr = *to, .port = s->ep.rport},
        .offender = weir_addr_v4(0),
        .error = (uint32_t)error,
        .info = info,
        .origin = ORIGIN_LOCAL};
    if (wants_queue(s))
        enqueue(udp, s, &what, NULL, 0);
}

static void free_first(struct udp *udp, struct udp_sock *s) {
    struct udp_error *q = s->errors;
    s->errors = q->next;
    arena_free(udp->env->arena, q, sizeof(*q) + q->len);
}

void udp_errors_free(struct udp *udp, struct udp_sock *s) {
    while (s->errors)
        free_first(udp, s);
}

ssize_t udp_recverr(struct udp *udp, struct endpoint *ep,
                    const struct iovec *iov, int n,
                    struct weir_queued_error *out, int *msg_flags) {
    struct udp_sock *s = udp_of(ep);
    struct udp_error *q = s->errors;
    if (!q)
        return env_fail(udp->env, EAGAIN, WEIR_RCVBUF_EMPTY);
    uint32_t off = 0;
    for (int i = 0; i < n && off < q->len; i++) {
        uint32_t part = q->len - off;
        if (part > iov[i].iov_len)
            part = (uint32_t)iov[i].iov_len;
        if (part)
            memcpy(iov[i].iov_base, q->data + off, part);
        off += part;
    }
    *msg_flags |= ABI_MSG_ERRQUEUE | (off < q->len ? ABI_MSG_TRUNC : 0);
    *out = q->what;
    bool icmp = q->what.origin == ORIGIN_ICMP;
    free_first(udp, s);
    /* Linux: the pending error is the next one's, or none. */
    if (s->errors && s->errors->what.origin == ORIGIN_ICMP)
        ep->error = (uint16_t)s->errors->what.error;
    else if (icmp)
        ep->error = 0;
    endpoint_touch(udp->env, ep);
    return (ssize_t)off;
}
