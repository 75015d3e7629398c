/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_SS_FILTER_H
#define WEIR_TOOLS_SS_FILTER_H
/*
 * ss(8)'s filters: [state X]... [exclude X]... EXPRESSION, where an expression
 * is made of sport, dport, src and dst, compared with =, !=, <, >, <=, >= (or
 * eq, ne, lt, gt, le, ge), joined by and, or, not and parentheses.
 */
#include <stdbool.h>
#include <stdint.h>

struct ss_filter;

struct ss_subject {    /* what is filtered */
    const char *state; /* "ESTAB", as ss prints it */
    uint32_t src, dst; /* IPv4, host order */
    uint16_t sport, dport;
};

/* From the words of the command line; NULL: `error` says why. */
struct ss_filter *ss_filter_parse(char *const *words, char error[160]);
void ss_filter_free(struct ss_filter *f);
/* Does it name states? Then they replace what -a and -l choose. */
bool ss_filter_has_states(const struct ss_filter *f);
bool ss_filter_match(const struct ss_filter *f, const struct ss_subject *s);

#endif
