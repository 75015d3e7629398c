/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reno (RFC 5681 3.1) with byte counting (RFC 3465): one byte for each byte
 * acknowledged below ssthresh, one segment for each window above it. A window
 * that the program does not fill does not grow (RFC 7661).
 */
#include "tcp/cc.h"

static void on_ack(struct cc_window *w, const struct cc_sample *s) {
    uint32_t bytes = s->delivered;
    if (!s->cwnd_limited)
        return;
    if (w->cwnd < w->ssthresh) {
        uint32_t room = w->ssthresh - w->cwnd;
        uint32_t n = bytes < room ? bytes : room;
        w->cwnd += n;
        bytes -= n;
    }
    if (!bytes || w->cwnd < w->ssthresh)
        return;
    w->acked += bytes;
    if (w->acked >= w->cwnd) {
        w->acked -= w->cwnd;
        w->cwnd += w->mss;
    }
}

/* RFC 5681 3.1 (4): half of what was in flight, at least two segments. */
static uint32_t ssthresh(const struct cc_window *w, const struct cc_sample *s) {
    uint32_t half = s->in_flight / 2;
    if (half > w->cwnd / 2)
        half = w->cwnd / 2;
    return half > 2 * w->mss ? half : 2 * w->mss;
}

const struct cc_ops cc_reno = {
    .name = "reno",
    .on_ack = on_ack,
    .ssthresh = ssthresh,
};

const struct cc_ops *const tcp_cc[CC_COUNT] = {[CC_RENO] = &cc_reno};
