/* SPDX-License-Identifier: BSD-2-Clause */
#include "tools/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "links/units.h"

/* Where a node begins: its own token, or that of the first thing in it. */
static const struct fy_mark *mark_of(struct fy_node *node) {
    void *it = NULL;
    while (node) {
        struct fy_token *t = fy_node_get_scalar_token(node);
        if (t)
            return fy_token_start_mark(t);
        it = NULL;
        if (fy_node_is_mapping(node)) {
            struct fy_node_pair *p = fy_node_mapping_iterate(node, &it);
            node = p ? fy_node_pair_key(p) : NULL;
        } else {
            node = fy_node_sequence_iterate(node, &it);
        }
    }
    return NULL;
}

void yaml_fail(struct yaml *y, struct fy_node *at, const char *format, ...) {
    if (y->error[0])
        return;
    const struct fy_mark *m = mark_of(at);
    int n = m ? snprintf(y->error, sizeof(y->error), "%s:%d:%d: ", y->file,
                         m->line + 1, m->column + 1)
              : snprintf(y->error, sizeof(y->error), "%s: ", y->file);
    va_list ap;
    va_start(ap, format);
    vsnprintf(y->error + n, sizeof(y->error) - (size_t)n, format, ap);
    va_end(ap);
}

int yaml_line(struct fy_node *node) {
    const struct fy_mark *m = mark_of(node);
    return m ? m->line + 1 : 0;
}

bool yaml_open(struct yaml *y, const char *file) {
    memset(y, 0, sizeof(*y));
    y->file = file;
    FILE *f = fopen(file, "re");
    if (!f) {
        snprintf(y->error, sizeof(y->error), "%s: %s", file, strerror(errno));
        return false;
    }
    struct fy_diag_cfg dc;
    fy_diag_cfg_default(&dc);
    dc.fp = NULL;
    struct fy_diag *diag = fy_diag_create(&dc);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg pc = {.flags = FYPCF_DEFAULT_DOC & ~FYPCF_QUIET,
                              .diag = diag};
    y->doc = fy_document_build_from_fp(&pc, f);
    fclose(f);
    if (!y->doc || !fy_document_root(y->doc)) {
        void *it = NULL;
        struct fy_diag_error *e = fy_diag_errors_iterate(diag, &it);
        if (e)
            snprintf(y->error, sizeof(y->error), "%s:%d:%d: %s", file, e->line,
                     e->column, e->msg);
        else
            snprintf(y->error, sizeof(y->error), "%s: the file is empty", file);
    }
    fy_diag_destroy(diag);
    return !y->error[0];
}

void yaml_close(struct yaml *y) {
    if (y->doc)
        fy_document_destroy(y->doc);
    y->doc = NULL;
}

struct fy_node *yaml_root(struct yaml *y) {
    return y->doc ? fy_document_root(y->doc) : NULL;
}

bool yaml_is_scalar(struct fy_node *node) {
    return node && fy_node_is_scalar(node);
}

bool yaml_is_mapping(struct fy_node *node) {
    return node && fy_node_is_mapping(node);
}

bool yaml_is_sequence(struct fy_node *node) {
    return node && fy_node_is_sequence(node);
}

/* Edits (insert, delete, replace) between two words of up to 31 letters. */
static unsigned distance(const char *a, const char *b) {
    unsigned row[33], n = (unsigned)strnlen(b, 32);
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1] && i < 32; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= n; j++) {
            unsigned above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[n];
}

struct nearest {
    const char *word;
    unsigned edits;
};

static void closer(struct nearest *n, const char *want, const char *word) {
    unsigned d = distance(want, word);
    if (!n->word || d < n->edits)
        *n = (struct nearest){word, d};
}

static void unknown(struct yaml *y, struct fy_node *at, const char *what,
                    const char *word, struct nearest n) {
    if (n.word && n.edits <= 2 + strlen(word) / 3)
        yaml_fail(y, at, "unknown %s '%s'; did you mean '%s'?", what, word,
                  n.word);
    else
        yaml_fail(y, at, "unknown %s '%s'", what, word);
}

