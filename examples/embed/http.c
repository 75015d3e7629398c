/* SPDX-License-Identifier: BSD-2-Clause */
/* Strict on purpose (RFC 9112): what two readers could understand differently
 * is refused. GET and HEAD; a request with a body is refused too. */
#include "http.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The CR that ends the line at `p`; NULL: not there yet; *bad: a bare CR or
 * LF, or a control character. */
static const char *line_end(const char *p, const char *end, bool *bad) {
    for (; p < end; p++)
        if ((unsigned char)*p < ' ' || *p == 127) {
            if (*p == '\r' && p + 1 == end)
                return NULL;
            if (*p == '\r' && p[1] == '\n')
                return p;
            if ((*bad = *p != '\t'))
                return p;
        }
    return NULL;
}

static bool is(const char *p, size_t n, const char *word) {
    return n == strlen(word) && !strncasecmp(p, word, n);
}

/* METHOD SP target SP HTTP/1.x: 0 or a status. */
static int request_line(const char *p, const char *eol, bool *old,
                        struct http_request *r) {
    const char *space = memchr(p, ' ', (size_t)(eol - p));
    if (!space || eol - space < 11 || memcmp(eol - 9, " HTTP/", 6) ||
        !isdigit(eol[-3]) || eol[-2] != '.' || !isdigit(eol[-1]))
        return 400;
    r->target = space + 1;
    r->target_len = (size_t)(eol - 9 - r->target);
    if (memchr(r->target, ' ', r->target_len) ||
        memchr(r->target, '\t', r->target_len) || space == p)
        return 400;
    *old = eol[-1] == '0';
    r->head_only = space - p == 4 && !memcmp(p, "HEAD", 4);
    bool get = space - p == 3 && !memcmp(p, "GET", 3);
    return eol[-3] != '1' ? 505 : get || r->head_only ? 0 : 501;
}

/* One field line: 0 or a status. */
static int field(const char *p, const char *eol, int *hosts,
                 struct http_request *r) {
    const char *colon = memchr(p, ':', (size_t)(eol - p)), *v = colon + 1;
    if (!colon || colon == p)
        return 400;
    for (const char *c = p; c < colon; c++)
        if (!isalnum((unsigned char)*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return 400;
    size_t n = (size_t)(colon - p);
    *hosts += is(p, n, "host");
    if (is(p, n, "transfer-encoding"))
        return 501;
    while (v < eol && (*v == ' ' || *v == '\t'))
        v++;
    if (is(p, n, "content-length") && (eol == v || *v != '0' || eol - v > 1))
        return 501;
    for (; is(p, n, "connection") && v < eol; v++) { /* a list of words */
        const char *word = v;
        while (v < eol && *v != ',' && *v != ' ' && *v != '\t')
            v++;
        r->close |= is(word, (size_t)(v - word), "close");
    }
    return 0;
}

ssize_t http_parse(const char *bytes, size_t n, struct http_request *r) {
    const char *p = bytes, *eol;
    const char *end = bytes + (n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX);
    int hosts = 0, lines = 0, status;
    bool bad = false, old = false;
    *r = (struct http_request){0};
    for (; (eol = line_end(p, end, &bad)) && !bad; p = eol + 2) {
        if (eol == p && !lines)
            continue; /* empty lines before a request are ignored */
        if (eol == p && hosts != 1 && !(old && hosts == 0))
            return -400;
        r->close |= old; /* HTTP/1.0: no second request */
        if (eol == p)
            return eol + 2 - bytes;
        status =
            lines++ ? field(p, eol, &hosts, r) : request_line(p, eol, &old, r);
        if (status)
            return -status;
    }
    return bad ? -400 : n >= HTTP_HEAD_MAX ? -431 : 0;
}
