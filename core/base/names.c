/* SPDX-License-Identifier: BSD-2-Clause */
/* Words for the numbers of the public enums. */
#include "weir/counter.h"
#include "weir/event.h"
#include "weir/reason.h"
#include "weir/weir.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const char *word(const char *const *words, unsigned n, unsigned i) {
    return i < n && words[i] ? words[i] : "?";
}

const char *weir_event_name(unsigned kind) {
    static const char *const words[] = {[WEIR_EV_NONE] = "NONE",
#define X(name, ring, payload) [WEIR_EV_##name] = #name,
                                        WEIR_EVENTS(X)
#undef X
    };
    return word(words, COUNT_OF(words), kind);
}

const char *weir_call_name(unsigned call) {
    static const char *const words[] = {[WEIR_CALL_none] = "none",
#define X(name) [WEIR_CALL_##name] = #name,
                                        WEIR_CALLS(X)
#undef X
    };
    return word(words, COUNT_OF(words), call);
}

const char *weir_tcp_state_name(unsigned state) {
    static const char *const words[] = {
        [0] = "NONE",
        [WEIR_TCP_ESTABLISHED] = "ESTABLISHED",
        [WEIR_TCP_SYN_SENT] = "SYN_SENT",
        [WEIR_TCP_SYN_RECV] = "SYN_RECV",
        [WEIR_TCP_FIN_WAIT1] = "FIN_WAIT1",
        [WEIR_TCP_FIN_WAIT2] = "FIN_WAIT2",
        [WEIR_TCP_TIME_WAIT] = "TIME_WAIT",
        [WEIR_TCP_CLOSED] = "CLOSED",
        [WEIR_TCP_CLOSE_WAIT] = "CLOSE_WAIT",
        [WEIR_TCP_LAST_ACK] = "LAST_ACK",
        [WEIR_TCP_LISTEN] = "LISTEN",
        [WEIR_TCP_CLOSING] = "CLOSING",
    };
    return word(words, COUNT_OF(words), state);
}

const char *weir_timer_name(unsigned timer) {
    static const char *const words[] = {
        [WEIR_TIMER_NONE] = "none",
        [WEIR_TIMER_REXMIT] = "retransmit",
        [WEIR_TIMER_PROBE] = "tail loss probe",
        [WEIR_TIMER_REORDER] = "reordering",
        [WEIR_TIMER_PERSIST] = "persist",
        [WEIR_TIMER_DELACK] = "delayed ack",
        [WEIR_TIMER_KEEPALIVE] = "keepalive",
        [WEIR_TIMER_TIME_WAIT] = "TIME_WAIT",
        [WEIR_TIMER_FIN_WAIT2] = "FIN_WAIT2",
        [WEIR_TIMER_USER] = "user timeout",
        [WEIR_TIMER_SYNACK] = "SYN+ACK",
        [WEIR_TIMER_ARP] = "arp",
        [WEIR_TIMER_REASSEMBLY] = "reassembly",
    };
    return word(words, COUNT_OF(words), timer);
}

const char *weir_reason_name(enum weir_reason reason) {
    static const char *const words[] = {
#define X(name, text) [WEIR_##name] = #name,
        WEIR_REASONS(X)
#undef X
    };
    return word(words, COUNT_OF(words), reason);
}

const char *weir_reason_text(enum weir_reason reason) {
    static const char *const words[] = {
#define X(name, text) [WEIR_##name] = text,
        WEIR_REASONS(X)
#undef X
    };
    return word(words, COUNT_OF(words), reason);
}

const char *weir_counter_group(enum weir_counter c) {
    static const char *const words[] = {
#define X(group, name) [WEIR_CTR_##group##_##name] = #group,
        WEIR_COUNTERS(X)
#undef X
    };
    return word(words, COUNT_OF(words), c);
}

const char *weir_counter_name(enum weir_counter c) {
    static const char *const words[] = {
#define X(group, name) [WEIR_CTR_##group##_##name] = #name,
        WEIR_COUNTERS(X)
#undef X
    };
    return word(words, COUNT_OF(words), c);
}
