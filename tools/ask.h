/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_ASK_H
#define WEIR_TOOLS_ASK_H
/* Ask a network that is up (run/control.h). */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct answer {
    char *text; /* JSON Lines */
    size_t size, at;
};

/* The network meant: `name`, or the only one that is up, or "default". NULL:
 * said on stderr (none is up, several are). Static. */
const char *ask_which(const char *name);
/* False: said on stderr. `format` makes the request's line. */
bool ask(struct answer *a, const char *network, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The next object; the caller's. NULL: no more. */
json_t *ask_next(struct answer *a);
void ask_print(const struct answer *a); /* as it is: --json */
void ask_free(struct answer *a);

/* Members, "" or 0 where they are missing. */
const char *ask_text(const json_t *o, const char *key);
long long ask_number(const json_t *o, const char *key);

#endif
