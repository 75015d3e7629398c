/* SPDX-License-Identifier: BSD-2-Clause */
/* weir lsof -i: who holds the sockets of a network that is up, each process
 * with its descriptors, in lsof's columns. */
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/holders.h"
#include "tools/table.h"

static const char usage[] = "usage: weir lsof [-i [TCP|UDP][:PORT]] [-s "
                            "TCP:STATE] [-p PID] [-t] [-nP]\n"
                            "                 [-j] [--network NAME]\n"
                            "Sockets and who holds them. -i chooses by "
                            "protocol and port, -s by state,\n"
                            "-p by process; -t prints only process ids.\n";

struct choice {
    const char *network;
    char proto[8]; /* "": both */
    long port;     /* -1: any */
    const char *state;
    long pid; /* -1: any */
    bool terse, json;
};

/* "TCP", ":8080", "UDP:53"; as lsof's -i takes them. */
static bool parse_internet(struct choice *o, const char *text) {
    char *end;
    const char *colon = strchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : strlen(text);
    if (n == 3 &&
        (!strncasecmp(text, "tcp", 3) || !strncasecmp(text, "udp", 3)))
        snprintf(o->proto, sizeof(o->proto), "%s",
                 text[0] == 't' || text[0] == 'T' ? "tcp" : "udp");
    else if (n)
        return false;
    if (!colon)
        return true;
    o->port = strtol(colon + 1, &end, 10);
    return colon[1] && !*end && o->port > 0 && o->port < 65536;
}

/* lsof says ESTABLISHED and CLOSE_WAIT where ss says ESTAB and CLOSE-WAIT. */
static void state_words(const char *ss, char *out, size_t size) {
    snprintf(out, size, "%s", !strcmp(ss, "ESTAB") ? "ESTABLISHED" : ss);
    for (char *p = out; *p; p++)
        if (*p == '-')
            *p = '_';
    if (!strcmp(out, "FIN_WAIT_1") || !strcmp(out, "FIN_WAIT_2"))
        memmove(out + 8, out + 9, 2); /* FIN_WAIT1, FIN_WAIT2 */
}

static bool chosen(const struct choice *o, const json_t *k) {
    char state[24];
    state_words(ask_text(k, "state"), state, sizeof(state));
    if (o->proto[0] && strcmp(o->proto, ask_text(k, "netid")))
        return false;
    if (o->state && strcasecmp(o->state, state))
        return false;
    return o->port < 0 || ask_number(k, "local_port") == o->port ||
           ask_number(k, "peer_port") == o->port;
}

static void end_words(const json_t *k, const char *addr, const char *port,
                      char *out, size_t size) {
    const char *a = ask_text(k, addr);
    long long p = ask_number(k, port);
    int n = snprintf(out, size, "%s", !strcmp(a, "0.0.0.0") ? "*" : a);
    if (p)
        snprintf(out + n, size - (size_t)n, ":%lld", p);
    else
        snprintf(out + n, size - (size_t)n, ":*");
}

static void user_of(int pid, char *out, size_t size) {
    char path[40];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d", pid);
    struct passwd *pw = stat(path, &st) == 0 ? getpwuid(st.st_uid) : NULL;
    if (pw)
        snprintf(out, size, "%s", pw->pw_name);
    else
        snprintf(out, size, "%u", st.st_uid);
}

static void name_words(const json_t *k, char *out, size_t size) {
    char local[48], peer[48], state[24];
    bool tcp = !strcmp(ask_text(k, "netid"), "tcp");
    end_words(k, "local", "local_port", local, sizeof(local));
    end_words(k, "peer", "peer_port", peer, sizeof(peer));
    state_words(ask_text(k, "state"), state, sizeof(state));
    int n = snprintf(out, size, "%s%s%s", local,
                     ask_number(k, "peer_port") ? "->" : "",
                     ask_number(k, "peer_port") ? peer : "");
    if (tcp)
        snprintf(out + n, size - (size_t)n, " (%s)", state);
}

