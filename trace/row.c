/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each event becomes a row, or a word in the row of its cause: a state change
 * stands beside the arrow or the call that made it. A call that took time has
 * two moments, its begin and its end; where nothing happened in between they
 * are one row.
 */
#include "trace/row.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/words.h"

struct moment {
    uint64_t t_ns;
    uint32_t ev; /* index into the story */
    bool end;    /* of a call */
    bool told;   /* an end that its begin's row tells already */
};

struct maker {
    struct rows *out;
    const struct story *s;
    uint32_t *row_of; /* index of event -> row + 1 */
    bool verbose;
    unsigned programs[3]; /* how many different ones a side has, up to 2 */
    uint32_t pid[3];
};

static int by_time(const void *a, const void *b) {
    const struct moment *x = a, *y = b;
    if (x->t_ns != y->t_ns)
        return x->t_ns < y->t_ns ? -1 : 1;
    /* In one instant the order of ids is the order of things; what ends a call
     * was caused by something in that instant, so ends come last. */
    if (x->end != y->end)
        return x->end ? 1 : -1;
    return x->ev < y->ev ? -1 : x->ev > y->ev;
}

static struct row *row_add(struct maker *m, const struct weir_event *ev) {
    struct rows *r = m->out;
    if (r->n == r->room) {
        size_t room = r->room ? r->room * 2 : 256;
        struct row *more = realloc(r->row, room * sizeof(*more));
        if (!more)
            return NULL;
        r->row = more;
        r->room = room;
    }
    struct row *row = &r->row[r->n++];
    *row = (struct row){.id = ev->id, .cause = ev->cause, .t_ns = ev->t_ns};
    m->row_of[ev - m->s->ev] = (uint32_t)r->n;
    return row;
}

static void put(char **at, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(char **at, const char *format, ...) {
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&text, format, ap);
    va_end(ap);
    if (n < 0)
        return;
    free(*at);
    *at = text;
}

static enum story_side flow_side(const struct story *s, uint32_t local,
                                 uint16_t lport, uint32_t remote,
                                 uint16_t rport) {
    int from = 0;
    if (story_between(s, 6, local, lport, remote, rport, &from))
        return from ? SIDE_RIGHT : SIDE_LEFT;
    return rport ? SIDE_LEFT : SIDE_RIGHT;
}

static enum story_side socket_side(const struct story *s,
                                   const struct weir_event *ev) {
    const struct story_socket *k = story_socket(s, ev->host, ev->sock, ev->id);
    return k ? k->side : SIDE_NONE;
}

static enum story_side program_side(const struct story *s, uint32_t pid) {
    const struct story_program *p = story_program(s, pid);
    return p ? p->side : SIDE_NONE;
}

static int column(enum story_side side, bool stack) {
    if (side == SIDE_RIGHT)
        return stack ? COL_STACK_R : COL_PROG_R;
    return stack ? COL_STACK_L : COL_PROG_L;
}

/* The row an event was shown in, while it is among the last few. */
static struct row *row_of(struct maker *m, weir_event_id id) {
    const struct weir_event *ev = story_find(m->s, id);
    uint32_t at = ev ? m->row_of[ev - m->s->ev] : 0;
    return at && at + 40 > m->out->n ? &m->out->row[at - 1] : NULL;
}

/* A word of the stack: beside its cause where that place is free. */
static void stack_word(struct maker *m, const struct weir_event *ev,
                       enum story_side side, const char *word, bool bad) {
    struct row *row = row_of(m, ev->cause);
    int c = column(side, true);
    if (row && !row->note && row->col[c] && strlen(row->col[c]) < 40 &&
        ev->kind == WEIR_EV_STATE) {
        /* a later state of the same instant takes the place */
        put(&row->col[c], "%s", word);
        m->row_of[ev - m->s->ev] =
            m->row_of[story_find(m->s, ev->cause) - m->s->ev];
        row->bulk = false;
        return;
    }
    if (row && !row->note && !row->col[c])
        m->row_of[ev - m->s->ev] =
            m->row_of[story_find(m->s, ev->cause) - m->s->ev];
    else
        row = row_add(m, ev);
    if (!row)
        return;
    put(&row->col[c], "%s", word);
    row->bulk = false;
    row->bad |= bad;
}

static const char *prefix(struct maker *m, enum story_side side, uint32_t pid,
                          char *out, size_t size) {
    out[0] = 0;
    if (pid && m->programs[side ? side : SIDE_LEFT] > 1) {
        words_program(m->s, pid, out, size - 1);
        strcat(out, " ");
    }
    return out;
}

