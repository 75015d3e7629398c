/* SPDX-License-Identifier: BSD-2-Clause */
/* weir ss: sockets of a network that is up, with ss(8)'s flags, columns and
 * filters. Where a network has several hosts a column says which. */
#include <arpa/inet.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/holders.h"
#include "tools/ss_filter.h"

static const char usage[] =
    "usage: weir ss [-tulanpeioHKj] [-m] [--network NAME] [--host HOST] "
    "[FILTER]\n"
    "  -t, -u  TCP, UDP            -a  listening ones, too   -l  only these\n"
    "  -n  numbers, no names       -p  who holds it          -o  timers\n"
    "  -e  user and inode          -i  inside of TCP         -m  buffers\n"
    "  -H  no heading              -K  kill what the filter finds\n"
    "  -j, --json\n"
    "FILTER: [state X] and sport, dport, src, dst with = != < >, as in\n"
    "  weir ss -tn state close-wait '( sport = :8080 or dport = :8080 )'\n";

struct options {
    bool tcp, udp, all, listening, numeric, processes, extended, info, timers,
        memory, no_header, kill, json;
    const char *network, *host;
    struct ss_filter *filter;
};

struct width {
    int host, state, recv, send, local, lport, peer, pport;
};

struct cells {
    char host[40], state[16], recv[16], send[16], local[48], lport[32],
        peer[48], pport[32];
};

static uint32_t address(const json_t *o, const char *key) {
    struct in_addr in = {0};
    inet_pton(AF_INET, ask_text(o, key), &in);
    return ntohl(in.s_addr);
}

static bool chosen(const struct options *o, const json_t *k) {
    bool udp = !strcmp(ask_text(k, "netid"), "udp");
    const char *state = ask_text(k, "state");
    bool listens = !strcmp(state, "LISTEN") || !strcmp(state, "UNCONN");
    if ((udp && !o->udp) || (!udp && !o->tcp))
        return false;
    if (o->host && strcmp(o->host, ask_text(k, "host")))
        return false;
    if (!ss_filter_has_states(o->filter) && !o->all && listens != o->listening)
        return false;
    struct ss_subject s = {.state = state,
                           .src = address(k, "local"),
                           .dst = address(k, "peer"),
                           .sport = (uint16_t)ask_number(k, "local_port"),
                           .dport = (uint16_t)ask_number(k, "peer_port")};
    return ss_filter_match(o->filter, &s);
}

static void port_words(const struct options *o, const json_t *k,
                       const char *key, char *out, size_t size) {
    long long port = ask_number(k, key);
    struct servent *s =
        o->numeric || !port
            ? NULL
            : getservbyport(htons((uint16_t)port), ask_text(k, "netid"));
    if (!port)
        snprintf(out, size, "*");
    else if (s)
        snprintf(out, size, "%s", s->s_name);
    else
        snprintf(out, size, "%lld", port);
}

static void make_cells(const struct options *o, const json_t *k,
                       struct cells *c) {
    snprintf(c->host, sizeof(c->host), "%s", ask_text(k, "host"));
    snprintf(c->state, sizeof(c->state), "%s", ask_text(k, "state"));
    snprintf(c->recv, sizeof(c->recv), "%lld", ask_number(k, "recv_q"));
    snprintf(c->send, sizeof(c->send), "%lld", ask_number(k, "send_q"));
    snprintf(c->local, sizeof(c->local), "%s", ask_text(k, "local"));
    snprintf(c->peer, sizeof(c->peer), "%s", ask_text(k, "peer"));
    port_words(o, k, "local_port", c->lport, sizeof(c->lport));
    port_words(o, k, "peer_port", c->pport, sizeof(c->pport));
}

static void widen(int *w, const char *text) {
    int n = (int)strlen(text);
    *w = n > *w ? n : *w;
}

static struct width measure(const struct options *o, json_t *const *k,
                            size_t n) {
    struct width w = {4, 6, 6, 6, 13, 4, 12, 4};
    for (size_t i = 0; i < n; i++) {
        struct cells c;
        make_cells(o, k[i], &c);
        widen(&w.host, c.host);
        widen(&w.state, c.state);
        widen(&w.local, c.local);
        widen(&w.lport, c.lport);
        widen(&w.peer, c.peer);
        widen(&w.pport, c.pport);
    }
    return w;
}

