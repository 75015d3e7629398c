/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pass serves every host once: frames that have arrived go in, the stack
 * runs, its frames go to the links, its readiness to the door. Passes repeat
 * until nothing moves, so a request and its answer between two hosts in memory
 * take no wait in between.
 */
#include "host/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "links/impair.h"
#include "links/switch.h"

#define ARENA_BYTES ((size_t)16 << 30) /* address space, not memory */

struct link_source { /* a link that has a descriptor */
    struct loop_source src;
    struct weir_link *link;
    struct loop *loop;
};

static void net_begin(struct loop_passer *p, uint64_t now) {
    struct net *net = (struct net *)((char *)p - offsetof(struct net, passer));
    for (struct host *h = net->hosts; h; h = h->next)
        if (h->stack)
            weir_clock(h->stack, now);
}

static bool host_pass(struct host *h, uint64_t now) {
    bool any = false;
    for (unsigned i = 0; i < h->nifs; i++) {
        struct weir_link *link = h->ifs[i].link;
        if (link->ops->deadline(link) <= now)
            any |= link->ops->poll(link, now) > 0;
    }
    if (!h->stack)
        return any;
    weir_poll(h->stack);
    unsigned ifindex;
    struct weir_pkt *list;
    while ((list = weir_output(h->stack, &ifindex))) {
        struct weir_link *link = h->ifs[ifindex - 2].link;
        link->ops->send(link, list, now);
        any = true;
    }
    struct weir_ready r;
    while (h->stack && weir_ready_next(h->stack, &r)) {
        if (h->ready)
            h->ready(h->door, h, &r);
        any = true;
    }
    return any;
}

static bool net_pass(struct loop_passer *p, uint64_t now) {
    struct net *net = (struct net *)((char *)p - offsetof(struct net, passer));
    bool any = false;
    for (struct host *h = net->hosts; h; h = h->next)
        any |= host_pass(h, now);
    return any;
}

static uint64_t net_deadline(struct loop_passer *p) {
    struct net *net = (struct net *)((char *)p - offsetof(struct net, passer));
    uint64_t due = UINT64_MAX;
    for (struct host *h = net->hosts; h; h = h->next) {
        uint64_t d = h->stack ? weir_deadline(h->stack) : UINT64_MAX;
        due = d < due ? d : due;
        for (unsigned i = 0; i < h->nifs; i++) {
            d = h->ifs[i].link->ops->deadline(h->ifs[i].link);
            due = d < due ? d : due;
        }
    }
    return due;
}

struct net *net_create(struct loop *loop, const char *name, uint64_t seed,
                       struct weir_recorder *rec) {
    struct net *net = calloc(1, sizeof(*net));
    if (!net)
        return NULL;
    size_t bytes = ARENA_BYTES;
    void *mem = MAP_FAILED;
    for (; bytes >= 64u << 20 && mem == MAP_FAILED; bytes /= 2)
        mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mem == MAP_FAILED) {
        free(net);
        return NULL;
    }
    bytes = bytes == ARENA_BYTES / 2 ? ARENA_BYTES : bytes * 2;
    net->arena = weir_arena_init(mem, bytes);
    net->loop = loop;
    net->rec = rec;
    net->seed = seed;
    snprintf(net->name, sizeof(net->name), "%s", name);
    net->passer = (struct loop_passer){
        .begin = net_begin, .pass = net_pass, .deadline = net_deadline};
    loop_join(loop, &net->passer);
    return net;
}

void net_destroy(struct net *net) {
    loop_leave(net->loop, &net->passer);
    while (net->hosts) {
        struct host *h = net->hosts;
        net->hosts = h->next;
        if (h->stack)
            weir_destroy(h->stack);
        for (unsigned i = 0; i < h->nifs; i++)
            h->ifs[i].link->ops->close(h->ifs[i].link);
        while (h->settings) {
            struct host_setting *next = h->settings->next;
            free(h->settings);
            h->settings = next;
        }
        free(h);
    }
    for (unsigned i = 0; i < net->nwires; i++)
        switch_destroy(net->wires[i]);
    free(net); /* the arena's mapping ends with the process */
}

struct host *net_find_host(struct net *net, const char *name) {
    for (struct host *h = net->hosts; h; h = h->next)
        if (!strcmp(h->name, name))
            return h;
    return NULL;
}

struct host *net_add_host(struct net *net, const char *name) {
    if (net_find_host(net, name)) {
        errno = EEXIST;
        return NULL;
    }
    if (net->nhosts == NET_HOSTS || strlen(name) >= sizeof(net->hosts->name)) {
        errno = ENOSPC;
        return NULL;
    }
    struct host *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->net = net;
    snprintf(h->name, sizeof(h->name), "%s", name);
    h->number = (uint8_t)++net->nhosts;
    struct host **at = &net->hosts;
    while (*at)
        at = &(*at)->next;
    *at = h;
    int err = host_boot(h);
    if (err) {
        *at = NULL;
        free(h);
        errno = -err;
        return NULL;
    }
    return h;
}

struct host *net_add_default_host(struct net *net) {
    struct host *h = net_add_host(net, "localhost");
    int wire = net_add_wire(net);
    if (!h || wire < 0)
        return NULL;
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, 0, 1));
    return host_plug(h, (unsigned)wire, &addr, 24, 1500) < 0 ? NULL : h;
}

int net_add_wire(struct net *net) {
    if (net->nwires == sizeof(net->wires) / sizeof(net->wires[0]))
        return -ENOSPC;
    struct mswitch *sw = switch_create(net->arena);
    if (!sw)
        return -ENOMEM;
    net->wires[net->nwires] = sw;
    return (int)net->nwires++;
}

