/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interface ioctls (netdevice(7)), as net/core/dev_ioctl.c and
 * net/ipv4/devinet.c answer them. Nothing can be changed: the scenario and the
 * command line say what a host has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

#include "run/show.h"

static void put_addr(struct sockaddr *sa, uint32_t addr) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    in.sin_addr.s_addr = htonl(addr);
    memcpy(sa, &in, sizeof(in));
}

/* The interface a name means; "eth0:1" is eth0. */
static bool find_if(const struct show *w, const char *name, struct weir_if *i) {
    size_t n = strcspn(name, ":");
    for (unsigned k = 1; !weir_if_get(w->stack, k, i); k++)
        if (strlen(i->name) == n && !memcmp(i->name, name, n))
            return true;
    return false;
}

static bool find_addr(const struct show *w, unsigned ifindex,
                      struct weir_ifaddr *a) {
    for (unsigned n = 0; !weir_addr_get(w->stack, n, a); n++)
        if (a->ifindex == ifindex && weir_addr_is_v4(&a->addr))
            return true;
    return false;
}

unsigned show_if_flags(const struct weir_if *i) {
    unsigned flags = i->loopback ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST;
    return i->up ? flags | IFF_UP | IFF_RUNNING : flags;
}

static int get_addr(const struct show *w, unsigned cmd, const struct weir_if *i,
                    struct ifreq *r) {
    struct weir_ifaddr a;
    if (!find_addr(w, i->ifindex, &a))
        return -EADDRNOTAVAIL;
    uint32_t addr = weir_addr_to_v4(&a.addr);
    uint32_t mask = a.plen ? ~0u << (32 - a.plen) : 0;
    if (cmd == SIOCGIFNETMASK)
        put_addr(&r->ifr_netmask, mask);
    else if (cmd == SIOCGIFBRDADDR)
        put_addr(&r->ifr_broadaddr, i->loopback ? 0 : addr | ~mask);
    else
        put_addr(&r->ifr_addr, addr);
    return 0;
}

static int get_if(const struct show *w, unsigned cmd, struct ifreq *r) {
    struct weir_if i;
    r->ifr_name[IFNAMSIZ - 1] = '\0';
    if (cmd == SIOCGIFNAME) {
        if (r->ifr_ifindex <= 0 ||
            weir_if_get(w->stack, (unsigned)r->ifr_ifindex, &i))
            return -ENODEV;
        memcpy(r->ifr_name, i.name, sizeof(i.name));
        return 0;
    }
    if (!find_if(w, r->ifr_name, &i))
        return -ENODEV;
    switch (cmd) {
    case SIOCGIFFLAGS:
        r->ifr_flags = (short)show_if_flags(&i);
        return 0;
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
    case SIOCGIFNETMASK:
    case SIOCGIFBRDADDR:
        return get_addr(w, cmd, &i, r);
    case SIOCGIFMETRIC:
        r->ifr_metric = 0;
        return 0;
    case SIOCGIFMTU:
        r->ifr_mtu = (int)i.mtu;
        return 0;
    case SIOCGIFHWADDR:
        memset(&r->ifr_hwaddr, 0, sizeof(r->ifr_hwaddr));
        r->ifr_hwaddr.sa_family = i.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
        if (!i.loopback)
            memcpy(r->ifr_hwaddr.sa_data, i.mac, sizeof(i.mac));
        return 0;
    case SIOCGIFINDEX:
        r->ifr_ifindex = (int)i.ifindex;
        return 0;
    case SIOCGIFTXQLEN:
        r->ifr_qlen = 1000;
        return 0;
    case SIOCGIFMAP:
        memset(&r->ifr_map, 0, sizeof(r->ifr_map));
        return 0;
    case SIOCGIFSLAVE:
        return -EINVAL;
    case SIOCGIFMEM:
    case SIOCGIFENCAP:
    case SIOCGIFPFLAGS:
    case SIOCGIFCOUNT:
        return -ENOTTY;
    default:
        return -EOPNOTSUPP; /* ethtool, MII, bonds, private ones */
    }
}

