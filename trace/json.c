/* SPDX-License-Identifier: BSD-2-Clause */
/* Streamed by hand: a tree of values for each of 100,000 events would only be
 * thrown away. */
#include "trace/json.h"

#include <string.h>

#include "trace/jsonl.h"
#include "trace/words.h"

static void text(FILE *out, const char *key, const char *value) {
    fprintf(out, ",\"%s\":", key);
    jsonl_string(out, value);
}

static void number(FILE *out, const char *key, long long value) {
    fprintf(out, ",\"%s\":%lld", key, value);
}

static void address(FILE *out, const char *key, uint32_t addr, uint16_t port) {
    fprintf(out, ",\"%s\":\"%u.%u.%u.%u", key, addr >> 24, addr >> 16 & 255,
            addr >> 8 & 255, addr & 255);
    if (port)
        fprintf(out, ":%u", port);
    fputc('"', out);
}

static void reason(FILE *out, unsigned r) {
    if (r)
        text(out, "reason", weir_reason_name(r));
}

static void call(FILE *out, const struct story *s,
                 const struct weir_event *ev) {
    char words[96];
    number(out, "pid", ev->call.pid);
    number(out, "tid", ev->call.tid);
    text(out, "comm", story_comm(s, ev->call.pid));
    text(out, "call", weir_call_name(ev->call.call));
    text(out, "words", words_call(s, ev, words, sizeof(words)));
    number(out, "fd", ev->call.fd);
    if (ev->call.result == WEIR_CALL_PENDING) {
        fputs(",\"ret\":null", out);
        return;
    }
    number(out, "ret", ev->call.result < 0 ? -1 : ev->call.result);
    if (ev->call.result < 0)
        text(out, "errno", words_errno(-ev->call.result));
    number(out, "took_us", ev->call.took_us);
    if (ev->call.copies)
        number(out, "copies", ev->call.copies);
    reason(out, ev->call.reason);
}

static void segment(FILE *out, const struct weir_event *ev) {
    address(out, "src", ev->seg.src, ev->seg.sport);
    address(out, "dst", ev->seg.dst, ev->seg.dport);
    number(out, "proto", ev->seg.proto);
    number(out, "len", ev->seg.len);
    if (ev->seg.proto == 6) {
        static const char letters[] = "FSRP.U";
        char flags[8];
        unsigned n = 0;
        for (unsigned bit = 0; bit < 6; bit++)
            if (ev->seg.tcp_flags & 1u << bit)
                flags[n++] = letters[bit];
        flags[n] = 0;
        text(out, "flags", flags);
        number(out, "seq", ev->seg.seq);
        number(out, "ack", ev->seg.ack);
        number(out, "win", ev->seg.win);
    }
    if (ev->seg.nth)
        number(out, "nth", ev->seg.nth);
    reason(out, ev->seg.reason);
}

static void state(FILE *out, const struct weir_event *ev) {
    address(out, "local", ev->state.local, ev->state.lport);
    address(out, "remote", ev->state.remote, ev->state.rport);
    text(out, "from", weir_tcp_state_name(ev->state.from));
    text(out, "to", weir_tcp_state_name(ev->state.to));
    number(out, "sndq", ev->state.sndq);
    number(out, "rcvq", ev->state.rcvq);
    reason(out, ev->state.reason);
}

static void socket_event(FILE *out, const struct weir_event *ev) {
    number(out, "pid", ev->socket.pid);
    number(out, "fd", ev->socket.fd);
    number(out, "proto", ev->socket.proto);
    number(out, "parent", ev->socket.parent);
    number(out, "inode", (long long)ev->socket.inode);
}

static void named(FILE *out, const struct weir_event *ev) {
    address(out, "local", ev->named.local, ev->named.lport);
    address(out, "remote", ev->named.remote, ev->named.rport);
    number(out, "proto", ev->named.proto);
    fprintf(out, ",\"listening\":%s", ev->named.listening ? "true" : "false");
}

static void error(FILE *out, const struct weir_event *ev) {
    text(out, "errno", words_errno(ev->error.error));
    fprintf(out, ",\"soft\":%s", ev->error.soft ? "true" : "false");
    number(out, "tries", ev->error.tries);
    number(out, "waited_ms", ev->error.waited_ms);
    reason(out, ev->error.reason);
}

static void program(FILE *out, const struct weir_event *ev) {
    char comm[17];
    memcpy(comm, ev->program.comm, 16);
    comm[16] = 0;
    number(out, "pid", ev->program.pid);
    number(out, "ppid", ev->program.ppid);
    text(out, "comm", comm);
    if (ev->kind == WEIR_EV_PROGRAM_EXITED) {
        number(out, "status", ev->program.status);
        number(out, "signal", ev->program.signal);
    }
}

