/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round-trip time and retransmission time-out (RFC 6298), in fixed point:
 * srtt_us holds SRTT times 8, rttvar_us RTTVAR times 4.
 *
 * Unlike RFC 6298 2.4: the minimum of one second is 200 ms, put under
 * 4*RTTVAR rather than under the sum, and the maximum is 120 s, as Linux has
 * it: an RTO of a second stalls programs on today's networks, and a floor
 * below SRTT + 200 ms would fire on delayed ACKs.
 */
#include "tcp/rooms.h"

#define RTO_FIRST_NS (1 * NS_PER_S) /* RFC 6298 2.1 */
#define RTO_MAX_NS (120 * NS_PER_S)

void tcp_rtt_sample(struct tcp *tcp, struct tcp_conn *c, uint64_t rtt_ns) {
    (void)tcp;
    uint64_t us = rtt_ns / 1000;
    uint32_t m = us > 60000000 ? 60000000 : us ? (uint32_t)us : 1;
    if (!c->srtt_us) { /* RFC 6298 2.2 */
        c->srtt_us = m * 8;
        c->rttvar_us = m * 2;
        return;
    }
    /* RFC 6298 2.3: alpha = 1/8, beta = 1/4 */
    int32_t err = (int32_t)m - (int32_t)(c->srtt_us / 8);
    c->srtt_us = (uint32_t)((int32_t)c->srtt_us + err);
    if (!c->srtt_us)
        c->srtt_us = 1;
    uint32_t mag = (uint32_t)(err < 0 ? -err : err);
    c->rttvar_us += mag - c->rttvar_us / 4;
}

uint64_t tcp_rto_base_ns(const struct tcp *tcp, const struct tcp_conn *c) {
    if (!c->srtt_us)
        return RTO_FIRST_NS;
    uint64_t var = c->rttvar_us;
    uint64_t least = (uint64_t)tcp->env->sysctl.tcp_rto_min_us;
    uint64_t us = c->srtt_us / 8 + (var > least ? var : least);
    return us * 1000 > RTO_MAX_NS ? RTO_MAX_NS : us * 1000;
}

uint64_t tcp_rto_ns(const struct tcp *tcp, const struct tcp_conn *c) {
    uint64_t ns = tcp_rto_base_ns(tcp, c);
    for (unsigned i = c->work ? c->work->backoff : 0; i && ns < RTO_MAX_NS; i--)
        ns *= 2; /* RFC 6298 5.5 */
    return ns > RTO_MAX_NS ? RTO_MAX_NS : ns;
}
