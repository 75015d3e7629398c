/* SPDX-License-Identifier: BSD-2-Clause */
/* One function a kind of thing; words_event picks. */
#include "trace/words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *words_errno(int error) {
    const char *name = strerrorname_np(error);
    return name ? name : "E?";
}

char *words_program(const struct story *s, uint32_t pid, char *out,
                    size_t size) {
    if (pid)
        snprintf(out, size, "%s[%u]", story_comm(s, pid), pid);
    else
        snprintf(out, size, "?");
    return out;
}

/* In a network of several hosts they are called by their names. */
char *words_address(const struct story *s, uint32_t addr, uint16_t port,
                    char *out, size_t size) {
    char ip[36];
    const struct record_if *i = s->record->header->nhosts > 1
                                    ? record_if_by_addr(s->record, addr)
                                    : NULL;
    if (addr == 0)
        snprintf(ip, sizeof(ip), "*");
    else if (i)
        snprintf(ip, sizeof(ip), "%s", story_host(s, i->host));
    else
        snprintf(ip, sizeof(ip), "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255,
                 addr >> 8 & 255, addr & 255);
    snprintf(out, size, "%s:%u", ip, port);
    return out;
}

static void arguments(const struct story *s, const struct weir_event *ev,
                      char *out, size_t size) {
    char addr[40];
    int fd = ev->call.fd;
    switch (ev->call.call) {
    case WEIR_CALL_socket:
        snprintf(out, size, "%s",
                 ev->call.a1 == 17 || (ev->call.a0 & 15) == 2 ? "UDP" : "TCP");
        return;
    case WEIR_CALL_bind:
    case WEIR_CALL_connect:
        words_address(s, ev->call.a0, (uint16_t)ev->call.a1, addr,
                      sizeof(addr));
        snprintf(out, size, "%d, %s", fd, addr);
        return;
    case WEIR_CALL_listen:
        snprintf(out, size, "%d, %d", fd, (int)ev->call.a0);
        return;
    case WEIR_CALL_shutdown:
        snprintf(out, size, "%d, %s", fd,
                 ev->call.a0 == 0   ? "SHUT_RD"
                 : ev->call.a0 == 1 ? "SHUT_WR"
                                    : "SHUT_RDWR");
        return;
    case WEIR_CALL_read:
    case WEIR_CALL_write:
    case WEIR_CALL_readv:
    case WEIR_CALL_writev:
    case WEIR_CALL_send:
    case WEIR_CALL_recv:
    case WEIR_CALL_sendto:
    case WEIR_CALL_recvfrom:
    case WEIR_CALL_sendmsg:
    case WEIR_CALL_recvmsg:
    case WEIR_CALL_sendfile:
        snprintf(out, size, "%d, %u", fd, ev->call.a0);
        return;
    case WEIR_CALL_setsockopt:
    case WEIR_CALL_getsockopt:
        snprintf(out, size, "%d, %u:%u", fd, ev->call.a0 >> 16,
                 ev->call.a0 & 0xffff);
        return;
    default:
        snprintf(out, size, "%d", fd);
    }
}

char *words_call(const struct story *s, const struct weir_event *call,
                 char *out, size_t size) {
    char args[64];
    arguments(s, call, args, sizeof(args));
    snprintf(out, size, "%s(%s)", weir_call_name(call->call.call), args);
    return out;
}

char *words_result(const struct weir_event *call, char *out, size_t size) {
    int r = call->call.result;
    if (r == WEIR_CALL_PENDING)
        snprintf(out, size, "…");
    else if (r < 0)
        snprintf(out, size, "= -1 %s", words_errno(-r));
    else
        snprintf(out, size, "= %d", r);
    return out;
}

static const char *flag_letters(uint8_t flags, char out[8]) {
    static const struct {
        uint8_t bit;
        char letter;
    } letters[] = {{WEIR_SYN, 'S'}, {WEIR_FIN, 'F'}, {WEIR_RST, 'R'},
                   {WEIR_PSH, 'P'}, {WEIR_URG, 'U'}, {WEIR_ACK, '.'}};
    char *p = out;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        if (flags & letters[i].bit)
            *p++ = letters[i].letter;
    *p = 0;
    return p == out ? "none" : out;
}

