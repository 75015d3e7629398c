/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * weir dump: tcpdump's lines, or a pcapng file, from a recording or from a
 * network that is up. Each frame is shown once, where it was sent, with what
 * became of it; with -i HOST:ethN as that interface saw it, in and out.
 */
#include <errno.h>
#include <getopt.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "links/pcapng.h"
#include "run/place.h"
#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/dump.h"
#include "tools/open.h"
#include "trace/words.h"

static const char usage[] =
    "usage: weir dump [-neqvStlU#] [-c COUNT] [-s LENGTH] [-i INTERFACE]\n"
    "                 [-r RECORDING | --network NAME] [-w FILE] [FILTER]\n"
    "The last recording, or the one of -r; with -i the network that is up,\n"
    "from now on (-i any, -i lo, -i a:eth0). FILTER as pcap-filter(7); -w\n"
    "writes pcapng (\"-\": standard output).\n";

struct dump {
    struct dump_options o;
    const char *interface, *recording, *network, *write;
    char *host; /* of -i HOST:NAME; NULL: any */
    long count;
    uint32_t snap;
    bool live, line_buffered;
    struct record r;
    struct story s;
    bool filtered;
    struct bpf_program filter;
    struct pcapng *out;
    struct frame_place place[256];
    int nplaces;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig) {
    (void)sig;
    interrupted = 1;
}

/* ---- choosing ---- */

/* As an interface sees it, or where it is told once: where it was sent, or
 * what came from outside. */
static bool here(const struct dump *d, const struct weir_event *ev) {
    struct frame_place p = frame_place(&d->s, ev);
    bool first = ev->kind == WEIR_EV_SEGMENT_SENT ||
                 (ev->kind == WEIR_EV_ARP && ev->arp.out);
    if (!d->interface || !strcmp(d->interface, "any"))
        return first || !ev->cause;
    bool lo = !strcmp(p.name, "lo");
    if (d->host && strcmp(d->host, story_host(&d->s, p.host)))
        return false;
    return !strcmp(p.name, d->interface) && (first || !lo || !ev->cause);
}

static bool passes(const struct dump *d, const struct weir_event *ev,
                   struct frame *f) {
    if (ev->kind == WEIR_EV_DROP && ev->cause)
        return false; /* told with the frame */
    if (ev->kind == WEIR_EV_SEGMENT_FORWARDED || !frame_make(&d->s, ev, f) ||
        !here(d, ev))
        return false;
    struct pcap_pkthdr h = {.caplen = f->captured, .len = f->length};
    return !d->filtered || pcap_offline_filter(&d->filter, &h, f->bytes);
}

static bool compile(struct dump *d, char *const *words) {
    char text[1024] = "";
    for (; *words; words++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "", *words);
    }
    if (!text[0])
        return true;
    pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);
    if (!p || pcap_compile(p, &d->filter, text, 1, PCAP_NETMASK_UNKNOWN)) {
        fprintf(stderr, "weir: %s\n", p ? pcap_geterr(p) : "out of memory");
        if (p)
            pcap_close(p);
        return false;
    }
    pcap_close(p);
    return d->filtered = true;
}

/* ---- one frame ---- */

/* Why it was sent, if that is worth a word, or why it went no further. */
static const char *why(const struct dump *d, const struct weir_event *ev,
                       char *out, size_t size) {
    const struct weir_event *end = NULL;
    size_t i = (size_t)(ev - d->s.ev);
    if (ev->kind == WEIR_EV_SEGMENT_SENT && d->s.arrival && d->s.arrival[i])
        end = &d->s.ev[d->s.arrival[i] - 1];
    out[0] = 0;
    if (ev->kind != WEIR_EV_ARP && ev->seg.reason)
        snprintf(out, size, "%s: %s", weir_reason_name(ev->seg.reason),
                 weir_reason_text(ev->seg.reason));
    /* A RST is taken and ends; that is no loss. */
    if (end && end->kind == WEIR_EV_DROP && end->seg.reason != WEIR_TCP_RESET) {
        size_t n = strlen(out);
        snprintf(out + n, size - n, "%sdropped at %s: %s: %s", n ? "; " : "",
                 story_host(&d->s, end->host),
                 weir_reason_name(end->seg.reason),
                 weir_reason_text(end->seg.reason));
    }
    return out[0] ? out : NULL;
}

