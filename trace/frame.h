/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_FRAME_H
#define WEIR_TRACE_FRAME_H
/*
 * Ethernet frames made again from events: headers as they were on the wire, as
 * far as a record holds them. Payload, TCP options and IP identifications are
 * not recorded: a frame is cut after its headers, as with a short snap length,
 * and its true length is told beside it. Windows above 65535 are cut to that.
 */
#include <stddef.h>

#include "trace/story.h"

#define FRAME_MAX 64

struct frame {
    uint8_t bytes[FRAME_MAX];
    uint32_t captured, length;
};

/* False: the event is no frame (or a packet that was not IPv4). */
bool frame_make(const struct story *s, const struct weir_event *ev,
                struct frame *f);

/* "lo", "eth0" and the host's number: where this end of the frame passed. */
struct frame_place {
    uint8_t host;
    char name[16];
};
struct frame_place frame_place(const struct story *s,
                               const struct weir_event *ev);

/* The program that sent it, or that the segment received was for; 0: none. */
uint32_t frame_pid(const struct story *s, const struct weir_event *ev);

#endif
