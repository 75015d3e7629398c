/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_YAML_H
#define WEIR_TOOLS_YAML_H
/*
 * YAML read strictly: every key is known or an error, every error says file,
 * line, column and what to do. The first error stays; after it every call is
 * a no-op, so callers need not check in between.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fy_document;
struct fy_node;

struct yaml {
    struct fy_document *doc;
    const char *file;
    char error[512]; /* "" while all is well */
};

/* False: y->error says why. Free with yaml_close in any case. */
bool yaml_open(struct yaml *y, const char *file);
void yaml_close(struct yaml *y);
struct fy_node *yaml_root(struct yaml *y);

/* An error at a node (the first one wins). */
void yaml_fail(struct yaml *y, struct fy_node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

int yaml_line(struct fy_node *node); /* from 1; 0: not known */

/* One key of a mapping and what reads its value. */
struct yaml_key {
    const char *name;
    void (*read)(struct yaml *y, struct fy_node *value, void *to);
};
/* Read a mapping by a table that ends in {NULL}. */
void yaml_mapping(struct yaml *y, struct fy_node *node, const char *what,
                  const struct yaml_key *keys, void *to);
/* For each pair / each element. */
void yaml_pairs(struct yaml *y, struct fy_node *node, const char *what,
                void (*each)(struct yaml *y, struct fy_node *key,
                             struct fy_node *value, void *to),
                void *to);
void yaml_elements(struct yaml *y, struct fy_node *node, const char *what,
                   void (*each)(struct yaml *y, struct fy_node *value,
                                void *to),
                   void *to);

bool yaml_is_scalar(struct fy_node *node);
bool yaml_is_mapping(struct fy_node *node);
bool yaml_is_sequence(struct fy_node *node);
/* The text of a scalar ("" and an error where it is none); lives as long as the
 * document. */
const char *yaml_text(struct yaml *y, struct fy_node *node);
uint64_t yaml_number(struct yaml *y, struct fy_node *node, uint64_t low,
                     uint64_t high);
bool yaml_bool(struct yaml *y, struct fy_node *node);
uint64_t yaml_time(struct yaml *y, struct fy_node *node); /* ns */

/* Among NULL-terminated `words`: the index, or -1 and an error that names the
 * nearest. */
int yaml_choice(struct yaml *y, struct fy_node *at, const char *word,
                const char *what, const char *const *words);

#endif
