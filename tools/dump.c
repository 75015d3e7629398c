/* SPDX-License-Identifier: BSD-2-Clause */
/* tcpdump's line with, after the interface, the program (as ptcpdump has it).
 * In a network of several hosts the interface is the link's name, "a:eth0". */
#include "tools/dump.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static void stamp(FILE *out, struct dump_options *o, const struct story *s,
                  uint64_t t_ns) {
    uint64_t wall = t_ns + (uint64_t)s->record->header->wall_ns;
    uint64_t us = wall / 1000 % 1000000;
    time_t sec = (time_t)(wall / 1000000000u);
    struct tm tm;
    char date[16];
    if (!o->first_ns)
        o->first_ns = o->last_ns = t_ns;
    uint64_t from = o->time == 3 ? o->last_ns : o->first_ns;
    uint64_t gap = t_ns > from ? t_ns - from : 0;
    localtime_r(&sec, &tm);
    strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    if (o->time == 2) {
        fprintf(out, "%lld.%06" PRIu64 " ", (long long)sec, us);
    } else if (o->time == 3 || o->time == 5) {
        uint64_t g = gap / 1000000000u;
        fprintf(out,
                " %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%06" PRIu64 " ",
                g / 3600, g / 60 % 60, g % 60, gap / 1000 % 1000000);
    } else if (o->time != 1) {
        if (o->time == 4)
            fprintf(out, "%s ", date);
        fprintf(out, "%02d:%02d:%02d.%06" PRIu64 " ", tm.tm_hour, tm.tm_min,
                tm.tm_sec, us);
    }
    o->last_ns = t_ns;
}

static void name(const struct dump_options *o, const struct story *s,
                 uint32_t addr, char *out, size_t size) {
    const struct record_if *i = o->numeric || s->record->header->nhosts < 2
                                    ? NULL
                                    : record_if_by_addr(s->record, addr);
    if (i)
        snprintf(out, size, "%s", story_host(s, i->host));
    else
        snprintf(out, size, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255,
                 addr >> 8 & 255, addr & 255);
}

static void place(FILE *out, const struct story *s,
                  const struct weir_event *ev) {
    struct frame_place p = frame_place(s, ev);
    uint32_t pid = frame_pid(s, ev);
    bool sent = ev->kind == WEIR_EV_SEGMENT_SENT ||
                (ev->kind == WEIR_EV_ARP && ev->arp.out);
    if (s->record->header->nhosts > 1)
        fprintf(out, "%s:%s ", story_host(s, p.host), p.name);
    else
        fprintf(out, "%s ", p.name);
    if (pid)
        fprintf(out, "%s.%u ", story_comm(s, pid), pid);
    if (ev->kind != WEIR_EV_DROP)
        fputs(sent ? "Out " : "In  ", out);
}

static void macs(FILE *out, const struct story *s,
                 const struct weir_event *ev) {
    struct frame f;
    if (!frame_make(s, ev, &f))
        return;
    for (int at = 6; at >= 0; at -= 6)
        fprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x%s", f.bytes[at],
                f.bytes[at + 1], f.bytes[at + 2], f.bytes[at + 3],
                f.bytes[at + 4], f.bytes[at + 5], at ? " > " : ", ");
    bool arp = ev->kind == WEIR_EV_ARP;
    fprintf(out, "ethertype %s (0x%04x), length %u: ", arp ? "ARP" : "IPv4",
            arp ? 0x0806 : 0x0800, f.length);
}

static void tcp_flags(FILE *out, uint8_t flags) {
    static const char letters[] = "FSRP.U"; /* tcpdump's order */
    fputs("Flags [", out);
    for (unsigned bit = 0; bit < 6; bit++)
        if (flags & 1u << bit)
            fputc(letters[bit], out);
    fputs(flags ? "]" : "none]", out);
}

