/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/units.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

/* A number >= 0 followed by exactly one of the units. */
static bool parse(const char *text, const struct unit *units, double *out) {
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || errno || !isfinite(v) || v < 0)
        return false;
    for (; units->name; units++)
        if (!strcmp(end, units->name)) {
            *out = v * units->factor;
            return *out < 9e18;
        }
    return false;
}

bool units_time(const char *text, uint64_t *ns) {
    static const struct unit units[] = {{"ns", 1},  {"us", 1e3}, {"ms", 1e6},
                                        {"s", 1e9}, {"m", 60e9}, {"h", 3600e9},
                                        {NULL, 0}};
    double v;
    if (!strcmp(text, "0")) {
        *ns = 0;
        return true;
    }
    if (!parse(text, units, &v))
        return false;
    *ns = (uint64_t)(v + 0.5);
    return true;
}

bool units_percent(const char *text, uint32_t *share) {
    static const struct unit units[] = {{"%", 0.01}, {NULL, 0}};
    double v;
    if (!strcmp(text, "0")) {
        *share = 0;
        return true;
    }
    if (!parse(text, units, &v) || v > 1)
        return false;
    *share = (uint32_t)(v * UINT32_MAX);
    return true;
}

bool units_rate(const char *text, uint64_t *bits_per_s) {
    static const struct unit units[] = {
        {"bit", 1},    {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"bps", 8},
        {"kbps", 8e3}, {"mbps", 8e6}, {"gbps", 8e9}, {NULL, 0}};
    double v;
    if (!strcmp(text, "0")) {
        *bits_per_s = 0;
        return true;
    }
    if (!parse(text, units, &v))
        return false;
    *bits_per_s = (uint64_t)(v + 0.5);
    return true;
}
