/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP (RFC 768, RFC 1122 4.1): the life of a socket, its names and its options.
 * Datagrams: send.c, input.c. Who gets them: ports.c.
 */
#include <errno.h>

#include "base/abi.h"
#include "udp/state.h"
#include "wire/ip4.h"

struct udp *udp_create(struct env *env, struct ip *ip) {
    struct udp *udp = arena_zalloc(env->arena, sizeof(*udp));
    if (!udp)
        return NULL;
    udp->env = env;
    udp->ip = ip;
    list_init(&udp->socks);
    if (!hash_init(&udp->ports, env->arena) ||
        !hash_init(&udp->conns, env->arena)) {
        udp_destroy(udp);
        return NULL;
    }
    return udp;
}

void udp_destroy(struct udp *udp) {
    LIST_EACH(&udp->socks, at)
    udp_close(udp, &container_of(at, struct udp_sock, link)->ep);
    hash_fini(&udp->ports);
    hash_fini(&udp->conns);
    arena_free(udp->env->arena, udp, sizeof(*udp));
}

struct endpoint *udp_socket(struct udp *udp) {
    struct udp_sock *s = arena_zalloc(udp->env->arena, sizeof(*s));
    if (!s)
        return NULL;
    s->ep.handle = -1;
    s->ep.kind = ENDPOINT_UDP;
    s->ep.laddr = s->ep.raddr = 0;
    s->ep.pmtudisc = udp->env->sysctl.ip_no_pmtu_disc ? ABI_IP_PMTUDISC_DONT
                                                      : ABI_IP_PMTUDISC_WANT;
    s->rcvbuf = (uint32_t)udp->env->sysctl.rmem_default;
    s->sndbuf = (uint32_t)udp->env->sysctl.wmem_default;
    s->rcvlowat = 1;
    list_push_back(&udp->socks, &s->link);
    return &s->ep;
}

void udp_close(struct udp *udp, struct endpoint *ep) {
    struct udp_sock *s = udp_of(ep);
    struct udp_dgram *d;
    udp_unlink_conn(udp, s);
    udp_give_port(udp, s);
    list_remove(&s->link);
    while ((d = udp_dequeue(s)))
        udp_dgram_free(udp, d);
    udp_errors_free(udp, s);
    endpoint_release(udp->env, ep);
    arena_free(udp->env->arena, s, sizeof(*s));
}

int udp_bind(struct udp *udp, struct endpoint *ep,
             const struct weir_endpoint *local) {
    struct udp_sock *s = udp_of(ep);
    struct env *env = udp->env;
    if (ep->lport)
        return env_fail(env, EINVAL, WEIR_BAD_STATE);
    if (weir_addr_is_any(&local->addr)) {
        ep->laddr = 0;
    } else {
        if (!weir_addr_is_v4(&local->addr))
            return env_fail(env, EAFNOSUPPORT, WEIR_NOT_SUPPORTED);
        if (!ip_is_local(udp->ip, &local->addr) &&
            !ip_is_broadcast(udp->ip, &local->addr) &&
            !weir_addr_is_multicast(&local->addr))
            return env_fail(env, EADDRNOTAVAIL, WEIR_ADDR_NOT_LOCAL);
        ep->laddr = weir_addr_to_v4(&local->addr);
    }
    int err = udp_take_port(udp, s, local->port);
    if (err < 0) {
        ep->laddr = 0;
        return err;
    }
    s->port_locked = local->port != 0;
    s->addr_locked = ep->laddr;
    if (s->addr_locked)
        ep->flags |= EP_BOUND_ADDR;
    udp_record_named(udp, s);
    return 0;
}

/* connect(AF_UNSPEC): what bind() did not fix is free again. */
static int disconnect(struct udp *udp, struct udp_sock *s) {
    if (!s->connected && (s->port_locked || !s->ep.lport))
        return 0;
    udp_unlink_conn(udp, s);
    s->ep.raddr = 0;
    s->ep.rport = 0;
    if (!s->addr_locked)
        s->ep.laddr = 0;
    if (!s->port_locked)
        udp_give_port(udp, s);
    udp_record_named(udp, s);
    return 0;
}

