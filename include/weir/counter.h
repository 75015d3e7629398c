/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_COUNTER_H
#define WEIR_COUNTER_H
/*
 * Counters of one stack, under Linux's names and groups (/proc/net/snmp and
 * /proc/net/netstat), plus weir's own at the end (group "Weir").
 */
/* clang-format off */
#define WEIR_COUNTERS(X)                                                       \
    X(Ip, InReceives) X(Ip, InHdrErrors) X(Ip, InAddrErrors)                   \
    X(Ip, ForwDatagrams) X(Ip, InUnknownProtos) X(Ip, InDiscards)              \
    X(Ip, InDelivers) X(Ip, OutRequests) X(Ip, OutDiscards)                    \
    X(Ip, OutNoRoutes) X(Ip, ReasmTimeout) X(Ip, ReasmReqds) X(Ip, ReasmOKs)   \
    X(Ip, ReasmFails) X(Ip, FragOKs) X(Ip, FragFails) X(Ip, FragCreates)       \
    X(Icmp, InMsgs) X(Icmp, InErrors) X(Icmp, InCsumErrors)                    \
    X(Icmp, InDestUnreachs) X(Icmp, InTimeExcds) X(Icmp, InEchos)              \
    X(Icmp, InEchoReps) X(Icmp, OutMsgs) X(Icmp, OutErrors)                    \
    X(Icmp, OutRateLimitHost) X(Icmp, OutDestUnreachs) X(Icmp, OutTimeExcds)   \
    X(Icmp, OutEchos) X(Icmp, OutEchoReps)                                     \
    X(Tcp, ActiveOpens) X(Tcp, PassiveOpens) X(Tcp, AttemptFails)              \
    X(Tcp, EstabResets) X(Tcp, CurrEstab) X(Tcp, InSegs) X(Tcp, OutSegs)       \
    X(Tcp, RetransSegs) X(Tcp, InErrs) X(Tcp, OutRsts) X(Tcp, InCsumErrors)    \
    X(Udp, InDatagrams) X(Udp, NoPorts) X(Udp, InErrors) X(Udp, OutDatagrams)  \
    X(Udp, RcvbufErrors) X(Udp, SndbufErrors) X(Udp, InCsumErrors)             \
    X(TcpExt, ListenOverflows) X(TcpExt, ListenDrops)                          \
    X(TcpExt, TCPReqQFullDrop) X(TcpExt, TCPReqQFullDoCookies)                 \
    X(TcpExt, TW) X(TcpExt, TWRecycled) X(TcpExt, TCPTimeWaitOverflow)         \
    X(TcpExt, PAWSEstab) X(TcpExt, PAWSActive) X(TcpExt, DelayedACKs)          \
    X(TcpExt, TCPHPHits) X(TcpExt, TCPPureAcks) X(TcpExt, TCPHPAcks)           \
    X(TcpExt, TCPSackRecovery) X(TcpExt, TCPRenoRecovery)                      \
    X(TcpExt, TCPLossUndo) X(TcpExt, TCPFullUndo) X(TcpExt, TCPDSACKUndo)      \
    X(TcpExt, TCPLostRetransmit) X(TcpExt, TCPFastRetrans)                     \
    X(TcpExt, TCPSlowStartRetrans) X(TcpExt, TCPTimeouts)                      \
    X(TcpExt, TCPLossProbes) X(TcpExt, TCPLossProbeRecovery)                   \
    X(TcpExt, TCPSpuriousRTOs) X(TcpExt, TCPDSACKOldSent)                      \
    X(TcpExt, TCPDSACKRecv) X(TcpExt, TCPAbortOnData)                          \
    X(TcpExt, TCPAbortOnClose) X(TcpExt, TCPAbortOnMemory)                     \
    X(TcpExt, TCPAbortOnTimeout) X(TcpExt, TCPAbortOnLinger)                   \
    X(TcpExt, TCPAbortFailed) X(TcpExt, TCPRcvQDrop) X(TcpExt, TCPOFOQueue)    \
    X(TcpExt, TCPOFODrop) X(TcpExt, TCPOFOMerge) X(TcpExt, TCPChallengeACK)    \
    X(TcpExt, TCPSYNChallenge) X(TcpExt, TCPKeepAlive)                         \
    X(TcpExt, TCPZeroWindowDrop) X(TcpExt, TCPToZeroWindowAdv)                 \
    X(TcpExt, TCPFromZeroWindowAdv) X(TcpExt, TCPWantZeroWindowAdv)            \
    X(TcpExt, TCPSynRetrans) X(TcpExt, TCPOrigDataSent) X(TcpExt, TCPDelivered) \
    X(TcpExt, TCPWinProbe) X(TcpExt, TCPMTUPFail) X(TcpExt, TCPMTUPSuccess)    \
    X(TcpExt, SyncookiesSent) X(TcpExt, SyncookiesRecv)                        \
    X(TcpExt, SyncookiesFailed) X(TcpExt, TCPRcvCoalesce)                      \
    X(TcpExt, TCPRcvCollapsed) X(TcpExt, TCPSackShiftFallback)                 \
    X(Weir, ArpRequestsSent) X(Weir, ArpRepliesSent) X(Weir, ArpReceived)      \
    X(Weir, NeighFailed) X(Weir, Drops) X(Weir, BytesCopiedIn)                 \
    X(Weir, BytesCopiedOut) X(Weir, BytesCopiedInside) X(Weir, PktAlloc)
/* clang-format on */

enum weir_counter {
#define X(group, name) WEIR_CTR_##group##_##name,
    WEIR_COUNTERS(X)
#undef X
        WEIR_CTR_MAX
};

#endif
