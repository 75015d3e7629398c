/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_UNITS_H
#define WEIR_LINKS_UNITS_H
/* Quantities as netem and people write them. Each takes a whole word; false:
 * it is not one. */
#include <stdbool.h>
#include <stdint.h>

/* "20ms", "1.5s", "300us", "10ns", "2m"; a bare number is not a time. */
bool units_time(const char *text, uint64_t *ns);
/* "1%", "0.5%"; as a share of 2^32 - 1. */
bool units_percent(const char *text, uint32_t *share);
/* "10mbit", "1gbit", "64kbit", "800bit", "1mbps" (bytes); bits per second. */
bool units_rate(const char *text, uint64_t *bits_per_s);

#endif