static void print_holder(const struct choice *o, struct table *t,
                         const json_t *k, const struct holder *h) {
    char pid[16], fd[16], inode[24], user[40] = "?", name[160];
    const char *node = !strcmp(ask_text(k, "netid"), "tcp") ? "TCP" : "UDP";
    snprintf(pid, sizeof(pid), "%d", h->pid);
    snprintf(fd, sizeof(fd), "%du", h->fd);
    snprintf(inode, sizeof(inode), "%llu", (unsigned long long)h->inode);
    user_of(h->pid, user, sizeof(user));
    name_words(k, name, sizeof(name));
    if (o->terse) {
        puts(pid);
    } else if (o->json) {
        json_t *j = json_pack(
            "{s:s%,s:i,s:s,s:i,s:s,s:s,s:s,s:s,s:I}", "command", h->comm,
            strlen(h->comm), "pid", h->pid, "user", user, "fd", h->fd, "type",
            "IPv4", "node", node, "name", name, "host", ask_text(k, "host"),
            "inode", (json_int_t)h->inode);
        if (j)
            json_dumpf(j, stdout, JSON_COMPACT);
        json_decref(j);
        putchar('\n');
    } else {
        table_row(t, h->comm, pid, user, fd, "IPv4", inode, "0t0", node, name,
                  NULL);
    }
}

/* As lsof: 1 where nothing is found. */
static int run(const struct choice *o) {
    struct answer a;
    struct holders hs;
    struct table t = table_begin(9, 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7);
    json_t *k;
    int found = 0, last = 0;
    if (!ask(&a, o->network, "ss"))
        return EXIT_WEIR;
    holders_find(&hs);
    table_row(&t, "COMMAND", "PID", "USER", "FD", "TYPE", "DEVICE", "SIZE/OFF",
              "NODE", "NAME", NULL);
    while ((k = ask_next(&a))) {
        uint64_t inode = (uint64_t)ask_number(k, "inode");
        const struct holder *h = chosen(o, k) ? holders_of(&hs, inode) : NULL;
        for (; h && h < hs.h + hs.n && h->inode == inode; h++) {
            if ((o->pid >= 0 && h->pid != o->pid) ||
                (o->terse && h->pid == last))
                continue;
            print_holder(o, &t, k, h);
            last = h->pid;
            found++;
        }
        json_decref(k);
    }
    if (!o->terse && !o->json && found)
        table_print(&t);
    table_free(&t);
    holders_free(&hs);
    ask_free(&a);
    return found ? 0 : 1;
}

static bool take_option(struct choice *o, int c) {
    char *end;
    switch (c) {
    case 'i':
        if (optarg && !parse_internet(o, optarg)) {
            fprintf(stderr, "weir: -i %s: not [TCP|UDP][:PORT]\n", optarg);
            exit(EXIT_WEIR);
        }
        return true;
    case 's':
        if (strncasecmp(optarg, "TCP:", 4))
            return false;
        o->state = optarg + 4;
        return true;
    case 'p':
        o->pid = strtol(optarg, &end, 10);
        return *optarg && !*end;
    case 't':
        o->terse = true;
        return true;
    case 'j':
        o->json = true;
        return true;
    case 'N':
        o->network = optarg;
        return true;
    default:
        return c == 'n' || c == 'P';
    }
}

int cmd_lsof(int argc, char **argv) {
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {"network", required_argument, NULL, 'N'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    struct choice o = {.port = -1, .pid = -1};
    int c;
    while ((c = getopt_long(argc, argv, "i::s:p:tjnPh", longs, NULL)) != -1) {
        if (c == 'i' && !optarg && optind < argc && argv[optind][0] != '-')
            optarg = argv[optind++]; /* -i :8080, as well as -i:8080 */
        if (!take_option(&o, c)) {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : EXIT_WEIR;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return EXIT_WEIR;
    }
    o.network = ask_which(o.network);
    return o.network ? run(&o) : EXIT_WEIR;
}
