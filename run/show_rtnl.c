/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes, neighbours and rules over route netlink (rtnetlink(7)). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/show_netlink.h"

static uint32_t raw(const struct weir_addr *a) {
    return htonl(weir_addr_to_v4(a));
}

/* The address a packet on this route is sent from. */
static struct weir_addr source_of(const struct show *w,
                                  const struct weir_route *r) {
    struct weir_ifaddr a;
    if (weir_addr_is_v4(&r->source) && !weir_addr_is_any(&r->source))
        return r->source;
    for (unsigned i = 0; !weir_addr_get(w->stack, i, &a); i++)
        if (a.ifindex == r->ifindex && weir_addr_is_v4(&a.addr))
            return a.addr;
    return weir_addr_v4(0);
}

/* It came with an address (the kernel's own), not from the configuration. */
static bool is_connected(const struct show *w, const struct weir_route *r) {
    struct weir_ifaddr a;
    for (unsigned i = 0; !weir_addr_get(w->stack, i, &a); i++) {
        uint32_t mask = a.plen ? ~0u << (32 - a.plen) : 0;
        if (a.ifindex == r->ifindex && a.plen == r->plen &&
            (weir_addr_to_v4(&a.addr) & mask) == weir_addr_to_v4(&r->dst))
            return true;
    }
    return false;
}

static void put_route(struct netlink *n, const struct weir_route *r) {
    bool direct = weir_addr_is_any(&r->gateway);
    bool kernel = r->local || (direct && is_connected(n->w, r));
    struct rtmsg info = {
        .rtm_family = AF_INET,
        .rtm_dst_len = (uint8_t)r->plen,
        .rtm_table = r->local ? RT_TABLE_LOCAL : RT_TABLE_MAIN,
        .rtm_protocol = kernel ? RTPROT_KERNEL : RTPROT_STATIC,
        .rtm_scope = direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST,
    };
    if (r->local && show_is_broadcast(n->w, &r->dst)) {
        info.rtm_type = RTN_BROADCAST;
    } else if (r->local) {
        info.rtm_type = RTN_LOCAL;
        info.rtm_scope = RT_SCOPE_HOST;
    }
    struct weir_addr source = source_of(n->w, r);
    struct nlmsghdr *h = netlink_begin(n, RTM_NEWROUTE, sizeof(info), &info);
    mnl_attr_put_u32(h, RTA_TABLE, info.rtm_table);
    if (r->plen)
        mnl_attr_put_u32(h, RTA_DST, raw(&r->dst));
    if (r->metric)
        mnl_attr_put_u32(h, RTA_PRIORITY, r->metric);
    if (kernel)
        mnl_attr_put_u32(h, RTA_PREFSRC, raw(&source));
    if (!direct)
        mnl_attr_put_u32(h, RTA_GATEWAY, raw(&r->gateway));
    mnl_attr_put_u32(h, RTA_OIF, r->ifindex);
    netlink_end(n, h);
}

/* ip route get: the way to one destination. */
static int put_way(struct netlink *n) {
    const struct nlattr *to = netlink_attr(n, sizeof(struct rtmsg), RTA_DST);
    struct weir_route r;
    struct rta_cacheinfo cache = {.rta_error = 0};
    if (!to || mnl_attr_get_payload_len(to) < 4)
        return -EINVAL;
    struct weir_addr dst = weir_addr_v4(ntohl(mnl_attr_get_u32(to)));
    int err = weir_route_lookup(n->w->stack, &dst, &r);
    if (err)
        return err;
    bool broadcast = r.local && show_is_broadcast(n->w, &dst);
    struct weir_addr source = r.local && !broadcast ? dst : source_of(n->w, &r);
    struct rtmsg info = {
        .rtm_family = AF_INET,
        .rtm_dst_len = 32,
        .rtm_table = RT_TABLE_MAIN, /* as long as there are no more rules */
        .rtm_type = broadcast ? RTN_BROADCAST
                    : r.local ? RTN_LOCAL
                              : RTN_UNICAST,
        .rtm_flags = RTM_F_CLONED | (broadcast ? 0x90000000u
                                     : r.local ? 0x80000000u
                                               : 0),
    };
    struct nlmsghdr *h = netlink_begin(n, RTM_NEWROUTE, sizeof(info), &info);
    mnl_attr_put_u32(h, RTA_TABLE, info.rtm_table);
    mnl_attr_put_u32(h, RTA_DST, raw(&dst));
    mnl_attr_put_u32(h, RTA_OIF, r.local && !broadcast ? 1 : r.ifindex);
    mnl_attr_put_u32(h, RTA_PREFSRC, raw(&source));
    if (!weir_addr_is_any(&r.gateway))
        mnl_attr_put_u32(h, RTA_GATEWAY, raw(&r.gateway));
    mnl_attr_put_u32(h, RTA_UID, geteuid());
    mnl_attr_put(h, RTA_CACHEINFO, sizeof(cache), &cache);
    netlink_end(n, h);
    return 0;
}

