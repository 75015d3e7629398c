/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Joining is by what events say of each other, never by guess: a RECEIVED or a
 * DROP names the SENT it came from, a socket's life begins with its SOCKET
 * event, who opened a flow is told by the SYN without ACK (UDP: by who sent
 * first).
 */
#include "trace/story.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_id(const void *a, const void *b) {
    const struct weir_event *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Read everything; of a call written twice the later (complete) one stays. */
static int read_all(struct story *s) {
    struct record_cursor c = {0};
    size_t room = 1024;
    s->ev = malloc(room * sizeof(*s->ev));
    if (!s->ev)
        return -ENOMEM;
    const struct weir_event *ev;
    while ((ev = record_next(s->record, &c))) {
        if (s->n == room) {
            room *= 2;
            struct weir_event *more = realloc(s->ev, room * sizeof(*more));
            if (!more)
                return -ENOMEM;
            s->ev = more;
        }
        if (ev->kind > WEIR_EV_NONE && ev->kind < WEIR_EV_MAX)
            s->ev[s->n++] = *ev;
    }
    s->lost = c.lost;
    qsort(s->ev, s->n, sizeof(*s->ev), by_id);
    size_t out = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (out && s->ev[out - 1].id == s->ev[i].id) {
            if (s->ev[i].kind == WEIR_EV_CALL &&
                s->ev[i].call.result != WEIR_CALL_PENDING)
                s->ev[out - 1] = s->ev[i];
        } else {
            s->ev[out++] = s->ev[i];
        }
    }
    s->n = out;
    return 0;
}