static char *icmp_words(const struct weir_event *seg, char *out, size_t size) {
    unsigned type = seg->seg.sport >> 8, code = seg->seg.sport & 255;
    static const char *const unreach[] = {"network", "host", "protocol",
                                          "port"};
    if (type == 8 || type == 0)
        snprintf(out, size, "ICMP echo %s %u", type ? "request" : "reply",
                 seg->seg.seq);
    else if (type == 3 && code < 4)
        snprintf(out, size, "ICMP %s unreachable", unreach[code]);
    else if (type == 3 && code == 4)
        snprintf(out, size, "ICMP frag needed");
    else if (type == 11)
        snprintf(out, size, "ICMP time exceeded");
    else
        snprintf(out, size, "ICMP type %u code %u", type, code);
    return out;
}

char *words_segment(const struct story *s, const struct weir_event *seg,
                    char *out, size_t size) {
    int from = 0;
    char letters[8];
    if (seg->seg.proto == 1)
        return icmp_words(seg, out, size);
    if (seg->seg.proto == 17) {
        snprintf(out, size, "UDP (%u)", seg->seg.len);
        return out;
    }
    if (seg->seg.proto != 6) {
        snprintf(out, size, "proto %u (%u)", seg->seg.proto, seg->seg.len);
        return out;
    }
    const struct story_flow *f = story_flow(s, seg, &from);
    uint32_t seq = seg->seg.seq - (f ? f->isn[from] : 0);
    uint32_t ack = seg->seg.ack - (f ? f->isn[!from] : 0);
    const char *flags = flag_letters(seg->seg.tcp_flags, letters);
    int n;
    if (seg->seg.len)
        n = snprintf(out, size, "%s %u:%u", flags, seq, seq + seg->seg.len);
    else if (seg->seg.tcp_flags & (WEIR_SYN | WEIR_FIN | WEIR_RST))
        n = snprintf(out, size, "%s %u", flags, seq);
    else
        n = snprintf(out, size, "%s", flags);
    if (n > 0 && (size_t)n < size && (seg->seg.tcp_flags & WEIR_ACK) &&
        !(seg->seg.tcp_flags & WEIR_SYN && !ack))
        n += snprintf(out + n, size - (size_t)n, " ack %u", ack);
    if (n > 0 && (size_t)n < size && seg->seg.len)
        snprintf(out + n, size - (size_t)n, " (%u)", seg->seg.len);
    return out;
}

char *words_kind(const struct weir_event *seg, char *out, size_t size) {
    uint8_t f = seg->seg.tcp_flags;
    if (seg->seg.proto == 1)
        return icmp_words(seg, out, size);
    if (seg->seg.proto == 17)
        snprintf(out, size, "a datagram of %u bytes", seg->seg.len);
    else if (seg->seg.proto != 6)
        snprintf(out, size, "a packet of %u bytes", seg->seg.len);
    else if (f & WEIR_RST)
        snprintf(out, size, "RST");
    else if (f & WEIR_SYN)
        snprintf(out, size, "%s", f & WEIR_ACK ? "SYN+ACK" : "SYN");
    else if (seg->seg.len)
        snprintf(out, size, "%u bytes%s", seg->seg.len,
                 f & WEIR_FIN ? " and FIN" : "");
    else
        snprintf(out, size, "%s", f & WEIR_FIN ? "FIN" : "ACK");
    return out;
}

const char *words_state(unsigned state) {
    switch (state) {
    case WEIR_TCP_ESTABLISHED:
        return "ESTAB";
    case WEIR_TCP_FIN_WAIT1:
        return "FIN_WAIT1";
    case WEIR_TCP_FIN_WAIT2:
        return "FIN_WAIT2";
    default:
        return weir_tcp_state_name(state);
    }
}

