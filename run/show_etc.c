/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names. Every host of the network is in /etc/hosts, and that is all there is:
 * a name that is not must be "not found" at once, whoever asks. glibc and Go
 * obey nsswitch.conf and never ask a server; musl and resolvers of programs'
 * own (c-ares) find one that refuses, and are told not to insist.
 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "run/show.h"

static void write_line(FILE *out, const struct weir_addr *addr,
                       const char *name) {
    uint32_t a = weir_addr_to_v4(addr);
    fprintf(out, "%u.%u.%u.%u\t%s\n", a >> 24, a >> 16 & 255, a >> 8 & 255,
            a & 255, name);
}

/* The machine's own name must mean something, too: programs ask uname(2) for
 * it and look up the address (Java's getLocalHost, hostname -f). */
static void show_node(const struct show *w) {
    struct utsname u;
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(127, 0, 1, 1));
    if (uname(&u) || !strcmp(u.nodename, "localhost") ||
        net_find_host(w->host->net, u.nodename))
        return;
    for (unsigned i = w->host->nifs; i-- > 0;)
        if (w->host->ifs[i].plen)
            addr = w->host->ifs[i].addr;
    write_line(w->out, &addr, u.nodename);
}

void show_hosts(const struct show *w) {
    fputs("127.0.0.1\tlocalhost\n", w->out);
    for (const struct host *h = w->host->net->hosts; h; h = h->next)
        for (unsigned i = 0; i < h->nifs; i++)
            if (h->ifs[i].plen && strcmp(h->name, "localhost"))
                write_line(w->out, &h->ifs[i].addr, h->name);
    show_node(w);
}

void show_resolv(const struct show *w) {
    fputs("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", w->out);
}

/* Users and services stay the machine's own; only host names are ours. */
void show_nsswitch(const struct show *w) {
    char line[512];
    FILE *own = fopen("/etc/nsswitch.conf", "re");
    while (own && fgets(line, sizeof(line), own))
        if (strncmp(line, "hosts:", 6) && strncmp(line, "networks:", 9))
            fputs(line, w->out);
    if (own)
        fclose(own);
    fputs("hosts: files\nnetworks: files\n", w->out);
}

void show_host_conf(const struct show *w) {
    fputs("multi on\n", w->out);
}
