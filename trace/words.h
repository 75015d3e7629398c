/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_WORDS_H
#define WEIR_TRACE_WORDS_H
/*
 * Events in words: the same sentence wherever an event is shown (timeline,
 * why, JSON, comments of a capture). Each writes NUL-terminated text, cut to
 * `size`, and returns `out`.
 */
#include "trace/story.h"

/* "nc[410]" */
char *words_program(const struct story *s, uint32_t pid, char *out,
                    size_t size);
/* "b:8888": the host's name where the address is one of a host, else dotted. */
char *words_address(const struct story *s, uint32_t addr, uint16_t port,
                    char *out, size_t size);
/* "connect(3, b:7)", and the result apart: "= -1 ECONNREFUSED (...)". */
char *words_call(const struct story *s, const struct weir_event *call,
                 char *out, size_t size);
char *words_result(const struct weir_event *call, char *out, size_t size);
/* "S 0", "P. 1:6 ack 1 (5)": flags as tcpdump has them, relative numbers. */
char *words_segment(const struct story *s, const struct weir_event *seg,
                    char *out, size_t size);
/* "SYN+ACK", "RST", "FIN", "ACK", "5 bytes": what a person calls it. */
char *words_kind(const struct weir_event *seg, char *out, size_t size);
/* "ESTAB", "FIN_WAIT1": short names as ss has them. */
const char *words_state(unsigned state);
/* A whole sentence about any event, without its id. */
char *words_event(const struct story *s, const struct weir_event *ev, char *out,
                  size_t size);
/* "ECONNRESET"; "E123" where it has no name. */
const char *words_errno(int error);

#endif
