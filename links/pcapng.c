/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks are built in one buffer and written whole, so that a reader at the
 * other end of a pipe never waits for half a block. Everything is in the
 * machine's byte order, as the section header's magic says.
 */
#include "links/pcapng.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET 6u
#define LINKTYPE_ETHERNET 1u

enum option {
    OPT_END = 0,
    OPT_COMMENT = 1,
    SHB_USERAPPL = 4,
    IF_NAME = 2,
    IF_DESCRIPTION = 3,
    IF_TSRESOL = 9,
    EPB_FLAGS = 2,
    EPB_PACKETID = 5,
    EPB_PROCESSID_THREADID = 8,
};

struct pcapng {
    FILE *out;
    int interfaces;
    int error; /* the first -errno */
    uint8_t *block;
    size_t n, room;
};

static bool put(struct pcapng *p, const void *bytes, size_t n) {
    size_t padded = (n + 3) & ~(size_t)3;
    if (p->n + padded > p->room) {
        size_t room = (p->n + padded) * 2;
        uint8_t *block = realloc(p->block, room);
        if (!block) {
            p->error = -ENOMEM;
            return false;
        }
        p->block = block;
        p->room = room;
    }
    memcpy(p->block + p->n, bytes, n);
    memset(p->block + p->n + n, 0, padded - n);
    p->n += padded;
    return true;
}

static void put32(struct pcapng *p, uint32_t v) {
    put(p, &v, sizeof(v));
}

static void put_option(struct pcapng *p, enum option code, const void *bytes,
                       size_t n) {
    uint16_t head[2] = {(uint16_t)code, (uint16_t)n};
    put(p, head, sizeof(head));
    put(p, bytes, n);
}

static void begin(struct pcapng *p, uint32_t type) {
    p->n = 0;
    put32(p, type);
    put32(p, 0); /* total length: at the end */
}

static int end(struct pcapng *p) {
    put_option(p, OPT_END, "", 0);
    uint32_t total = (uint32_t)p->n + 4;
    put32(p, total);
    if (p->error)
        return p->error;
    memcpy(p->block + 4, &total, sizeof(total));
    if (fwrite(p->block, 1, p->n, p->out) != p->n)
        p->error = errno ? -errno : -EIO;
    return p->error;
}

struct pcapng *pcapng_create(FILE *out) {
    struct pcapng *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->out = out;
    begin(p, BLOCK_SECTION);
    put32(p, 0x1a2b3c4du);
    uint16_t version[2] = {1, 0};
    put(p, version, sizeof(version));
    put32(p, UINT32_MAX); /* section length: not known */
    put32(p, UINT32_MAX);
    put_option(p, SHB_USERAPPL, "weir", 4);
    if (end(p)) {
        errno = -p->error;
        free(p->block);
        free(p);
        return NULL;
    }
    return p;
}

int pcapng_flush(struct pcapng *p) {
    if (fflush(p->out) && !p->error)
        p->error = -errno;
    return p->error;
}

int pcapng_close(struct pcapng *p) {
    int err = pcapng_flush(p);
    if (fclose(p->out) && !err)
        err = -errno;
    free(p->block);
    free(p);
    return err;
}

int pcapng_interface(struct pcapng *p, const char *name, const char *text) {
    begin(p, BLOCK_INTERFACE);
    put32(p, LINKTYPE_ETHERNET);
    put32(p, 0); /* no snap length */
    put_option(p, IF_NAME, name, strlen(name));
    if (text)
        put_option(p, IF_DESCRIPTION, text, strlen(text));
    put_option(p, IF_TSRESOL, "\x09", 1); /* nanoseconds */
    int err = end(p);
    return err ? err : p->interfaces++;
}

int pcapng_write(struct pcapng *p, const struct pcapng_packet *packet) {
    begin(p, BLOCK_PACKET);
    put32(p, (uint32_t)packet->interface);
    put32(p, (uint32_t)(packet->wall_ns >> 32));
    put32(p, (uint32_t)packet->wall_ns);
    put32(p, packet->captured);
    put32(p, packet->length);
    put(p, packet->bytes, packet->captured);
    if (packet->direction != PCAPNG_UNKNOWN) {
        uint32_t flags = packet->direction == PCAPNG_INBOUND ? 1 : 2;
        put_option(p, EPB_FLAGS, &flags, sizeof(flags));
    }
    if (packet->packet_id)
        put_option(p, EPB_PACKETID, &packet->packet_id, 8);
    if (packet->pid) {
        uint32_t ids[2] = {packet->pid, packet->tid};
        put_option(p, EPB_PROCESSID_THREADID, ids, sizeof(ids));
    }
    if (packet->comment)
        put_option(p, OPT_COMMENT, packet->comment, strlen(packet->comment));
    return end(p);
}
