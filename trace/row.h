/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_ROW_H
#define WEIR_TRACE_ROW_H
/*
 * The timeline before it is drawn: rows of five columns, made from a story.
 */
#include "trace/story.h"

enum row_column { COL_PROG_L, COL_STACK_L, COL_STACK_R, COL_PROG_R, COLS };

struct row {
    weir_event_id id, cause;
    uint64_t t_ns;
    char *col[COLS];              /* NULL: empty */
    const struct weir_event *seg; /* the arrow, sent or (only) received */
    const struct weir_event *end; /* its arrival or drop; NULL: not known */
    bool to_left;                 /* the arrow points left */
    const struct weir_event *arp; /* an ARP arrow instead */
    char *note;                   /* a line across all columns; NULL: none */
    bool bulk;                    /* may be folded with its neighbours */
    bool bad;                     /* a failure, a loss, an alarm: coloured */
    uint32_t folded;              /* this row stands for so many */
    uint32_t folded_segments;
    uint64_t folded_bytes;
};

struct rows {
    struct row *row;
    size_t n, room;
    char *left, *right;           /* titles: "nc[410]", "programs" */
    char *left_host, *right_host; /* "a" */
};

/* 0 or -ENOMEM. Pointers into the story: it must outlive the rows. */
int rows_make(struct rows *rows, const struct story *s, bool verbose);
void rows_fold(struct rows *rows);
void row_clear(struct row *row);
void rows_free(struct rows *rows);

#endif