static bool moves_bytes(unsigned call) {
    return call == WEIR_CALL_read || call == WEIR_CALL_write ||
           call == WEIR_CALL_send || call == WEIR_CALL_recv ||
           call == WEIR_CALL_sendto || call == WEIR_CALL_recvfrom ||
           call == WEIR_CALL_readv || call == WEIR_CALL_writev ||
           call == WEIR_CALL_sendmsg || call == WEIR_CALL_recvmsg ||
           call == WEIR_CALL_sendfile;
}

/* Calls that only ask or set are said with -v. */
static bool minor(unsigned call) {
    return call == WEIR_CALL_setsockopt || call == WEIR_CALL_getsockopt ||
           call == WEIR_CALL_getsockname || call == WEIR_CALL_getpeername ||
           call == WEIR_CALL_ioctl || call == WEIR_CALL_fcntl;
}

static bool harmless(int result) {
    return result == WEIR_CALL_PENDING || result >= 0 || result == -EAGAIN ||
           result == -EINPROGRESS;
}

static void call_row(struct maker *m, const struct weir_event *ev, bool whole) {
    if (!m->verbose && ((minor(ev->call.call) && harmless(ev->call.result)) ||
                        ev->call.result == -EAGAIN))
        return;
    enum story_side side = socket_side(m->s, ev);
    if (!side)
        side = program_side(m->s, ev->call.pid);
    struct row *row = row_add(m, ev);
    if (!row)
        return;
    char who[48], call[96], result[48] = "…";
    words_call(m->s, ev, call, sizeof(call));
    if (whole)
        words_result(ev, result, sizeof(result));
    put(&row->col[column(side, false)], "%s%s %s",
        prefix(m, side, ev->call.pid, who, sizeof(who)), call, result);
    row->bulk = moves_bytes(ev->call.call) && harmless(ev->call.result);
    row->bad = whole && !harmless(ev->call.result);
    /* What completed it is told by the row it ends in. */
    row->cause = whole && ev->cause < ev->id ? ev->cause : 0;
}

static void call_end_row(struct maker *m, const struct weir_event *ev,
                         uint64_t t_ns) {
    if (!m->verbose && ((minor(ev->call.call) && harmless(ev->call.result)) ||
                        ev->call.result == -EAGAIN))
        return;
    enum story_side side = socket_side(m->s, ev);
    if (!side)
        side = program_side(m->s, ev->call.pid);
    uint32_t begin = m->row_of[ev - m->s->ev];
    struct row *row = row_add(m, ev);
    if (!row)
        return;
    m->row_of[ev - m->s->ev] = begin;
    char who[48], result[48];
    row->t_ns = t_ns;
    put(&row->col[column(side, false)], "%s… %s %s",
        prefix(m, side, ev->call.pid, who, sizeof(who)),
        weir_call_name(ev->call.call),
        words_result(ev, result, sizeof(result)));
    row->bulk = moves_bytes(ev->call.call) && harmless(ev->call.result);
    row->bad = !harmless(ev->call.result);
    if (ev->call.result == -EINPROGRESS)
        row->cause = 0; /* it waited for nothing */
}

/* TCP and UDP: by who opened the flow. ICMP has none of its own: by the side
 * its sender has in another flow. */
static bool sent_by_right(const struct story *s, const struct weir_event *ev) {
    int from = 0;
    if (ev->seg.proto != 1) {
        story_flow(s, ev, &from);
        return from == 1;
    }
    for (size_t i = 0; i < s->nflows; i++) {
        const struct story_flow *f = &s->flow[i];
        if (f->proto != 1 && f->addr[1] == ev->seg.src)
            return true;
        if (f->proto != 1 && f->addr[0] == ev->seg.dst)
            return true;
    }
    return false;
}

static void segment_row(struct maker *m, size_t i) {
    const struct weir_event *ev = &m->s->ev[i];
    if (ev->kind != WEIR_EV_SEGMENT_SENT && story_find(m->s, ev->cause) &&
        m->row_of[story_find(m->s, ev->cause) - m->s->ev]) {
        /* the other end of an arrow that has its row */
        m->row_of[i] = m->row_of[story_find(m->s, ev->cause) - m->s->ev];
        return;
    }
    struct row *row = row_add(m, ev);
    if (!row)
        return;
    row->seg = ev;
    row->to_left = sent_by_right(m->s, ev);
    uint32_t arrival = m->s->arrival[i];
    row->end = arrival ? &m->s->ev[arrival - 1] : NULL;
    if (ev->kind != WEIR_EV_SEGMENT_SENT)
        row->end = ev;
    bool lost = row->end && row->end->kind == WEIR_EV_DROP;
    row->bad = lost || ev->seg.tcp_flags & WEIR_RST || ev->seg.nth > 1;
    row->bulk = !row->bad && ev->seg.proto == 6 &&
                !(ev->seg.tcp_flags & (WEIR_SYN | WEIR_FIN));
}