/* Frames from a link to its host. */
static void host_deliver(void *to, struct weir_link *from,
                         struct weir_pkt *list, uint64_t now) {
    struct host *h = to;
    for (unsigned i = 0; h->stack && i < h->nifs; i++)
        if (h->ifs[i].link == from) {
            weir_clock(h->stack, now);
            weir_input(h->stack, i + 2, list);
            return;
        }
    while (list) {
        struct weir_pkt *next = list->next;
        weir_link_drop(from, list, WEIR_HOST_DOWN, now);
        list = next;
    }
}

static void link_readable(struct loop_source *src, uint32_t events) {
    (void)events;
    struct link_source *ls = (struct link_source *)src;
    ls->link->ops->poll(ls->link, loop_now(ls->loop));
}

static int if_up(struct host *h, unsigned i) {
    struct host_if *hi = &h->ifs[i];
    int ifindex = weir_if_add(h->stack, &hi->config);
    if (ifindex < 0 || hi->plen == 0)
        return ifindex;
    int err = weir_addr_add(h->stack, (unsigned)ifindex, &hi->addr, hi->plen);
    return err ? err : ifindex;
}

int host_attach(struct host *h, struct weir_link *link, const char *ifname,
                const struct weir_addr *addr, unsigned plen) {
    if (h->nifs == NET_IFS)
        return -ENOSPC;
    unsigned i = h->nifs++;
    struct host_if *hi = &h->ifs[i];
    link->deliver = host_deliver;
    link->to = h;
    link->rec = h->net->rec;
    link->host = h->number;
    link->id = (uint8_t)++h->net->nlinks;
    hi->link = link;
    hi->config = (struct weir_if){
        .up = true, .mtu = link->mtu, .features = link->features};
    snprintf(hi->config.name, sizeof(hi->config.name), "%s", ifname);
    memcpy(hi->config.mac, link->mac, 6);
    if (addr) {
        hi->addr = *addr;
        hi->plen = plen;
    }
    int fd = link->ops->fd(link);
    if (fd >= 0) {
        struct link_source *ls = calloc(1, sizeof(*ls));
        if (!ls)
            return -ENOMEM;
        *ls = (struct link_source){
            {.ready = link_readable, .fd = fd}, link, h->net->loop};
        int err = loop_add(h->net->loop, &ls->src, 1 /* EPOLLIN */);
        if (err)
            return err;
    }
    return h->stack ? if_up(h, i) : (int)i + 2;
}

int host_plug(struct host *h, unsigned wire, const struct weir_addr *addr,
              unsigned plen, uint32_t mtu) {
    char name[64], ifname[16];
    snprintf(ifname, sizeof(ifname), "eth%u", h->nifs);
    snprintf(name, sizeof(name), "%s:%s", h->name, ifname);
    struct weir_link *port = switch_port(h->net->wires[wire], name, mtu, 0);
    if (!port)
        return -ENOMEM;
    /* Locally administered (IEEE 802): the host's and interface's numbers. */
    uint8_t mac[6] = {0x02, 0x77, 0x65, 0, h->number, (uint8_t)h->nifs};
    memcpy(port->mac, mac, 6);
    port->rec = h->net->rec;
    port->host = h->number;
    /* `weir link set` can harm it later; with nothing set it costs nothing. */
    uint64_t seed = h->net->seed * 1000003 + h->number * 64u + h->nifs;
    struct weir_link *link = impair_wrap(port, seed);
    return host_attach(h, link ? link : port, ifname, addr, plen);
}

int host_set(struct host *h, const char *name, const char *value) {
    int err = h->stack ? weir_sysctl_set(h->stack, name, value) : 0;
    if (err)
        return err;
    size_t n = strlen(name) + 1, v = strlen(value) + 1;
    struct host_setting *s = malloc(sizeof(*s) + n + v);
    if (!s)
        return -ENOMEM;
    memcpy(s->name, name, n);
    s->value = memcpy(s->name + n, value, v);
    s->next = h->settings;
    h->settings = s;
    return 0;
}

int host_route(struct host *h, const struct weir_route *route) {
    if (h->nroutes == sizeof(h->routes) / sizeof(h->routes[0]))
        return -ENOSPC;
    int err = h->stack ? weir_route_add(h->stack, route) : 0;
    if (!err)
        h->routes[h->nroutes++] = *route;
    return err;
}

void host_crash(struct host *h) {
    if (!h->stack)
        return;
    weir_destroy(h->stack);
    h->stack = NULL;
}

static void settings_apply(struct host *h, const struct host_setting *s) {
    if (!s)
        return;
    settings_apply(h, s->next); /* the oldest is the last in the list */
    weir_sysctl_set(h->stack, s->name, s->value);
}

int host_boot(struct host *h) {
    struct weir_config config = {.arena = h->net->arena,
                                 .rec = h->net->rec,
                                 .now_ns = loop_now(h->net->loop),
                                 .host = h->number};
    uint64_t seed[4] = {h->net->seed, h->number, h->boots++, 0x77656972};
    memcpy(config.seed, seed, sizeof(config.seed));
    snprintf(config.name, sizeof(config.name), "%.15s", h->name);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        config.cpu |= WEIR_CPU_AVX2;
#endif
    h->stack = weir_create(&config);
    if (!h->stack)
        return -ENOMEM;
    settings_apply(h, h->settings);
    for (unsigned i = 0; i < h->nifs; i++) {
        int err = if_up(h, i);
        if (err < 0)
            return err;
    }
    for (unsigned i = 0; i < h->nroutes; i++) {
        int err = weir_route_add(h->stack, &h->routes[i]);
        if (err)
            return err;
    }
    return 0;
}