int show_rtroute(struct netlink *n) {
    struct rtmsg info;
    netlink_payload(n, &info, sizeof(info));
    if (info.rtm_family != AF_UNSPEC && info.rtm_family != AF_INET)
        return n->dump ? 0 : -ENETUNREACH;
    if (!n->dump)
        return put_way(n);
    struct weir_route *r = calloc(SHOW_ROUTES, sizeof(*r));
    unsigned count = r ? show_routes(n->w, r, SHOW_ROUTES) : 0;
    for (unsigned table = 0; table < 2; table++) /* local comes second */
        for (unsigned i = 0; i < count; i++)
            if (r[i].local == (table == 1))
                put_route(n, &r[i]);
    free(r);
    return 0;
}

/* ---- neighbours ---- */

static void put_neigh(struct netlink *n, const struct weir_neigh *e) {
    struct ndmsg info = {.ndm_family = AF_INET,
                         .ndm_ifindex = (int)e->ifindex,
                         .ndm_state = (uint16_t)e->state,
                         .ndm_type = RTN_UNICAST};
    struct nda_cacheinfo cache = {.ndm_refcnt = 0};
    bool known = !(e->state & (WEIR_NUD_INCOMPLETE | WEIR_NUD_FAILED));
    struct nlmsghdr *h = netlink_begin(n, RTM_NEWNEIGH, sizeof(info), &info);
    mnl_attr_put_u32(h, NDA_DST, raw(&e->addr));
    if (known)
        mnl_attr_put(h, NDA_LLADDR, sizeof(e->mac), e->mac);
    mnl_attr_put(h, NDA_CACHEINFO, sizeof(cache), &cache);
    mnl_attr_put_u32(h, NDA_PROBES, 0);
    netlink_end(n, h);
}

int show_neigh(struct netlink *n) {
    struct ndmsg info;
    struct weir_neigh e;
    netlink_payload(n, &info, sizeof(info));
    const struct nlattr *dst = netlink_attr(n, sizeof(info), NDA_DST);
    if (info.ndm_family != AF_UNSPEC && info.ndm_family != AF_INET)
        return n->dump ? 0 : -ENOENT;
    if (!n->dump && (!dst || mnl_attr_get_payload_len(dst) < 4))
        return -EINVAL;
    for (unsigned i = 0; !weir_neigh_get(n->w->stack, i, &e); i++)
        if (n->dump || (mnl_attr_get_u32(dst) == raw(&e.addr) &&
                        info.ndm_ifindex == (int)e.ifindex))
            put_neigh(n, &e);
    return n->dump || n->used ? 0 : -ENOENT;
}

/* ---- rules ---- */

int show_rule(struct netlink *n) {
    static const struct {
        uint32_t priority;
        uint8_t table;
    } rules[] = {
        {0, RT_TABLE_LOCAL}, {32766, RT_TABLE_MAIN}, {32767, RT_TABLE_DEFAULT}};
    struct fib_rule_hdr info;
    netlink_payload(n, &info, sizeof(info));
    if (!n->dump)
        return -EOPNOTSUPP;
    if (info.family != AF_UNSPEC && info.family != AF_INET)
        return -EAFNOSUPPORT;
    for (unsigned i = 0; i < 3; i++) {
        struct fib_rule_hdr rule = {.family = AF_INET,
                                    .table = rules[i].table,
                                    .action = FR_ACT_TO_TBL};
        struct nlmsghdr *h = netlink_begin(n, RTM_NEWRULE, sizeof(rule), &rule);
        mnl_attr_put_u32(h, FRA_TABLE, rules[i].table);
        mnl_attr_put_u32(h, FRA_SUPPRESS_PREFIXLEN, ~0u);
        if (rules[i].priority)
            mnl_attr_put_u32(h, FRA_PRIORITY, rules[i].priority);
        netlink_end(n, h);
    }
    return 0;
}
