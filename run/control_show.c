/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is up, as JSON Lines. Sockets are those of /proc/net/tcp and udp with
 * the same numbers (run/show_sock.c); programs are known from the recorder and
 * from whom sockets belong to.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/control_in.h"
#include "run/show.h"
#include "trace/jsonl.h"

/* ---- programs ---- */

struct program {
    uint32_t pid;
    uint8_t host;
};

struct programs {
    struct program p[512];
    unsigned n;
};

static void program_add(struct programs *ps, uint32_t pid, uint8_t host) {
    for (unsigned i = 0; i < ps->n; i++)
        if (ps->p[i].pid == pid) {
            ps->p[i].host = host;
            return;
        }
    if (pid && ps->n < sizeof(ps->p) / sizeof(ps->p[0]))
        ps->p[ps->n++] = (struct program){pid, host};
}

static void program_remove(struct programs *ps, uint32_t pid) {
    for (unsigned i = 0; i < ps->n; i++)
        if (ps->p[i].pid == pid)
            ps->p[i] = ps->p[--ps->n];
}

static bool comm_of(uint32_t pid, char *comm, size_t size) {
    char path[40];
    snprintf(path, sizeof(path), "/proc/%u/comm", pid);
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(comm, (int)size, f);
    if (f)
        fclose(f);
    if (ok)
        comm[strcspn(comm, "\n")] = 0;
    return ok;
}

/* Who lives, by what the recorder still holds and by the sockets' owners. */
static void programs_find(const struct request *q, struct programs *ps) {
    const struct weir_recorder *rec = q->c->net->rec;
    const struct weir_ring *ring = rec ? &rec->rare : NULL;
    uint64_t first =
        ring && ring->head > ring->mask + 1 ? ring->head - ring->mask - 1 : 0;
    for (uint64_t n = first; ring && n < ring->head; n++) {
        const struct weir_event *ev = &ring->slot[n & ring->mask];
        if (ev->kind == WEIR_EV_PROGRAM_EXITED)
            program_remove(ps, ev->program.pid);
        else if (ev->kind >= WEIR_EV_PROGRAM_STARTED &&
                 ev->kind <= WEIR_EV_PROGRAM_EXECUTED)
            program_add(ps, ev->program.pid, ev->host);
    }
    struct weir_sockinfo info;
    for (struct host *h = q->c->net->hosts; h; h = h->next) {
        uint64_t cursor = 0;
        while (h->stack && weir_sockinfo_next(h->stack, &cursor, &info))
            if (info.sock >= 0)
                program_add(ps, info.owner, h->number);
    }
}

/* ---- ps ---- */

static void show_listening(struct jsonl *j, struct host *h, uint32_t pid) {
    struct weir_sockinfo info;
    uint64_t cursor = 0;
    jsonl_open(j, "listens", '[');
    while (h->stack && weir_sockinfo_next(h->stack, &cursor, &info)) {
        bool udp = info.proto == IPPROTO_UDP;
        bool listens =
            udp ? info.state == WEIR_TCP_CLOSED : info.state == WEIR_TCP_LISTEN;
        if (info.owner != pid || !listens || !info.local.port || info.sock < 0)
            continue;
        uint32_t a = weir_addr_to_v4(&info.local.addr);
        char text[48], ip[20] = "*";
        if (a)
            snprintf(ip, sizeof(ip), "%u.%u.%u.%u", a >> 24, a >> 16 & 255,
                     a >> 8 & 255, a & 255);
        snprintf(text, sizeof(text), "%s:%u%s", ip, info.local.port,
                 udp ? "/udp" : "");
        jsonl_element(j, text);
    }
    jsonl_close(j, ']');
}

static void show_network(struct request *q) {
    struct jsonl j = jsonl_begin(q->out);
    jsonl_text(&j, "kind", "network");
    jsonl_text(&j, "network", q->c->net->name);
    jsonl_number(&j, "pid", getpid());
    jsonl_text(&j, "command", q->c->owner.command);
    jsonl_text(&j, "recording", q->c->owner.recording);
    char seed[24]; /* 64 bits are more than JSON's numbers hold everywhere */
    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)q->c->net->seed);
    jsonl_text(&j, "seed", seed);
    jsonl_end(&j);
}

