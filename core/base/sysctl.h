/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_BASE_SYSCTL_H
#define WEIR_CORE_BASE_SYSCTL_H
/*
 * Settings of one stack under Linux's names, with Linux's defaults. One line a
 * setting: X(path, member, default, lowest, highest). Read as
 * env->sysctl.tcp_retries2. The three-valued and two-valued ones are apart.
 */
#include <stdint.h>

#define WEIR_SYSCTLS(X)                                                        \
    X("net.core.somaxconn", somaxconn, 4096, 0, 65535)                         \
    X("net.core.rmem_default", rmem_default, 212992, 2304, INT32_MAX)          \
    X("net.core.rmem_max", rmem_max, 212992, 2304, INT32_MAX)                  \
    X("net.core.wmem_default", wmem_default, 212992, 4608, INT32_MAX)          \
    X("net.core.wmem_max", wmem_max, 212992, 4608, INT32_MAX)                  \
    X("net.ipv4.ip_forward", ip_forward, 0, 0, 1)                              \
    X("net.ipv4.ip_default_ttl", ip_default_ttl, 64, 1, 255)                   \
    X("net.ipv4.ip_no_pmtu_disc", ip_no_pmtu_disc, 0, 0, 3)                    \
    X("net.ipv4.ipfrag_high_thresh", ipfrag_high_thresh, 4194304, 0,           \
      INT32_MAX)                                                               \
    X("net.ipv4.ipfrag_time", ipfrag_time, 30, 1, 3600)                        \
    X("net.ipv4.icmp_echo_ignore_all", icmp_echo_ignore_all, 0, 0, 1)          \
    X("net.ipv4.icmp_echo_ignore_broadcasts", icmp_echo_ignore_broadcasts, 1,  \
      0, 1)                                                                    \
    X("net.ipv4.icmp_ratelimit", icmp_ratelimit, 1000, 0, INT32_MAX)           \
    X("net.ipv4.tcp_retries1", tcp_retries1, 3, 0, 255)                        \
    X("net.ipv4.tcp_retries2", tcp_retries2, 15, 0, 255)                       \
    X("net.ipv4.tcp_orphan_retries", tcp_orphan_retries, 0, 0, 255)            \
    X("net.ipv4.tcp_syn_retries", tcp_syn_retries, 6, 1, 127)                  \
    X("net.ipv4.tcp_synack_retries", tcp_synack_retries, 5, 0, 255)            \
    X("net.ipv4.tcp_keepalive_time", tcp_keepalive_time, 7200, 1, 32767)       \
    X("net.ipv4.tcp_keepalive_intvl", tcp_keepalive_intvl, 75, 1, 32767)       \
    X("net.ipv4.tcp_keepalive_probes", tcp_keepalive_probes, 9, 1, 127)        \
    X("net.ipv4.tcp_fin_timeout", tcp_fin_timeout, 60, 1, 3600)                \
    X("net.ipv4.tcp_max_syn_backlog", tcp_max_syn_backlog, 2048, 1, 1048576)   \
    X("net.ipv4.tcp_max_tw_buckets", tcp_max_tw_buckets, 65536, 0, INT32_MAX)  \
    X("net.ipv4.tcp_max_orphans", tcp_max_orphans, 65536, 0, INT32_MAX)        \
    X("net.ipv4.tcp_tw_reuse", tcp_tw_reuse, 2, 0, 2)                          \
    X("net.ipv4.tcp_tw_reuse_delay", tcp_tw_reuse_delay, 1000, 1, 60000)       \
    X("net.ipv4.tcp_rfc1337", tcp_rfc1337, 0, 0, 1)                            \
    X("net.ipv4.tcp_abort_on_overflow", tcp_abort_on_overflow, 0, 0, 1)        \
    X("net.ipv4.tcp_syncookies", tcp_syncookies, 1, 0, 2)                      \
    X("net.ipv4.tcp_timestamps", tcp_timestamps, 1, 0, 2)                      \
    X("net.ipv4.tcp_window_scaling", tcp_window_scaling, 1, 0, 1)              \
    X("net.ipv4.tcp_sack", tcp_sack, 1, 0, 1)                                  \
    X("net.ipv4.tcp_dsack", tcp_dsack, 1, 0, 1)                                \
    X("net.ipv4.tcp_recovery", tcp_recovery, 1, 0, 7)                          \
    X("net.ipv4.tcp_early_retrans", tcp_early_retrans, 3, 0, 4)                \
    X("net.ipv4.tcp_slow_start_after_idle", tcp_slow_start_after_idle, 1, 0,   \
      1)                                                                       \
    X("net.ipv4.tcp_challenge_ack_limit", tcp_challenge_ack_limit, INT32_MAX,  \
      0, INT32_MAX)                                                            \
    X("net.ipv4.tcp_invalid_ratelimit", tcp_invalid_ratelimit, 500, 0,         \
      INT32_MAX)                                                               \
    X("net.ipv4.tcp_base_mss", tcp_base_mss, 1024, 64, 65535)                  \
    X("net.ipv4.tcp_min_snd_mss", tcp_min_snd_mss, 48, 48, 65535)              \
    X("net.ipv4.tcp_adv_win_scale", tcp_adv_win_scale, 1, -31, 31)             \
    X("net.ipv4.tcp_notsent_lowat", tcp_notsent_lowat, INT32_MAX, 0,           \
      INT32_MAX)                                                               \
    X("net.ipv4.tcp_autocorking", tcp_autocorking, 1, 0, 1)                    \
    X("net.ipv4.tcp_rto_min_us", tcp_rto_min_us, 200000, 1, INT32_MAX)         \
    X("net.ipv4.tcp_timewait_len", tcp_timewait_len, 60, 0, 3600)              \
    X("net.ipv4.tcp_prediction", tcp_prediction, 1, 0, 1)                      \
    X("net.ipv4.neigh.default.base_reachable_time_ms", neigh_reachable_ms,     \
      30000, 1, INT32_MAX)                                                     \
    X("net.ipv4.neigh.default.gc_stale_time", neigh_gc_stale, 60, 1,           \
      INT32_MAX)                                                               \
    X("net.ipv4.neigh.default.retrans_time_ms", neigh_retrans_ms, 1000, 1,     \
      INT32_MAX)                                                               \
    X("net.ipv4.neigh.default.mcast_solicit", neigh_mcast_solicit, 3, 1, 255)  \
    X("net.ipv4.neigh.default.ucast_solicit", neigh_ucast_solicit, 3, 0, 255)  \
    X("net.ipv4.neigh.default.unres_qlen", neigh_unres_qlen, 101, 1, 65535)    \
    X("net.ipv4.neigh.default.gc_thresh3", neigh_gc_thresh3, 1024, 1, 1048576)

struct sysctl {
#define X(path, member, value, low, high) int32_t member;
    WEIR_SYSCTLS(X)
#undef X
    int32_t tcp_rmem[3], tcp_wmem[3]; /* 4096 131072 6291456, 4096 16384
                                       * 4194304 */
    int32_t ip_local_port_range[2];   /* 32768 60999 */
};

void sysctl_defaults(struct sysctl *s);

#endif
