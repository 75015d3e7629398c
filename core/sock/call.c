/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls: find the endpoint, check what is common to all transports, pass on
 * to the one it belongs to. Where no door has named the event that causes a
 * call (the direct API), the call is recorded here.
 */
#include "sock/sock.h"

#include <errno.h>

#include "base/abi.h"
#include "base/budget.h"

static uint32_t v4_of(const struct weir_endpoint *ep) {
    return ep ? weir_addr_to_v4(&ep->addr) : 0;
}

static uint32_t port_of(const struct weir_endpoint *ep) {
    return ep ? ep->port : 0;
}

/* Which transport a socket(2) asks for, or -errno as Linux answers. */
static int pick_protocol(int domain, int type, int protocol) {
    type &= ABI_SOCK_TYPE_MASK;
    if (domain != ABI_AF_INET)
        return -EAFNOSUPPORT;
    if (type == ABI_SOCK_RAW)
        return -EPERM;
    if (protocol < 0 || protocol >= 263)
        return -EINVAL;
    if (type == ABI_SOCK_STREAM)
        return protocol == 0 || protocol == ABI_IPPROTO_TCP ? ABI_IPPROTO_TCP
                                                            : -EPROTONOSUPPORT;
    if (type == ABI_SOCK_DGRAM)
        return protocol == 0 || protocol == ABI_IPPROTO_UDP ? ABI_IPPROTO_UDP
                                                            : -EPROTONOSUPPORT;
    return -ESOCKTNOSUPPORT;
}

static int socket_open(struct weir_stack *s, int domain, int type,
                       int protocol) {
    int proto = pick_protocol(domain, type, protocol);
    if (proto < 0)
        return env_fail(&s->env, -proto, WEIR_NOT_SUPPORTED);
    if (!budget_allows(s->env.arena, BUDGET_SOCKET))
        return env_fail(&s->env, ENOBUFS, WEIR_NOMEM);
    bool tcp = proto == ABI_IPPROTO_TCP;
    struct endpoint *ep = tcp ? tcp_socket(s->tcp) : udp_socket(s->udp);
    if (!ep)
        return env_fail(&s->env, ENOBUFS, WEIR_NOMEM);
    int handle = handle_open(s, ep);
    if (handle < 0) {
        ep->handle = -1;
        if (tcp)
            tcp_close(s->tcp, ep);
        else
            udp_close(s->udp, ep);
    }
    return handle;
}

int weir_socket(struct weir_stack *s, int domain, int type, int protocol) {
    struct call_scope c =
        call_begin(s, WEIR_CALL_socket, -1, (uint32_t)type, (uint32_t)protocol);
    return (int)call_end(s, c, socket_open(s, domain, type, protocol));
}

int weir_bind(struct weir_stack *s, int sock, const struct weir_endpoint *ep) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    struct call_scope c =
        call_begin(s, WEIR_CALL_bind, sock, v4_of(ep), port_of(ep));
    int r = e->kind == ENDPOINT_UDP ? udp_bind(s->udp, e, ep)
                                    : tcp_bind(s->tcp, e, ep);
    return (int)call_end(s, c, r);
}

int weir_listen(struct weir_stack *s, int sock, int backlog) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    struct call_scope c =
        call_begin(s, WEIR_CALL_listen, sock, (uint32_t)backlog, 0);
    int r;
    if (e->kind == ENDPOINT_UDP) {
        r = env_fail(&s->env, EOPNOTSUPP, WEIR_NOT_SUPPORTED);
    } else {
        struct endpoint *was = e;
        r = tcp_listen(s->tcp, &e, backlog);
        if (e != was)
            handle_move(s, sock, e);
    }
    return (int)call_end(s, c, r);
}

int weir_connect(struct weir_stack *s, int sock,
                 const struct weir_endpoint *ep) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    struct call_scope c =
        call_begin(s, WEIR_CALL_connect, sock, v4_of(ep), port_of(ep));
    int r;
    if (e->kind == ENDPOINT_UDP) {
        r = udp_connect(s->udp, e, ep);
    } else if (ep) {
        r = tcp_connect(s->tcp, e, ep);
    } else {
        struct endpoint *was = e;
        r = tcp_disconnect(s->tcp, &e);
        if (e != was)
            handle_move(s, sock, e);
    }
    return (int)call_end(s, c, r);
}

