/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line an option. docs/options.md is made from this table; nothing is
 * accepted and ignored: RECORDED says what is kept and given back and does
 * nothing else here.
 */
#include <errno.h>

#include "base/abi.h"
#include "sock/option.h"
#include "tcp/option.h"

#define SOL ABI_SOL_SOCKET
#define IP ABI_IPPROTO_IP
#define H WEIR_OPT_HONOURED
#define REC WEIR_OPT_RECORDED
#define NO WEIR_OPT_REFUSED
#define EXTRA(member) offsetof(struct endpoint_extra, member)
#define ROW(prefix, option, level, type, status, how, arg, note)               \
    {                                                                          \
        {#prefix "_" #option,                                                  \
         level,                                                                \
         ABI_##prefix##_##option,                                              \
         type,                                                                 \
         status,                                                               \
         note},                                                                \
            how, arg                                                           \
    }

#define TCP_ROW(option, type, status, note)                                    \
    ROW(TCP, option, ABI_IPPROTO_TCP, type, WEIR_OPT_##status, HOW_TRANSPORT,  \
        0, note),

static const struct option_row option_rows[] = {
    ROW(SO, REUSEADDR, SOL, "int", H, HOW_FLAG, EP_REUSEADDR,
        "bind beside TIME_WAIT (TCP), share a port (UDP)"),
    ROW(SO, REUSEPORT, SOL, "int", H, HOW_FLAG, EP_REUSEPORT,
        "several sockets on one port; flows spread by hash"),
    ROW(SO, BROADCAST, SOL, "int", H, HOW_FLAG, EP_BROADCAST,
        "without it a send to a broadcast address gives EACCES"),
    ROW(SO, KEEPALIVE, SOL, "int", H, HOW_TRANSPORT, 0,
        "probes of an idle TCP connection"),
    ROW(SO, OOBINLINE, SOL, "int", H, HOW_FLAG, EP_OOBINLINE,
        "urgent data stays in the stream"),
    ROW(SO, LINGER, SOL, "struct linger", H, HOW_TRANSPORT, 0,
        "0 s: RST at close; a blocking linger waits only in a traced run"),
    ROW(SO, SNDBUF, SOL, "int", H, HOW_TRANSPORT, 0,
        "doubled, as Linux does; up to net.core.wmem_max"),
    ROW(SO, RCVBUF, SOL, "int", H, HOW_TRANSPORT, 0,
        "doubled, as Linux does; up to net.core.rmem_max"),
    ROW(SO, RCVLOWAT, SOL, "int", H, HOW_TRANSPORT, 0,
        "readable from so many bytes on"),
    ROW(SO, SNDLOWAT, SOL, "int", NO, HOW_READ_ONLY, 0,
        "always 1, as on Linux"),
    ROW(SO, RCVTIMEO, SOL, "struct timeval", H, HOW_TIMEVAL, EXTRA(rcvtimeo),
        "the door lets a blocking call end with EAGAIN"),
    ROW(SO, SNDTIMEO, SOL, "struct timeval", H, HOW_TIMEVAL, EXTRA(sndtimeo),
        "the door lets a blocking call end with EAGAIN"),
    ROW(SO, BINDTODEVICE, SOL, "string", H, HOW_SPECIAL, 0,
        "one interface only"),
    ROW(SO, BINDTOIFINDEX, SOL, "int", H, HOW_SPECIAL, 0, "one interface only"),
    ROW(SO, TYPE, SOL, "int", H, HOW_READ_ONLY, 0, ""),
    ROW(SO, PROTOCOL, SOL, "int", H, HOW_READ_ONLY, 0, ""),
    ROW(SO, DOMAIN, SOL, "int", H, HOW_READ_ONLY, 0, ""),
    ROW(SO, ACCEPTCONN, SOL, "int", H, HOW_READ_ONLY, 0, ""),
    ROW(SO, ERROR, SOL, "int", H, HOW_READ_ONLY, 0, "takes the pending error"),
    ROW(SO, DEBUG, SOL, "int", NO, HOW_REFUSE, EACCES,
        "needs CAP_NET_ADMIN on Linux"),
    ROW(SO, DONTROUTE, SOL, "int", REC, HOW_EXTRA_BYTE, EXTRA(dontroute),
        "packets are routed all the same"),
    ROW(SO, NO_CHECK, SOL, "int", REC, HOW_EXTRA_BYTE, EXTRA(no_check),
        "UDP checksums are always sent"),
    ROW(SO, PRIORITY, SOL, "int", REC, HOW_EXTRA_INT, EXTRA(priority),
        "no queueing disciplines"),
    ROW(SO, MARK, SOL, "int", NO, HOW_REFUSE, EPERM,
        "needs CAP_NET_ADMIN on Linux"),
    ROW(SO, TIMESTAMP, SOL, "int", H, HOW_SPECIAL, 0,
        "with recvmsg of datagrams"),
    ROW(SO, TIMESTAMPNS, SOL, "int", H, HOW_SPECIAL, 0,
        "with recvmsg of datagrams"),
    ROW(SO, TIMESTAMP_NEW, SOL, "int", H, HOW_SPECIAL, 0,
        "with recvmsg of datagrams"),
    ROW(SO, TIMESTAMPNS_NEW, SOL, "int", H, HOW_SPECIAL, 0,
        "with recvmsg of datagrams"),
    ROW(SO, RXQ_OVFL, SOL, "int", H, HOW_EXTRA_BYTE, EXTRA(rxq_ovfl),
        "with recvmsg, once datagrams were dropped"),
    ROW(SO, BUSY_POLL, SOL, "int", REC, HOW_EXTRA_INT, EXTRA(busy_poll),
        "no device queues to poll"),
    ROW(SO, INCOMING_CPU, SOL, "int", REC, HOW_EXTRA_INT, EXTRA(incoming_cpu),
        "one thread serves all"),
    ROW(SO, SNDBUFFORCE, SOL, "int", NO, HOW_REFUSE, EPERM,
        "needs CAP_NET_ADMIN on Linux"),
    ROW(SO, RCVBUFFORCE, SOL, "int", NO, HOW_REFUSE, EPERM,
        "needs CAP_NET_ADMIN on Linux"),
    ROW(SO, ATTACH_FILTER, SOL, "struct sock_fprog", NO, HOW_REFUSE, EPERM,
        "no socket filters"),
    ROW(SO, DETACH_FILTER, SOL, "int", NO, HOW_REFUSE, ENOENT,
        "no socket filters"),
    ROW(SO, ATTACH_BPF, SOL, "int", NO, HOW_REFUSE, EPERM, "no socket filters"),
    ROW(SO, ATTACH_REUSEPORT_CBPF, SOL, "struct sock_fprog", NO, HOW_REFUSE,
        EPERM, "flows spread by hash"),
    ROW(SO, ATTACH_REUSEPORT_EBPF, SOL, "int", NO, HOW_REFUSE, EPERM,
        "flows spread by hash"),
    ROW(SO, ZEROCOPY, SOL, "int", NO, HOW_REFUSE, EOPNOTSUPP,
        "sends are copied once"),
    ROW(IP, TOS, IP, "int", H, HOW_SPECIAL, 0, "in every packet sent"),
    ROW(IP, TTL, IP, "int", H, HOW_SPECIAL, 0, "in every packet sent"),
    ROW(IP, MTU_DISCOVER, IP, "int", H, HOW_SPECIAL, 0, "whether DF is set"),
    ROW(IP, MTU, IP, "int", H, HOW_READ_ONLY, 0,
        "path MTU of a connected socket"),
    ROW(IP, RECVERR, IP, "int", H, HOW_EXTRA_BYTE, EXTRA(recverr),
        "UDP: errors wait for MSG_ERRQUEUE; TCP has no such queue here"),
    ROW(IP, PKTINFO, IP, "int", H, HOW_EXTRA_BYTE, EXTRA(pktinfo),
        "with recvmsg; sendmsg takes it, too"),
    ROW(IP, RECVTTL, IP, "int", H, HOW_EXTRA_BYTE, EXTRA(recvttl),
        "IP_TTL with recvmsg; sendmsg takes it, too"),
    ROW(IP, RECVTOS, IP, "int", H, HOW_EXTRA_BYTE, EXTRA(recvtos),
        "IP_TOS with recvmsg; sendmsg takes it, too"),
    ROW(IP, RECVORIGDSTADDR, IP, "int", H, HOW_EXTRA_BYTE, EXTRA(recvorigdst),
        "with recvmsg"),
    ROW(IP, FREEBIND, IP, "int", REC, HOW_EXTRA_BYTE, EXTRA(freebind),
        "bind still wants a local address"),
    ROW(IP, BIND_ADDRESS_NO_PORT, IP, "int", REC, HOW_EXTRA_BYTE,
        EXTRA(bind_no_port), "bind takes the port at once"),
    ROW(IP, MULTICAST_TTL, IP, "int", REC, HOW_EXTRA_BYTE, EXTRA(mcast_ttl),
        "no multicast yet"),
    ROW(IP, MULTICAST_LOOP, IP, "int", REC, HOW_EXTRA_BYTE, EXTRA(mcast_loop),
        "no multicast yet"),
    ROW(IP, MULTICAST_IF, IP, "struct ip_mreqn", NO, HOW_REFUSE, ENODEV,
        "no multicast yet"),
    ROW(IP, ADD_MEMBERSHIP, IP, "struct ip_mreqn", NO, HOW_REFUSE, ENODEV,
        "no multicast yet"),
    ROW(IP, DROP_MEMBERSHIP, IP, "struct ip_mreqn", NO, HOW_REFUSE,
        EADDRNOTAVAIL, "no multicast yet"),
    ROW(IP, TRANSPARENT, IP, "int", NO, HOW_REFUSE, EPERM,
        "needs CAP_NET_ADMIN on Linux"),
    ROW(IP, HDRINCL, IP, "int", NO, HOW_REFUSE, ENOPROTOOPT,
        "no raw sockets yet"),
    ROW(IP, OPTIONS, IP, "bytes", NO, HOW_REFUSE, EINVAL,
        "no IP options are sent"),
    TCP_OPTIONS(TCP_ROW)};

#define OPTION_ROWS (sizeof(option_rows) / sizeof(option_rows[0]))

const struct option_row *option_find(int level, int number) {
    for (size_t i = 0; i < OPTION_ROWS; i++)
        if (option_rows[i].public.level == level &&
            option_rows[i].public.number == number)
            return &option_rows[i];
    return NULL;
}

const struct weir_option *weir_option(unsigned n) {
    return n < OPTION_ROWS ? &option_rows[n].public : NULL;
}
