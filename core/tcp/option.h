/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_TCP_OPTION_H
#define WEIR_CORE_TCP_OPTION_H
/*
 * The options of level IPPROTO_TCP, one line each, for the option table:
 * X(name, type, status, note). The number is ABI_TCP_<name>.
 */
#define TCP_OPTIONS(X)                                                         \
    X(NODELAY, "int", HONOURED,                                                \
      "no waiting for a full segment (RFC 9293 3.7.4)")                        \
    X(MAXSEG, "int", HONOURED, "upper bound of the MSS, both ways")            \
    X(CORK, "int", HONOURED, "only full segments leave, for up to 200 ms")     \
    X(KEEPIDLE, "int", HONOURED, "seconds of silence before the first probe")  \
    X(KEEPINTVL, "int", HONOURED, "seconds between probes")                    \
    X(KEEPCNT, "int", HONOURED, "unanswered probes that end the connection")   \
    X(SYNCNT, "int", HONOURED, "SYN retransmissions")                          \
    X(LINGER2, "int", HONOURED, "seconds an orphan waits in FIN_WAIT_2")       \
    X(DEFER_ACCEPT, "int", RECORDED, "accept does not wait for data")          \
    X(WINDOW_CLAMP, "int", HONOURED, "upper bound of the window offered")      \
    X(INFO, "struct tcp_info", HONOURED, "read only")                          \
    X(QUICKACK, "int", HONOURED, "ACK at once, until the traffic says else")   \
    X(CONGESTION, "string", HONOURED, "reno; others give ENOENT")              \
    X(MD5SIG, "struct tcp_md5sig", REFUSED, "no RFC 2385")                     \
    X(USER_TIMEOUT, "int", HONOURED, "ms without acknowledgment (RFC 5482)")   \
    X(REPAIR, "int", REFUSED, "needs CAP_NET_ADMIN on Linux")                  \
    X(FASTOPEN, "int", REFUSED, "no TCP Fast Open")                            \
    X(TIMESTAMP, "int", REFUSED, "only for TCP_REPAIR on Linux")               \
    X(NOTSENT_LOWAT, "int", HONOURED,                                          \
      "writable while less than this is unsent")                               \
    X(FASTOPEN_CONNECT, "int", REFUSED, "no TCP Fast Open")                    \
    X(ULP, "string", REFUSED, "no TLS in the stack")                           \
    X(INQ, "int", REFUSED, "no TCP_CM_INQ comes with recvmsg")

#endif
