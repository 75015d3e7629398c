/* SPDX-License-Identifier: BSD-2-Clause */
/* Draws rows: columns of fixed width, arrows in the middle. */
#include "trace/ladder.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "trace/row.h"
#include "trace/words.h"

struct pen {
    FILE *out;
    const struct ladder_options *o;
    unsigned prog, stack, wire; /* widths */
    uint64_t t0;
};

/* Columns a UTF-8 text takes: its code points (ours are all one wide). */
static unsigned width_of(const char *text) {
    unsigned n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

/* Exactly `width` columns: cut with an ellipsis, or padded. */
static void cell(struct pen *p, const char *text, unsigned width) {
    text = text ? text : "";
    unsigned n = width_of(text);
    if (n <= width) {
        fprintf(p->out, "%s%*s", text, (int)(width - n), "");
        return;
    }
    /* Of a call the result matters more than its last argument. */
    const char *result = strstr(text, ") ");
    unsigned tail = result ? width_of(result) : 0;
    if (tail + 8 > width)
        tail = 0;
    unsigned shown = 0;
    for (const char *at = text; *at && shown + 1 + tail < width; shown++) {
        fputc(*at++, p->out);
        while ((*at & 0xc0) == 0x80)
            fputc(*at++, p->out);
    }
    fputs(p->o->ascii ? "." : "…", p->out);
    if (tail)
        fputs(result, p->out);
}

static void repeat(FILE *out, const char *unit, unsigned n) {
    while (n--)
        fputs(unit, out);
}

/* What an arrow says besides its numbers: which transmission, its fate. */
static void arrow_text(const struct story *s, const struct row *r, char *out,
                       size_t size, const char **lost) {
    words_segment(s, r->seg, out, size);
    size_t n = strlen(out);
    if (r->seg->kind == WEIR_EV_SEGMENT_SENT && r->seg->seg.nth > 1)
        snprintf(out + n, size - n, " rtx %u", r->seg->seg.nth - 1);
    *lost = NULL;
    if (r->end && r->end->kind == WEIR_EV_DROP)
        *lost = weir_reason_name(r->end->seg.reason);
}

static void arrow(struct pen *p, const struct story *s, const struct row *r) {
    char text[96];
    const char *lost, *dash = p->o->ascii ? "-" : "─";
    arrow_text(s, r, text, sizeof(text), &lost);
    unsigned n = width_of(text), room = p->wire - 2;
    char fate[40] = "";
    if (lost)
        snprintf(fate, sizeof(fate), "%s %s", p->o->ascii ? "x" : "✗", lost);
    unsigned f = width_of(fate), used = n + 4 + (f ? f + 1 : 0);
    unsigned fill = used < room ? room - used : 0;
    if (lost && !r->to_left) {
        fprintf(p->out, "%s%s %s ", dash, dash, text);
        fprintf(p->out, "%s%*s  ", fate, (int)fill + 1, "");
    } else if (lost) {
        fprintf(p->out, "%*s%s %s %s%s  ", (int)fill + 1, "", fate, text, dash,
                dash);
    } else if (!r->to_left) {
        fprintf(p->out, "%s%s %s ", dash, dash, text);
        repeat(p->out, dash, fill + 1);
        fprintf(p->out, "%s ", p->o->ascii ? ">" : "▶");
    } else {
        fputs(p->o->ascii ? "<" : "◀", p->out);
        repeat(p->out, dash, fill + 1);
        fprintf(p->out, " %s %s%s ", text, dash, dash);
    }
    if (used > room)
        fputs("", p->out);
}

static void arp_cell(struct pen *p, const struct story *s,
                     const struct row *r) {
    char addr[40], text[96];
    uint32_t who =
        r->arp->arp.op == 1 ? r->arp->arp.target : r->arp->arp.sender;
    words_address(s, who, 0, addr, sizeof(addr));
    addr[strcspn(addr, ":")] = 0;
    if (r->arp->arp.op == 1)
        snprintf(text, sizeof(text), "ARP who has %s? (%u)", addr,
                 r->arp->arp.nth);
    else
        snprintf(text, sizeof(text), "ARP %s is at …%02x:%02x", addr,
                 r->arp->arp.mac[4], r->arp->arp.mac[5]);
    cell(p, text, p->wire);
}

static void wire_cell(struct pen *p, const struct story *s,
                      const struct row *r) {
    char text[96];
    if (r->seg) {
        arrow(p, s, r);
    } else if (r->arp) {
        arp_cell(p, s, r);
    } else if (r->folded) {
        snprintf(text, sizeof(text), "… %u segments, %llu KB, no loss",
                 r->folded_segments,
                 (unsigned long long)(r->folded_bytes / 1000));
        cell(p, text, p->wire);
    } else {
        cell(p, "", p->wire);
    }
}

static void draw(struct pen *p, const struct story *s, const struct row *r) {
    if (p->o->color && r->bad)
        fputs("\033[31m", p->out);
    fprintf(p->out, "%-5llu %9.3f  ", (unsigned long long)(r->id & 0xffffffff),
            (double)(r->t_ns - p->t0) / 1e6);
    if (r->note) {
        fprintf(p->out, "%s %s %s", p->o->ascii ? "--" : "──", r->note,
                p->o->ascii ? "--" : "──");
    } else {
        cell(p, r->col[COL_PROG_L], p->prog);
        fputc(' ', p->out);
        if (p->stack) {
            cell(p, r->col[COL_STACK_L], p->stack);
            fputc(' ', p->out);
        }
        wire_cell(p, s, r);
        if (p->stack) {
            cell(p, r->col[COL_STACK_R], p->stack);
            fputc(' ', p->out);
        }
        cell(p, r->col[COL_PROG_R], p->prog);
        if (r->cause)
            fprintf(p->out, " %s%llu", p->o->ascii ? "<-" : "← ",
                    (unsigned long long)(r->cause & 0xffffffff));
    }
    fputs(p->o->color && r->bad ? "\033[0m\n" : "\n", p->out);
}

static void heading(struct pen *p, const struct rows *rows) {
    fprintf(p->out, "%-5s %9s  ", "id", "t/ms");
    cell(p, rows->left, p->prog);
    fputc(' ', p->out);
    if (p->stack) {
        cell(p, rows->left_host, p->stack);
        fputc(' ', p->out);
    }
    cell(p, "wire", p->wire);
    if (p->stack) {
        cell(p, rows->right_host, p->stack);
        fputc(' ', p->out);
    }
    cell(p, rows->right, p->prog);
    fputs(" cause\n", p->out);
}

void ladder_print(FILE *out, const struct story *s,
                  const struct ladder_options *options) {
    struct rows rows;
    if (rows_make(&rows, s, options->verbose))
        return;
    if (!options->verbose)
        rows_fold(&rows);
    struct pen p = {.out = out, .o = options};
    unsigned width = options->width < 80 ? 80 : options->width;
    p.stack = width < 100 ? 0 : 12;
    unsigned left = width - 17 - 7 - (p.stack ? 2 * p.stack + 2 : 0);
    p.wire = left * 2 / 5;
    p.wire = p.wire > 38 ? 38 : p.wire;
    p.prog = (left - p.wire) / 2 - 1;
    p.prog = p.prog > 38 ? 38 : p.prog;
    p.t0 = rows.n ? rows.row[0].t_ns : 0;
    if (s->lost)
        fprintf(out, "(%llu older records had been overwritten)\n",
                (unsigned long long)s->lost);
    heading(&p, &rows);
    for (size_t i = 0; i < rows.n; i++)
        draw(&p, s, &rows.row[i]);
    rows_free(&rows);
}
