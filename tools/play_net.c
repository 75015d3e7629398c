/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network of a scenario: each link is a switch of its own, each end of it a
 * port with an impairment around it. Where a host gives no address for an
 * interface, the n-th link is 10.0.n.0/24 and its ends are numbered from 1, in
 * the order they are named.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "links/impair.h"
#include "links/switch.h"
#include "links/tap.h"
#include "links/tee.h"
#include "run/recorded.h"
#include "tools/play_in.h"

static bool complain(const struct play *pl, const char *what, const char *name,
                     int err) {
    fprintf(stderr, "weir: %s: %s '%s': %s\n", pl->s->file, what, name,
            strerror(-err));
    return false;
}

static bool apply(struct play *pl, struct weir_link *port,
                  const struct sc_link *l, unsigned end) {
    for (unsigned i = 0; i < l->nsettings; i++) {
        if (l->setting[i].end != SC_ENDS && l->setting[i].end != end)
            continue;
        const char *why =
            impair_set(port, l->setting[i].pair.key, l->setting[i].pair.words);
        if (why) {
            fprintf(stderr, "weir: %s: %s '%s': %s\n", pl->s->file,
                    l->setting[i].pair.key, l->setting[i].pair.words, why);
            return false;
        }
    }
    return true;
}

/* The raw end of a link: a port of its switch, or a TAP. */
static struct weir_link *raw_end(struct play *pl, const struct sc_link *l,
                                 unsigned wire, struct host *h) {
    char name[64];
    if (l->tap) {
        struct weir_link *tap = tap_open(pl->net->arena, l->tap, l->offload);
        if (!tap)
            complain(pl, "TAP interface", l->tap, -errno);
        return tap;
    }
    snprintf(name, sizeof(name), "%s:eth%u", h->name, h->nifs);
    struct weir_link *port = switch_port(pl->net->wires[wire], name, l->mtu, 0);
    if (!port)
        return NULL;
    uint8_t mac[6] = {0x02, 0x77, 0x65, 0, h->number, (uint8_t)h->nifs};
    memcpy(port->mac, mac, sizeof(mac));
    return port;
}

static int plug(struct play *pl, unsigned hi, struct weir_link *raw,
                unsigned link, unsigned end) {
    struct host *h = pl->host[hi];
    const struct sc_host *sh = &pl->s->host[hi];
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, link + 1, end + 1));
    unsigned plen = 24;
    if (h->nifs < sh->naddrs) {
        addr = sh->addr[h->nifs].addr;
        plen = sh->addr[h->nifs].plen;
    }
    char ifname[16];
    snprintf(ifname, sizeof(ifname), "eth%u", h->nifs);
    raw->rec = pl->net->rec;
    raw->host = h->number;
    uint64_t seed = pl->s->seed * 1000003 + link * 64 + end;
    if (pl->capture) {
        struct weir_link *tee =
            tee_wrap(raw, pl->capture, pl->record.header->wall_ns, NULL, NULL);
        raw = tee ? tee : raw;
    }
    struct weir_link *port = impair_wrap(raw, seed);
    if (!port || !apply(pl, port, &pl->s->link[link], end)) {
        port = port ? port : raw;
        port->ops->close(port);
        return -EINVAL;
    }
    pl->port[hi][h->nifs] = port;
    return host_attach(h, port, ifname, &addr, plen);
}

static bool build_link(struct play *pl, unsigned i) {
    const struct sc_link *l = &pl->s->link[i];
    int wire = net_add_wire(pl->net);
    if (wire < 0)
        return complain(pl, "link", pl->s->name, wire);
    for (unsigned e = 0; e < l->ends; e++) {
        struct host *h = pl->host[l->host[e]];
        struct weir_link *raw = raw_end(pl, l, (unsigned)wire, h);
        int r = raw ? plug(pl, l->host[e], raw, i, e) : -ENODEV;
        if (r == -EINVAL || (r == -ENODEV && l->tap))
            return false; /* said */
        if (r < 0)
            return complain(pl, "interface of", h->name, r);
    }
    return true;
}

/* A host without a link still has an interface, on a wire of its own. */
static bool build_alone(struct play *pl, unsigned i) {
    int wire = net_add_wire(pl->net);
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 0, 0, i + 1));
    const struct sc_host *sh = &pl->s->host[i];
    int r = wire < 0 ? wire
                     : host_plug(pl->host[i], (unsigned)wire,
                                 sh->naddrs ? &sh->addr[0].addr : &addr,
                                 sh->naddrs ? sh->addr[0].plen : 24, 1500);
    return r < 0 ? complain(pl, "interface of", sh->name, r) : true;
}

static bool set_host(struct play *pl, unsigned i) {
    const struct sc_host *sh = &pl->s->host[i];
    for (unsigned k = 0; k < sh->nsettings; k++) {
        int err =
            host_set(pl->host[i], sh->setting[k].key, sh->setting[k].words);
        if (err) {
            fprintf(stderr, "weir: %s:%d: '%s' is no value of %s\n",
                    pl->s->file, sh->setting[k].line, sh->setting[k].words,
                    sh->setting[k].key);
            return false;
        }
    }
    return true;
}

static bool route_host(struct play *pl, unsigned i) {
    const struct sc_host *sh = &pl->s->host[i];
    for (unsigned k = 0; k < sh->nroutes; k++) {
        struct weir_route via, r = {.dst = sh->route[k].dst,
                                    .plen = sh->route[k].plen,
                                    .gateway = sh->route[k].gateway};
        int err = weir_route_lookup(pl->host[i]->stack, &r.gateway, &via);
        r.ifindex = err ? 0 : via.ifindex;
        if (!err)
            err = host_route(pl->host[i], &r);
        if (err)
            return complain(pl, "a route of host", sh->name, err);
    }
    return true;
}

bool play_build(struct play *pl) {
    const struct scenario *s = pl->s;
    for (unsigned i = 0; i < s->nhosts; i++) {
        pl->host[i] = net_add_host(pl->net, s->host[i].name);
        if (!pl->host[i])
            return complain(pl, "host", s->host[i].name, -errno);
        if (!set_host(pl, i))
            return false;
    }
    for (unsigned i = 0; i < s->nlinks; i++)
        if (!build_link(pl, i))
            return false;
    for (unsigned i = 0; i < s->nhosts; i++)
        if ((!pl->host[i]->nifs && !build_alone(pl, i)) || !route_host(pl, i))
            return false;
    recorded_net(&pl->record, pl->net);
    return true;
}
