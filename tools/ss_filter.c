/* SPDX-License-Identifier: BSD-2-Clause */
/* Recursive descent into an array of nodes; `not` binds before `and`, that
 * before `or`; two terms side by side are joined by `and`. */
#include "tools/ss_filter.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES 64
#define TOKENS 256

enum op { OP_AND, OP_OR, OP_NOT, OP_TEST };
enum field { SPORT, DPORT, SRC, DST };
enum compare { EQ, NE, LT, GT, LE, GE };

struct node {
    enum op op;
    int a, b; /* indices */
    enum field field;
    enum compare compare;
    uint32_t addr, mask;
    bool has_addr, has_port;
    uint16_t port;
};

struct ss_filter {
    uint32_t states; /* bits of state_names; 0: none named */
    bool has_states;
    struct node node[NODES];
    int n, root; /* root -1: everything */
    /* while parsing */
    char *token[TOKENS];
    int ntokens, at;
    char *text;
    char *error;
};

static const struct {
    const char *word, *shown;
} state_names[] = {
    {"established", "ESTAB"},     {"syn-sent", "SYN-SENT"},
    {"syn-recv", "SYN-RECV"},     {"fin-wait-1", "FIN-WAIT-1"},
    {"fin-wait-2", "FIN-WAIT-2"}, {"time-wait", "TIME-WAIT"},
    {"unconnected", "UNCONN"},    {"close-wait", "CLOSE-WAIT"},
    {"last-ack", "LAST-ACK"},     {"listening", "LISTEN"},
    {"closing", "CLOSING"},
};
#define STATES (sizeof(state_names) / sizeof(state_names[0]))
#define ALL ((1u << STATES) - 1)

static uint32_t state_bit(const char *shown) {
    for (unsigned i = 0; i < STATES; i++)
        if (!strcmp(state_names[i].shown, shown))
            return 1u << i;
    return 0;
}

static uint32_t states_of(const char *word) {
    uint32_t listen = state_bit("LISTEN"), closed = state_bit("UNCONN");
    uint32_t bucket = state_bit("SYN-RECV") | state_bit("TIME-WAIT");
    for (unsigned i = 0; i < STATES; i++)
        if (!strcasecmp(state_names[i].word, word) ||
            !strcasecmp(state_names[i].shown, word))
            return 1u << i;
    if (!strcmp(word, "listen"))
        return listen;
    if (!strcmp(word, "closed"))
        return closed;
    if (!strcmp(word, "all"))
        return ALL;
    if (!strcmp(word, "connected"))
        return ALL & ~listen & ~closed;
    if (!strcmp(word, "synchronized"))
        return ALL & ~listen & ~closed & ~state_bit("SYN-SENT");
    if (!strcmp(word, "bucket"))
        return bucket;
    return !strcmp(word, "big") ? ALL & ~bucket : 0;
}

static int fail(struct ss_filter *f, const char *what, const char *word) {
    if (!f->error[0])
        snprintf(f->error, 160, "%s '%.60s'", what, word ? word : "the end");
    return -1;
}

/* ---- tokens ---- */

static bool tokenize(struct ss_filter *f, char *const *words) {
    size_t size = 1;
    for (char *const *w = words; *w; w++)
        size += 3 * strlen(*w) + 1;
    char *out = f->text = calloc(1, size);
    if (!out)
        return false;
    /* Operators and parentheses stand by themselves. */
    for (; *words; words++) {
        for (const char *p = *words; *p; p++) {
            bool paren = *p == '(' || *p == ')';
            bool op = strchr("=!<>&|", *p) != NULL;
            bool same = op && p > *words && strchr("=!<>&|", p[-1]);
            if (paren || (op && !same))
                *out++ = ' ';
            *out++ = *p;
            if (paren || (op && (!p[1] || !strchr("=!<>&|", p[1]))))
                *out++ = ' ';
        }
        *out++ = ' ';
    }
    char *save = NULL;
    for (char *t = strtok_r(f->text, " \t\n", &save); t && f->ntokens < TOKENS;
         t = strtok_r(NULL, " \t\n", &save))
        f->token[f->ntokens++] = t;
    return true;
}

