/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_PCAPNG_H
#define WEIR_LINKS_PCAPNG_H
/*
 * A pcapng file being written (draft-ietf-opsawg-pcapng): one section, an
 * interface each link, an Enhanced Packet Block each frame with direction
 * (epb_flags), packet id (epb_packetid: the id of weir's event, the same at
 * every place the frame is seen), process (epb_processid_threadid) and a
 * comment.
 */
#include <stdint.h>
#include <stdio.h>

struct pcapng;

/* Takes the stream over. NULL with errno. */
struct pcapng *pcapng_create(FILE *out);
/* Flushes and closes; 0, or -errno where something could not be written. */
int pcapng_close(struct pcapng *p);
int pcapng_flush(struct pcapng *p);

/* An interface (Ethernet); its number, or -errno. `text` may be NULL. */
int pcapng_interface(struct pcapng *p, const char *name, const char *text);

enum pcapng_direction { PCAPNG_UNKNOWN, PCAPNG_INBOUND, PCAPNG_OUTBOUND };

struct pcapng_packet {
    int interface;
    uint64_t wall_ns;          /* since 1970 */
    uint32_t captured, length; /* bytes given, bytes there were */
    const uint8_t *bytes;
    enum pcapng_direction direction;
    uint64_t packet_id;  /* 0: none */
    uint32_t pid, tid;   /* 0: not known */
    const char *comment; /* NULL: none */
};
int pcapng_write(struct pcapng *p, const struct pcapng_packet *packet);

#endif