static void segment_sentence(const struct story *s, const struct weir_event *ev,
                             char *out, size_t size) {
    char what[48], from[40], to[40], nth[40] = "", why[160] = "";
    words_kind(ev, what, sizeof(what));
    uint16_t sp = ev->seg.proto == 1 ? 0 : ev->seg.sport;
    uint16_t dp = ev->seg.proto == 1 ? 0 : ev->seg.dport;
    words_address(s, ev->seg.src, sp, from, sizeof(from));
    words_address(s, ev->seg.dst, dp, to, sizeof(to));
    if (ev->kind == WEIR_EV_SEGMENT_SENT && ev->seg.nth > 1)
        snprintf(nth, sizeof(nth), ", transmission %u", ev->seg.nth);
    if (ev->seg.reason)
        snprintf(why, sizeof(why), ": %s (%s)",
                 weir_reason_name(ev->seg.reason),
                 weir_reason_text(ev->seg.reason));
    const char *verb = ev->kind == WEIR_EV_SEGMENT_SENT       ? "sent"
                       : ev->kind == WEIR_EV_SEGMENT_RECEIVED ? "received"
                       : ev->kind == WEIR_EV_DROP             ? "dropped"
                                                              : "forwarded";
    snprintf(out, size, "%s %s %s (%s -> %s%s)%s", what, verb,
             story_host(s, ev->host), from, to, nth, why);
}

static void state_sentence(const struct story *s, const struct weir_event *ev,
                           char *out, size_t size) {
    char local[40], remote[40], why[160] = "";
    words_address(s, ev->state.local, ev->state.lport, local, sizeof(local));
    words_address(s, ev->state.remote, ev->state.rport, remote, sizeof(remote));
    if (ev->state.reason)
        snprintf(why, sizeof(why), ": %s (%s)",
                 weir_reason_name(ev->state.reason),
                 weir_reason_text(ev->state.reason));
    snprintf(out, size, "%s: %s -> %s went from %s to %s%s",
             story_host(s, ev->host), local, remote,
             weir_tcp_state_name(ev->state.from),
             weir_tcp_state_name(ev->state.to), why);
}

static void error_sentence(const struct story *s, const struct weir_event *ev,
                           char *out, size_t size) {
    const struct story_socket *k = story_socket(s, ev->host, ev->sock, ev->id);
    char more[80] = "", who[40];
    if (ev->error.tries)
        snprintf(more, sizeof(more), ", %u tries in %.1f s", ev->error.tries,
                 ev->error.waited_ms / 1000.0);
    words_program(s, k ? k->pid : 0, who, sizeof(who));
    snprintf(out, size, "%s: the socket of %s %s %s: %s (%s)%s",
             story_host(s, ev->host), who,
             ev->error.soft ? "remembers" : "was given",
             words_errno(ev->error.error), weir_reason_name(ev->error.reason),
             weir_reason_text(ev->error.reason), more);
}

static void program_sentence(const struct story *s, const struct weir_event *ev,
                             char *out, size_t size) {
    char who[40], how[48] = "";
    words_program(s, ev->program.pid, who, sizeof(who));
    const char *verb = ev->kind == WEIR_EV_PROGRAM_STARTED    ? "started"
                       : ev->kind == WEIR_EV_PROGRAM_FORKED   ? "was forked"
                       : ev->kind == WEIR_EV_PROGRAM_EXECUTED ? "was executed"
                                                              : "ended";
    if (ev->kind == WEIR_EV_PROGRAM_EXITED) {
        if (ev->program.signal)
            snprintf(how, sizeof(how), " by SIG%s",
                     sigabbrev_np(ev->program.signal)
                         ? sigabbrev_np(ev->program.signal)
                         : "?");
        else if (ev->program.status >= 0) /* not our child: not known */
            snprintf(how, sizeof(how), ", status %d", ev->program.status);
    }
    snprintf(out, size, "%s %s on %s%s", who, verb, story_host(s, ev->host),
             how);
}

static void released_sentence(const struct story *s,
                              const struct weir_event *ev, char *out,
                              size_t size) {
    const struct story_socket *k = story_socket(s, ev->host, ev->sock, ev->id);
    char who[40];
    words_program(s,
                  ev->released.pid ? ev->released.pid
                  : k              ? k->pid
                                   : 0,
                  who, sizeof(who));
    snprintf(out, size,
             "%s: %s released its last reference to port %u with %u bytes "
             "unread (read %llu, wrote %llu)",
             story_host(s, ev->host), who, ev->released.lport,
             ev->released.unread, (unsigned long long)ev->released.read,
             (unsigned long long)ev->released.written);
}

