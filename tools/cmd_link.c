/* SPDX-License-Identifier: BSD-2-Clause */
/* weir link: impairments of links in netem's words. weir fault: what befalls
 * links and hosts. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/table.h"

static const char usage_link[] =
    "usage: weir link [--network NAME] [--json] show [LINK]\n"
    "       weir link [--network NAME] set LINK [delay T [J]] [loss P]\n"
    "                 [duplicate P] [reorder P] [corrupt P] [rate R]\n"
    "                 [limit N] [drop RULE]\n"
    "       weir link [--network NAME] clear|cut|heal LINK\n"
    "A link is HOST:INTERFACE; what is set holds for what that host sends, as\n"
    "with netem. Times \"20ms\", shares \"1%\", rates \"10mbit\", rules \"2nd\n"
    "SYN+ACK\", \"every RST\". 0 clears a setting.\n";

static const char usage_fault[] =
    "usage: weir fault [--network NAME] cut|heal LINK\n"
    "       weir fault [--network NAME] crash|reboot|freeze|thaw HOST\n"
    "cut: nothing passes the link, either way. crash: the stack is silent, "
    "the\n"
    "programs are killed, no FIN is sent. reboot: that, and an empty stack\n"
    "with the same addresses. freeze: the programs stop, the stack answers.\n";

struct choice {
    const char *network;
    bool json;
};

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, const char *usage, struct choice *o) {
    static const struct option longs[] = {
        {"network", required_argument, NULL, 'n'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    int c;
    memset(o, 0, sizeof(*o));
    while ((c = getopt_long(argc, argv, "jh", longs, NULL)) != -1) {
        if (c == 'n') {
            o->network = optarg;
        } else if (c == 'j') {
            o->json = true;
        } else {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : EXIT_WEIR;
        }
    }
    o->network = ask_which(o->network);
    return o->network ? -1 : EXIT_WEIR;
}

static void join_words(char *out, size_t size, char *const *argv) {
    out[0] = 0;
    for (; *argv; argv++) {
        size_t n = strlen(out);
        snprintf(out + n, size - n, " %s", *argv);
    }
}

static void print_links(struct answer *a) {
    struct table t = table_begin(4, 1 << 3);
    table_row(&t, "LINK", "ADDRESS", "SETTINGS", "DROPPED", NULL);
    json_t *o;
    while ((o = ask_next(a))) {
        char dropped[24];
        const char *settings = ask_text(o, "settings");
        snprintf(dropped, sizeof(dropped), "%lld", ask_number(o, "dropped"));
        table_row(&t, ask_text(o, "link"), ask_text(o, "address"),
                  *settings ? settings : "-", dropped, NULL);
        json_decref(o);
    }
    table_print(&t);
    table_free(&t);
}

int cmd_link(int argc, char **argv) {
    struct choice o;
    struct answer a;
    char words[900];
    int status = parse(argc, argv, usage_link, &o);
    if (status >= 0)
        return status;
    join_words(words, sizeof(words), argv + optind);
    if (!ask(&a, o.network, "link%s", words))
        return EXIT_WEIR;
    if (o.json)
        ask_print(&a);
    else if (!argv[optind] || !strcmp(argv[optind], "show"))
        print_links(&a);
    ask_free(&a);
    return 0;
}

int cmd_fault(int argc, char **argv) {
    struct choice o;
    struct answer a;
    char words[900];
    int status = parse(argc, argv, usage_fault, &o);
    if (status >= 0)
        return status;
    const char *verb = argv[optind] ? argv[optind] : "";
    join_words(words, sizeof(words), argv + optind);
    bool link = !strcmp(verb, "cut") || !strcmp(verb, "heal");
    if (!ask(&a, o.network, "%s%s", link ? "link" : "fault", words))
        return EXIT_WEIR;
    ask_free(&a);
    return 0;
}