static size_t index_of(const struct story *s, weir_event_id id) {
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->ev[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n && s->ev[lo].id == id ? lo : SIZE_MAX;
}

const struct weir_event *story_find(const struct story *s, weir_event_id id) {
    size_t i = index_of(s, id);
    return i == SIZE_MAX ? NULL : &s->ev[i];
}

static struct story_socket *life(const struct story *s, uint8_t host,
                                 uint32_t sock, weir_event_id at) {
    uint32_t i = index_first(&s->sockets, index_hash(host, sock));
    for (; i; i = index_before(&s->sockets, i - 1)) {
        struct story_socket *k = &s->socket[i - 1];
        if (k->host == host && k->sock == sock && k->first <= at)
            return k;
    }
    return NULL;
}

const struct story_socket *story_socket(const struct story *s, uint8_t host,
                                        uint32_t sock, weir_event_id at) {
    return sock ? life(s, host, sock, at) : NULL;
}

static struct story_program *program(const struct story *s, uint32_t pid) {
    uint32_t i = index_first(&s->programs, index_hash(pid, 0));
    while (i && s->program[i - 1].pid != pid)
        i = index_before(&s->programs, i - 1);
    return i ? &s->program[i - 1] : NULL;
}

const struct story_program *story_program(const struct story *s, uint32_t pid) {
    return program(s, pid);
}

const char *story_comm(const struct story *s, uint32_t pid) {
    const struct story_program *p = program(s, pid);
    return p && p->comm[0] ? p->comm : "?";
}

const char *story_host(const struct story *s, uint8_t host) {
    return record_host_name(s->record, host);
}

static bool is_segment(unsigned kind) {
    return kind == WEIR_EV_SEGMENT_SENT || kind == WEIR_EV_SEGMENT_RECEIVED ||
           kind == WEIR_EV_SEGMENT_FORWARDED || kind == WEIR_EV_DROP;
}

/* The same for both directions. */
static uint64_t flow_hash(uint8_t proto, uint32_t addr, uint16_t port,
                          uint32_t peer, uint16_t pport) {
    uint64_t a = (uint64_t)addr << 16 | port, b = (uint64_t)peer << 16 | pport;
    return index_hash(a + b, (a ^ b) << 8 | proto);
}

const struct story_flow *story_between(const struct story *s, uint8_t proto,
                                       uint32_t addr, uint16_t port,
                                       uint32_t peer, uint16_t pport,
                                       int *from) {
    uint32_t i =
        index_first(&s->flows, flow_hash(proto, addr, port, peer, pport));
    for (; i; i = index_before(&s->flows, i - 1)) {
        const struct story_flow *f = &s->flow[i - 1];
        for (int k = 0; k < 2; k++)
            if (f->proto == proto && f->addr[k] == addr && f->port[k] == port &&
                f->addr[!k] == peer && f->port[!k] == pport) {
                *from = k;
                return f;
            }
    }
    return NULL;
}

const struct story_flow *story_flow(const struct story *s,
                                    const struct weir_event *seg, int *sender) {
    return story_between(s, seg->seg.proto, seg->seg.src, seg->seg.sport,
                         seg->seg.dst, seg->seg.dport, sender);
}

/* Room for one more element, by doubling. NULL: memory is out. */
static void *room_for(void *array, size_t n, size_t size) {
    return n & (n - 1) ? array : realloc(array, (n ? n * 2 : 1) * size);
}

static struct story_flow *flow_add(struct story *s,
                                   const struct weir_event *ev) {
    struct story_flow *more = room_for(s->flow, s->nflows, sizeof(*more));
    if (!more)
        return NULL;
    s->flow = more;
    struct story_flow *f = &more[s->nflows];
    /* First seen in mid-stream: a SYN+ACK comes from who was called. */
    bool answer =
        (ev->seg.tcp_flags & (WEIR_SYN | WEIR_ACK)) == (WEIR_SYN | WEIR_ACK);
    *f = (struct story_flow){.proto = ev->seg.proto};
    f->addr[answer] = ev->seg.src;
    f->port[answer] = ev->seg.sport;
    f->addr[!answer] = ev->seg.dst;
    f->port[!answer] = ev->seg.dport;
    if (index_add(&s->flows, flow_hash(f->proto, f->addr[0], f->port[0],
                                       f->addr[1], f->port[1])) ||
        index_add(&s->ports, index_hash(f->proto, f->port[0])) ||
        index_add(&s->ports, index_hash(f->proto, f->port[1])))
        return NULL;
    s->nflows++;
    return f;
}

static int see_segment(struct story *s, const struct weir_event *ev) {
    if (ev->kind != WEIR_EV_SEGMENT_SENT &&
        ev->kind != WEIR_EV_SEGMENT_RECEIVED)
        return 0;
    int from = 0;
    /* Ours to change: it lies in s->flow. */
    struct story_flow *f = (struct story_flow *)story_flow(s, ev, &from);
    if (!f) {
        f = flow_add(s, ev);
        if (!f)
            return -ENOMEM;
        from = f->addr[0] == ev->seg.src && f->port[0] == ev->seg.sport ? 0 : 1;
    }
    bool syn = ev->seg.tcp_flags & WEIR_SYN;
    if (ev->seg.proto == 6 && (syn || !f->known[from])) {
        f->isn[from] = ev->seg.seq - (syn ? 0 : 1);
        f->known[from] = true;
    }
    if (ev->seg.proto == 6 && !f->known[!from] && !syn &&
        (ev->seg.tcp_flags & WEIR_ACK)) {
        f->isn[!from] = ev->seg.ack - 1;
        f->known[!from] = true;
    }
    return 0;
}

static int see_socket(struct story *s, const struct weir_event *ev) {
    struct story_socket *more = room_for(s->socket, s->nsockets, sizeof(*more));
    if (!more || index_add(&s->sockets, index_hash(ev->host, ev->sock)))
        return -ENOMEM;
    s->socket = more;
    more[s->nsockets++] = (struct story_socket){
        .host = ev->host,
        .sock = ev->sock,
        .parent = ev->socket.parent,
        .inode = ev->socket.inode,
        .first = ev->id,
        .pid = ev->socket.pid,
        .fd = ev->socket.fd,
        .proto = ev->socket.proto,
        .side = ev->socket.parent ? SIDE_RIGHT : SIDE_NONE};
    return 0;
}

static void see_named(struct story *s, const struct weir_event *ev) {
    struct story_socket *k = life(s, ev->host, ev->sock, ev->id);
    if (!k)
        return;
    k->local = ev->named.local;
    k->remote = ev->named.remote;
    k->lport = ev->named.lport;
    k->rport = ev->named.rport;
    k->listening |= ev->named.listening != 0;
    if (ev->named.listening)
        k->side = SIDE_RIGHT;
}

static int see_program(struct story *s, const struct weir_event *ev) {
    struct story_program *p = program(s, ev->program.pid);
    if (!p) {
        struct story_program *more =
            room_for(s->program, s->nprograms, sizeof(*more));
        if (!more || index_add(&s->programs, index_hash(ev->program.pid, 0)))
            return -ENOMEM;
        s->program = more;
        p = &more[s->nprograms++];
        *p = (struct story_program){
            .pid = ev->program.pid, .host = ev->host, .first = ev->id};
    }
    if (ev->program.comm[0])
        memcpy(p->comm, ev->program.comm, sizeof(p->comm));
    p->comm[sizeof(p->comm) - 1] = 0;
    return 0;
}

static void see_call(struct story *s, const struct weir_event *ev) {
    struct story_socket *k = life(s, ev->host, ev->sock, ev->id);
    if (!k)
        return;
    if (!k->pid)
        k->pid = ev->call.pid;
    if (k->fd < 0 && ev->call.fd >= 0)
        k->fd = ev->call.fd;
    if (ev->call.call == WEIR_CALL_connect && k->side == SIDE_NONE)
        k->side = SIDE_LEFT;
}

int story_see(struct story *s, const struct weir_event *ev) {
    switch (ev->kind) {
    case WEIR_EV_SOCKET:
        return see_socket(s, ev);
    case WEIR_EV_NAMED:
        see_named(s, ev);
        return 0;
    case WEIR_EV_CALL:
        see_call(s, ev);
        return 0;
    case WEIR_EV_PROGRAM_STARTED:
    case WEIR_EV_PROGRAM_FORKED:
    case WEIR_EV_PROGRAM_EXECUTED:
    case WEIR_EV_PROGRAM_EXITED:
        return see_program(s, ev);
    default:
        return see_segment(s, ev);
    }
}

/* The frame's other end. */
static void see_arrival(struct story *s, size_t i) {
    const struct weir_event *ev = &s->ev[i];
    if ((ev->kind != WEIR_EV_SEGMENT_RECEIVED && ev->kind != WEIR_EV_DROP) ||
        !ev->cause)
        return;
    size_t sent = index_of(s, ev->cause);
    if (sent != SIZE_MAX && is_segment(s->ev[sent].kind) && !s->arrival[sent])
        s->arrival[sent] = (uint32_t)i + 1;
}

/* Thread the events of each (host, sock) together. */
static int see_before(struct story *s, struct index *last, uint32_t *latest,
                      size_t i) {
    const struct weir_event *ev = &s->ev[i];
    if (!ev->sock)
        return 0;
    struct story_socket *k = life(s, ev->host, ev->sock, ev->id);
    if (k)
        k->last = (uint32_t)i + 1;
    uint64_t hash = (uint64_t)ev->host << 32 | ev->sock;
    uint32_t at = index_first(last, index_hash(hash, 1));
    for (; at; at = index_before(last, at - 1)) {
        const struct weir_event *x = &s->ev[latest[at - 1]];
        if (x->host == ev->host && x->sock == ev->sock) {
            s->before[i] = latest[at - 1] + 1;
            latest[at - 1] = (uint32_t)i;
            return 0;
        }
    }
    latest[last->n] = (uint32_t)i;
    return index_add(last, index_hash(hash, 1));
}

static uint64_t state_hash(uint8_t host, uint32_t local, uint16_t lport,
                           uint32_t remote, uint16_t rport) {
    return index_hash((uint64_t)local << 32 | remote,
                      (uint64_t)host << 32 | (uint32_t)lport << 16 | rport);
}

static int see_state(struct story *s, size_t i) {
    const struct weir_event *ev = &s->ev[i];
    if (ev->kind != WEIR_EV_STATE)
        return 0;
    uint32_t *more = room_for(s->state, s->states.n, sizeof(*more));
    if (!more)
        return -ENOMEM;
    s->state = more;
    more[s->states.n] = (uint32_t)i;
    return index_add(&s->states,
                     state_hash(ev->host, ev->state.local, ev->state.lport,
                                ev->state.remote, ev->state.rport));
}

const struct weir_event *story_state(const struct story *s, uint8_t host,
                                     uint32_t local, uint16_t lport,
                                     uint32_t remote, uint16_t rport,
                                     weir_event_id at) {
    uint32_t i =
        index_first(&s->states, state_hash(host, local, lport, remote, rport));
    for (; i; i = index_before(&s->states, i - 1)) {
        const struct weir_event *ev = &s->ev[s->state[i - 1]];
        if (ev->id <= at && ev->host == host && ev->state.local == local &&
            ev->state.lport == lport && ev->state.remote == remote &&
            ev->state.rport == rport)
            return ev;
    }
    return NULL;
}

static int join(struct story *s) {
    size_t room = s->n ? s->n : 1;
    struct index last = {0};
    uint32_t *latest = calloc(room, sizeof(*latest));
    s->arrival = calloc(room, sizeof(*s->arrival));
    s->before = calloc(room, sizeof(*s->before));
    int err = s->arrival && s->before && latest ? 0 : -ENOMEM;
    for (size_t i = 0; i < s->n && !err; i++) {
        err = story_see(s, &s->ev[i]);
        if (!err)
            err = see_before(s, &last, latest, i);
        if (!err)
            err = see_state(s, i);
        if (!err)
            see_arrival(s, i);
    }
    index_free(&last);
    free(latest);
    return err;
}

/* A program works where the first socket it calls about is. */
static void program_sides(struct story *s) {
    for (size_t i = 0; i < s->n; i++) {
        const struct weir_event *ev = &s->ev[i];
        uint32_t pid = ev->kind == WEIR_EV_CALL   ? ev->call.pid
                       : ev->kind == WEIR_EV_DATA ? ev->data.pid
                                                  : 0;
        struct story_program *p = pid ? program(s, pid) : NULL;
        if (!p || p->side)
            continue;
        const struct story_socket *k = life(s, ev->host, ev->sock, ev->id);
        p->active = true;
        p->side = k ? k->side : SIDE_NONE;
    }
}

/* A socket nobody listened or connected with (UDP, simultaneous open): left
 * where it sent first. */
static void side_by_flow(const struct story *s, struct story_socket *k) {
    enum story_side found = SIDE_NONE;
    uint32_t i = index_first(&s->ports, index_hash(k->proto, k->lport));
    for (; i; i = index_before(&s->ports, i - 1)) {
        const struct story_flow *f = &s->flow[(i - 1) / 2];
        unsigned e = (i - 1) % 2;
        if (f->proto == k->proto && f->port[e] == k->lport &&
            (!k->local || f->addr[e] == k->local))
            found = e ? SIDE_RIGHT : SIDE_LEFT; /* the earliest is the last */
    }
    k->side = found;
}

static void sides(struct story *s) {
    for (size_t i = 0; i < s->nsockets; i++)
        if (s->socket[i].side == SIDE_NONE && s->socket[i].lport)
            side_by_flow(s, &s->socket[i]);
}

void story_begin(struct story *s, const struct record *r) {
    memset(s, 0, sizeof(*s));
    s->record = r;
}

const struct weir_event *story_before(const struct story *s,
                                      const struct weir_event *ev) {
    uint32_t at = s->before[ev - s->ev];
    return at ? &s->ev[at - 1] : NULL;
}

int story_load(struct story *s, const struct record *r) {
    story_begin(s, r);
    int err = read_all(s);
    if (!err)
        err = join(s);
    if (err)
        story_free(s);
    if (err)
        return err;
    sides(s);
    program_sides(s);
    return 0;
}

void story_free(struct story *s) {
    free(s->ev);
    free(s->socket);
    free(s->program);
    free(s->flow);
    free(s->arrival);
    free(s->before);
    index_free(&s->sockets);
    index_free(&s->programs);
    index_free(&s->flows);
    index_free(&s->ports);
    index_free(&s->states);
    free(s->state);
    memset(s, 0, sizeof(*s));
}