static void released(FILE *out, const struct weir_event *ev) {
    number(out, "pid", ev->released.pid);
    number(out, "port", ev->released.lport);
    number(out, "unread", ev->released.unread);
    number(out, "unsent", ev->released.unsent);
    number(out, "read", (long long)ev->released.read);
    number(out, "written", (long long)ev->released.written);
}

static void timer(FILE *out, const struct weir_event *ev) {
    text(out, "timer", weir_timer_name(ev->timer.timer));
    number(out, "tries", ev->timer.tries);
    number(out, "next_ms", ev->timer.next_ms);
    number(out, "bytes", ev->timer.bytes);
}

static void link_event(FILE *out, const struct weir_event *ev) {
    static const char *const action[] = {
        "none",       "up",        "down",      "cut",    "heal",
        "crash",      "reboot",    "freeze",    "thaw",   "lost",
        "duplicated", "reordered", "corrupted", "delayed"};
    char name[17];
    memcpy(name, ev->link.name, 16);
    name[16] = 0;
    text(out, ev->kind == WEIR_EV_FAULT ? "target" : "link", name);
    text(out, "action", action[ev->link.action < 14 ? ev->link.action : 0]);
    if (ev->link.frame)
        number(out, "frame", (long long)ev->link.frame);
    reason(out, ev->link.reason);
}

static void arp(FILE *out, const struct weir_event *ev) {
    address(out, "sender", ev->arp.sender, 0);
    address(out, "target", ev->arp.target, 0);
    text(out, "op", ev->arp.op == 1 ? "request" : "reply");
    number(out, "out", ev->arp.out);
    number(out, "nth", ev->arp.nth);
}

static void details(FILE *out, const struct story *s,
                    const struct weir_event *ev) {
    switch (ev->kind) {
    case WEIR_EV_CALL:
        call(out, s, ev);
        break;
    case WEIR_EV_DATA:
        number(out, "pid", ev->data.pid);
        number(out, "bytes", ev->data.bytes);
        number(out, "copies", ev->data.copies);
        number(out, "out", ev->data.out);
        break;
    case WEIR_EV_SEGMENT_SENT:
    case WEIR_EV_SEGMENT_RECEIVED:
    case WEIR_EV_SEGMENT_FORWARDED:
    case WEIR_EV_DROP:
        segment(out, ev);
        break;
    case WEIR_EV_ARP:
        arp(out, ev);
        break;
    case WEIR_EV_LINK:
    case WEIR_EV_IMPAIRED:
    case WEIR_EV_FAULT:
        link_event(out, ev);
        break;
    case WEIR_EV_STATE:
        state(out, ev);
        break;
    case WEIR_EV_ERROR:
        error(out, ev);
        break;
    case WEIR_EV_TIMER_FIRED:
        timer(out, ev);
        break;
    case WEIR_EV_SOCKET:
        socket_event(out, ev);
        break;
    case WEIR_EV_NAMED:
        named(out, ev);
        break;
    case WEIR_EV_RELEASED:
        released(out, ev);
        break;
    case WEIR_EV_QUEUE:
        number(out, "level", ev->queue.level);
        number(out, "limit", ev->queue.limit);
        number(out, "syn_queue", ev->queue.syn_queue);
        break;
    case WEIR_EV_PROGRAM_STARTED:
    case WEIR_EV_PROGRAM_FORKED:
    case WEIR_EV_PROGRAM_EXECUTED:
    case WEIR_EV_PROGRAM_EXITED:
        program(out, ev);
        break;
    default:
        break;
    }
}

void json_event(FILE *out, const struct story *s, const struct weir_event *ev) {
    char words[320];
    fprintf(out, "{\"id\":%llu,\"cause\":%llu,\"t\":%.9f,\"kind\":\"%s\"",
            (unsigned long long)ev->id, (unsigned long long)ev->cause,
            (double)(ev->t_ns - s->record->header->t0_ns) / 1e9,
            weir_event_name(ev->kind));
    if (ev->host)
        text(out, "host", story_host(s, ev->host));
    if (ev->sock)
        number(out, "sock", ev->sock);
    details(out, s, ev);
    text(out, "text", words_event(s, ev, words, sizeof(words)));
    fputs("}\n", out);
}

void json_story(FILE *out, const struct story *s) {
    for (size_t i = 0; i < s->n; i++)
        json_event(out, s, &s->ev[i]);
}
