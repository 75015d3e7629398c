/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets over sock_diag(7), which ss reads: the same rows as /proc/net/tcp and
 * udp, with TCP_INFO and socket memory where they are asked for. Conditions
 * that ss compiles for the kernel are not run: it applies them itself as well.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "run/show_netlink.h"

static void put_option(struct netlink *n, struct nlmsghdr *h, int sock,
                       int name, uint16_t attr, bool text) {
    char value[512];
    uint32_t len = sizeof(value) - 1;
    if (sock < 0 ||
        weir_getsockopt(n->w->stack, sock, IPPROTO_TCP, name, value, &len))
        return;
    value[len] = '\0';
    if (text)
        mnl_attr_put_strz(h, attr, value);
    else
        mnl_attr_put(h, attr, len, value);
}

static void put_memory(struct nlmsghdr *h, const struct show_sock *k) {
    uint32_t mem[SK_MEMINFO_VARS] = {
        [SK_MEMINFO_RMEM_ALLOC] = k->rx,
        [SK_MEMINFO_RCVBUF] = k->info.rcvbuf,
        [SK_MEMINFO_SNDBUF] = k->info.sndbuf,
        [SK_MEMINFO_WMEM_QUEUED] = k->tx,
        [SK_MEMINFO_DROPS] = k->info.drops,
    };
    mnl_attr_put(h, INET_DIAG_SKMEMINFO, sizeof(mem), mem);
}

static void put_sock(struct netlink *n, const struct show_sock *k,
                     unsigned wanted) {
    const struct weir_sockinfo *i = &k->info;
    bool listens = i->proto == IPPROTO_TCP && i->state == WEIR_TCP_LISTEN;
    struct inet_diag_msg m = {
        .idiag_family = AF_INET,
        .idiag_state = i->state,
        .idiag_timer = i->timer,
        .idiag_retrans = i->timer == 4 ? i->probes : i->retransmits,
        .idiag_expires = (uint32_t)k->due_ms,
        .idiag_rqueue = k->rx,
        .idiag_wqueue = listens ? i->tx_queue : k->tx,
        .idiag_uid = k->uid,
        .idiag_inode = (uint32_t)k->inode,
    };
    m.id.idiag_sport = htons(i->local.port);
    m.id.idiag_dport = htons(i->peer.port);
    m.id.idiag_src[0] = htonl(weir_addr_to_v4(&i->local.addr));
    m.id.idiag_dst[0] = htonl(weir_addr_to_v4(&i->peer.addr));
    m.id.idiag_if = i->ifindex;
    m.id.idiag_cookie[0] = (uint32_t)k->inode;
    struct nlmsghdr *h = netlink_begin(n, SOCK_DIAG_BY_FAMILY, sizeof(m), &m);
    mnl_attr_put_u8(h, INET_DIAG_SHUTDOWN, 0);
    if (wanted & 1u << (INET_DIAG_SKMEMINFO - 1))
        put_memory(h, k);
    if (i->proto == IPPROTO_TCP && i->state != WEIR_TCP_TIME_WAIT) {
        if (wanted & 1u << (INET_DIAG_INFO - 1))
            put_option(n, h, i->sock, TCP_INFO, INET_DIAG_INFO, false);
        if (wanted & 1u << (INET_DIAG_CONG - 1))
            put_option(n, h, i->sock, TCP_CONGESTION, INET_DIAG_CONG, true);
    }
    netlink_end(n, h);
}

static bool is_wanted(const struct show_sock *k,
                      const struct inet_diag_req_v2 *req) {
    const struct weir_sockinfo *i = &k->info;
    if (i->proto != req->sdiag_protocol || i->local.port == 0)
        return false;
    if (req->id.idiag_sport && ntohs(req->id.idiag_sport) != i->local.port)
        return false;
    if (req->id.idiag_dport && ntohs(req->id.idiag_dport) != i->peer.port)
        return false;
    /* Bound and no more is no state of /proc/net/tcp, and ss -a omits it. */
    if (i->proto == IPPROTO_TCP && i->state == WEIR_TCP_CLOSED)
        return false;
    return req->idiag_states & 1u << i->state;
}

int show_diag(struct netlink *n) {
    struct inet_diag_req_v2 req;
    struct show_sock k;
    uint64_t cursor = 0;
    if (!netlink_payload(n, &req, sizeof(req)))
        return -ENOENT; /* unix, packet, netlink: ss reads /proc/net then */
    bool known =
        req.sdiag_protocol == IPPROTO_TCP || req.sdiag_protocol == IPPROTO_UDP;
    if (req.sdiag_family != AF_INET && req.sdiag_family != AF_INET6)
        return -ENOENT;
    if (!known || !n->dump)
        return -ENOENT;
    serve_sweep(n->w->sv);
    if (req.sdiag_family == AF_INET)
        while (show_sock_next(n->w, &cursor, &k))
            if (is_wanted(&k, &req))
                put_sock(n, &k, req.idiag_ext);
    return 0;
}
