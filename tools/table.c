/* SPDX-License-Identifier: BSD-2-Clause */
#include "tools/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table table_begin(unsigned columns, unsigned right) {
    return (struct table){.columns = columns, .right = right};
}

void table_row(struct table *t, ...) {
    if (t->rows == t->room) {
        size_t room = t->room ? t->room * 2 : 32;
        char **cell = realloc(t->cell, room * t->columns * sizeof(*cell));
        if (!cell)
            return;
        t->cell = cell;
        t->room = room;
    }
    char **row = &t->cell[t->rows++ * t->columns];
    va_list ap;
    va_start(ap, t);
    const char *text = "";
    for (unsigned c = 0; c < t->columns; c++) {
        text = text ? va_arg(ap, const char *) : NULL;
        row[c] = strdup(text ? text : "");
    }
    va_end(ap);
}

void table_print(const struct table *t) {
    size_t width[TABLE_COLUMNS] = {0};
    for (size_t r = 0; r < t->rows; r++)
        for (unsigned c = 0; c < t->columns; c++) {
            const char *text = t->cell[r * t->columns + c];
            size_t n = text ? strlen(text) : 0;
            width[c] = n > width[c] ? n : width[c];
        }
    for (size_t r = 0; r < t->rows; r++) {
        char *const *row = &t->cell[r * t->columns];
        unsigned last = t->columns; /* no blanks at the end of a line */
        while (last > 0 && (!row[last - 1] || !*row[last - 1]))
            last--;
        for (unsigned c = 0; c < last; c++) {
            const char *text = row[c] ? row[c] : "";
            if (t->right >> c & 1)
                printf("%*s", (int)width[c], text);
            else
                printf("%-*s", c + 1 < last ? (int)width[c] : 0, text);
            if (c + 1 < last)
                fputs("  ", stdout);
        }
        putchar('\n');
    }
}

void table_free(struct table *t) {
    for (size_t i = 0; i < t->rows * t->columns; i++)
        free(t->cell[i]);
    free(t->cell);
    memset(t, 0, sizeof(*t));
}