int udp_connect(struct udp *udp, struct endpoint *ep,
                const struct weir_endpoint *peer) {
    struct udp_sock *s = udp_of(ep);
    struct env *env = udp->env;
    if (!peer)
        return disconnect(udp, s);
    if (!weir_addr_is_v4(&peer->addr) && !weir_addr_is_any(&peer->addr))
        return env_fail(env, EAFNOSUPPORT, WEIR_NOT_SUPPORTED);
    if (!ep->lport && udp_take_port(udp, s, 0) < 0)
        return env_fail(env, EAGAIN, WEIR_NO_PORTS);
    struct weir_addr src = weir_addr_v4(ep->laddr), dst = peer->addr;
    struct ip_way way;
    int err = ip_route(udp->ip, &src, &dst, ep->ifindex,
                       ep->flags & EP_BROADCAST, &way);
    if (err < 0)
        return err;
    if (weir_addr_is_any(&dst)) /* Linux: ourselves */
        dst = src;
    err = udp_port_for(udp, s,
                       (struct weir_flow){.src = weir_addr_to_v4(&dst),
                                          .dst = weir_addr_to_v4(&src),
                                          .sport = peer->port});
    if (err < 0)
        return err;
    udp_unlink_conn(udp, s);
    if (!ep->laddr)
        ep->laddr = weir_addr_to_v4(&src);
    ep->raddr = weir_addr_to_v4(&dst);
    ep->rport = peer->port;
    udp_link_conn(udp, s);
    udp_record_named(udp, s);
    return 0;
}

int udp_shutdown(struct udp *udp, struct endpoint *ep, int how) {
    if (how == ABI_SHUT_RD || how == ABI_SHUT_RDWR)
        ep->flags |= EP_SHUT_RD;
    if (how == ABI_SHUT_WR || how == ABI_SHUT_RDWR)
        ep->flags |= EP_SHUT_WR;
    endpoint_touch(udp->env, ep);
    /* Linux: it takes effect all the same, so that pollers wake up. */
    if (!udp_of(ep)->connected)
        return env_fail(udp->env, ENOTCONN, WEIR_BAD_STATE);
    return 0;
}

unsigned udp_ready(struct udp *udp, struct endpoint *ep) {
    (void)udp;
    unsigned mask = WEIR_OUT;
    if (udp_of(ep)->rx_head)
        mask |= WEIR_IN;
    if (ep->error || udp_of(ep)->errors)
        mask |= WEIR_ERR;
    if (ep->flags & EP_SHUT_RD)
        mask |= WEIR_IN | WEIR_RDHUP;
    if ((ep->flags & EP_SHUT_RD) && (ep->flags & EP_SHUT_WR))
        mask |= WEIR_HUP;
    return mask;
}

void udp_info(struct udp *udp, struct endpoint *ep, struct weir_sockinfo *out) {
    const struct udp_sock *s = udp_of(ep);
    (void)udp;
    *out = (struct weir_sockinfo){
        .sock = ep->handle,
        .proto = IP4_PROTO_UDP,
        .state = s->connected ? WEIR_TCP_ESTABLISHED : WEIR_TCP_CLOSED,
        .ifindex = ep->ifindex,
        .owner = ep->owner,
        .tag = ep->tag,
        .local = {weir_addr_v4(ep->laddr), ep->lport, ep->ifindex},
        .peer = {weir_addr_v4(ep->raddr), ep->rport, 0},
        .rx_queue = s->rx_bytes,
        .rcvbuf = s->rcvbuf,
        .sndbuf = s->sndbuf,
        .drops = s->drops,
        .read = s->read,
        .written = s->written,
        .error = ep->error,
        .reason = (enum weir_reason)ep->reason,
        .cause = ep->cause,
    };
}

int udp_info_next(struct udp *udp, uint64_t *cursor,
                  struct weir_sockinfo *out) {
    /* The cursor is the link last given out: nothing changes meanwhile. */
    struct list *at = *cursor ? (struct list *)(uintptr_t)*cursor : &udp->socks;
    at = at->next;
    if (at == &udp->socks)
        return 0;
    *cursor = (uintptr_t)at;
    udp_info(udp, &container_of(at, struct udp_sock, link)->ep, out);
    return 1;
}