static int interface_number(struct dump *d, struct frame_place p) {
    for (int i = 0; i < d->nplaces; i++)
        if (d->place[i].host == p.host && !strcmp(d->place[i].name, p.name))
            return i;
    if (d->nplaces == (int)(sizeof(d->place) / sizeof(d->place[0])))
        return 0;
    char text[64];
    snprintf(text, sizeof(text), "%s:%s", story_host(&d->s, p.host), p.name);
    if (pcapng_interface(d->out, text, "weir, from the recording") < 0)
        return -1;
    d->place[d->nplaces] = p;
    return d->nplaces++;
}

static int write_frame(struct dump *d, const struct weir_event *ev,
                       const struct frame *f, const char *reason) {
    char comment[400], words[320];
    uint32_t pid = frame_pid(&d->s, ev);
    const struct weir_event *cause =
        d->s.ev ? story_find(&d->s, ev->cause) : NULL;
    bool sent = ev->kind == WEIR_EV_SEGMENT_SENT ||
                (ev->kind == WEIR_EV_ARP && ev->arp.out);
    int n =
        snprintf(comment, sizeof(comment), "e%llu", (unsigned long long)ev->id);
    if (pid)
        n += snprintf(comment + n, sizeof(comment) - (size_t)n, " %s[%u]",
                      story_comm(&d->s, pid), pid);
    if (reason)
        n += snprintf(comment + n, sizeof(comment) - (size_t)n, " %s", reason);
    if (cause && (size_t)n < sizeof(comment))
        snprintf(comment + n, sizeof(comment) - (size_t)n, " <- e%llu %s",
                 (unsigned long long)cause->id,
                 words_event(&d->s, cause, words, sizeof(words)));
    struct pcapng_packet packet = {
        .interface = interface_number(d, frame_place(&d->s, ev)),
        .wall_ns = ev->t_ns + (uint64_t)d->r.header->wall_ns,
        .captured = d->snap && d->snap < f->captured ? d->snap : f->captured,
        .length = f->length,
        .bytes = f->bytes,
        .direction = sent ? PCAPNG_OUTBOUND : PCAPNG_INBOUND,
        .packet_id = ev->id,
        .pid = pid,
        .tid = pid,
        .comment = comment};
    return packet.interface < 0 ? -EIO : pcapng_write(d->out, &packet);
}

/* False: enough. */
static bool show(struct dump *d, const struct weir_event *ev) {
    struct frame f;
    char text[256];
    if (!passes(d, ev, &f))
        return true;
    const char *reason = why(d, ev, text, sizeof(text));
    if (d->out) {
        if (write_frame(d, ev, &f, reason))
            return false;
    } else {
        dump_line(stdout, &d->o, &d->s, ev, reason);
        if (d->line_buffered)
            fflush(stdout);
    }
    return d->count == 0 || --d->count > 0;
}

/* ---- sources ---- */

/* -i names something there is; else say what there is. */
static bool interface_known(const struct dump *d) {
    const struct record_header *h = d->r.header;
    bool any = !d->interface || !strcmp(d->interface, "any") ||
               !strcmp(d->interface, "lo");
    for (uint32_t i = 0; i < h->nifs; i++) {
        bool host = !d->host ||
                    !strcmp(d->host, record_host_name(&d->r, h->ifs[i].host));
        if (host && (any || !strcmp(d->interface, h->ifs[i].name)))
            return true;
    }
    fprintf(stderr, "weir: there is no interface '%s%s%s'; there is any, lo",
            d->host ? d->host : "", d->host ? ":" : "", d->interface);
    for (uint32_t i = 0; i < h->nifs; i++)
        fprintf(stderr, ", %s:%s", record_host_name(&d->r, h->ifs[i].host),
                h->ifs[i].name);
    fputc('\n', stderr);
    return false;
}

static int dump_recording(struct dump *d) {
    if (!open_story(&d->r, &d->s, d->recording) || !interface_known(d))
        return EXIT_WEIR;
    for (size_t i = 0; i < d->s.n; i++)
        if (!show(d, &d->s.ev[i]))
            break;
    if (d->s.lost)
        fprintf(stderr, "weir: %llu earlier events had been overwritten\n",
                (unsigned long long)d->s.lost);
    return 0;
}

/* A recording that grows: frames are shown at once, so what becomes of one
 * later (a drop on its way) is a line of its own. */