static void show_host(struct request *q, struct host *h) {
    struct jsonl j = jsonl_begin(q->out);
    jsonl_text(&j, "kind", "host");
    jsonl_text(&j, "network", q->c->net->name);
    jsonl_text(&j, "host", h->name);
    jsonl_text(&j, "state",
               !h->stack   ? "crashed"
               : h->frozen ? "frozen"
                           : "up");
    jsonl_open(&j, "addresses", '[');
    for (unsigned i = 0; i < h->nifs; i++) {
        if (!h->ifs[i].plen)
            continue;
        uint32_t a = weir_addr_to_v4(&h->ifs[i].addr);
        char text[48];
        snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", a >> 24, a >> 16 & 255,
                 a >> 8 & 255, a & 255, h->ifs[i].plen);
        jsonl_element(&j, text);
    }
    jsonl_close(&j, ']');
    jsonl_end(&j);
}

void control_ps(struct request *q) {
    struct programs ps = {.n = 0};
    char comm[32];
    programs_find(q, &ps);
    show_network(q);
    for (struct host *h = q->c->net->hosts; h; h = h->next) {
        show_host(q, h);
        for (unsigned i = 0; i < ps.n; i++) {
            if (ps.p[i].host != h->number ||
                !comm_of(ps.p[i].pid, comm, sizeof(comm)))
                continue;
            struct jsonl j = jsonl_begin(q->out);
            jsonl_text(&j, "kind", "program");
            jsonl_text(&j, "network", q->c->net->name);
            jsonl_text(&j, "host", h->name);
            jsonl_number(&j, "pid", ps.p[i].pid);
            jsonl_text(&j, "comm", comm);
            show_listening(&j, h, ps.p[i].pid);
            jsonl_end(&j);
        }
    }
}

/* ---- ss ---- */

static const char *state_of(const struct weir_sockinfo *i) {
    static const char *const names[] = {
        [0] = "UNCONN",
        [WEIR_TCP_ESTABLISHED] = "ESTAB",
        [WEIR_TCP_SYN_SENT] = "SYN-SENT",
        [WEIR_TCP_SYN_RECV] = "SYN-RECV",
        [WEIR_TCP_FIN_WAIT1] = "FIN-WAIT-1",
        [WEIR_TCP_FIN_WAIT2] = "FIN-WAIT-2",
        [WEIR_TCP_TIME_WAIT] = "TIME-WAIT",
        [WEIR_TCP_CLOSED] = "UNCONN",
        [WEIR_TCP_CLOSE_WAIT] = "CLOSE-WAIT",
        [WEIR_TCP_LAST_ACK] = "LAST-ACK",
        [WEIR_TCP_LISTEN] = "LISTEN",
        [WEIR_TCP_CLOSING] = "CLOSING",
    };
    return i->state < sizeof(names) / sizeof(names[0]) && names[i->state]
               ? names[i->state]
               : "UNKNOWN";
}

static const char *timer_of(unsigned timer) {
    static const char *const names[] = {"", "on", "keepalive", "timewait",
                                        "persist"};
    return timer < 5 ? names[timer] : "";
}

static void show_tcp_info(struct jsonl *j, const struct weir_sockinfo *i) {
    if (i->state == WEIR_TCP_LISTEN || i->state == WEIR_TCP_TIME_WAIT)
        return;
    jsonl_number(j, "rto_us", i->rto_us);
    jsonl_number(j, "rtt_us", i->srtt_us);
    jsonl_number(j, "rttvar_us", i->rttvar_us);
    jsonl_number(j, "mss", i->mss);
    jsonl_number(j, "cwnd_bytes", i->cwnd);
    if (i->ssthresh != UINT32_MAX)
        jsonl_number(j, "ssthresh_bytes", i->ssthresh);
    jsonl_number(j, "rcv_window", i->rcv_window);
    jsonl_number(j, "snd_window", i->snd_window);
    jsonl_number(j, "bytes_sent", (int64_t)i->written);
    jsonl_number(j, "bytes_received", (int64_t)i->read);
    jsonl_number(j, "unsent", i->unsent);
}