static void link_sentence(const struct story *s, const struct weir_event *ev,
                          char *out, size_t size) {
    static const char *const what[] = {
        "?",          "up",          "down",      "cut",    "healed",
        "crashed",    "rebooted",    "frozen",    "thawed", "lost",
        "duplicated", "not delayed", "corrupted", "delayed"};
    unsigned a = ev->link.action < 14 ? ev->link.action : 0;
    if (ev->kind == WEIR_EV_FAULT)
        snprintf(out, size, "host %s %s", story_host(s, ev->host), what[a]);
    else if (ev->kind == WEIR_EV_IMPAIRED)
        snprintf(out, size, "a frame sent by %.16s was %s", ev->link.name,
                 what[a]);
    else
        snprintf(out, size, "link %.16s %s", ev->link.name, what[a]);
}

static void call_sentence(const struct story *s, const struct weir_event *ev,
                          char *out, size_t size) {
    char who[40], call[96], result[48], text[96] = "";
    words_program(s, ev->call.pid, who, sizeof(who));
    words_call(s, ev, call, sizeof(call));
    words_result(ev, result, sizeof(result));
    if (ev->call.result < 0 && ev->call.result != WEIR_CALL_PENDING)
        snprintf(text, sizeof(text), " (%s)", strerror(-ev->call.result));
    if (ev->call.copies)
        snprintf(text, sizeof(text), " (copy %u of these bytes)",
                 ev->call.copies);
    snprintf(out, size, "%s %s %s%s", who, call, result, text);
}

char *words_event(const struct story *s, const struct weir_event *ev, char *out,
                  size_t size) {
    char a[40];
    switch (ev->kind) {
    case WEIR_EV_CALL:
        call_sentence(s, ev, out, size);
        break;
    case WEIR_EV_DATA:
        words_program(s, ev->data.pid, a, sizeof(a));
        snprintf(out, size, "%s %s %u bytes (call not seen)", a,
                 ev->data.out ? "wrote" : "was given", ev->data.bytes);
        break;
    case WEIR_EV_SEGMENT_SENT:
    case WEIR_EV_SEGMENT_RECEIVED:
    case WEIR_EV_SEGMENT_FORWARDED:
    case WEIR_EV_DROP:
        segment_sentence(s, ev, out, size);
        break;
    case WEIR_EV_ARP:
        words_address(s, ev->arp.target, 0, a, sizeof(a));
        a[strcspn(a, ":")] = 0;
        snprintf(out, size, "%s %s ARP %s for %s (try %u)",
                 story_host(s, ev->host), ev->arp.out ? "sent" : "received",
                 ev->arp.op == 1 ? "request" : "reply", a, ev->arp.nth);
        break;
    case WEIR_EV_STATE:
        state_sentence(s, ev, out, size);
        break;
    case WEIR_EV_ERROR:
        error_sentence(s, ev, out, size);
        break;
    case WEIR_EV_TIMER_FIRED:
        snprintf(out, size, "%s: %s timer fired (%u. time)",
                 story_host(s, ev->host), weir_timer_name(ev->timer.timer),
                 ev->timer.tries);
        break;
    case WEIR_EV_RELEASED:
        released_sentence(s, ev, out, size);
        break;
    case WEIR_EV_QUEUE:
        snprintf(out, size, "%s: %s queue %u of %u", story_host(s, ev->host),
                 ev->queue.syn_queue ? "SYN" : "accept", ev->queue.level,
                 ev->queue.limit);
        break;
    case WEIR_EV_PROGRAM_STARTED:
    case WEIR_EV_PROGRAM_FORKED:
    case WEIR_EV_PROGRAM_EXECUTED:
    case WEIR_EV_PROGRAM_EXITED:
        program_sentence(s, ev, out, size);
        break;
    case WEIR_EV_LINK:
    case WEIR_EV_IMPAIRED:
    case WEIR_EV_FAULT:
        link_sentence(s, ev, out, size);
        break;
    case WEIR_EV_ALARM:
    case WEIR_EV_TEXT:
        snprintf(out, size, "%.32s", ev->text);
        break;
    default:
        snprintf(out, size, "%s on %s", weir_event_name(ev->kind),
                 story_host(s, ev->host));
    }
    return out;
}