int udp_holder(struct udp *udp, const struct weir_endpoint *local,
               struct weir_sockinfo *out) {
    for (struct hash_node *n =
             hash_first(&udp->ports, udp_port_hash(udp, local->port));
         n; n = hash_next(n)) {
        struct udp_sock *s = container_of(n, struct udp_sock, port);
        if (s->ep.lport == local->port &&
            (weir_addr_is_any(&local->addr) || !s->ep.laddr ||
             s->ep.laddr == weir_addr_to_v4(&local->addr))) {
            udp_info(udp, &s->ep, out);
            return 0;
        }
    }
    return -ENOENT;
}

/* ---- options: those of SOL_SOCKET that the table leaves to transports ---- */

/* socket(7): doubled, within [low, 2 * max]; a negative one is a huge one. */
static uint32_t buffer_size(int32_t v, int32_t max, uint32_t low) {
    uint32_t size = (uint32_t)v < (uint32_t)max ? (uint32_t)v : (uint32_t)max;
    if (size > INT32_MAX / 2)
        size = INT32_MAX / 2;
    return 2 * size > low ? 2 * size : low;
}

int udp_setsockopt(struct udp *udp, struct endpoint *ep, int level, int name,
                   const void *value, uint32_t len) {
    struct udp_sock *s = udp_of(ep);
    struct env *env = udp->env;
    int32_t v[2] = {0};
    uint32_t need = name == ABI_SO_LINGER ? sizeof(v) : sizeof(v[0]);
    if (level != ABI_SOL_SOCKET ||
        (name != ABI_SO_RCVBUF && name != ABI_SO_SNDBUF &&
         name != ABI_SO_KEEPALIVE && name != ABI_SO_LINGER &&
         name != ABI_SO_RCVLOWAT))
        return env_fail(env, ENOPROTOOPT, WEIR_NOT_SUPPORTED);
    if (len < need)
        return env_fail(env, EINVAL, WEIR_NOT_SPECIFIED);
    memcpy(v, value, need);
    switch (name) {
    case ABI_SO_RCVBUF:
        s->rcvbuf = buffer_size(v[0], env->sysctl.rmem_max, 2304);
        break;
    case ABI_SO_SNDBUF:
        s->sndbuf = buffer_size(v[0], env->sysctl.wmem_max, 4608);
        break;
    case ABI_SO_KEEPALIVE:
        ep->flags = (uint16_t)(v[0] ? ep->flags | EP_KEEPALIVE
                                    : ep->flags & ~EP_KEEPALIVE);
        break;
    case ABI_SO_LINGER:
        memcpy(s->linger, v, sizeof(v));
        break;
    case ABI_SO_RCVLOWAT:
        s->rcvlowat = v[0] < 0 ? INT32_MAX : v[0] ? v[0] : 1;
        break;
    }
    return 0;
}

int udp_getsockopt(struct udp *udp, struct endpoint *ep, int level, int name,
                   void *value, uint32_t *len) {
    const struct udp_sock *s = udp_of(ep);
    int32_t v[2] = {0};
    uint32_t have = sizeof(v[0]);
    int known = level == ABI_SOL_SOCKET ? name : -1;
    switch (known) {
    case ABI_SO_RCVBUF:
        v[0] = (int32_t)s->rcvbuf;
        break;
    case ABI_SO_SNDBUF:
        v[0] = (int32_t)s->sndbuf;
        break;
    case ABI_SO_KEEPALIVE:
        v[0] = (ep->flags & EP_KEEPALIVE) != 0;
        break;
    case ABI_SO_LINGER:
        memcpy(v, s->linger, sizeof(v));
        have = sizeof(v);
        break;
    case ABI_SO_RCVLOWAT:
        v[0] = s->rcvlowat;
        break;
    default:
        return env_fail(udp->env, ENOPROTOOPT, WEIR_NOT_SUPPORTED);
    }
    if (*len > have)
        *len = have;
    memcpy(value, v, *len);
    return 0;
}