/* Relative to the first sequence number of each way, but in SYNs. */
static void tcp(FILE *out, const struct dump_options *o, const struct story *s,
                const struct weir_event *ev) {
    int from = 0;
    const struct story_flow *f = story_flow(s, ev, &from);
    bool absolute = o->absolute || !f || ev->seg.tcp_flags & WEIR_SYN;
    uint32_t seq =
        ev->seg.seq - (absolute || !f->known[from] ? 0 : f->isn[from]);
    uint32_t ack =
        ev->seg.ack - (absolute || !f->known[!from] ? 0 : f->isn[!from]);
    if (o->quiet) {
        fprintf(out, "tcp %u", ev->seg.len);
        return;
    }
    tcp_flags(out, ev->seg.tcp_flags);
    if (ev->seg.len)
        fprintf(out, ", seq %u:%u", seq, seq + ev->seg.len);
    else if (ev->seg.tcp_flags & (WEIR_SYN | WEIR_FIN | WEIR_RST))
        fprintf(out, ", seq %u", seq);
    if (ev->seg.tcp_flags & WEIR_ACK)
        fprintf(out, ", ack %u", ack);
    if (ev->kind == WEIR_EV_SEGMENT_SENT ||
        ev->kind == WEIR_EV_SEGMENT_RECEIVED)
        fprintf(out, ", win %u", ev->seg.win);
    fprintf(out, ", length %u", ev->seg.len);
}

static void icmp(FILE *out, const struct weir_event *ev) {
    static const char *const unreachable[] = {"net", "host", "protocol",
                                              "port"};
    unsigned type = ev->seg.sport >> 8, code = ev->seg.sport & 255;
    fputs("ICMP ", out);
    if (type == 8 || type == 0)
        fprintf(out, "echo %s, id %u, seq %u", type ? "request" : "reply",
                ev->seg.dport, ev->seg.seq);
    else if (type == 3 && code < 4)
        fprintf(out, "%s unreachable", unreachable[code]);
    else if (type == 3 && code == 4)
        fputs("unreachable - need to frag", out);
    else if (type == 11)
        fputs("time exceeded in-transit", out);
    else
        fprintf(out, "type-#%u code-#%u", type, code);
    fprintf(out, ", length %u", ev->seg.len + 8);
}

static void arp(FILE *out, const struct dump_options *o, const struct story *s,
                const struct weir_event *ev) {
    char sender[40], target[40];
    const uint8_t *m = ev->arp.mac;
    name(o, s, ev->arp.sender, sender, sizeof(sender));
    name(o, s, ev->arp.target, target, sizeof(target));
    if (ev->arp.op == 1)
        fprintf(out, "ARP, Request who-has %s tell %s, length 28", target,
                sender);
    else
        fprintf(out,
                "ARP, Reply %s is-at %02x:%02x:%02x:%02x:%02x:%02x, length 28",
                sender, m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void packet(FILE *out, const struct dump_options *o,
                   const struct story *s, const struct weir_event *ev) {
    char src[40], dst[40];
    name(o, s, ev->seg.src, src, sizeof(src));
    name(o, s, ev->seg.dst, dst, sizeof(dst));
    fputs("IP ", out);
    if (ev->seg.proto == 6 || ev->seg.proto == 17)
        fprintf(out, "%s.%u > %s.%u: ", src, ev->seg.sport, dst, ev->seg.dport);
    else
        fprintf(out, "%s > %s: ", src, dst);
    if (ev->seg.proto == 6)
        tcp(out, o, s, ev);
    else if (ev->seg.proto == 17)
        fprintf(out, "UDP, length %u", ev->seg.len);
    else if (ev->seg.proto == 1)
        icmp(out, ev);
    else
        fprintf(out, "ip-proto-%u %u", ev->seg.proto, ev->seg.len);
}

void dump_line(FILE *out, struct dump_options *o, const struct story *s,
               const struct weir_event *ev, const char *why) {
    o->lines++;
    if (o->number)
        fprintf(out, "%5lu  ", o->lines);
    stamp(out, o, s, ev->t_ns);
    place(out, s, ev);
    if (o->ethernet)
        macs(out, s, ev);
    if (ev->kind == WEIR_EV_ARP)
        arp(out, o, s, ev);
    else
        packet(out, o, s, ev);
    if (ev->kind != WEIR_EV_ARP && ev->kind == WEIR_EV_SEGMENT_SENT &&
        ev->seg.nth > 1)
        fprintf(out, " [Retransmission %u]", ev->seg.nth - 1u);
    if (why)
        fprintf(out, " [%s]", why);
    if (o->verbose) {
        fprintf(out, " (e%llu", (unsigned long long)ev->id);
        if (ev->cause)
            fprintf(out, " <- e%llu", (unsigned long long)ev->cause);
        fputc(')', out);
    }
    fputc('\n', out);
}
