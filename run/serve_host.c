/* SPDX-License-Identifier: BSD-2-Clause */
/* What befalls all programs of a host at once. */
#include "run/serve_in.h"

void serve_programs(struct serve *sv, struct host *host, enum serve_how how) {
    struct proto m = {.op = PROTO_FREEZE, .a = {(uint32_t)how}};
    for (struct serve_conn *c = sv->conns, *next; c; c = next) {
        next = c->next;
        if (c->host == host)
            c->to->send(c->to, &m, NULL, -1);
    }
}
