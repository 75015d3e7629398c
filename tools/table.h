/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_TABLE_H
#define WEIR_TOOLS_TABLE_H
/* Rows of cells, printed with columns as wide as their widest cell. */
#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS 12

struct table {
    char **cell; /* rows of `columns` */
    size_t rows, room;
    unsigned columns;
    unsigned right; /* bit i: column i is right-aligned */
};

struct table table_begin(unsigned columns, unsigned right);
/* A new row's cells, from the left; missing ones are empty. */
void table_row(struct table *t, ...) __attribute__((sentinel));
void table_print(const struct table *t);
void table_free(struct table *t);

#endif
