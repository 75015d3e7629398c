/* SPDX-License-Identifier: BSD-2-Clause */
/* Streamed by hand: a tree of values would only be thrown away. Names of
 * programs are any bytes, and JSON is UTF-8: what is none is replaced. */
#include "trace/jsonl.h"

#include <inttypes.h>

/* Bytes of the UTF-8 sequence at p; 0: it is none. */
static unsigned utf8(const unsigned char *p) {
    unsigned n = p[0] < 0x80                   ? 1
                 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                               : 0;
    for (unsigned i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong =
        (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] >= 0xa0;
    bool beyond = p[0] == 0xf4 && p[1] >= 0x90;
    return n > 2 && (overlong || surrogate || beyond) ? 0 : n;
}

void jsonl_string(FILE *out, const char *value) {
    const unsigned char *p = (const unsigned char *)value;
    fputc('"', out);
    while (*p) {
        unsigned n = utf8(p);
        if (n == 0) {
            fputs("\\ufffd", out);
            n = 1;
        } else if (*p == '"' || *p == '\\') {
            fprintf(out, "\\%c", *p);
        } else if (*p < 0x20) {
            fprintf(out, "\\u%04x", *p);
        } else {
            fwrite(p, 1, n, out);
        }
        p += n;
    }
    fputc('"', out);
}

struct jsonl jsonl_begin(FILE *out) {
    fputc('{', out);
    return (struct jsonl){.out = out};
}

static void next(struct jsonl *j, const char *key) {
    if (j->any)
        fputc(',', j->out);
    j->any = true;
    if (key)
        fprintf(j->out, "\"%s\":", key);
}

void jsonl_text(struct jsonl *j, const char *key, const char *value) {
    next(j, key);
    jsonl_string(j->out, value);
}

void jsonl_number(struct jsonl *j, const char *key, int64_t value) {
    next(j, key);
    fprintf(j->out, "%" PRId64, value);
}

void jsonl_bool(struct jsonl *j, const char *key, bool value) {
    next(j, key);
    fputs(value ? "true" : "false", j->out);
}

void jsonl_real(struct jsonl *j, const char *key, double value) {
    next(j, key);
    fprintf(j->out, "%.6f", value);
}

void jsonl_open(struct jsonl *j, const char *key, char bracket) {
    next(j, key);
    fputc(bracket, j->out);
    j->any = false;
}

void jsonl_close(struct jsonl *j, char bracket) {
    fputc(bracket, j->out);
    j->any = true;
}

void jsonl_element(struct jsonl *j, const char *value) {
    next(j, NULL);
    jsonl_string(j->out, value);
}

void jsonl_address(struct jsonl *j, const char *key, uint32_t addr,
                   uint16_t port) {
    next(j, key);
    fprintf(j->out, "\"%u.%u.%u.%u", addr >> 24, addr >> 16 & 255,
            addr >> 8 & 255, addr & 255);
    if (port)
        fprintf(j->out, ":%u", port);
    fputc('"', j->out);
}

void jsonl_end(struct jsonl *j) {
    fputs("}\n", j->out);
}
