/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_RECORD_H
#define WEIR_TRACE_RECORD_H
/*
 * The flight recorder's file: a header, then the two rings of "weir/event.h".
 * The writer maps it shared, so a recording survives its writer and can be
 * read while it grows. Recordings lie under $XDG_STATE_HOME/weir (or
 * ~/.local/state/weir); the last RECORD_KEEP of them stay.
 */
#include <stdint.h>

#include "weir/event.h"

#define RECORD_MAGIC "weirrec1"
#define RECORD_BULK (1u << 17) /* records: 8 MiB */
#define RECORD_RARE (1u << 15) /* 2 MiB */
#define RECORD_KEEP 16

/* Settings that explanations name, as they were when the network came up. */
enum record_setting {
    RECORD_SYN_RETRIES,
    RECORD_RETRIES2,
    RECORD_KEEPALIVE_TIME, /* seconds */
    RECORD_KEEPALIVE_INTVL,
    RECORD_KEEPALIVE_PROBES,
    RECORD_TIMEWAIT_LEN,
    RECORD_SETTINGS
};
/* "net.ipv4.tcp_retries2" */
const char *record_setting_name(enum record_setting which);

struct record_host {
    char name[32];
    uint8_t number;
    bool has_settings;
    uint32_t setting[RECORD_SETTINGS];
};

struct record_if { /* an interface, lo apart */
    char name[16]; /* "eth0" */
    uint32_t addr; /* IPv4, host order; 0: none */
    uint8_t host, plen;
    uint8_t mac[6];
};
#define RECORD_IFS 256

struct record_header {
    char magic[8];
    uint32_t version, header_bytes;
    uint32_t bulk_records, rare_records;
    uint64_t bulk_offset, rare_offset; /* in the file */
    uint64_t t0_ns;                    /* CLOCK_MONOTONIC at the start */
    int64_t wall_ns; /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
    uint64_t seed;
    uint32_t pid;   /* the writer */
    uint32_t ended; /* 1: closed by its writer */
    char weir[16];  /* version that wrote it */
    char network[32];
    char command[512]; /* as typed, NUL ended, cut */
    uint32_t nhosts;
    struct record_host host[64];
    uint32_t nifs;
    struct record_if ifs[RECORD_IFS];
    struct weir_recorder rec; /* heads; the pointers are the writer's */
};

struct record {
    struct record_header *header;
    size_t bytes;
    int fd; /* -1: in memory only */
    bool writer;
    char path[1024]; /* "" when in memory only */
};

/* Begin a recording. `file` false: in memory only (--no-record). 0 or -errno;
 * where no directory can be written it falls back to memory and says so by an
 * empty path. &header->rec is what stacks and links write to. */
int record_create(struct record *r, const char *network, char *const *argv,
                  uint64_t seed, bool file);
/* Name a host that appears in events. */
void record_host(struct record *r, uint8_t number, const char *name);
/* Its settings, in the order of enum record_setting. */
void record_settings(struct record *r, uint8_t number,
                     const uint32_t value[RECORD_SETTINGS]);
/* Tell of an interface, so that frames can be put where they passed. */
void record_interface(struct record *r, const struct record_if *i);
/* End it: the file stays. */
void record_close(struct record *r);

/* Open a recording to read: a path, or NULL for the latest. 0 or -errno
 * (-ENOENT: there is none, -EPROTO: not a recording, -EPROTONOSUPPORT: of
 * another version). */
int record_open(struct record *r, const char *path);
/* The recording that a network which is up writes now; -ENOENT: there is none.
 */
int record_open_network(struct record *r, const char *network);
/* Name of a host, "?" where it has none. */
const char *record_host_name(const struct record *r, uint8_t number);
/* False: not known. */
bool record_setting(const struct record *r, uint8_t host,
                    enum record_setting which, uint32_t *value);
/* The interface with that address; NULL: none. */
const struct record_if *record_if_by_addr(const struct record *r,
                                          uint32_t addr);
/* The interface by which a host sends from `src` to `dst`; NULL: lo. */
const struct record_if *record_if_towards(const struct record *r, uint8_t host,
                                          uint32_t src, uint32_t dst);

/* Read in order of id from both rings: start with zeroed cursor. NULL: no more
 * (now). Calls that ended late appear again with FLAG_LATE semantics: the same
 * id a second time. */
struct record_cursor {
    uint64_t bulk, rare; /* next record of each ring */
    uint64_t lost;       /* records overwritten before they were read */
};
const struct weir_event *record_next(const struct record *r,
                                     struct record_cursor *c);

#endif
