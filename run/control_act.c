/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that change something: impairments of links, faults of hosts,
 * sockets killed. Each leaves an event, so that `weir why` can name it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "links/impair.h"
#include "run/control_in.h"

void control_say(struct net *net, const char *text) {
    size_t n = strlen(text);
    do {
        struct weir_event *ev =
            weir_record(net->rec, WEIR_EV_TEXT, 0, 0, 0, loop_now(net->loop));
        if (!ev)
            return;
        size_t part = n < sizeof(ev->text) ? n : sizeof(ev->text);
        memcpy(ev->text, text, part);
        text += part;
        n -= part;
        ev->flags = n ? WEIR_EVF_MORE : 0;
    } while (n);
}

static void note(struct host *h, enum weir_link_action action) {
    struct weir_event *ev = weir_record(h->net->rec, WEIR_EV_FAULT, h->number,
                                        0, 0, loop_now(h->net->loop));
    if (!ev)
        return;
    ev->link.action = (uint8_t)action;
    snprintf(ev->link.name, sizeof(ev->link.name), "%.15s", h->name);
}

void control_crash(struct serve *sv, struct host *h) {
    note(h, WEIR_ACT_CRASH);
    host_crash(h); /* first the stack: the programs' end must send nothing */
    serve_programs(sv, h, SERVE_KILL);
}

int control_reboot(struct serve *sv, struct host *h) {
    if (h->stack)
        control_crash(sv, h);
    note(h, WEIR_ACT_REBOOT);
    h->frozen = false;
    return host_boot(h);
}

void control_freeze(struct serve *sv, struct host *h, bool frozen) {
    note(h, frozen ? WEIR_ACT_FREEZE : WEIR_ACT_THAW);
    h->frozen = frozen;
    serve_programs(sv, h, frozen ? SERVE_STOP : SERVE_CONTINUE);
}

/* ---- names ---- */

struct host *control_host(struct request *q, const char *name) {
    struct host *h = name ? net_find_host(q->c->net, name) : NULL;
    if (h)
        return h;
    int n = name ? snprintf(q->error, sizeof(q->error),
                            "there is no host '%.32s'; there is", name)
                 : snprintf(q->error, sizeof(q->error), "which host? There is");
    for (h = q->c->net->hosts; h && n < 400; h = h->next)
        n += snprintf(q->error + n, sizeof(q->error) - (size_t)n, "%s %s",
                      h == q->c->net->hosts ? "" : ",", h->name);
    return NULL;
}

static struct weir_link *find_link(struct request *q, const char *name) {
    for (struct host *h = q->c->net->hosts; h && name; h = h->next)
        for (unsigned i = 0; i < h->nifs; i++)
            if (!strcmp(h->ifs[i].link->name, name) &&
                impair_of(h->ifs[i].link))
                return h->ifs[i].link;
    int n = name ? snprintf(q->error, sizeof(q->error),
                            "there is no link '%.32s'; there is", name)
                 : snprintf(q->error, sizeof(q->error), "which link? There is");
    const char *comma = "";
    for (struct host *h = q->c->net->hosts; h; h = h->next)
        for (unsigned i = 0; i < h->nifs && n < 400; i++) {
            n += snprintf(q->error + n, sizeof(q->error) - (size_t)n, "%s %s",
                          comma, h->ifs[i].link->name);
            comma = ",";
        }
    return NULL;
}

/* ---- link ---- */

