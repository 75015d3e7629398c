/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sections of a scenario file that make the network: hosts, what runs on
 * them, links. Events and expectations are read by scenario_event.c. Hosts are
 * read before everything that names one, wherever they stand in the file.
 */
#include "tools/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "links/impair.h"
#include "tools/scenario_in.h"

int scenario_host(const struct scenario *s, const char *name) {
    for (unsigned i = 0; i < s->nhosts; i++)
        if (!strcmp(s->host[i].name, name))
            return (int)i;
    return -1;
}

int scenario_program(const struct scenario *s, const char *name) {
    for (unsigned i = 0; i < s->nprograms; i++)
        if (!strcmp(s->program[i].name, name))
            return (int)i;
    return -1;
}

unsigned scenario_host_named(struct scenario *s, struct yaml *y,
                             struct fy_node *at, const char *name) {
    const char *names[SC_HOSTS + 1] = {0};
    for (unsigned i = 0; i < s->nhosts; i++)
        names[i] = s->host[i].name;
    int i = yaml_choice(y, at, name, "host", names);
    return i < 0 ? 0 : (unsigned)i;
}

void scenario_pair(struct yaml *y, struct fy_node *key, struct fy_node *value,
                   struct sc_pair *pair, unsigned *n) {
    if (*n == SC_PAIRS) {
        yaml_fail(y, key, "at most %d settings here", SC_PAIRS);
        return;
    }
    pair[(*n)++] = (struct sc_pair){yaml_text(y, key), yaml_text(y, value),
                                    yaml_line(value)};
}

static bool parse_ip(const char *text, struct weir_addr *addr, unsigned *plen) {
    unsigned b[4], n = 0;
    char rest;
    int got =
        sscanf(text, "%u.%u.%u.%u/%u%c", &b[0], &b[1], &b[2], &b[3], &n, &rest);
    for (int i = 0; i < 4; i++)
        if (got < 4 || b[i] > 255)
            return false;
    if (got == 4 && !strchr(text, '/'))
        n = 0;
    else if (got != 5 || n < 1 || n > 32)
        return false;
    *addr = weir_addr_v4(WEIR_IP4(b[0], b[1], b[2], b[3]));
    *plen = n;
    return true;
}

/* ---- hosts ---- */

static void read_addr(struct yaml *y, struct fy_node *v, void *to) {
    struct host_reader *r = to;
    struct sc_host *h = &r->s->host[r->host];
    if (yaml_is_sequence(v)) {
        yaml_elements(y, v, "addr", read_addr, to);
        return;
    }
    const char *text = yaml_text(y, v);
    struct sc_address *a = &h->addr[h->naddrs];
    if (h->naddrs == SC_ENDS)
        yaml_fail(y, v, "at most %d addresses", SC_ENDS);
    else if (!parse_ip(text, &a->addr, &a->plen) || !a->plen)
        yaml_fail(y, v, "'%s' is not ADDRESS/PREFIX, as in 10.0.0.1/24", text);
    else
        h->naddrs++;
}

/* By its full name, or without "net.ipv4.". */
static bool is_setting(struct yaml *y, struct fy_node *key) {
    const char *names[128], *word = yaml_text(y, key);
    unsigned n = 0;
    for (unsigned i = 0; n < 127 && weir_sysctl_name(i); i++) {
        const char *full = weir_sysctl_name(i);
        if (!strncmp(word, "net.", 4))
            names[n++] = full;
        else if (!strncmp(full, "net.ipv4.", 9))
            names[n++] = full + 9;
    }
    names[n] = NULL;
    return yaml_choice(y, key, word, "setting", names) >= 0;
}

static void read_setting(struct yaml *y, struct fy_node *key,
                         struct fy_node *value, void *to) {
    struct host_reader *r = to;
    struct sc_host *h = &r->s->host[r->host];
    if (is_setting(y, key))
        scenario_pair(y, key, value, h->setting, &h->nsettings);
}

static void read_settings(struct yaml *y, struct fy_node *v, void *to) {
    yaml_pairs(y, v, "settings", read_setting, to);
}

static void read_route(struct yaml *y, struct fy_node *v, void *to) {
    struct host_reader *r = to;
    struct sc_host *h = &r->s->host[r->host];
    char dst[32], gw[32], rest;
    const char *text = yaml_text(y, v);
    unsigned none, i = h->nroutes;
    bool ok =
        i < SC_PAIRS && sscanf(text, "%31s via %31s %c", dst, gw, &rest) == 2;
    if (ok && !strcmp(dst, "default"))
        h->route[i].dst = weir_addr_v4(0);
    else if (ok)
        ok = parse_ip(dst, &h->route[i].dst, &h->route[i].plen) &&
             h->route[i].plen;
    if (!ok || !parse_ip(gw, &h->route[i].gateway, &none) || none)
        yaml_fail(y, v,
                  "'%s' is not a route, as in \"default via 10.0.0.1\" or "
                  "\"10.1.0.0/16 via 10.0.0.1\"",
                  text);
    else
        h->nroutes++;
}

