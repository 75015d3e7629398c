/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters and settings. /proc/net/snmp has all of Linux's columns, because
 * tools count them; /proc/net/netstat, which is read by name, has those that
 * the stack keeps, so that none is shown that does not move.
 */
#include <errno.h>
#include <string.h>

#include "run/show.h"

static uint64_t setting(const struct show *w, const char *name, uint64_t none) {
    char text[64];
    unsigned long long n;
    if (weir_sysctl_get(w->stack, name, text, sizeof(text)) < 0 ||
        sscanf(text, "%llu", &n) != 1)
        return none;
    return n;
}

/* Columns that are no counters. */
static int64_t constant(const struct show *w, const char *name) {
    if (!strcmp(name, "Forwarding"))
        return setting(w, "net.ipv4.ip_forward", 0) ? 1 : 2;
    if (!strcmp(name, "DefaultTTL"))
        return (int64_t)setting(w, "net.ipv4.ip_default_ttl", 64);
    if (!strcmp(name, "RtoAlgorithm"))
        return 1;
    if (!strcmp(name, "RtoMin"))
        return 200;
    if (!strcmp(name, "RtoMax"))
        return 120000;
    return !strcmp(name, "MaxConn") ? -1 : 0;
}

static int64_t value(const struct show *w, const char *group,
                     const char *name) {
    for (unsigned i = 0; i < WEIR_CTR_MAX; i++)
        if (!strcmp(weir_counter_name(i), name) &&
            !strcmp(weir_counter_group(i), group))
            return (int64_t)weir_counter(w->stack, i);
    return constant(w, name);
}

/* "Ip: A B C" and "Ip: 1 2 3"; `columns` as in the first. */
static void write_group(const struct show *w, const char *group,
                        const char *columns) {
    fprintf(w->out, "%s: %s\n%s:", group, columns, group);
    while (*columns) {
        char name[32];
        size_t n = strcspn(columns, " ");
        snprintf(name, sizeof(name), "%.*s", (int)n, columns);
        fprintf(w->out, " %lld", (long long)value(w, group, name));
        columns += n + (columns[n] == ' ');
    }
    fputs("\n", w->out);
}

void show_snmp(const struct show *w) {
    static const char udp[] = "InDatagrams NoPorts InErrors OutDatagrams "
                              "RcvbufErrors SndbufErrors InCsumErrors "
                              "IgnoredMulti MemErrors";
    write_group(w, "Ip",
                "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors "
                "ForwDatagrams InUnknownProtos InDiscards InDelivers "
                "OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds "
                "ReasmOKs ReasmFails FragOKs FragFails FragCreates "
                "OutTransmits");
    write_group(w, "Icmp",
                "InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds "
                "InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps "
                "InTimestamps InTimestampReps InAddrMasks InAddrMaskReps "
                "OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost "
                "OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs "
                "OutRedirects OutEchos OutEchoReps OutTimestamps "
                "OutTimestampReps OutAddrMasks OutAddrMaskReps");
    write_group(w, "Tcp",
                "RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens "
                "AttemptFails EstabResets CurrEstab InSegs OutSegs "
                "RetransSegs InErrs OutRsts InCsumErrors");
    write_group(w, "Udp", udp);
    write_group(w, "UdpLite", udp);
}

void show_netstat(const struct show *w) {
    fputs("TcpExt:", w->out);
    for (unsigned i = 0; i < WEIR_CTR_MAX; i++)
        if (!strcmp(weir_counter_group(i), "TcpExt"))
            fprintf(w->out, " %s", weir_counter_name(i));
    fputs("\nTcpExt:", w->out);
    for (unsigned i = 0; i < WEIR_CTR_MAX; i++)
        if (!strcmp(weir_counter_group(i), "TcpExt"))
            fprintf(w->out, " %llu",
                    (unsigned long long)weir_counter(w->stack, i));
    fputs("\n", w->out);
}

/* "/proc/sys/net/ipv4/tcp_rmem" is "net.ipv4.tcp_rmem". */
int show_sysctl(const struct show *w) {
    char name[128], text[256];
    snprintf(name, sizeof(name), "%s", w->path + strlen("/proc/sys/"));
    for (char *at = name; (at = strchr(at, '/'));)
        *at = '.';
    int n = weir_sysctl_get(w->stack, name, text, sizeof(text));
    if (n < 0)
        return n;
    fprintf(w->out, "%s\n", text);
    return 0;
}

void show_protocols(const struct show *w) {
    unsigned tcp = 0, udp = 0;
    struct show_sock k;
    uint64_t cursor = 0;
    while (show_sock_next(w, &cursor, &k)) {
        tcp += k.info.proto == 6 && k.inode;
        udp += k.info.proto == 17 && k.inode;
    }
    fprintf(w->out,
            "protocol  size sockets  memory press maxhdr  slab module     "
            "cl co di ac io in de sh ss gs se re bi br ha uh gp em\n"
            "UDP       1344 %6u       0   NI       0   yes  kernel      "
            "y  y  y  n  y  y  y  n  y  y  y  y  n  n  y  y  y  n\n"
            "TCP       2304 %6u       0   no     192   yes  kernel      "
            "y  y  y  y  y  y  y  y  y  y  y  y  n  y  y  y  y  y\n",
            udp, tcp);
}

void show_packet(const struct show *w) {
    fputs("sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n",
          w->out);
}

void show_netlinks(const struct show *w) {
    fputs("sk               Eth Pid        Groups   Rmem     Wmem     Dump  "
          "Locks    Drops    Inode\n",
          w->out);
}

void show_ptype(const struct show *w) {
    fputs("Type Device      Function\n0800          ip_rcv\n"
          "0806          arp_rcv\n",
          w->out);
}

void show_psched(const struct show *w) {
    fputs("000003e8 00000040 000f4240 3b9aca00\n", w->out);
}

void show_rt_cache(const struct show *w) {
    fprintf(w->out, "%-127s\n",
            "Iface\tDestination\tGateway \tFlags\t\tRefCnt\tUse\tMetric\tSource"
            "\t\tMTU\tWindow\tIRTT\tTOS\tHHRef\tHHUptod\tSpecDst");
}

void show_empty(const struct show *w) {
    (void)w;
}
