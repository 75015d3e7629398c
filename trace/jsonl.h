/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_JSONL_H
#define WEIR_TRACE_JSONL_H
/* JSON Lines: one object a line, members written one after the other. Keys are
 * ours and need no escapes; values are escaped, and what is not UTF-8 in them
 * becomes U+FFFD. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct jsonl {
    FILE *out;
    bool any; /* a member has been written */
};

struct jsonl jsonl_begin(FILE *out);
void jsonl_text(struct jsonl *j, const char *key, const char *value);
void jsonl_number(struct jsonl *j, const char *key, int64_t value);
void jsonl_bool(struct jsonl *j, const char *key, bool value);
/* A double with up to six decimals. */
void jsonl_real(struct jsonl *j, const char *key, double value);
/* "key":{ ... } and "key":[ ... ], and elements of the latter. */
void jsonl_open(struct jsonl *j, const char *key, char bracket);
void jsonl_close(struct jsonl *j, char bracket);
void jsonl_element(struct jsonl *j, const char *value);
/* "10.0.0.1:80" (port 0: without). IPv4 in host order. */
void jsonl_address(struct jsonl *j, const char *key, uint32_t addr,
                   uint16_t port);
void jsonl_end(struct jsonl *j);

/* A string with its quotes. */
void jsonl_string(FILE *out, const char *value);

#endif
