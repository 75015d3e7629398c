/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bulk folds: a long run of rows in which bytes merely flow (segments without
 * loss, reads and writes that succeed) becomes its first row, one that sums up,
 * and its last.
 */
#include "trace/row.h"

/* Runs of bulk longer than this become their first, one line and their last. */
#define FOLD_OVER 12

void rows_fold(struct rows *rows) {
    size_t out = 0;
    for (size_t i = 0; i < rows->n;) {
        size_t j = i;
        while (j < rows->n && rows->row[j].bulk)
            j++;
        if (j - i <= FOLD_OVER) {
            do
                rows->row[out++] = rows->row[i++];
            while (i < j);
            continue;
        }
        rows->row[out++] = rows->row[i++];
        struct row sum = {.t_ns = rows->row[i].t_ns, .id = rows->row[i].id};
        for (; i + 1 < j; i++) {
            struct row *r = &rows->row[i];
            sum.folded++;
            sum.folded_segments += r->seg != NULL;
            sum.folded_bytes += r->seg ? r->seg->seg.len : 0;
            row_clear(r);
        }
        rows->row[out++] = sum;
        rows->row[out++] = rows->row[i++];
    }
    rows->n = out;
}
