/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Settings by name: the list in "base/sysctl.h" as a table, and the few that
 * hold several values. Text in, text out, as in /proc/sys.
 */
#include <errno.h>

#include "sock/sock.h"

struct row {
    const char *name;
    uint16_t offset, count; /* in struct sysctl; int32_t values */
    int32_t low, high;
};

static const struct row rows[] = {
#define X(path, member, value, lo, hi)                                         \
    {path, offsetof(struct sysctl, member), 1, lo, hi},
    WEIR_SYSCTLS(X)
#undef X
        {"net.ipv4.tcp_rmem", offsetof(struct sysctl, tcp_rmem), 3, 1,
         INT32_MAX},
    {"net.ipv4.tcp_wmem", offsetof(struct sysctl, tcp_wmem), 3, 1, INT32_MAX},
    {"net.ipv4.ip_local_port_range",
     offsetof(struct sysctl, ip_local_port_range), 2, 1, 65535},
};

#define NROWS (sizeof(rows) / sizeof(rows[0]))

static size_t length(const char *s) {
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

static bool same(const char *a, const char *b) {
    size_t n = length(a);
    return n == length(b) && memcmp(a, b, n) == 0;
}

/* Full name, or what follows "net.ipv4." or "net.core.". */
static const struct row *find(const char *name) {
    for (size_t i = 0; i < NROWS; i++) {
        const char *full = rows[i].name;
        if (same(full, name) || same(full + 9, name))
            return &rows[i];
    }
    return NULL;
}

static int32_t *values(struct sysctl *s, const struct row *row) {
    return (int32_t *)(void *)((char *)s + row->offset);
}

/* A decimal number at *p, within the row's range; moves *p past it. */
static bool number(const char **p, const struct row *row, int32_t *out) {
    while (**p == ' ' || **p == '\t')
        (*p)++;
    bool minus = **p == '-';
    *p += minus;
    if (**p < '0' || **p > '9')
        return false;
    int64_t v = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++)
        if ((v = v * 10 + (**p - '0')) > INT32_MAX)
            return false;
    v = minus ? -v : v;
    *out = (int32_t)v;
    return v >= row->low && v <= row->high;
}

int weir_sysctl_set(struct weir_stack *s, const char *name, const char *value) {
    const struct row *row = find(name);
    if (!row)
        return -ENOENT;
    int32_t v[3];
    const char *p = value;
    for (unsigned i = 0; i < row->count; i++)
        if (!number(&p, row, &v[i]))
            return -EINVAL;
    while (*p == ' ' || *p == '\t' || *p == '\n')
        p++;
    bool range = row->offset == offsetof(struct sysctl, ip_local_port_range);
    if (*p || (range && v[0] > v[1]))
        return -EINVAL;
    memcpy(values(&s->env.sysctl, row), v, row->count * sizeof(v[0]));
    return 0;
}

static size_t put_number(char *buf, size_t size, size_t at, int32_t v) {
    char digits[12];
    unsigned n = 0;
    uint32_t u = v < 0 ? -(uint32_t)v : (uint32_t)v;
    do
        digits[n++] = (char)('0' + u % 10);
    while (u /= 10);
    if (v < 0)
        digits[n++] = '-';
    for (; n; at++) {
        n--;
        if (at + 1 < size)
            buf[at] = digits[n];
    }
    return at;
}

int weir_sysctl_get(const struct weir_stack *s, const char *name, char *buf,
                    size_t size) {
    const struct row *row = find(name);
    if (!row)
        return -ENOENT;
    const int32_t *v =
        (const int32_t *)(const void *)((const char *)&s->env.sysctl +
                                        row->offset);
    size_t at = 0;
    for (unsigned i = 0; i < row->count; i++) {
        if (i) {
            if (at + 1 < size)
                buf[at] = '\t';
            at++;
        }
        at = put_number(buf, size, at, v[i]);
    }
    if (size)
        buf[at < size ? at : size - 1] = 0;
    return (int)at;
}

const char *weir_sysctl_name(unsigned n) {
    return n < NROWS ? rows[n].name : NULL;
}
