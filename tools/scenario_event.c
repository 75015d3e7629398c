/* SPDX-License-Identifier: BSD-2-Clause */
/* Events and expectations of a scenario file: both describe what the recorder
 * must show. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/scenario_in.h"

struct match_reader {
    struct scenario *s;
    struct sc_match *match;
    struct sc_expect *expect; /* NULL: a condition of an event */
    unsigned *nth;
};

static const char *const call_names[] = {
#define X(name) #name,
    WEIR_CALLS(X)
#undef X
        NULL};

static const char *const reason_names[] = {
#define X(name, text) #name,
    WEIR_REASONS(X)
#undef X
        NULL};

static const char *const state_names[] = {
    "ESTABLISHED", "SYN_SENT",  "SYN_RECV", "FIN_WAIT1",
    "FIN_WAIT2",   "TIME_WAIT", "CLOSED",   "CLOSE_WAIT",
    "LAST_ACK",    "LISTEN",    "CLOSING",  NULL};

static const char *const segment_names[] = {
    "SYN", "SYN+ACK", "FIN", "RST", "ACK", "data", "UDP", "ICMP", "any", NULL};

static void m_host(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    r->match->host = (int)scenario_host_named(r->s, y, v, yaml_text(y, v)) + 1;
}

static void m_call(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    r->match->call =
        1 + (unsigned)yaml_choice(y, v, yaml_text(y, v), "call", call_names);
}

static int errno_named(struct yaml *y, struct fy_node *v) {
    const char *text = yaml_text(y, v);
    for (int i = 1; i < 134; i++)
        if (strerrorname_np(i) && !strcmp(strerrorname_np(i), text))
            return i;
    yaml_fail(y, v, "unknown errno '%s'", text);
    return 0;
}

static void m_errno(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    r->match->result = -errno_named(y, v);
    r->match->has_result = true;
}

static void m_result(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    r->match->result = (int)yaml_number(y, v, 0, INT32_MAX);
    r->match->has_result = true;
}

static void m_state(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    r->match->state =
        1 + (unsigned)yaml_choice(y, v, yaml_text(y, v), "state", state_names);
}

static void m_sent(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    r->match->sent = yaml_text(y, v);
    yaml_choice(y, v, r->match->sent, "segment", segment_names);
}

static void m_received(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    r->match->received = yaml_text(y, v);
    yaml_choice(y, v, r->match->received, "segment", segment_names);
}

static void m_reason(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    int i = yaml_choice(y, v, yaml_text(y, v), "reason", reason_names);
    r->match->reason = i < 0 ? 0 : (unsigned)i;
}

static void m_dropped(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    r->match->dropped = true;
    m_reason(y, v, to);
}

static void m_error(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    r->match->error = errno_named(y, v);
}

static void m_timer(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    const char *names[WEIR_TIMER_MAX + 1] = {0};
    for (unsigned i = 1; i < WEIR_TIMER_MAX; i++)
        names[i - 1] = weir_timer_name(i);
    r->match->timer =
        1 + (unsigned)yaml_choice(y, v, yaml_text(y, v), "timer", names);
}

static void m_arp(struct yaml *y, struct fy_node *v, void *to) {
    static const char *const words[] = {"request", "reply", NULL};
    struct match_reader *r = to;
    r->match->arp = true;
    r->match->result =
        1 + yaml_choice(y, v, yaml_text(y, v), "ARP operation", words);
}

static void m_nth(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    unsigned n = (unsigned)yaml_number(y, v, 1, 100000);
    if (r->nth)
        *r->nth = n;
    else
        r->match->nth = n;
}

static void m_copies(struct yaml *y, struct fy_node *v, void *to) {
    ((struct match_reader *)to)->match->copies =
        (unsigned)yaml_number(y, v, 1, 15);
}

static void m_port(struct yaml *y, struct fy_node *v, void *to) {
    ((struct match_reader *)to)->match->port =
        (uint16_t)yaml_number(y, v, 1, 65535);
}

static void m_after(struct yaml *y, struct fy_node *v, void *to) {
    ((struct match_reader *)to)->match->after_ns = yaml_time(y, v);
}