static void state_row(struct maker *m, const struct weir_event *ev) {
    enum story_side side = flow_side(m->s, ev->state.local, ev->state.lport,
                                     ev->state.remote, ev->state.rport);
    stack_word(m, ev, side, words_state(ev->state.to), false);
}

static void program_row(struct maker *m, const struct weir_event *ev) {
    enum story_side side = program_side(m->s, ev->program.pid);
    /* Programs without sockets, and the ways they come to be, are noise. */
    bool shown = m->verbose || (side && ev->kind == WEIR_EV_PROGRAM_EXITED) ||
                 (side && ev->kind == WEIR_EV_PROGRAM_STARTED) ||
                 (ev->kind == WEIR_EV_PROGRAM_FORKED && side &&
                  program_side(m->s, ev->program.ppid));
    struct row *row = shown ? row_add(m, ev) : NULL;
    if (!row)
        return;
    char text[128];
    words_event(m->s, ev, text, sizeof(text));
    char *on = strstr(text, " on "), *comma = on ? strchr(on, ',') : NULL;
    if (on) { /* the lane tells the host */
        char *by = strstr(on, " by ");
        char *rest = comma ? comma : by;
        if (rest)
            memmove(on, rest, strlen(rest) + 1);
        else
            *on = 0;
    }
    put(&row->col[column(side, false)], "%s", text);
}

static void released_row(struct maker *m, const struct weir_event *ev) {
    enum story_side side = socket_side(m->s, ev);
    struct row *row = row_add(m, ev);
    if (!row)
        return;
    char who[48];
    put(&row->col[column(side, false)], "%slast reference gone",
        prefix(m, side, ev->released.pid, who, sizeof(who)));
    if (ev->released.unread) {
        put(&row->col[column(side, true)], "! %u unread", ev->released.unread);
        row->bad = true;
    }
}

static void data_row(struct maker *m, const struct weir_event *ev) {
    enum story_side side = socket_side(m->s, ev);
    struct row *row = row_add(m, ev);
    if (!row)
        return;
    char who[48];
    put(&row->col[column(side, false)], "%s%s %u",
        prefix(m, side, ev->data.pid, who, sizeof(who)),
        ev->data.out ? "wrote" : "given", ev->data.bytes);
    row->bulk = true;
}

static void note_row(struct maker *m, const struct weir_event *ev) {
    struct row *row = row_add(m, ev);
    char text[256];
    if (!row)
        return;
    put(&row->note, "%s", words_event(m->s, ev, text, sizeof(text)));
    row->bad = ev->kind == WEIR_EV_ALARM || ev->kind == WEIR_EV_FAULT;
}

static void other_row(struct maker *m, size_t i) {
    const struct weir_event *ev = &m->s->ev[i];
    char word[64];
    switch (ev->kind) {
    case WEIR_EV_TIMER_FIRED:
        if (ev->timer.timer == WEIR_TIMER_DELACK && !m->verbose)
            return;
        snprintf(word, sizeof(word), "⏱%s", weir_timer_name(ev->timer.timer));
        stack_word(m, ev, socket_side(m->s, ev), word, false);
        return;
    case WEIR_EV_ERROR:
        snprintf(word, sizeof(word), "! %s", words_errno(ev->error.error));
        stack_word(m, ev, socket_side(m->s, ev), word, true);
        return;
    case WEIR_EV_QUEUE:
        snprintf(word, sizeof(word), "queue %u/%u", ev->queue.level,
                 ev->queue.limit);
        if (!ev->queue.syn_queue && (m->verbose || ev->queue.level))
            stack_word(m, ev, SIDE_RIGHT, word, false);
        return;
    case WEIR_EV_ARP: {
        struct row *row;
        if (!ev->arp.out || !(row = row_add(m, ev)))
            return;
        row->arp = ev;
        return;
    }
    case WEIR_EV_LINK:
    case WEIR_EV_FAULT:
    case WEIR_EV_ALARM:
    case WEIR_EV_TEXT:
        note_row(m, ev);
        return;
    case WEIR_EV_IMPAIRED:
        if (m->verbose)
            note_row(m, ev);
        return;
    default:
        return;
    }
}

/* Where nothing is shown between a call's begin and its end they are one row:
 * the end is marked as told. */
