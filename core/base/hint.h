/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_HINT_H
#define WEIR_CORE_BASE_HINT_H
/* What the compiler cannot know: which way a segment goes as a rule.
 *
 * ALONG: on that way, in line wherever it is called.
 * APART: the long way beside a short one. It stays a call, so that its
 * registers and its code are not in the way of the short one.
 * SELDOM: so rare, too, that its size is all that counts. */
#define ALONG inline __attribute__((always_inline))
#define APART __attribute__((noinline))
#define SELDOM __attribute__((cold, noinline))

#endif