static int accept_next(struct weir_stack *s, int sock,
                       struct weir_endpoint *peer) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    if (e->kind == ENDPOINT_UDP)
        return env_fail(&s->env, EOPNOTSUPP, WEIR_NOT_SUPPORTED);
    if (e->kind != ENDPOINT_LISTENER)
        return env_fail(&s->env, EINVAL, WEIR_BAD_STATE);
    struct endpoint *child = tcp_accept(s->tcp, e);
    if (!child)
        return env_fail(&s->env, EAGAIN, WEIR_ACCEPTQ_EMPTY);
    int handle = handle_open(s, child);
    if (handle < 0) {
        tcp_abort(s->tcp, child, WEIR_NOMEM);
        return handle;
    }
    if (peer)
        *peer = (struct weir_endpoint){.addr = weir_addr_v4(child->raddr),
                                       .port = child->rport};
    struct weir_event *ev =
        env_record(&s->env, WEIR_EV_SOCKET, endpoint_sock(child));
    if (ev) {
        ev->socket.family = ABI_AF_INET;
        ev->socket.type = ABI_SOCK_STREAM;
        ev->socket.proto = ABI_IPPROTO_TCP;
        ev->socket.parent = (uint32_t)(sock + 1);
        ev->socket.fd = -1;
    }
    ev = env_record(&s->env, WEIR_EV_NAMED, endpoint_sock(child));
    if (ev) {
        ev->named.local = child->laddr;
        ev->named.remote = child->raddr;
        ev->named.lport = child->lport;
        ev->named.rport = child->rport;
        ev->named.proto = ABI_IPPROTO_TCP;
    }
    endpoint_touch(&s->env, child);
    return handle;
}

int weir_accept(struct weir_stack *s, int sock, struct weir_endpoint *peer) {
    struct call_scope c = call_begin(s, WEIR_CALL_accept, sock, 0, 0);
    return (int)call_end(s, c, accept_next(s, sock, peer));
}

int weir_shutdown(struct weir_stack *s, int sock, int how) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    if (how < ABI_SHUT_RD || how > ABI_SHUT_RDWR)
        return env_fail(&s->env, EINVAL, WEIR_BAD_STATE);
    struct call_scope c =
        call_begin(s, WEIR_CALL_shutdown, sock, (uint32_t)how, 0);
    struct endpoint *was = e;
    int r = e->kind == ENDPOINT_UDP ? udp_shutdown(s->udp, e, how)
                                    : tcp_shutdown(s->tcp, &e, how);
    if (e != was)
        handle_move(s, sock, e);
    return (int)call_end(s, c, r);
}

/* The handle ends before the transport acts, so that nothing it does can reach
 * it any more; its number in events stays until then. */
static struct endpoint *handle_take(struct weir_stack *s, int sock) {
    struct endpoint *e = handle_get(s, sock);
    if (e) {
        endpoint_untouch(&s->env, e);
        handle_close(s, sock);
    }
    return e;
}

int weir_close(struct weir_stack *s, int sock) {
    struct call_scope c = call_begin(s, WEIR_CALL_close, sock, 0, 0);
    struct endpoint *e = handle_take(s, sock);
    if (!e)
        return (int)call_end(s, c, bad_handle(s));
    if (e->kind == ENDPOINT_UDP)
        udp_close(s->udp, e);
    else
        tcp_close(s->tcp, e);
    return (int)call_end(s, c, 0);
}

int weir_abort(struct weir_stack *s, int sock, enum weir_reason reason) {
    struct call_scope c =
        call_begin(s, WEIR_CALL_abort, sock, (uint32_t)reason, 0);
    struct endpoint *e = handle_take(s, sock);
    if (!e)
        return (int)call_end(s, c, bad_handle(s));
    if (e->kind == ENDPOINT_UDP)
        udp_close(s->udp, e);
    else
        tcp_abort(s->tcp, e, reason);
    return (int)call_end(s, c, 0);
}

int weir_getsockname(struct weir_stack *s, int sock, struct weir_endpoint *ep) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    *ep = (struct weir_endpoint){.addr = weir_addr_v4(e->laddr),
                                 .port = e->lport};
    if (!e->laddr)
        ep->addr = weir_addr_v4(0);
    return 0;
}

int weir_getpeername(struct weir_stack *s, int sock, struct weir_endpoint *ep) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    bool connected = e->rport != 0;
    if (connected && e->kind == ENDPOINT_TCP) {
        struct weir_sockinfo info;
        tcp_info(s->tcp, e, &info);
        connected =
            info.state != WEIR_TCP_CLOSED && info.state != WEIR_TCP_SYN_SENT;
    }
    if (!connected)
        return env_fail(&s->env, ENOTCONN, WEIR_BAD_STATE);
    *ep = (struct weir_endpoint){.addr = weir_addr_v4(e->raddr),
                                 .port = e->rport};
    return 0;
}

int weir_set_tag(struct weir_stack *s, int sock, uint64_t tag, uint32_t owner) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    e->tag = tag;
    e->owner = owner;
    return 0;
}

int weir_set_copies(struct weir_stack *s, int sock, unsigned copies) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return bad_handle(s);
    endpoint_set_copies_out(e, copies);
    return 0;
}

enum weir_reason weir_last_reason(const struct weir_stack *s) {
    return s->env.last_reason;
}