static bool is_whole(const struct maker *m, struct moment *at, size_t left) {
    const struct weir_event *ev = &m->s->ev[at->ev];
    if (ev->call.took_us == 0)
        return true;
    for (size_t i = 1; i < left; i++) {
        if (at[i].end && at[i].ev == at->ev) {
            at[i].told = true;
            return true;
        }
        unsigned kind = m->s->ev[at[i].ev].kind;
        if (at[i].end ||
            (kind != WEIR_EV_SOCKET && kind != WEIR_EV_NAMED &&
             kind != WEIR_EV_QUEUE && kind != WEIR_EV_PROGRAM_EXECUTED))
            return false;
    }
    return false;
}

static void moment_row(struct maker *m, struct moment *at, size_t left) {
    size_t i = at->ev;
    const struct weir_event *ev = &m->s->ev[i];
    if (at->end) {
        if (m->row_of[i] && !at->told)
            call_end_row(m, ev, at->t_ns);
        return;
    }
    switch (ev->kind) {
    case WEIR_EV_CALL:
        call_row(m, ev, is_whole(m, at, left));
        return;
    case WEIR_EV_SEGMENT_SENT:
    case WEIR_EV_SEGMENT_RECEIVED:
    case WEIR_EV_DROP:
        segment_row(m, i);
        return;
    case WEIR_EV_STATE:
        state_row(m, ev);
        return;
    case WEIR_EV_PROGRAM_STARTED:
    case WEIR_EV_PROGRAM_FORKED:
    case WEIR_EV_PROGRAM_EXECUTED:
    case WEIR_EV_PROGRAM_EXITED:
        program_row(m, ev);
        return;
    case WEIR_EV_RELEASED:
        released_row(m, ev);
        return;
    case WEIR_EV_DATA:
        data_row(m, ev);
        return;
    default:
        other_row(m, i);
    }
}

static void count_programs(struct maker *m) {
    for (size_t i = 0; i < m->s->nprograms; i++) {
        const struct story_program *p = &m->s->program[i];
        if (!p->active || !p->side)
            continue;
        m->pid[p->side] = p->pid;
        m->programs[p->side]++;
    }
}

static void titles(struct maker *m) {
    const struct story *s = m->s;
    char text[64];
    char **title[3] = {NULL, &m->out->left, &m->out->right};
    char **host[3] = {NULL, &m->out->left_host, &m->out->right_host};
    for (int side = 1; side <= 2; side++) {
        if (m->programs[side] == 1)
            put(title[side], "%s",
                words_program(s, m->pid[side], text, sizeof(text)));
        else
            put(title[side], "%s", m->programs[side] ? "programs" : "");
        uint8_t number = 0;
        bool many = false;
        for (size_t i = 0; i < s->nsockets; i++)
            if ((int)s->socket[i].side == side) {
                many |= number && number != s->socket[i].host;
                number = s->socket[i].host;
            }
        put(host[side], "%s",
            many     ? "stack"
            : number ? story_host(s, number)
                     : "stack");
    }
}

int rows_make(struct rows *rows, const struct story *s, bool verbose) {
    memset(rows, 0, sizeof(*rows));
    struct maker m = {.out = rows, .s = s, .verbose = verbose};
    m.row_of = calloc(s->n + 1, sizeof(*m.row_of));
    struct moment *moment = calloc(2 * s->n + 1, sizeof(*moment));
    if (!m.row_of || !moment) {
        free(m.row_of);
        free(moment);
        return -ENOMEM;
    }
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct weir_event *ev = &s->ev[i];
        moment[n++] = (struct moment){ev->t_ns, (uint32_t)i, false, false};
        if (ev->kind == WEIR_EV_CALL && ev->call.took_us &&
            ev->call.result != WEIR_CALL_PENDING)
            moment[n++] = (struct moment){
                ev->t_ns + (uint64_t)ev->call.took_us * 1000 + 999, (uint32_t)i,
                true, false};
    }
    qsort(moment, n, sizeof(*moment), by_time);
    count_programs(&m);
    titles(&m);
    for (size_t i = 0; i < n; i++)
        moment_row(&m, &moment[i], n - i);
    free(moment);
    free(m.row_of);
    return 0;
}

void row_clear(struct row *row) {
    for (int c = 0; c < COLS; c++)
        free(row->col[c]);
    free(row->note);
}

void rows_free(struct rows *rows) {
    for (size_t i = 0; i < rows->n; i++)
        row_clear(&rows->row[i]);
    free(rows->row);
    free(rows->left);
    free(rows->right);
    free(rows->left_host);
    free(rows->right_host);
    memset(rows, 0, sizeof(*rows));
}