int yaml_choice(struct yaml *y, struct fy_node *at, const char *word,
                const char *what, const char *const *words) {
    struct nearest n = {0};
    for (int i = 0; words[i]; i++) {
        if (!strcmp(words[i], word))
            return i;
        closer(&n, word, words[i]);
    }
    unknown(y, at, what, word, n);
    return -1;
}

const char *yaml_text(struct yaml *y, struct fy_node *node) {
    const char *t = yaml_is_scalar(node) ? fy_node_get_scalar0(node) : NULL;
    if (!t)
        yaml_fail(y, node, "a word or a quoted text is wanted here");
    return t ? t : "";
}

uint64_t yaml_number(struct yaml *y, struct fy_node *node, uint64_t low,
                     uint64_t high) {
    const char *t = yaml_text(y, node);
    char *end;
    errno = 0;
    uint64_t v = strtoull(t, &end, 0);
    if (end == t || *end || errno || *t == '-' || v < low || v > high)
        yaml_fail(y, node, "'%s' is not a number from %llu to %llu", t,
                  (unsigned long long)low, (unsigned long long)high);
    return v;
}

bool yaml_bool(struct yaml *y, struct fy_node *node) {
    const char *t = yaml_text(y, node);
    if (!strcmp(t, "true") || !strcmp(t, "yes"))
        return true;
    if (strcmp(t, "false") && strcmp(t, "no"))
        yaml_fail(y, node, "'%s' is neither true nor false", t);
    return false;
}

uint64_t yaml_time(struct yaml *y, struct fy_node *node) {
    const char *t = yaml_text(y, node);
    uint64_t ns = 0;
    if (!units_time(t, &ns))
        yaml_fail(y, node, "'%s' is not a time, as in 20ms or 1.5s", t);
    return ns;
}

static void read_pair(struct yaml *y, struct fy_node *key,
                      struct fy_node *value, const struct yaml_key *keys,
                      void *to) {
    const char *name = yaml_text(y, key);
    struct nearest n = {0};
    for (const struct yaml_key *k = keys; k->name; k++) {
        if (!strcmp(k->name, name)) {
            k->read(y, value, to);
            return;
        }
        closer(&n, name, k->name);
    }
    unknown(y, key, "key", name, n);
}

void yaml_mapping(struct yaml *y, struct fy_node *node, const char *what,
                  const struct yaml_key *keys, void *to) {
    if (y->error[0])
        return;
    if (!yaml_is_mapping(node)) {
        yaml_fail(y, node, "%s is a list of 'key: value'", what);
        return;
    }
    void *it = NULL;
    struct fy_node_pair *p;
    while (!y->error[0] && (p = fy_node_mapping_iterate(node, &it)))
        read_pair(y, fy_node_pair_key(p), fy_node_pair_value(p), keys, to);
}

void yaml_pairs(struct yaml *y, struct fy_node *node, const char *what,
                void (*each)(struct yaml *, struct fy_node *, struct fy_node *,
                             void *),
                void *to) {
    if (y->error[0])
        return;
    if (!yaml_is_mapping(node)) {
        yaml_fail(y, node, "%s is a list of 'name: ...'", what);
        return;
    }
    void *it = NULL;
    struct fy_node_pair *p;
    while (!y->error[0] && (p = fy_node_mapping_iterate(node, &it)))
        each(y, fy_node_pair_key(p), fy_node_pair_value(p), to);
}

void yaml_elements(struct yaml *y, struct fy_node *node, const char *what,
                   void (*each)(struct yaml *, struct fy_node *, void *),
                   void *to) {
    if (y->error[0])
        return;
    if (!yaml_is_sequence(node)) {
        yaml_fail(y, node, "%s is a list: '- ...' or [..., ...]", what);
        return;
    }
    void *it = NULL;
    struct fy_node *e;
    while (!y->error[0] && (e = fy_node_sequence_iterate(node, &it)))
        each(y, e, to);
}
