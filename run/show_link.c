/* SPDX-License-Identifier: BSD-2-Clause */
/* Interfaces and addresses over route netlink (rtnetlink(7)). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "run/show_netlink.h"

static void put_stats(struct nlmsghdr *h, const struct weir_link_stats *s) {
    struct rtnl_link_stats64 wide = {.rx_packets = s->rx_frames,
                                     .tx_packets = s->tx_frames,
                                     .rx_bytes = s->rx_bytes,
                                     .tx_bytes = s->tx_bytes,
                                     .rx_dropped = s->rx_dropped,
                                     .tx_dropped = s->tx_dropped};
    struct rtnl_link_stats narrow = {.rx_packets = (uint32_t)s->rx_frames,
                                     .tx_packets = (uint32_t)s->tx_frames,
                                     .rx_bytes = (uint32_t)s->rx_bytes,
                                     .tx_bytes = (uint32_t)s->tx_bytes,
                                     .rx_dropped = (uint32_t)s->rx_dropped,
                                     .tx_dropped = (uint32_t)s->tx_dropped};
    mnl_attr_put(h, IFLA_STATS64, sizeof(wide), &wide);
    mnl_attr_put(h, IFLA_STATS, sizeof(narrow), &narrow);
}

static void put_link(struct netlink *n, const struct weir_if *i) {
    static const uint8_t none[6], all[6] = {255, 255, 255, 255, 255, 255};
    struct ifinfomsg info = {
        .ifi_type = i->loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER,
        .ifi_index = (int)i->ifindex,
        .ifi_flags = show_if_flags(i) | (i->up ? IFF_LOWER_UP : 0),
    };
    struct nlmsghdr *h = netlink_begin(n, RTM_NEWLINK, sizeof(info), &info);
    mnl_attr_put_strz(h, IFLA_IFNAME, i->name);
    mnl_attr_put_u32(h, IFLA_TXQLEN, 1000);
    /* RFC 2863: 0 unknown, 2 down, 6 up */
    mnl_attr_put_u8(h, IFLA_OPERSTATE, !i->up ? 2 : i->loopback ? 0 : 6);
    mnl_attr_put_u8(h, IFLA_LINKMODE, 0);
    mnl_attr_put_u32(h, IFLA_MTU, i->mtu);
    mnl_attr_put_u32(h, IFLA_GROUP, 0);
    mnl_attr_put_u32(h, IFLA_PROMISCUITY, 0);
    mnl_attr_put_u32(h, IFLA_NUM_TX_QUEUES, 1);
    mnl_attr_put_u32(h, IFLA_NUM_RX_QUEUES, 1);
    mnl_attr_put_u8(h, IFLA_CARRIER, 1);
    mnl_attr_put_strz(h, IFLA_QDISC, "noqueue");
    mnl_attr_put(h, IFLA_ADDRESS, 6, i->loopback ? none : i->mac);
    mnl_attr_put(h, IFLA_BROADCAST, 6, i->loopback ? none : all);
    put_stats(h, &i->stats);
    netlink_end(n, h);
}

static bool is_named(const struct nlattr *name, const struct weir_if *i) {
    return name && mnl_attr_get_payload_len(name) <= sizeof(i->name) &&
           !strncmp(mnl_attr_get_payload(name), i->name,
                    mnl_attr_get_payload_len(name));
}

int show_link(struct netlink *n) {
    struct ifinfomsg info;
    struct weir_if i;
    netlink_payload(n, &info, sizeof(info));
    const struct nlattr *name = netlink_attr(n, sizeof(info), IFLA_IFNAME);
    if (n->dump &&
        (info.ifi_family == AF_BRIDGE || info.ifi_family == AF_INET6))
        return 0; /* none; every other family lists all */
    for (unsigned k = 1; !weir_if_get(n->w->stack, k, &i); k++)
        if (n->dump || info.ifi_index == (int)k ||
            (info.ifi_index == 0 && is_named(name, &i)))
            put_link(n, &i);
    return n->dump || n->used ? 0 : -ENODEV;
}

static void put_addr(struct netlink *n, const struct weir_ifaddr *a,
                     const struct weir_if *i) {
    uint32_t addr = htonl(weir_addr_to_v4(&a->addr)),
             all = addr | htonl(a->plen < 32 ? ~0u >> a->plen : 0);
    struct ifaddrmsg info = {
        .ifa_family = AF_INET,
        .ifa_prefixlen = (uint8_t)a->plen,
        .ifa_flags = IFA_F_PERMANENT,
        .ifa_scope = i->loopback ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
        .ifa_index = a->ifindex,
    };
    struct ifa_cacheinfo forever = {.ifa_prefered = ~0u, .ifa_valid = ~0u};
    struct nlmsghdr *h = netlink_begin(n, RTM_NEWADDR, sizeof(info), &info);
    mnl_attr_put_u32(h, IFA_ADDRESS, addr);
    mnl_attr_put_u32(h, IFA_LOCAL, addr);
    if (!i->loopback && a->plen < 31)
        mnl_attr_put_u32(h, IFA_BROADCAST, all);
    mnl_attr_put_strz(h, IFA_LABEL, i->name);
    mnl_attr_put_u32(h, IFA_FLAGS, IFA_F_PERMANENT);
    mnl_attr_put(h, IFA_CACHEINFO, sizeof(forever), &forever);
    netlink_end(n, h);
}

int show_addr(struct netlink *n) {
    struct ifaddrmsg info;
    struct weir_ifaddr a;
    struct weir_if i;
    netlink_payload(n, &info, sizeof(info));
    if (!n->dump)
        return -EOPNOTSUPP;
    if (info.ifa_family != AF_UNSPEC && info.ifa_family != AF_INET)
        return 0;
    /* By interface, as the kernel has them. */
    for (unsigned k = 1; !weir_if_get(n->w->stack, k, &i); k++)
        for (unsigned m = 0; !weir_addr_get(n->w->stack, m, &a); m++)
            if (a.ifindex == k && weir_addr_is_v4(&a.addr))
                put_addr(n, &a, &i);
    return 0;
}
