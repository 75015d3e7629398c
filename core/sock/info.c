/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking at sockets: one, all, and who holds an address. */
#include <errno.h>

#include "base/abi.h"
#include "sock/sock.h"

int weir_sockinfo(struct weir_stack *s, int sock, struct weir_sockinfo *out) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return env_fail(&s->env, EBADF, WEIR_BAD_STATE);
    memset(out, 0, sizeof(*out));
    if (e->kind == ENDPOINT_UDP)
        udp_info(s->udp, e, out);
    else
        tcp_info(s->tcp, e, out);
    return 0;
}

int weir_queues(struct weir_stack *s, int sock, struct weir_queues *out) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return env_fail(&s->env, EBADF, WEIR_BAD_STATE);
    if (e->kind == ENDPOINT_TCP) {
        tcp_queues(e, out);
        return 0;
    }
    struct weir_sockinfo info;
    weir_sockinfo(s, sock, &info);
    *out = (struct weir_queues){info.rx_queue, info.tx_queue, info.copies};
    return 0;
}

/* The cursor's top bit tells the transport; below it is the transport's own. */
#define CURSOR_UDP (UINT64_C(1) << 63)

int weir_sockinfo_next(struct weir_stack *s, uint64_t *cursor,
                       struct weir_sockinfo *out) {
    memset(out, 0, sizeof(*out));
    if (!(*cursor & CURSOR_UDP)) {
        if (tcp_info_next(s->tcp, cursor, out))
            return 1;
        *cursor = CURSOR_UDP;
    }
    uint64_t own = *cursor & ~CURSOR_UDP;
    int more = udp_info_next(s->udp, &own, out);
    *cursor = own | CURSOR_UDP;
    return more;
}

int weir_holder(struct weir_stack *s, int proto, const struct weir_endpoint *ep,
                struct weir_sockinfo *out) {
    memset(out, 0, sizeof(*out));
    return proto == ABI_IPPROTO_UDP ? udp_holder(s->udp, ep, out)
                                    : tcp_holder(s->tcp, ep, out);
}
