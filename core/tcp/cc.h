/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_TCP_CC_H
#define WEIR_CORE_TCP_CC_H
/*
 * Congestion control: how much may be in flight. A control sees a small sample
 * and two numbers, never the connection; loss.c tells it what happened. Chosen
 * by index (no address of a function lies in the arena).
 */
#include <stdint.h>

struct cc_window {
    uint32_t cwnd, ssthresh; /* bytes */
    uint32_t mss;
    uint32_t acked; /* control's own: bytes towards the next growth */
};

struct cc_sample {
    uint64_t now_ns;
    uint32_t delivered; /* bytes newly known to have arrived */
    uint32_t in_flight; /* before this ACK */
    uint32_t srtt_us;
    uint8_t cwnd_limited; /* the window was what held us back */
};

struct cc_ops {
    const char *name;
    /* Bytes arrived and nothing is lost: grow. */
    void (*on_ack)(struct cc_window *w, const struct cc_sample *s);
    /* A loss, once a round trip: the new ssthresh, bytes. */
    uint32_t (*ssthresh)(const struct cc_window *w, const struct cc_sample *s);
};

enum { CC_RENO, CC_COUNT };
extern const struct cc_ops *const tcp_cc[CC_COUNT];
extern const struct cc_ops cc_reno;

#endif