static void read_routes(struct yaml *y, struct fy_node *v, void *to) {
    yaml_elements(y, v, "routes", read_route, to);
}

static void host_name(struct yaml *y, struct fy_node *key,
                      struct fy_node *value, void *to) {
    (void)value;
    struct scenario *s = to;
    const char *name = yaml_text(y, key);
    if (s->nhosts == SC_HOSTS)
        yaml_fail(y, key, "at most %d hosts", SC_HOSTS);
    else if (!*name || strlen(name) > 31 || strchr(name, ':'))
        yaml_fail(y, key, "a host's name has 1 to 31 letters and no colon");
    else if (scenario_host(s, name) >= 0)
        yaml_fail(y, key, "host '%s' is there twice", name);
    else
        s->host[s->nhosts++].name = name;
}

static void host_body(struct yaml *y, struct fy_node *key,
                      struct fy_node *value, void *to) {
    static const struct yaml_key keys[] = {{"addr", read_addr},
                                           {"settings", read_settings},
                                           {"routes", read_routes},
                                           {"run", scenario_read_run},
                                           {NULL, NULL}};
    struct scenario *s = to;
    int host = scenario_host(s, yaml_text(y, key));
    struct host_reader r = {s, host < 0 ? 0 : (unsigned)host};
    if (yaml_is_mapping(value))
        yaml_mapping(y, value, "a host", keys, &r);
    else if (!yaml_is_scalar(value) || *yaml_text(y, value))
        scenario_read_run(y, value, &r);
}

/* ---- links ---- */

struct link_reader {
    struct scenario *s;
    struct sc_link *link;
};

static void read_end(struct yaml *y, struct fy_node *v, void *to) {
    struct link_reader *r = to;
    char name[64];
    snprintf(name, sizeof(name), "%s", yaml_text(y, v));
    name[strcspn(name, ":")] = 0;
    unsigned host = scenario_host_named(r->s, y, v, name);
    if (r->link->ends == SC_ENDS)
        yaml_fail(y, v, "at most %d hosts on a link", SC_ENDS);
    else
        r->link->host[r->link->ends++] = host;
}

static void link_setting(struct yaml *y, struct fy_node *key,
                         struct fy_node *value, struct sc_link *link,
                         unsigned end) {
    static const char *const known[] = {"delay",   "loss",    "duplicate",
                                        "reorder", "corrupt", "rate",
                                        "limit",   "drop",    NULL};
    if (yaml_choice(y, key, yaml_text(y, key), "key", known) < 0)
        return;
    if (link->nsettings == SC_PAIRS) {
        yaml_fail(y, key, "at most %d settings of a link", SC_PAIRS);
        return;
    }
    const char *wrong = impair_check(yaml_text(y, key), yaml_text(y, value));
    if (wrong) {
        yaml_fail(y, value, "%s '%s': %s", yaml_text(y, key),
                  yaml_text(y, value), wrong);
        return;
    }
    link->setting[link->nsettings].end = end;
    link->setting[link->nsettings++].pair =
        (struct sc_pair){yaml_text(y, key), yaml_text(y, value), 0};
}

struct direction_reader {
    struct sc_link *link;
    unsigned end;
};

static void read_direction(struct yaml *y, struct fy_node *key,
                           struct fy_node *value, void *to) {
    struct direction_reader *d = to;
    link_setting(y, key, value, d->link, d->end);
}

/* "a->b": what harms frames that a sends. */
static bool is_direction(struct link_reader *r, struct yaml *y,
                         struct fy_node *key, struct fy_node *value) {
    char name[64];
    snprintf(name, sizeof(name), "%s", yaml_text(y, key));
    char *arrow = strstr(name, "->");
    if (!arrow)
        return false;
    *arrow = 0;
    unsigned host = scenario_host_named(r->s, y, key, name);
    for (unsigned i = 0; i < r->link->ends; i++)
        if (r->link->host[i] == host) {
            struct direction_reader d = {r->link, i};
            yaml_pairs(y, value, "a direction", read_direction, &d);
            return true;
        }
    yaml_fail(y, key, "'%s' is not on this link (endpoints come first)", name);
    return true;
}

static void read_link_pair(struct yaml *y, struct fy_node *key,
                           struct fy_node *value, void *to) {
    struct link_reader *r = to;
    const char *name = yaml_text(y, key);
    static const char *const known[] = {
        "endpoints", "mtu",     "tap",  "offload", "delay", "loss", "duplicate",
        "reorder",   "corrupt", "rate", "limit",   "drop",  NULL};
    if (!strcmp(name, "endpoints")) {
        yaml_elements(y, value, "endpoints", read_end, r);
    } else if (!strcmp(name, "mtu")) {
        r->link->mtu = (uint32_t)yaml_number(y, value, 68, 65535);
    } else if (!strcmp(name, "tap")) {
        r->link->tap = yaml_text(y, value);
    } else if (!strcmp(name, "offload")) {
        r->link->offload = yaml_bool(y, value);
    } else if (!is_direction(r, y, key, value) &&
               yaml_choice(y, key, name, "key", known) >= 0) {
        link_setting(y, key, value, r->link, SC_ENDS);
    }
}

