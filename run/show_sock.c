/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of sockets, as Linux's tcp4_seq_show and udp4_seq_show write them
 * (Documentation/networking/proc_net_tcp.txt). The inode is the carrier's,
 * which /proc/PID/fd shows as well, so that lsof, netstat -p and fuser find
 * programs. Addresses of kernel memory are zero, as for an ordinary user.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/show.h"

#define TCP_WIDTH 149
#define UDP_WIDTH 127
#define HZ 100 /* USER_HZ: what times are told in */

static uint32_t uid_of(uint32_t pid) {
    char path[32];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%u", pid);
    return pid && stat(path, &st) == 0 ? st.st_uid : geteuid();
}

static uint32_t more(uint32_t bytes, int add) {
    return (int64_t)bytes + add < 0 ? 0 : bytes + (uint32_t)add;
}

/* What lies in the carrier is queued, too. */
static void add_carrier(struct end *e, struct show_sock *out) {
    int parked = 0;
    if (e->state == END_LISTENING) {
        out->rx += e->nreturned;
        return;
    }
    if (e->src.fd >= 0 && e->type == SOCK_STREAM)
        ioctl(e->src.fd, FIONREAD, &parked);
    out->tx = more(out->tx, parked + (int)e->out.len - (int)e->filler);
    if (e->type == SOCK_DGRAM || e->src.fd >= 0)
        out->rx = more(out->rx, (int)end_unread(e));
}

bool show_sock_next(const struct show *w, uint64_t *cursor,
                    struct show_sock *out) {
    if (!weir_sockinfo_next(w->stack, cursor, &out->info))
        return false;
    const struct weir_sockinfo *info = &out->info;
    struct end *e = info->sock < 0 ? NULL : end_get(w->sv, info->tag);
    bool held = e && e->host == w->host && e->sock == info->sock &&
                e->state != END_RELEASED;
    uint64_t now = weir_now(w->stack);
    out->inode = held ? e->inode : 0;
    out->uid = held ? uid_of(e->pid) : 0;
    out->rx = info->rx_queue;
    out->tx = info->tx_queue;
    out->due_ms = info->timer && info->timer_ns > now
                      ? (int64_t)((info->timer_ns - now) / 1000000)
                      : 0;
    if (held)
        add_carrier(e, out);
    return true;
}

static void pad_row(FILE *out, int used, int width) {
    fprintf(out, "%*s\n", used < width ? width - used : 0, "");
}

static uint32_t raw_addr(const struct weir_endpoint *ep) {
    return htonl(weir_addr_to_v4(&ep->addr));
}

/* Up to the inode, which tcp and udp have in common. */
static int write_common(const struct show *w, const struct show_sock *k,
                        unsigned n, bool tcp) {
    const struct weir_sockinfo *i = &k->info;
    bool waits = tcp && i->state == WEIR_TCP_TIME_WAIT;
    bool half = tcp && i->state == WEIR_TCP_SYN_RECV;
    bool listens = tcp && i->state == WEIR_TCP_LISTEN;
    return fprintf(
        w->out,
        "%*u: %08X:%04X %08X:%04X %02X %08X:%08X %02X:%08lX %08X %5u %8u %lu",
        tcp ? 4 : 5, n, raw_addr(&i->local), i->local.port, raw_addr(&i->peer),
        i->peer.port, i->state, waits || half || listens ? 0 : k->tx,
        waits || half ? 0 : k->rx, i->timer,
        (unsigned long)(k->due_ms * HZ / 1000), i->retransmits, k->uid,
        i->probes, (unsigned long)k->inode);
}

static void write_tcp(const struct show *w, const struct show_sock *k,
                      unsigned n) {
    const struct weir_sockinfo *i = &k->info;
    int used = write_common(w, k, n, true);
    uint32_t mss = i->mss ? i->mss : 1;
    if (i->state == WEIR_TCP_TIME_WAIT)
        used += fprintf(w->out, " 3 %016x", 0);
    else if (i->state == WEIR_TCP_SYN_RECV)
        used += fprintf(w->out, " 0 %016x", 0);
    else if (i->state == WEIR_TCP_LISTEN)
        used += fprintf(w->out, " 1 %016x 100 0 0 10 0", 0);
    else
        used += fprintf(w->out, " 1 %016x %lu 4 0 %u %d", 0,
                        (unsigned long)i->rto_us * HZ / 1000000, i->cwnd / mss,
                        i->ssthresh == UINT32_MAX || i->ssthresh / mss > 65535
                            ? -1
                            : (int)(i->ssthresh / mss));
    pad_row(w->out, used, TCP_WIDTH);
}