/* ss's way: 1min59sec, 4.967ms (seconds and thousandths), 204ms. */
static void timer_words(long long ms, char *out, size_t size) {
    long long min = ms / 60000, sec = ms / 1000 % 60;
    ms %= 1000;
    if (min)
        snprintf(out, size, min > 9 ? "%lldmin" : "%lldmin%lldsec", min, sec);
    else if (sec > 9 || (sec && !ms))
        snprintf(out, size, "%lldsec", sec);
    else if (sec)
        snprintf(out, size, "%lld.%03lldms", sec, ms);
    else
        snprintf(out, size, "%lldms", ms);
}

static void print_users(const struct holders *hs, const json_t *k) {
    uint64_t inode = (uint64_t)ask_number(k, "inode");
    const struct holder *h = holders_of(hs, inode);
    if (!h)
        return;
    printf(" users:(");
    for (bool any = false; h < hs->h + hs->n && h->inode == inode; h++) {
        printf("%s(\"%s\",pid=%d,fd=%d)", any ? "," : "", h->comm, h->pid,
               h->fd);
        any = true;
    }
    putchar(')');
}

static void print_tail(const struct options *o, const struct holders *hs,
                       const json_t *k) {
    char when[32];
    if (o->processes)
        print_users(hs, k);
    if (o->timers && *ask_text(k, "timer")) {
        timer_words(ask_number(k, "timer_ms"), when, sizeof(when));
        long long tries = ask_number(k, "retransmits");
        if (!strcmp(ask_text(k, "timer"), "keepalive") ||
            !strcmp(ask_text(k, "timer"), "persist"))
            tries = ask_number(k, "probes");
        printf(" timer:(%s,%s,%lld)", ask_text(k, "timer"), when, tries);
    }
    if (o->extended) {
        if (ask_number(k, "uid"))
            printf(" uid:%lld", ask_number(k, "uid"));
        printf(" ino:%lld", ask_number(k, "inode"));
        if (*ask_text(k, "reason"))
            printf(" reason:%s", ask_text(k, "reason"));
    }
    if (o->memory)
        printf(" skmem:(r%lld,rb%lld,t%lld,tb%lld,d%lld)",
               ask_number(k, "recv_q"), ask_number(k, "rcvbuf"),
               ask_number(k, "send_q"), ask_number(k, "sndbuf"),
               ask_number(k, "drops"));
}

static void print_info(const json_t *k) {
    long long mss = ask_number(k, "mss");
    if (!json_object_get(k, "mss") || !mss)
        return;
    printf("\t reno rto:%g rtt:%g/%g mss:%lld cwnd:%lld",
           (double)ask_number(k, "rto_us") / 1e3,
           (double)ask_number(k, "rtt_us") / 1e3,
           (double)ask_number(k, "rttvar_us") / 1e3, mss,
           ask_number(k, "cwnd_bytes") / mss);
    if (json_object_get(k, "ssthresh_bytes"))
        printf(" ssthresh:%lld", ask_number(k, "ssthresh_bytes") / mss);
    printf(" bytes_sent:%lld bytes_received:%lld rcv_space:%lld snd_wnd:%lld",
           ask_number(k, "bytes_sent"), ask_number(k, "bytes_received"),
           ask_number(k, "rcv_window"), ask_number(k, "snd_window"));
    if (ask_number(k, "unsent"))
        printf(" notsent:%lld", ask_number(k, "unsent"));
    putchar('\n');
}

static void print_row(const struct options *o, const struct width *w,
                      bool hosts, const struct holders *hs, const json_t *k) {
    struct cells c;
    make_cells(o, k, &c);
    if (hosts)
        printf("%-*s ", w->host, c.host);
    if (o->tcp && o->udp)
        printf("%-5s ", ask_text(k, "netid"));
    printf("%-*s %-*s %-*s %*s:%-*s %*s:%-*s", w->state, c.state, w->recv,
           c.recv, w->send, c.send, w->local, c.local, w->lport, c.lport,
           w->peer, c.peer, w->pport, c.pport);
    print_tail(o, hs, k);
    putchar('\n');
    if (o->info)
        print_info(k);
}

static void print_json(const struct holders *hs, json_t *k) {
    uint64_t inode = (uint64_t)ask_number(k, "inode");
    json_t *users = json_array();
    for (const struct holder *h = holders_of(hs, inode);
         h && h < hs->h + hs->n && h->inode == inode; h++)
        json_array_append_new(users, json_pack("{s:s%,s:i,s:i}", "comm",
                                               h->comm, strlen(h->comm), "pid",
                                               h->pid, "fd", h->fd));
    json_object_set_new(k, "users", users);
    json_dumpf(k, stdout, JSON_COMPACT);
    putchar('\n');
}

