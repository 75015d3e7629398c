/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_IMPAIR_H
#define WEIR_LINKS_IMPAIR_H
/*
 * A link around another that harms what is *sent* through it, in netem's
 * words (egress, as netem). Both ways is one at each end. The same seed gives
 * the n-th frame the same fate.
 *
 * The key and the words of a setting:
 *   delay      T [J]        e.g. "20ms 5ms": uniform in T-J .. T+J
 *   loss       P            "1%"
 *   duplicate  P
 *   reorder    P            P of the frames are not delayed (needs delay)
 *   corrupt    P            one bit of the frame is flipped
 *   rate       R            "10mbit"
 *   limit      N            frames that may wait, default 1000
 *   drop       RULE         "2nd SYN+ACK", "1st FIN", "3rd data", "every RST":
 *                           by TCP flags, counted from now on
 * Zero (or "none" for drop) clears.
 */
#include "weir/link.h"

/* Takes `inner` over (closed with it). NULL where memory is out. */
struct weir_link *impair_wrap(struct weir_link *inner, uint64_t seed);

/* One setting. NULL: done; else what is wrong with it, a static string. */
const char *impair_set(struct weir_link *link, const char *key,
                       const char *words);

/* What impair_set would say, without a link. */
const char *impair_check(const char *key, const char *words);

/* Cut: everything sent or received is dropped (LINK_CUT) until healed. What
 * was under way when it was cut is lost too. Records a LINK event. */
void impair_cut(struct weir_link *link, bool cut, uint64_t now);
bool impair_is_cut(const struct weir_link *link);

/* The settings in force as words ("delay 20ms loss 1%"), cut to `size`. */
void impair_show(const struct weir_link *link, char *out, size_t size);

/* NULL where the link is none of impair's. */
struct weir_link *impair_of(struct weir_link *link);

#endif
