/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_FACT_H
#define WEIR_TRACE_FACT_H
/*
 * Questions that a story answers: what `why` says beside a chain of causes.
 * Each looks at what was recorded up to an event, `at`, and nothing later.
 */
#include "trace/story.h"

/* The socket's events, latest first: the last one not after `at`, and the one
 * before; NULL: no more in this life. */
const struct weir_event *fact_latest(const struct story *s,
                                     const struct story_socket *k,
                                     weir_event_id at);
const struct weir_event *fact_earlier(const struct story *s,
                                      const struct story_socket *k,
                                      const struct weir_event *ev);
/* The last of a kind; NULL: none. */
const struct weir_event *fact_last(const struct story *s,
                                   const struct story_socket *k,
                                   enum weir_event_kind kind, weir_event_id at);
/* The last successful setsockopt of an option: true and its value. */
bool fact_option(const struct story *s, const struct story_socket *k, int level,
                 int name, weir_event_id at, int *value);
/* The other end of a connection, where it is in this network. */
const struct story_socket *fact_peer(const struct story *s,
                                     const struct story_socket *k);
/* TCP state by its last STATE event; 0: not known. */
unsigned fact_state(const struct story *s, const struct story_socket *k,
                    weir_event_id at, const struct weir_event **since);

/* The n-th (from 0) link cut or host fault that is in force; NULL: no more. */
const struct weir_event *fact_fault(const struct story *s, weir_event_id at,
                                    unsigned n);
/* The host's last CRASH or REBOOT. */
const struct weir_event *fact_crash(const struct story *s, uint8_t host,
                                    weir_event_id at);

/* Frames of a socket that were lost since the one it last heard an answer
 * to: how many, and the last loss. */
unsigned fact_lost(const struct story *s, const struct story_socket *k,
                   weir_event_id at, const struct weir_event **last);

#endif
