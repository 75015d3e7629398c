/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_SCENARIO_H
#define WEIR_TOOLS_SCENARIO_H
/*
 * A scenario file as it was written: hosts and what runs on them, links and
 * their impairments, timed events, expectations. Nothing here acts; play.c
 * does, judge.c judges. The format is described in docs/scenario.md.
 */
#include <stdbool.h>
#include <stdint.h>

#include "weir/event.h"
#include "weir/weir.h"

#define SC_HOSTS 32
#define SC_LINKS 32
#define SC_ENDS 16 /* hosts on one link */
#define SC_PROGRAMS 64
#define SC_EVENTS 64
#define SC_EXPECTS 64
#define SC_PAIRS 16

struct sc_pair { /* a setting and its words */
    const char *key, *words;
    int line; /* of the file, for errors at play */
};

struct sc_address {
    struct weir_addr addr;
    unsigned plen; /* 0: chosen by order */
};

struct sc_host {
    const char *name;
    struct sc_address addr[SC_ENDS]; /* by interface */
    unsigned naddrs;
    struct sc_pair setting[SC_PAIRS];
    unsigned nsettings;
    struct { /* "default via 10.0.1.1" */
        struct weir_addr dst, gateway;
        unsigned plen;
    } route[SC_PAIRS];
    unsigned nroutes;
};

enum sc_end { /* how a program is expected to end */
              END_ANY,
              END_RUNNING,
              END_EXIT,   /* status */
              END_SIGNAL, /* signal */
};

struct sc_program {
    unsigned host;
    const char *name;
    char **argv;       /* NULL-terminated */
    const char *input; /* its standard input; NULL: none */
    bool keep_input;   /* do not close it afterwards */
    uint64_t after_ns; /* start so long after the beginning, or the wait */
    char *wait_host;   /* start when this port is listened on; NULL */
    uint16_t wait_port;
    bool restart; /* again after a reboot of its host */
    bool fast;    /* untraced */
    bool manual;  /* started by an event only */
    enum sc_end end;
    int status;         /* exit status or signal */
    const char *output; /* must be somewhere in what it prints; NULL */
};

struct sc_link {
    unsigned host[SC_ENDS]; /* who is on it */
    unsigned ends;
    uint32_t mtu;
    struct { /* from one end; SC_ENDS: from all */
        unsigned end;
        struct sc_pair pair;
    } setting[SC_PAIRS];
    unsigned nsettings;
    const char *tap; /* the other end is this TAP of the kernel; NULL */
    bool offload;
};

/* What an event of the recorder must be like; zero members do not matter. */
struct sc_match {
    int host;      /* index + 1 */
    unsigned call; /* enum weir_call */
    bool has_result;
    int result;                  /* -errno, or a value */
    unsigned state;              /* enum weir_tcp_state */
    const char *sent, *received; /* "SYN+ACK", "RST", "data", ... */
    bool dropped;
    unsigned reason; /* enum weir_reason */
    int error;       /* errno of an ERROR */
    unsigned timer;  /* enum weir_timer */
    bool arp;
    unsigned nth;                 /* which transmission or try */
    unsigned copies;              /* made of the bytes a call read */
    uint16_t port;                /* of either end */
    uint64_t after_ns, within_ns; /* since the beginning */
    const char *text;             /* part of the event's sentence */
};

enum sc_action {
    ACT_CUT,
    ACT_HEAL,
    ACT_CRASH,
    ACT_REBOOT,
    ACT_FREEZE,
    ACT_THAW,
    ACT_SIGNAL,
    ACT_SET,
    ACT_START,
    ACT_INPUT,
    ACT_SAY,
};

struct sc_event {
    bool on_match; /* when: ... ; else at: */
    struct sc_match when;
    unsigned when_nth; /* the how manieth match; from 1 */
    uint64_t at_ns;    /* since the beginning, or after the match */
    uint64_t for_ns;   /* undo after that; 0: not */
    enum sc_action action;
    unsigned host;       /* of freeze, crash, ...; of cut: of the interface */
    unsigned iface;      /* index into the host's interfaces */
    const char *program; /* signal, start, input */
    int signal;
    const char *text; /* say, input */
    struct sc_pair set[SC_PAIRS];
    unsigned nset;
    int line;
};

struct sc_expect {
    struct sc_match match;
    unsigned least, most; /* how many events; most 0: none at all */
    int line;
};

struct scenario {
    const char *file, *name;
    uint64_t seed;
    uint64_t timeout_ns, linger_ns, spin_ns;
    struct sc_host host[SC_HOSTS];
    struct sc_link link[SC_LINKS];
    struct sc_program program[SC_PROGRAMS];
    struct sc_event event[SC_EVENTS];
    struct sc_expect expect[SC_EXPECTS];
    unsigned nhosts, nlinks, nprograms, nevents, nexpects;
    struct yaml *yaml; /* owns the text */
    char *own_name;    /* where the file gives none */
};

/* NULL: `error` (of 512 bytes) says why, with line and column. Free with
 * scenario_free. */
struct scenario *scenario_read(const char *file, char error[512]);
void scenario_free(struct scenario *s);

/* Index of a host or program by name, or -1. */
int scenario_host(const struct scenario *s, const char *name);
int scenario_program(const struct scenario *s, const char *name);

#endif