static void read_link(struct yaml *y, struct fy_node *v, void *to) {
    struct scenario *s = to;
    if (s->nlinks == SC_LINKS) {
        yaml_fail(y, v, "at most %d links", SC_LINKS);
        return;
    }
    struct link_reader r = {s, &s->link[s->nlinks++]};
    r.link->mtu = 1500;
    yaml_pairs(y, v, "a link", read_link_pair, &r);
    if (r.link->ends < (r.link->tap ? 1 : 2))
        yaml_fail(y, v, "a link needs 'endpoints: [a, b]'");
}

/* ---- the file ---- */

static void top_name(struct yaml *y, struct fy_node *v, void *to) {
    ((struct scenario *)to)->name = yaml_text(y, v);
}

static void top_seed(struct yaml *y, struct fy_node *v, void *to) {
    ((struct scenario *)to)->seed = yaml_number(y, v, 0, UINT64_MAX);
}

static void top_timeout(struct yaml *y, struct fy_node *v, void *to) {
    ((struct scenario *)to)->timeout_ns = yaml_time(y, v);
}

static void top_linger(struct yaml *y, struct fy_node *v, void *to) {
    ((struct scenario *)to)->linger_ns = yaml_time(y, v);
}

static void top_spin(struct yaml *y, struct fy_node *v, void *to) {
    ((struct scenario *)to)->spin_ns = yaml_time(y, v);
}

static void top_later(struct yaml *y, struct fy_node *v, void *to) {
    (void)y, (void)v, (void)to; /* read in its own turn */
}

static void top_hosts(struct yaml *y, struct fy_node *v, void *to) {
    yaml_pairs(y, v, "hosts", host_name, to);
}

static void top_bodies(struct yaml *y, struct fy_node *v, void *to) {
    yaml_pairs(y, v, "hosts", host_body, to);
}

static void top_links(struct yaml *y, struct fy_node *v, void *to) {
    yaml_elements(y, v, "links", read_link, to);
}

static void top_events(struct yaml *y, struct fy_node *v, void *to) {
    yaml_elements(y, v, "events", scenario_read_event, to);
}

static void top_expects(struct yaml *y, struct fy_node *v, void *to) {
    yaml_elements(y, v, "expect", scenario_read_expect, to);
}

/* Three turns, because names come before what uses them. */
static const struct yaml_key turn[3][10] = {{{"name", top_name},
                                             {"seed", top_seed},
                                             {"timeout", top_timeout},
                                             {"linger", top_linger},
                                             {"spin", top_spin},
                                             {"hosts", top_hosts},
                                             {"links", top_later},
                                             {"events", top_later},
                                             {"expect", top_later}},
                                            {{"name", top_later},
                                             {"seed", top_later},
                                             {"timeout", top_later},
                                             {"linger", top_later},
                                             {"spin", top_later},
                                             {"hosts", top_bodies},
                                             {"links", top_links},
                                             {"events", top_later},
                                             {"expect", top_later}},
                                            {{"name", top_later},
                                             {"seed", top_later},
                                             {"timeout", top_later},
                                             {"linger", top_later},
                                             {"spin", top_later},
                                             {"hosts", top_later},
                                             {"links", top_later},
                                             {"events", top_events},
                                             {"expect", top_expects}}};

static void default_name(struct scenario *s) {
    const char *base = strrchr(s->file, '/');
    char *name = strdup(base ? base + 1 : s->file);
    if (name)
        name[strcspn(name, ".")] = 0;
    s->own_name = name;
    s->name = name && *name ? name : "network";
}

struct scenario *scenario_read(const char *file, char error[512]) {
    struct scenario *s = calloc(1, sizeof(*s));
    struct yaml *y = calloc(1, sizeof(*y));
    if (!s || !y)
        abort();
    *s = (struct scenario){
        .file = file, .seed = 1, .timeout_ns = 60000000000u, .yaml = y};
    if (yaml_open(y, file))
        for (int i = 0; i < 3; i++)
            yaml_mapping(y, yaml_root(y), "a scenario", turn[i], s);
    if (!y->error[0] && !s->nhosts)
        yaml_fail(y, yaml_root(y), "a scenario needs 'hosts'");
    if (!s->name)
        default_name(s);
    if (!y->error[0])
        return s;
    memcpy(error, y->error, sizeof(y->error));
    scenario_free(s);
    return NULL;
}

void scenario_free(struct scenario *s) {
    for (unsigned i = 0; i < s->nprograms; i++) {
        free(s->program[i].argv);
        free(s->program[i].wait_host);
    }
    free(s->own_name);
    yaml_close(s->yaml);
    free(s->yaml);
    free(s);
}