static void print_all(const struct options *o, json_t *const *k, size_t n) {
    struct holders hs = {0};
    bool hosts = false;
    for (size_t i = 1; i < n; i++)
        hosts |= strcmp(ask_text(k[i], "host"), ask_text(k[0], "host")) != 0;
    if (o->processes || o->json)
        holders_find(&hs);
    struct width w = measure(o, k, n);
    if (!o->json && !o->no_header) {
        if (hosts)
            printf("%-*s ", w.host, "Host");
        if (o->tcp && o->udp)
            printf("%-5s ", "Netid");
        printf("%-*s %-6s %-6s %*s:%-*s %*s:%-*s%s\n", w.state, "State",
               "Recv-Q", "Send-Q", w.local, "Local Address", w.lport, "Port",
               w.peer, "Peer Address", w.pport, "Port",
               o->processes ? " Process" : "");
    }
    for (size_t i = 0; i < n; i++)
        if (o->json)
            print_json(&hs, k[i]);
        else
            print_row(o, &w, hosts, &hs, k[i]);
    holders_free(&hs);
}

static bool kill_all(const struct options *o, json_t *const *k, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct answer a;
        if (ask_number(k[i], "handle") < 0)
            continue; /* TIME_WAIT: nobody's any more */
        if (!ask(&a, o->network, "kill %s %lld", ask_text(k[i], "host"),
                 ask_number(k[i], "handle")))
            return false;
        ask_free(&a);
    }
    return true;
}

static int run(const struct options *o) {
    struct answer a;
    json_t **list = NULL, *k;
    size_t n = 0, room = 0;
    if (!ask(&a, o->network, "ss"))
        return EXIT_WEIR;
    while ((k = ask_next(&a))) {
        if (n == room) {
            room = room ? room * 2 : 64;
            json_t **more = realloc(list, room * sizeof(json_t *));
            if (!more)
                break;
            list = more;
        }
        if (chosen(o, k))
            list[n++] = k;
        else
            json_decref(k);
    }
    ask_free(&a);
    print_all(o, list, n);
    bool ok = !o->kill || kill_all(o, list, n);
    for (size_t i = 0; i < n; i++)
        json_decref(list[i]);
    free(list);
    return ok ? 0 : EXIT_WEIR;
}

static bool take_option(struct options *o, int c) {
    static const char letters[] = "tualnpeiomHKj";
    bool *const flag[] = {
        &o->tcp,       &o->udp,      &o->all,  &o->listening, &o->numeric,
        &o->processes, &o->extended, &o->info, &o->timers,    &o->memory,
        &o->no_header, &o->kill,     &o->json};
    const char *at = c > 0 && c < 128 ? strchr(letters, c) : NULL;
    if (at)
        *flag[at - letters] = true;
    else if (c == 256)
        o->network = optarg;
    else if (c == 257)
        o->host = optarg;
    return at || c == 256 || c == 257 || c == '4';
}

int cmd_ss(int argc, char **argv) {
    static const struct option longs[] = {
        {"tcp", no_argument, NULL, 't'},
        {"udp", no_argument, NULL, 'u'},
        {"all", no_argument, NULL, 'a'},
        {"listening", no_argument, NULL, 'l'},
        {"numeric", no_argument, NULL, 'n'},
        {"processes", no_argument, NULL, 'p'},
        {"extended", no_argument, NULL, 'e'},
        {"info", no_argument, NULL, 'i'},
        {"options", no_argument, NULL, 'o'},
        {"memory", no_argument, NULL, 'm'},
        {"no-header", no_argument, NULL, 'H'},
        {"kill", no_argument, NULL, 'K'},
        {"json", no_argument, NULL, 'j'},
        {"network", required_argument, NULL, 256},
        {"host", required_argument, NULL, 257},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    struct options o = {.tcp = false};
    char error[160];
    int c;
    while ((c = getopt_long(argc, argv, "+tualnpeiomHKj4h", longs, NULL)) != -1)
        if (!take_option(&o, c)) {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : EXIT_WEIR;
        }
    if (!o.tcp && !o.udp)
        o.tcp = o.udp = true;
    if (o.kill && !argv[optind]) {
        fputs("weir: -K kills what a filter finds; say which, e.g. dport = "
              ":80\n",
              stderr);
        return EXIT_WEIR;
    }
    o.filter = ss_filter_parse(argv + optind, error);
    if (!o.filter) {
        fprintf(stderr, "weir: %s\n", error);
        return EXIT_WEIR;
    }
    o.network = ask_which(o.network);
    int status = o.network ? run(&o) : EXIT_WEIR;
    ss_filter_free(o.filter);
    return status;
}