static void m_within(struct yaml *y, struct fy_node *v, void *to) {
    ((struct match_reader *)to)->match->within_ns = yaml_time(y, v);
}

static void m_text(struct yaml *y, struct fy_node *v, void *to) {
    ((struct match_reader *)to)->match->text = yaml_text(y, v);
}

/* "3": exactly; "3+": at least. */
static void m_count(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    const char *text = yaml_text(y, v);
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    bool open = !strcmp(end, "+");
    if (!r->expect || end == text || (*end && !open) || n > 1000000)
        yaml_fail(y, v, "'%s' is not a count, as in 3 or \"3+\"", text);
    else
        *r->expect = (struct sc_expect){r->expect->match, (unsigned)n,
                                        open ? UINT32_MAX : (unsigned)n,
                                        r->expect->line};
}

static void m_never(struct yaml *y, struct fy_node *v, void *to) {
    struct match_reader *r = to;
    if (yaml_bool(y, v) && r->expect)
        r->expect->least = r->expect->most = 0;
}

static const struct yaml_key match_keys[] = {
    {"host", m_host},         {"call", m_call},       {"errno", m_errno},
    {"result", m_result},     {"state", m_state},     {"sent", m_sent},
    {"received", m_received}, {"dropped", m_dropped}, {"reason", m_reason},
    {"error", m_error},       {"timer", m_timer},     {"arp", m_arp},
    {"nth", m_nth},           {"port", m_port},       {"copies", m_copies},
    {"after", m_after},       {"within", m_within},   {"text", m_text},
    {"count", m_count},       {"never", m_never},     {NULL, NULL}};

void scenario_read_expect(struct yaml *y, struct fy_node *v, void *scenario) {
    struct scenario *s = scenario;
    if (s->nexpects == SC_EXPECTS) {
        yaml_fail(y, v, "at most %d expectations", SC_EXPECTS);
        return;
    }
    struct sc_expect *e = &s->expect[s->nexpects++];
    *e = (struct sc_expect){.least = 1, .most = UINT32_MAX};
    struct match_reader r = {s, &e->match, e, NULL};
    yaml_mapping(y, v, "an expectation", match_keys, &r);
}

/* ---- events ---- */

struct event_reader {
    struct scenario *s;
    struct sc_event *e;
    bool has_action;
};

static void e_at(struct yaml *y, struct fy_node *v, void *to) {
    ((struct event_reader *)to)->e->at_ns = yaml_time(y, v);
}

static void e_for(struct yaml *y, struct fy_node *v, void *to) {
    ((struct event_reader *)to)->e->for_ns = yaml_time(y, v);
}

static void e_when(struct yaml *y, struct fy_node *v, void *to) {
    struct event_reader *r = to;
    r->e->on_match = true;
    r->e->when_nth = 1;
    struct match_reader m = {r->s, &r->e->when, NULL, &r->e->when_nth};
    yaml_mapping(y, v, "when", match_keys, &m);
}

static void action(struct yaml *y, struct fy_node *v, struct event_reader *r,
                   enum sc_action what) {
    if (r->has_action)
        yaml_fail(y, v, "an event does one thing: make two of it");
    r->has_action = true;
    r->e->action = what;
}

/* "a" or "a:eth1". */
static void interface(struct yaml *y, struct fy_node *v,
                      struct event_reader *r) {
    char name[64];
    const char *text = yaml_text(y, v), *colon = strchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : strlen(text);
    n = n < sizeof(name) - 1 ? n : sizeof(name) - 1;
    memcpy(name, text, n);
    name[n] = 0;
    r->e->host = scenario_host_named(r->s, y, v, name);
    char *end = NULL;
    if (colon && !strncmp(colon, ":eth", 4))
        r->e->iface = (unsigned)strtoul(colon + 4, &end, 10);
    if (colon && (!end || *end || end == colon + 4))
        yaml_fail(y, v, "'%s' is not HOST or HOST:ethN", text);
}

static void e_cut(struct yaml *y, struct fy_node *v, void *to) {
    action(y, v, to, ACT_CUT);
    interface(y, v, to);
}

