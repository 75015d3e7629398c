/* SPDX-License-Identifier: BSD-2-Clause */
/* What may help, by the reason. */
#include <errno.h>

#include "trace/why_in.h"

static const char *by_reason(const struct why *w) {
    bool syn =
        w->ev->kind == WEIR_EV_CALL && w->ev->call.call == WEIR_CALL_connect;
    switch (w->reason) {
    case WEIR_TCP_ABORT_ON_CLOSE:
        return "read to end of file before close, or shutdown(SHUT_WR) and "
               "read the rest";
    case WEIR_TCP_ABORT_ON_LINGER:
        return "leave SO_LINGER off where the peer shall get what was sent";
    case WEIR_TCP_ABORT_ON_DATA:
        return "the peer had closed: stop writing once read gives 0";
    case WEIR_TCP_REFUSED:
    case WEIR_NO_SOCKET:
        return w->rst && !syn && fact_crash(w->s, w->rst->host, w->ev->id)
                   ? "connect again: the peer has forgotten the connection"
                   : "is the server running, and on that address and port? "
                     "(weir ss -l)";
    case WEIR_ADDR_IN_USE:
        return "end the holder, or set SO_REUSEADDR before bind where it is in "
               "TIME_WAIT";
    case WEIR_ADDR_NOT_LOCAL:
        return "bind to an address of this host, or to 0.0.0.0";
    case WEIR_NO_PORTS:
        return "use connections again, or widen net.ipv4.ip_local_port_range";
    case WEIR_NO_ROUTE:
    case WEIR_IP_OUTNOROUTES:
        return "weir's network is closed: only its own hosts can be reached";
    case WEIR_NEIGH_FAILED:
        return "no host of that network has the address (weir ps lists them)";
    case WEIR_TCP_SYN_TIMEOUT:
        return "net.ipv4.tcp_syn_retries sets how often a SYN is sent";
    case WEIR_TCP_RETRANSMIT_TIMEOUT:
        return "net.ipv4.tcp_retries2 sets how long it tries; TCP_USER_TIMEOUT "
               "does so for one socket";
    case WEIR_TCP_KEEPALIVE_TIMEOUT:
        return "TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT set how soon this "
               "is found out";
    case WEIR_ICMP_TIME_EXCEEDED:
        return "raise IP_TTL, or look for a loop of routes";
    case WEIR_TCP_LISTEN_OVERFLOW:
        return "accept faster, or listen with a larger backlog (and "
               "net.core.somaxconn)";
    case WEIR_PKT_TOO_BIG:
        return "let ICMP \"fragmentation needed\" through, or set a smaller "
               "MTU or TCP_MAXSEG";
    default:
        return NULL;
    }
}

void why_try(struct why *w) {
    const char *hint = by_reason(w);
    if (hint)
        why_add(w, WHY_TRY, 0, "%s", hint);
}