static void show_socket(struct request *q, struct host *h,
                        const struct show_sock *k) {
    const struct weir_sockinfo *i = &k->info;
    struct jsonl j = jsonl_begin(q->out);
    jsonl_text(&j, "netid", i->proto == IPPROTO_UDP ? "udp" : "tcp");
    jsonl_text(&j, "state", state_of(i));
    jsonl_number(&j, "recv_q", i->state == WEIR_TCP_TIME_WAIT ? 0 : k->rx);
    jsonl_number(&j, "send_q", i->state == WEIR_TCP_TIME_WAIT ? 0 : k->tx);
    jsonl_address(&j, "local", weir_addr_to_v4(&i->local.addr), 0);
    jsonl_number(&j, "local_port", i->local.port);
    jsonl_address(&j, "peer", weir_addr_to_v4(&i->peer.addr), 0);
    jsonl_number(&j, "peer_port", i->peer.port);
    jsonl_text(&j, "network", q->c->net->name);
    jsonl_text(&j, "host", h->name);
    jsonl_number(&j, "handle", i->sock);
    jsonl_number(&j, "pid", i->owner);
    jsonl_number(&j, "inode", (int64_t)k->inode);
    jsonl_number(&j, "uid", k->uid);
    jsonl_text(&j, "timer", timer_of(i->timer));
    jsonl_number(&j, "timer_ms", k->due_ms);
    jsonl_number(&j, "retransmits", i->retransmits);
    jsonl_number(&j, "probes", i->probes);
    jsonl_number(&j, "rcvbuf", i->rcvbuf);
    jsonl_number(&j, "sndbuf", i->sndbuf);
    jsonl_number(&j, "drops", i->drops);
    if (i->error)
        jsonl_text(&j, "error",
                   strerrorname_np(i->error) ? strerrorname_np(i->error) : "?");
    if (i->reason)
        jsonl_text(&j, "reason", weir_reason_name(i->reason));
    if (i->proto == IPPROTO_TCP)
        show_tcp_info(&j, i);
    jsonl_end(&j);
}

void control_ss(struct request *q) {
    serve_sweep(q->c->sv);
    for (struct host *h = q->c->net->hosts; h; h = h->next) {
        struct show w = {.sv = q->c->sv, .host = h, .stack = h->stack};
        struct show_sock k;
        uint64_t cursor = 0;
        while (h->stack && show_sock_next(&w, &cursor, &k)) {
            /* Neither bound nor connected: Linux's tables have none such. */
            if (k.info.local.port)
                show_socket(q, h, &k);
        }
    }
}

/* ---- stat ---- */

static void stat_host(struct request *q, struct host *h) {
    for (unsigned c = 0; c < WEIR_CTR_MAX; c++) {
        struct jsonl j = jsonl_begin(q->out);
        char name[64];
        snprintf(name, sizeof(name), "%s%s",
                 weir_counter_group((enum weir_counter)c),
                 weir_counter_name((enum weir_counter)c));
        jsonl_text(&j, "host", h->name);
        jsonl_text(&j, "name", name);
        jsonl_number(&j, "value",
                     (int64_t)weir_counter(h->stack, (enum weir_counter)c));
        jsonl_end(&j);
    }
    for (unsigned r = 1; r < WEIR_REASON_MAX; r++) {
        uint64_t n = weir_drops(h->stack, (enum weir_reason)r);
        if (!n)
            continue;
        struct jsonl j = jsonl_begin(q->out);
        jsonl_text(&j, "host", h->name);
        jsonl_text(&j, "drop", weir_reason_name((enum weir_reason)r));
        jsonl_text(&j, "text", weir_reason_text((enum weir_reason)r));
        jsonl_number(&j, "value", (int64_t)n);
        jsonl_end(&j);
    }
}

void control_stat(struct request *q) {
    struct host *only = NULL;
    if (q->n > 1 && !(only = control_host(q, q->word[1])))
        return;
    for (struct host *h = q->c->net->hosts; h; h = h->next)
        if (h->stack && (!only || only == h))
            stat_host(q, h);
}