static void e_heal(struct yaml *y, struct fy_node *v, void *to) {
    action(y, v, to, ACT_HEAL);
    interface(y, v, to);
}

static void host_action(struct yaml *y, struct fy_node *v,
                        struct event_reader *r, enum sc_action what) {
    action(y, v, r, what);
    r->e->host = scenario_host_named(r->s, y, v, yaml_text(y, v));
}

static void e_crash(struct yaml *y, struct fy_node *v, void *to) {
    host_action(y, v, to, ACT_CRASH);
}

static void e_reboot(struct yaml *y, struct fy_node *v, void *to) {
    host_action(y, v, to, ACT_REBOOT);
}

static void e_freeze(struct yaml *y, struct fy_node *v, void *to) {
    host_action(y, v, to, ACT_FREEZE);
}

static void e_thaw(struct yaml *y, struct fy_node *v, void *to) {
    host_action(y, v, to, ACT_THAW);
}

static void named_program(struct yaml *y, struct fy_node *v,
                          struct event_reader *r) {
    const char *names[SC_PROGRAMS + 1] = {0};
    for (unsigned i = 0; i < r->s->nprograms; i++)
        names[i] = r->s->program[i].name;
    r->e->program = yaml_text(y, v);
    yaml_choice(y, v, r->e->program, "program", names);
}

static void e_start(struct yaml *y, struct fy_node *v, void *to) {
    action(y, v, to, ACT_START);
    named_program(y, v, to);
}

static void e_signal(struct yaml *y, struct fy_node *v, void *to) {
    struct event_reader *r = to;
    action(y, v, to, ACT_SIGNAL);
    r->e->signal = scenario_signal(y, v, yaml_text(y, v));
}

static void e_input(struct yaml *y, struct fy_node *v, void *to) {
    action(y, v, to, ACT_INPUT);
    ((struct event_reader *)to)->e->text = yaml_text(y, v);
}

static void e_program(struct yaml *y, struct fy_node *v, void *to) {
    named_program(y, v, to);
}

static void e_say(struct yaml *y, struct fy_node *v, void *to) {
    action(y, v, to, ACT_SAY);
    ((struct event_reader *)to)->e->text = yaml_text(y, v);
}

static void e_set_pair(struct yaml *y, struct fy_node *key,
                       struct fy_node *value, void *to) {
    struct event_reader *r = to;
    scenario_pair(y, key, value, r->e->set, &r->e->nset);
}

static void e_set(struct yaml *y, struct fy_node *v, void *to) {
    action(y, v, to, ACT_SET);
    yaml_pairs(y, v, "set", e_set_pair, to);
}

static void e_link(struct yaml *y, struct fy_node *v, void *to) {
    interface(y, v, to);
}

void scenario_read_event(struct yaml *y, struct fy_node *v, void *scenario) {
    static const struct yaml_key keys[] = {
        {"at", e_at},       {"when", e_when},       {"after", e_at},
        {"for", e_for},     {"cut", e_cut},         {"heal", e_heal},
        {"crash", e_crash}, {"reboot", e_reboot},   {"freeze", e_freeze},
        {"thaw", e_thaw},   {"start", e_start},     {"signal", e_signal},
        {"stdin", e_input}, {"program", e_program}, {"say", e_say},
        {"set", e_set},     {"link", e_link},       {NULL, NULL}};
    struct scenario *s = scenario;
    if (s->nevents == SC_EVENTS) {
        yaml_fail(y, v, "at most %d events", SC_EVENTS);
        return;
    }
    struct event_reader r = {s, &s->event[s->nevents++], false};
    yaml_mapping(y, v, "an event", keys, &r);
    bool on_program = r.e->action == ACT_SIGNAL || r.e->action == ACT_INPUT;
    if (!r.has_action)
        yaml_fail(y, v,
                  "an event needs what happens: cut, heal, crash, "
                  "reboot, freeze, thaw, signal, start, stdin, set, say");
    else if (on_program && !r.e->program)
        yaml_fail(y, v, "which program? add 'program: NAME'");
}