static void write_udp(const struct show *w, const struct show_sock *k,
                      unsigned n) {
    int used = write_common(w, k, n, false);
    used += fprintf(w->out, " 2 %016x %u", 0, k->info.drops);
    pad_row(w->out, used, UDP_WIDTH);
}

static void write_table(const struct show *w, uint8_t proto,
                        void (*row)(const struct show *,
                                    const struct show_sock *, unsigned)) {
    struct show_sock k;
    uint64_t cursor = 0;
    unsigned n = 0;
    serve_sweep(w->sv);
    /* Listening ones first, and none that is only bound, as in Linux. */
    while (proto == IPPROTO_TCP && show_sock_next(w, &cursor, &k))
        if (k.info.proto == proto && k.info.state == WEIR_TCP_LISTEN)
            row(w, &k, n++);
    cursor = 0;
    while (show_sock_next(w, &cursor, &k)) {
        bool other =
            k.info.state == WEIR_TCP_CLOSED || k.info.state == WEIR_TCP_LISTEN;
        if (k.info.proto == proto && k.info.local.port &&
            !(proto == IPPROTO_TCP && other))
            row(w, &k, n++);
    }
}

void show_tcp(const struct show *w) {
    int used = fprintf(
        w->out, "  sl  local_address rem_address   st tx_queue rx_queue tr "
                "tm->when retrnsmt   uid  timeout inode");
    pad_row(w->out, used, TCP_WIDTH);
    write_table(w, IPPROTO_TCP, write_tcp);
}

/* Behind "sl", which each table sets in its own way. */
static const char columns[] =
    "  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
    "   uid  timeout inode ref pointer drops";

void show_udplite(const struct show *w) {
    int used = fprintf(w->out, "   sl%s", columns);
    pad_row(w->out, used, UDP_WIDTH);
}

void show_icmp(const struct show *w) {
    int used = fprintf(w->out, "  sl%s", columns);
    pad_row(w->out, used, UDP_WIDTH);
}

void show_udp(const struct show *w) {
    show_udplite(w); /* the same heading */
    write_table(w, IPPROTO_UDP, write_udp);
}

void show_raw(const struct show *w) {
    fprintf(w->out, "  sl%s\n", columns);
}

void show_sockstat(const struct show *w) {
    struct show_sock k;
    uint64_t cursor = 0;
    unsigned used = 0, tcp = 0, orphan = 0, tw = 0, udp = 0;
    serve_sweep(w->sv);
    while (show_sock_next(w, &cursor, &k)) {
        used += k.inode != 0;
        udp += k.info.proto == IPPROTO_UDP && k.info.local.port;
        if (k.info.proto != IPPROTO_TCP || !k.info.local.port)
            continue;
        bool waits = k.info.state == WEIR_TCP_TIME_WAIT;
        bool half = k.info.state == WEIR_TCP_SYN_RECV;
        /* One that is not accepted yet is no orphan. */
        bool open = k.info.state == WEIR_TCP_ESTABLISHED ||
                    k.info.state == WEIR_TCP_CLOSE_WAIT;
        tw += waits;
        tcp += !waits && !half;
        orphan += !waits && !half && !open && !k.inode;
    }
    fprintf(w->out,
            "sockets: used %u\nTCP: inuse %u orphan %u tw %u alloc %u mem 0\n"
            "UDP: inuse %u mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\n"
            "FRAG: inuse 0 memory 0\n",
            used, tcp, orphan, tw, tcp, udp);
}

/* The kernel's own table without the carriers: one inode must not be two
 * sockets, or lsof takes the first. */
void show_unix(const struct show *w) {
    char line[512];
    unsigned long inode;
    FILE *own = fopen("/proc/net/unix", "re");
    while (own && fgets(line, sizeof(line), own)) {
        bool row = sscanf(line, "%*s %*s %*s %*s %*s %*s %lu", &inode) == 1;
        if (!row || (!end_get(w->sv, inode) && !strstr(line, w->sv->dir) &&
                     !strstr(line, " @weir:")))
            fputs(line, w->out);
    }
    if (own)
        fclose(own);
}
