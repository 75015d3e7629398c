/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints docs/options.md from the table the stack itself works by. */
#include <stdio.h>

#include "weir/socket.h"

int main(void) {
    static const char *const status[] = {"honoured", "refused", "recorded"};
    puts("# Socket options\n\n"
         "Made from the table in the code (`build/docs/gen_options`); a test "
         "keeps the two alike.\n"
         "*Honoured*: does what Linux does. *Refused*: with the errno Linux "
         "gives where it does not support it.\n"
         "*Recorded*: kept and given back, with no other effect. An option "
         "that is not here gives ENOPROTOOPT.\n\n"
         "| option | value | here | note |\n| --- | --- | --- | --- |");
    const struct weir_option *o;
    for (unsigned i = 0; (o = weir_option(i)); i++)
        printf("| `%s` | %s | %s | %s |\n", o->name, o->type,
               status[o->status], o->note);
    return 0;
}