static const char *look(const struct ss_filter *f) {
    return f->at < f->ntokens ? f->token[f->at] : NULL;
}

static bool take(struct ss_filter *f, const char *a, const char *b) {
    const char *t = look(f);
    if (!t || (strcmp(t, a) && (!b || strcmp(t, b))))
        return false;
    f->at++;
    return true;
}

static int node(struct ss_filter *f, enum op op, int a, int b) {
    if (f->n == NODES)
        return fail(f, "the filter is too long at", look(f));
    f->node[f->n] = (struct node){.op = op, .a = a, .b = b};
    return f->n++;
}

/* ---- tests ---- */

static enum compare comparison(struct ss_filter *f) {
    static const struct {
        const char *word;
        enum compare c;
    } words[] = {{"=", EQ},  {"==", EQ},  {"eq", EQ}, {"!=", NE},  {"<>", NE},
                 {"ne", NE}, {"neq", NE}, {"<", LT},  {"lt", LT},  {">", GT},
                 {"gt", GT}, {"<=", LE},  {"le", LE}, {"leq", LE}, {">=", GE},
                 {"ge", GE}, {"geq", GE}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (take(f, words[i].word, NULL))
            return words[i].c;
    return EQ;
}

static bool parse_port(const char *text, uint16_t *port) {
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (end != text && !*end && v < 65536) {
        *port = (uint16_t)v;
        return true;
    }
    struct servent *s = getservbyname(text, NULL);
    if (s)
        *port = ntohs((uint16_t)s->s_port);
    return s != NULL;
}

/* ADDRESS[/LENGTH][:PORT]; for ports also ":PORT" and "PORT". */
static bool parse_value(struct node *t, const char *word) {
    char text[80];
    snprintf(text, sizeof(text), "%s", word);
    bool port_only = t->field == SPORT || t->field == DPORT;
    char *colon = strrchr(text, ':');
    if (colon || port_only) {
        const char *port = colon ? colon + 1 : text;
        if (strcmp(port, "*") && *port) {
            if (!parse_port(port, &t->port))
                return false;
            t->has_port = true;
        }
        if (!colon)
            return true;
        *colon = 0;
    }
    if (!*text || !strcmp(text, "*"))
        return true;
    unsigned plen = 32;
    char *slash = strchr(text, '/');
    if (slash) {
        char *end;
        *slash = 0;
        plen = (unsigned)strtoul(slash + 1, &end, 10);
        if (*end || plen > 32)
            return false;
    }
    struct in_addr in;
    if (inet_pton(AF_INET, text, &in) != 1)
        return false;
    t->mask = plen ? ~0u << (32 - plen) : 0;
    t->addr = ntohl(in.s_addr) & t->mask;
    t->has_addr = true;
    return true;
}

static int parse_test(struct ss_filter *f) {
    static const char *const fields[] = {"sport", "dport", "src", "dst"};
    const char *word = look(f);
    unsigned field = 0;
    while (field < 4 && (!word || strcmp(word, fields[field])))
        field++;
    if (field == 4)
        return fail(f, "expected sport, dport, src or dst, found", word);
    f->at++;
    int i = node(f, OP_TEST, -1, -1);
    if (i < 0)
        return i;
    struct node *t = &f->node[i];
    t->field = (enum field)field;
    t->compare = comparison(f);
    word = look(f);
    if (!word || !parse_value(t, word))
        return fail(f, "not an address or port:", word);
    f->at++;
    return i;
}

static int parse_or(struct ss_filter *f);

static int parse_factor(struct ss_filter *f) {
    if (take(f, "not", "!")) {
        int a = parse_factor(f);
        return a < 0 ? a : node(f, OP_NOT, a, -1);
    }
    if (!take(f, "(", NULL))
        return parse_test(f);
    int a = parse_or(f);
    if (a >= 0 && !take(f, ")", NULL))
        return fail(f, "expected ')', found", look(f));
    return a;
}

static bool begins_or(const char *t) {
    return !strcmp(t, "or") || !strcmp(t, "||") || !strcmp(t, "|");
}

static int parse_and(struct ss_filter *f) {
    int a = parse_factor(f);
    while (a >= 0 && look(f) && !begins_or(look(f)) && strcmp(look(f), ")")) {
        if (!take(f, "and", "&&"))
            take(f, "&", NULL);
        int b = parse_factor(f);
        a = b < 0 ? b : node(f, OP_AND, a, b);
    }
    return a;
}

static int parse_or(struct ss_filter *f) {
    int a = parse_and(f);
    while (a >= 0 && look(f) && begins_or(look(f))) {
        f->at++;
        int b = parse_and(f);
        a = b < 0 ? b : node(f, OP_OR, a, b);
    }
    return a;
}

static int parse_states(struct ss_filter *f) {
    for (;;) {
        bool exclude = take(f, "exclude", NULL);
        if (!exclude && !take(f, "state", NULL))
            return 0;
        uint32_t bits = look(f) ? states_of(look(f)) : 0;
        if (!bits)
            return fail(f, "not a state:", look(f));
        if (exclude && !f->has_states)
            f->states = ALL;
        f->states = exclude ? f->states & ~bits : f->states | bits;
        f->has_states = true;
        f->at++;
    }
}

struct ss_filter *ss_filter_parse(char *const *words, char error[160]) {
    struct ss_filter *f = calloc(1, sizeof(*f));
    error[0] = 0;
    if (!f)
        return NULL;
    f->error = error;
    f->root = -1;
    bool ok = tokenize(f, words) && parse_states(f) == 0;
    if (ok && look(f)) {
        f->root = parse_or(f);
        ok = f->root >= 0 && !look(f);
        if (f->root >= 0 && look(f))
            fail(f, "did not understand", look(f));
    }
    if (!ok) {
        ss_filter_free(f);
        return NULL;
    }
    return f;
}

void ss_filter_free(struct ss_filter *f) {
    free(f->text);
    free(f);
}

bool ss_filter_has_states(const struct ss_filter *f) {
    return f->has_states;
}

static bool holds(enum compare c, uint32_t a, uint32_t b) {
    switch (c) {
    case EQ:
        return a == b;
    case NE:
        return a != b;
    case LT:
        return a < b;
    case GT:
        return a > b;
    case LE:
        return a <= b;
    case GE:
        return a >= b;
    }
    return false;
}

static bool test(const struct node *t, const struct ss_subject *s) {
    bool src = t->field == SPORT || t->field == SRC;
    uint32_t addr = src ? s->src : s->dst;
    uint16_t port = src ? s->sport : s->dport;
    bool negate = t->compare == NE;
    bool same = true;
    if (t->has_addr)
        same = (addr & t->mask) == t->addr;
    if (t->has_port)
        same = same && holds(negate ? EQ : t->compare, port, t->port);
    return same != negate;
}

static bool eval(const struct ss_filter *f, int i, const struct ss_subject *s) {
    const struct node *n = &f->node[i];
    switch (n->op) {
    case OP_AND:
        return eval(f, n->a, s) && eval(f, n->b, s);
    case OP_OR:
        return eval(f, n->a, s) || eval(f, n->b, s);
    case OP_NOT:
        return !eval(f, n->a, s);
    case OP_TEST:
        return test(n, s);
    }
    return false;
}

bool ss_filter_match(const struct ss_filter *f, const struct ss_subject *s) {
    if (f->has_states && !(f->states & state_bit(s->state)))
        return false;
    return f->root < 0 || eval(f, f->root, s);
}
