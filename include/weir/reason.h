/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_REASON_H
#define WEIR_REASON_H
/*
 * Why a packet was dropped, a connection reset or a socket given an error:
 * one enum. Names are Linux's skb_drop_reason and sk_rst_reason where there is
 * one; the text is what `weir why` says.
 */
/* clang-format off */
#define WEIR_REASONS(X)                                                        \
    X(NONE, "no reason")                                                       \
    /* packets that end (skb_drop_reason) */                                   \
    X(NOT_SPECIFIED, "not specified")                                          \
    X(NO_SOCKET, "no socket is bound to the destination port")                 \
    X(PKT_TOO_SMALL, "the packet is shorter than its headers say")             \
    X(TCP_CSUM, "bad TCP checksum")                                            \
    X(UDP_CSUM, "bad UDP checksum")                                            \
    X(ICMP_CSUM, "bad ICMP checksum")                                          \
    X(IP_CSUM, "bad IPv4 header checksum")                                     \
    X(IP_INHDR, "malformed IP header")                                         \
    X(OTHERHOST, "the frame is for another host")                              \
    X(UNHANDLED_PROTO, "no handler for the protocol")                          \
    X(IP_NOPROTO, "no transport for the IP protocol")                          \
    X(IP_INVALID_SOURCE, "invalid source address")                             \
    X(IP_INVALID_DEST, "the address is not ours and forwarding is off")        \
    X(IP_INNOROUTES, "no route for a packet to forward")                       \
    X(IP_OUTNOROUTES, "no route to the destination")                           \
    X(IP_TTL, "time to live expired in transit")                               \
    X(PKT_TOO_BIG, "larger than the MTU and must not be fragmented")           \
    X(FRAG_REASM_TIMEOUT, "fragments missing when the reassembly timer ended") \
    X(FRAG_TOO_FAR, "fragments beyond the reassembly memory limit")            \
    X(DUP_FRAG, "overlapping fragment")                                        \
    X(NEIGH_FAILED, "no answer to ARP requests")                               \
    X(NEIGH_QUEUEFULL, "too many packets wait for one ARP answer")             \
    X(NEIGH_CREATEFAIL, "neighbour table full")                                \
    X(DEV_READY, "the interface is down")                                      \
    X(SOCKET_RCVBUFF, "the socket's receive buffer is full")                   \
    X(NOMEM, "out of memory")                                                  \
    X(TCP_FLAGS, "invalid TCP flags")                                          \
    X(TCP_OLD_DATA, "all of the data was received before")                     \
    X(TCP_OLD_SEQUENCE, "sequence number before the window")                   \
    X(TCP_INVALID_SEQUENCE, "sequence number outside the window")              \
    X(TCP_INVALID_ACK_SEQUENCE, "acknowledges what was never sent")            \
    X(TCP_INVALID_SYN, "SYN inside an established connection")                 \
    X(TCP_TOO_OLD_ACK, "acknowledgment too old (RFC 5961)")                    \
    X(TCP_RFC7323_PAWS, "timestamp older than the last one (PAWS)")            \
    X(TCP_ZEROWINDOW, "data beyond a closed receive window")                   \
    X(TCP_OVERWINDOW, "data beyond the receive window")                        \
    X(TCP_OFOMERGE, "out-of-order data received before")                       \
    X(TCP_OFO_QUEUE_PRUNE,                                                     \
      "out-of-order data thrown away: receive buffer full")                    \
    X(TCP_ABORT_ON_DATA, "data for a connection whose program has closed it")  \
    X(TCP_RESET, "reset by the peer")                                          \
    X(TCP_CLOSE, "the connection is closed")                                   \
    X(TCP_LISTEN_OVERFLOW, "accept queue full")                                \
    X(TCP_REQQFULL, "SYN queue full")                                          \
    X(SYN_COOKIE, "SYN answered from a cookie")                                \
    X(ICMP_RATELIMIT, "ICMP error rate limit")                                 \
    X(ARP_MALFORMED, "malformed ARP packet")                                   \
    /* links and impairments */                                                \
    X(LINK_DOWN, "the link is down")                                           \
    X(LINK_CUT, "the link is cut")                                             \
    X(LINK_NO_PORT, "no port has that destination address")                    \
    X(LINK_QUEUE_FULL, "the link's queue is full")                             \
    X(LINK_TX_ERROR, "the device refused the frame")                           \
    X(IMPAIR_LOSS, "lost by the impairment")                                   \
    X(IMPAIR_RULE, "dropped by a rule that names it")                          \
    X(IMPAIR_CORRUPT, "corrupted by the impairment")                           \
    X(HOST_DOWN, "the host has crashed")                                       \
    /* why a RST was sent (sk_rst_reason) or a connection ended */             \
    X(TCP_ABORT_ON_CLOSE, "closed with received data unread")                  \
    X(TCP_ABORT_ON_LINGER, "closed with SO_LINGER of 0 seconds")               \
    X(TCP_ABORT_ON_MEMORY, "out of memory for orphaned connections")           \
    X(TCP_STATE, "a segment that its state does not allow")                    \
    X(TCP_KEEPALIVE_TIMEOUT, "no answer to the keep-alive probes")             \
    X(TCP_RETRANSMIT_TIMEOUT, "no acknowledgment after all retransmissions")   \
    X(TCP_SYN_TIMEOUT, "no answer to the SYN")                                 \
    X(TCP_SYNACK_TIMEOUT, "no answer to the SYN+ACK")                          \
    X(TCP_USER_TIMEOUT, "no acknowledgment within TCP_USER_TIMEOUT")           \
    X(TCP_FIN_TIMEOUT, "no FIN from the peer within tcp_fin_timeout")          \
    X(TCP_PROBE_TIMEOUT, "no answer to the zero-window probes")                \
    X(TCP_DISCONNECT_WITH_DATA, "disconnected with data unsent")               \
    X(TCP_TIMEWAIT_SOCKET, "the connection is in TIME_WAIT")                   \
    X(TCP_REFUSED, "the SYN was answered with RST: nobody listens")            \
    X(LISTENER_CLOSED, "the listening socket was closed before accept")        \
    X(PROGRAM_EXIT, "the program ended")                                       \
    X(ICMP_NET_UNREACH, "ICMP: network unreachable")                           \
    X(ICMP_HOST_UNREACH, "ICMP: host unreachable")                             \
    X(ICMP_PROT_UNREACH, "ICMP: protocol unreachable")                         \
    X(ICMP_PORT_UNREACH, "ICMP: port unreachable")                             \
    X(ICMP_FRAG_NEEDED, "ICMP: fragmentation needed")                          \
    X(ICMP_TIME_EXCEEDED, "ICMP: time exceeded")                               \
    X(ICMP_PROHIBITED, "ICMP: administratively prohibited")                    \
    X(ICMP_PARAM_PROBLEM, "ICMP: parameter problem")                           \
    /* why a call failed at once */                                            \
    X(ADDR_IN_USE, "another socket holds the address")                         \
    X(ADDR_NOT_LOCAL, "no interface has that address")                         \
    X(NO_PORTS, "every ephemeral port is in use")                              \
    X(NO_ROUTE,                                                                \
      "the destination is outside the network and there is no route")          \
    X(BAD_STATE, "the socket's state does not allow the call")                 \
    X(NOT_SUPPORTED, "not supported")                                          \
    X(SNDBUF_FULL, "the send buffer is full")                                  \
    X(RCVBUF_EMPTY, "nothing to receive")                                      \
    X(ACCEPTQ_EMPTY, "no connection to accept")                                \
    X(SOCKET_KILLED, "killed by an administrator (ss -K)")                     \
    X(LINK_MALFORMED, "the link's peer wrote a frame that cannot be")
/* clang-format on */

enum weir_reason {
#define X(name, text) WEIR_##name,
    WEIR_REASONS(X)
#undef X
        WEIR_REASON_MAX
};

/* "TCP_ABORT_ON_CLOSE", and the words. Static strings, never NULL. */
const char *weir_reason_name(enum weir_reason reason);
const char *weir_reason_text(enum weir_reason reason);

#endif