static int dump_live(struct dump *d) {
    int err = record_open_network(&d->r, d->network);
    if (err) {
        fprintf(stderr, "weir: network '%s' keeps no recording to follow\n",
                d->network);
        return EXIT_WEIR;
    }
    struct record_cursor c = {0};
    const struct weir_event *ev;
    story_begin(&d->s, &d->r);
    if (!interface_known(d))
        return EXIT_WEIR;
    while ((ev = record_next(&d->r, &c)))
        story_see(&d->s, ev);
    fprintf(stderr, "listening on network %s, interface %s\n", d->network,
            d->interface);
    bool more = true, ended = false;
    while (more && !interrupted && !ended) {
        ended = d->r.header->ended || kill((pid_t)d->r.header->pid, 0) != 0;
        while (more && (ev = record_next(&d->r, &c))) {
            struct weir_event copy = *ev;
            story_see(&d->s, &copy);
            if (copy.kind == WEIR_EV_DROP && copy.seg.reason != WEIR_TCP_RESET)
                copy.cause = 0; /* told by itself: its frame has been shown */
            more = show(d, &copy);
        }
        if (d->out)
            pcapng_flush(d->out);
        fflush(stdout);
        if (!ended && more)
            usleep(20000);
    }
    return 0;
}

static int run(struct dump *d) {
    if (d->write) {
        FILE *f = strcmp(d->write, "-") ? fopen(d->write, "we")
                                        : fdopen(dup(STDOUT_FILENO), "w");
        d->out = f ? pcapng_create(f) : NULL;
        if (!d->out) {
            fprintf(stderr, "weir: %s: %s\n", d->write, strerror(errno));
            return EXIT_WEIR;
        }
    }
    int status = d->live ? dump_live(d) : dump_recording(d);
    if (d->out && pcapng_close(d->out)) {
        fprintf(stderr, "weir: %s could not be written\n", d->write);
        status = EXIT_WEIR;
    }
    if (d->r.header)
        close_story(&d->r, &d->s);
    if (d->filtered)
        pcap_freecode(&d->filter);
    return status;
}

/* ---- options ---- */

static bool number(const char *text, long *out) {
    char *end;
    *out = strtol(text, &end, 10);
    if (*text && !*end && *out >= 0)
        return true;
    fprintf(stderr, "weir: not a number: %s\n", text);
    return false;
}

static bool take_option(struct dump *d, int c) {
    long v = 0;
    switch (c) {
    case 'n':
    case 'e':
    case 'q':
    case 'v':
    case 'S':
    case '#':
        *(c == 'n'   ? &d->o.numeric
          : c == 'e' ? &d->o.ethernet
          : c == 'q' ? &d->o.quiet
          : c == 'v' ? &d->o.verbose
          : c == 'S' ? &d->o.absolute
                     : &d->o.number) = true;
        return true;
    case 't':
        d->o.time += d->o.time < 5;
        return true;
    case 'l':
    case 'U':
        d->line_buffered = true;
        return true;
    case 'c':
        return number(optarg, &d->count);
    case 's':
        d->snap = number(optarg, &v) ? (uint32_t)v : 0;
        return v >= 0;
    case 'i':
        d->interface = optarg;
        return true;
    case 'r':
        d->recording = optarg;
        return true;
    case 'w':
        d->write = optarg;
        return true;
    case 256:
        d->network = optarg;
        return true;
    default:
        return false;
    }
}

/* -i "a:eth0": the interface of a host. */
static void split_interface(struct dump *d) {
    char *colon = d->interface ? strchr(d->interface, ':') : NULL;
    if (!colon)
        return;
    d->host = strndup(d->interface, (size_t)(colon - d->interface));
    d->interface = colon + 1;
}

int cmd_dump(int argc, char **argv) {
    static const struct option longs[] = {
        {"number", no_argument, NULL, '#'},
        {"network", required_argument, NULL, 256},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    static struct dump dump;
    struct dump *d = &dump;
    int c;
    while ((c = getopt_long(argc, argv, "+neqvStlU#c:s:i:r:w:h", longs,
                            NULL)) != -1)
        if (!take_option(d, c)) {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : EXIT_WEIR;
        }
    char up[64];
    d->live = !d->recording &&
              (d->network || (d->interface && place_list(0, up, sizeof(up))));
    if (d->live && !d->interface)
        d->interface = "any";
    if (!compile(d, argv + optind))
        return EXIT_WEIR;
    split_interface(d);
    if (d->live && !(d->network = ask_which(d->network)))
        return EXIT_WEIR;
    if (d->write && !strcmp(d->write, "-") && isatty(STDOUT_FILENO)) {
        fputs("weir: pcapng to a terminal? Use -w FILE, or a pipe\n", stderr);
        return EXIT_WEIR;
    }
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    int status = run(d);
    free(d->host);
    return status;
}