static bool is_key(const char *word) {
    static const char *const keys[] = {"delay",   "loss", "duplicate",
                                       "reorder", "rate", "corrupt",
                                       "limit",   "drop"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (!strcmp(word, keys[i]))
            return true;
    return false;
}

static void say_link(struct request *q, const struct weir_link *link) {
    char text[200], words[160] = "";
    impair_show(link, words, sizeof(words));
    snprintf(text, sizeof(text), "link %s: %s", link->name,
             words[0] ? words : "clear");
    control_say(q->c->net, text);
}

static void set_link(struct request *q, struct weir_link *link) {
    if (q->n < 5) {
        snprintf(q->error, sizeof(q->error),
                 "set what? e.g. delay 20ms 5ms loss 1%%");
        return;
    }
    for (unsigned i = 3; i < q->n && !q->error[0];) {
        const char *key = q->word[i++];
        char words[128] = "";
        for (; i < q->n && !is_key(q->word[i]); i++) {
            size_t n = strlen(words);
            snprintf(words + n, sizeof(words) - n, "%s%s", n ? " " : "",
                     q->word[i]);
        }
        const char *why = impair_set(link, key, words);
        if (why)
            snprintf(q->error, sizeof(q->error), "%.20s '%.40s': %s", key,
                     words, why);
    }
    if (!q->error[0])
        say_link(q, link);
}

static void clear_link(struct request *q, struct weir_link *link) {
    static const char *const keys[] = {"delay",   "loss",    "duplicate",
                                       "reorder", "corrupt", "rate"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        impair_set(link, keys[i], "0");
    impair_set(link, "drop", "none");
    impair_set(link, "limit", "1000");
    if (impair_is_cut(link))
        impair_cut(link, false, loop_now(q->c->net->loop));
    say_link(q, link);
}

static void show_link(struct request *q, const struct host *h, unsigned i) {
    const struct weir_link *link = h->ifs[i].link;
    struct jsonl j = jsonl_begin(q->out);
    char words[200] = "";
    jsonl_text(&j, "link", link->name);
    jsonl_text(&j, "network", q->c->net->name);
    jsonl_text(&j, "host", h->name);
    if (h->ifs[i].plen)
        jsonl_address(&j, "address", weir_addr_to_v4(&h->ifs[i].addr), 0);
    jsonl_number(&j, "mtu", link->mtu);
    if (impair_of(h->ifs[i].link)) {
        impair_show(link, words, sizeof(words));
        jsonl_bool(&j, "cut", impair_is_cut(link));
    }
    jsonl_text(&j, "settings", words);
    jsonl_number(&j, "dropped", (int64_t)link->stats.tx_dropped);
    jsonl_end(&j);
}

void control_link(struct request *q) {
    const char *verb = q->n > 1 ? q->word[1] : "show";
    if (!strcmp(verb, "show")) {
        if (q->n > 2 && !find_link(q, q->word[2]))
            return;
        for (struct host *h = q->c->net->hosts; h; h = h->next)
            for (unsigned i = 0; i < h->nifs; i++)
                if (q->n < 3 || !strcmp(h->ifs[i].link->name, q->word[2]))
                    show_link(q, h, i);
        return;
    }
    struct weir_link *link = find_link(q, q->n > 2 ? q->word[2] : NULL);
    uint64_t now = loop_now(q->c->net->loop);
    if (!link)
        return;
    if (!strcmp(verb, "set"))
        set_link(q, link);
    else if (!strcmp(verb, "clear"))
        clear_link(q, link);
    else if (!strcmp(verb, "cut") || !strcmp(verb, "heal"))
        impair_cut(link, *verb == 'c', now);
    else
        snprintf(q->error, sizeof(q->error),
                 "'%.20s' is none of show, set, clear, cut, heal", verb);
}

/* ---- fault ---- */

void control_fault(struct request *q) {
    const char *verb = q->n > 1 ? q->word[1] : "";
    static const char *const verbs[] = {"crash", "reboot", "freeze", "thaw"};
    unsigned v = 0;
    while (v < 4 && strcmp(verb, verbs[v]))
        v++;
    if (v == 4) {
        snprintf(q->error, sizeof(q->error),
                 "'%.20s' is none of crash, reboot, freeze, thaw, cut, heal",
                 verb);
        return;
    }
    struct host *h = control_host(q, q->n > 2 ? q->word[2] : NULL);
    if (!h)
        return;
    if (v != 1 && !h->stack) {
        snprintf(q->error, sizeof(q->error),
                 "host %s has crashed; try: weir fault reboot %s", h->name,
                 h->name);
        return;
    }
    int err = 0;
    if (v == 0)
        control_crash(q->c->sv, h);
    else if (v == 1)
        err = control_reboot(q->c->sv, h);
    else
        control_freeze(q->c->sv, h, v == 2);
    if (err)
        snprintf(q->error, sizeof(q->error), "host %s does not boot: %s",
                 h->name, strerror(-err));
    else if (v == 1 && q->c->owner.rebooted)
        q->c->owner.rebooted(q->c->owner.ctx, h);
}

/* ---- ss -K ---- */

void control_kill(struct request *q) {
    struct host *h = control_host(q, q->n > 1 ? q->word[1] : NULL);
    char *end = NULL;
    long sock = q->n > 2 ? strtol(q->word[2], &end, 10) : -1;
    struct weir_sockinfo info;
    if (!h)
        return;
    if (!h->stack || !end || *end || sock < 0 || sock > INT32_MAX ||
        weir_sockinfo(h->stack, (int)sock, &info)) {
        snprintf(q->error, sizeof(q->error), "there is no such socket");
        return;
    }
    struct end *e = end_get(q->c->sv, info.tag);
    weir_abort(h->stack, (int)sock, WEIR_SOCKET_KILLED);
    if (e && e->host == h && e->sock == sock) {
        e->sock = -1;
        end_free(e);
    }
}