static int get_arp(const struct show *w, struct arpreq *r) {
    struct weir_neigh n;
    struct sockaddr_in in;
    memcpy(&in, &r->arp_pa, sizeof(in));
    if (in.sin_family != AF_INET)
        return -EPFNOSUPPORT;
    for (unsigned i = 0; !weir_neigh_get(w->stack, i, &n); i++) {
        struct weir_if dev;
        if (weir_addr_to_v4(&n.addr) != ntohl(in.sin_addr.s_addr) ||
            n.state & (WEIR_NUD_INCOMPLETE | WEIR_NUD_FAILED) ||
            weir_if_get(w->stack, n.ifindex, &dev))
            continue;
        r->arp_ha.sa_family = ARPHRD_ETHER;
        memcpy(r->arp_ha.sa_data, n.mac, sizeof(n.mac));
        r->arp_flags = ATF_COM;
        memcpy(r->arp_dev, dev.name, sizeof(r->arp_dev));
        return 0;
    }
    return -ENXIO;
}

/* Interfaces that have an address, one entry each address. */
static uint32_t list_ifs(const struct show *w, char *out, uint32_t size) {
    struct weir_ifaddr a;
    struct weir_if i;
    uint32_t len = 0;
    for (unsigned n = 0; !weir_addr_get(w->stack, n, &a); n++) {
        struct ifreq r;
        if (!weir_addr_is_v4(&a.addr) || len + sizeof(r) > size ||
            weir_if_get(w->stack, a.ifindex, &i))
            continue;
        memset(&r, 0, sizeof(r));
        memcpy(r.ifr_name, i.name, sizeof(i.name));
        put_addr(&r.ifr_addr, weir_addr_to_v4(&a.addr));
        memcpy(out + len, &r, sizeof(r));
        len += (uint32_t)sizeof(r);
    }
    return len;
}

static bool is_change(unsigned cmd) {
    static const uint16_t change[] = {
        SIOCADDRT,       SIOCDELRT,       SIOCSIFLINK,    SIOCSIFFLAGS,
        SIOCSIFADDR,     SIOCSIFDSTADDR,  SIOCSIFBRDADDR, SIOCSIFNETMASK,
        SIOCSIFMETRIC,   SIOCSIFMEM,      SIOCSIFMTU,     SIOCSIFNAME,
        SIOCSIFENCAP,    SIOCSIFHWADDR,   SIOCSIFSLAVE,   SIOCADDMULTI,
        SIOCDELMULTI,    SIOCSIFPFLAGS,   SIOCDIFADDR,    SIOCSIFHWBROADCAST,
        SIOCSIFBR,       SIOCSIFTXQLEN,   SIOCDARP,       SIOCSARP,
        SIOCDRARP,       SIOCSRARP,       SIOCSIFMAP,     SIOCSIFVLAN,
        SIOCBRADDBR,     SIOCBRDELBR,     SIOCBRADDIF,    SIOCBRDELIF,
        SIOCBONDENSLAVE, SIOCBONDRELEASE, SIOCSMIIREG,    SIOCSHWTSTAMP};
    for (unsigned i = 0; i < sizeof(change) / sizeof(change[0]); i++)
        if (change[i] == cmd)
            return true;
    return false;
}

int show_ioctl(const struct show *w, unsigned cmd, const void *in, uint32_t len,
               char *out, uint32_t *out_len) {
    struct ifreq r;
    struct arpreq a;
    if (is_change(cmd))
        return -EPERM;
    if (cmd == SIOCGIFCONF) {
        *out_len = list_ifs(w, out, *out_len);
        return 0;
    }
    bool arp = cmd == SIOCGARP;
    void *req = arp ? (void *)&a : (void *)&r;
    uint32_t size = arp ? sizeof(a) : sizeof(r);
    if (len != size)
        return -EFAULT;
    memcpy(req, in, size);
    int err = arp ? get_arp(w, &a) : get_if(w, cmd, &r);
    memcpy(out, req, size);
    *out_len = err ? 0 : size;
    return err;
}
