/* SPDX-License-Identifier: BSD-2-Clause */
/* Interfaces, routes, neighbours and groups in the kernel's tables. */
#include <arpa/inet.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stdlib.h>

#include "run/show.h"

#define ROUTE_WIDTH 127

void show_dev(const struct show *w) {
    struct weir_if i;
    fputs("Inter-|   Receive                                                |"
          "  Transmit\n"
          " face |bytes    packets errs drop fifo frame compressed multicast|"
          "bytes    packets errs drop fifo colls carrier compressed\n",
          w->out);
    for (unsigned n = 1; !weir_if_get(w->stack, n, &i); n++) {
        const struct weir_link_stats *s = &i.stats;
        fprintf(w->out,
                "%6s: %7llu %7llu %4u %4llu %4u %5u %10u %9u "
                "%8llu %7llu %4u %4llu %4u %5u %7u %10u\n",
                i.name, (unsigned long long)s->rx_bytes,
                (unsigned long long)s->rx_frames, 0,
                (unsigned long long)s->rx_dropped, 0, 0, 0, 0,
                (unsigned long long)s->tx_bytes,
                (unsigned long long)s->tx_frames, 0,
                (unsigned long long)s->tx_dropped, 0, 0, 0, 0);
    }
}

unsigned show_routes(const struct show *w, struct weir_route *out,
                     unsigned max) {
    unsigned n = 0;
    struct weir_route r;
    for (unsigned i = 0; n < max && !weir_route_get(w->stack, i, &r); i++) {
        /* The kernel's order: by prefix, the longer first. */
        uint32_t dst = weir_addr_to_v4(&r.dst);
        unsigned at = n++;
        for (; at > 0; at--) {
            const struct weir_route *p = &out[at - 1];
            uint32_t before = weir_addr_to_v4(&p->dst);
            if (before < dst || (before == dst && p->plen > r.plen) ||
                (before == dst && p->plen == r.plen && p->metric <= r.metric))
                break;
            out[at] = *p;
        }
        out[at] = r;
    }
    return n;
}

bool show_is_broadcast(const struct show *w, const struct weir_addr *addr) {
    struct weir_ifaddr a;
    for (unsigned i = 0; !weir_addr_get(w->stack, i, &a); i++)
        if (a.plen < 31 && weir_addr_is_v4(addr) &&
            (weir_addr_to_v4(&a.addr) | ~0u >> a.plen) == weir_addr_to_v4(addr))
            return true;
    return false;
}

static uint32_t mask_of(unsigned plen) {
    return plen ? ~0u << (32 - plen) : 0;
}

void show_route(const struct show *w) {
    struct weir_route *r = calloc(SHOW_ROUTES, sizeof(*r));
    unsigned n = r ? show_routes(w, r, SHOW_ROUTES) : 0;
    fprintf(w->out, "%-*s\n", ROUTE_WIDTH,
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\t"
            "MTU\tWindow\tIRTT");
    for (unsigned i = 0; i < n; i++) {
        struct weir_if dev = {.name = "*"};
        char row[ROUTE_WIDTH + 1];
        bool direct = weir_addr_is_any(&r[i].gateway);
        if (r[i].local)
            continue;
        weir_if_get(w->stack, r[i].ifindex, &dev);
        snprintf(row, sizeof(row),
                 "%s\t%08X\t%08X\t%04X\t%d\t%u\t%u\t%08X\t%d\t%u\t%u", dev.name,
                 htonl(weir_addr_to_v4(&r[i].dst)),
                 direct ? 0 : htonl(weir_addr_to_v4(&r[i].gateway)),
                 RTF_UP | (direct ? 0 : RTF_GATEWAY) |
                     (r[i].plen == 32 ? RTF_HOST : 0),
                 0, 0u, r[i].metric, htonl(mask_of(r[i].plen)), 0, 0u, 0u);
        fprintf(w->out, "%-*s\n", ROUTE_WIDTH, row);
    }
    free(r);
}

void show_arp(const struct show *w) {
    struct weir_neigh n;
    fputs("IP address       HW type     Flags       HW address            Mask"
          "     Device\n",
          w->out);
    for (unsigned i = 0; !weir_neigh_get(w->stack, i, &n); i++) {
        uint32_t a = weir_addr_to_v4(&n.addr);
        struct weir_if dev = {.name = "*"};
        char ip[16], mac[18];
        bool valid =
            n.state & ~(unsigned)(WEIR_NUD_INCOMPLETE | WEIR_NUD_FAILED);
        int flags = valid ? ATF_COM : 0;
        weir_if_get(w->stack, n.ifindex, &dev);
        snprintf(ip, sizeof(ip), "%u.%u.%u.%u", a >> 24, a >> 16 & 255,
                 a >> 8 & 255, a & 255);
        snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", n.mac[0],
                 n.mac[1], n.mac[2], n.mac[3], n.mac[4], n.mac[5]);
        flags |= n.state == WEIR_NUD_PERMANENT ? ATF_PERM : 0;
        fprintf(w->out, "%-16s 0x%-10x0x%-10x%-17s     *        %s\n", ip,
                ARPHRD_ETHER, flags, valid ? mac : "00:00:00:00:00:00",
                dev.name);
    }
}

/* Every interface is in 224.0.0.1 and nothing else. */
void show_igmp(const struct show *w) {
    struct weir_if i;
    fputs("Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n",
          w->out);
    for (unsigned n = 1; !weir_if_get(w->stack, n, &i); n++)
        fprintf(w->out, "%u\t%-10s: %5d %7s\n\t\t\t\t%08X %5d %d:%08lX\t\t%d\n",
                n, i.name, 1, "V3", htonl(0xe0000001u), 1, 0, 0ul, 0);
}

/* The leaves, without the branches: scripts look for LOCAL under an address. */
void show_fib(const struct show *w) {
    struct weir_route *r = calloc(SHOW_ROUTES, sizeof(*r));
    unsigned n = r ? show_routes(w, r, SHOW_ROUTES) : 0;
    static const char *const table[] = {"Main", "Local"};
    for (unsigned t = 0; t < 2; t++) {
        fprintf(w->out, "%s:\n  +-- 0.0.0.0/0 0 0 0\n", table[t]);
        uint32_t before = 1;
        for (unsigned i = 0; i < n; i++) {
            uint32_t a = weir_addr_to_v4(&r[i].dst);
            if (a != before || i == 0)
                fprintf(w->out, "     |-- %u.%u.%u.%u\n", a >> 24,
                        a >> 16 & 255, a >> 8 & 255, a & 255);
            before = a;
            const char *what = "universe UNICAST";
            if (r[i].local && show_is_broadcast(w, &r[i].dst))
                what = "link BROADCAST";
            else if (r[i].local)
                what = "host LOCAL";
            else if (weir_addr_is_any(&r[i].gateway))
                what = "link UNICAST";
            fprintf(w->out, "        /%u %s\n", r[i].plen, what);
        }
    }
    free(r);
}
