/* SPDX-License-Identifier: BSD-2-Clause */
/* What has been written but not yet acknowledged, when programs have ended. */
#include "run/serve_in.h"

unsigned serve_draining(struct serve *sv, uint64_t *bytes) {
    unsigned n = 0;
    *bytes = 0;
    for (struct host *h = sv->net->hosts; h; h = h->next) {
        uint64_t cursor = 0;
        struct weir_sockinfo info;
        while (h->stack && weir_sockinfo_next(h->stack, &cursor, &info)) {
            bool sends = info.state == WEIR_TCP_ESTABLISHED ||
                         info.state == WEIR_TCP_CLOSE_WAIT ||
                         info.state == WEIR_TCP_FIN_WAIT1 ||
                         info.state == WEIR_TCP_CLOSING ||
                         info.state == WEIR_TCP_LAST_ACK;
            if (info.proto == 6 && sends && info.tx_queue > 0) {
                n++;
                *bytes += info.tx_queue;
            }
        }
    }
    for (unsigned i = 0; i < ENDS; i++)
        for (struct end *e = sv->end[i]; e; e = e->next)
            if (e->state == END_RELEASED && e->out.len > 0) {
                n++;
                *bytes += e->out.len;
            }
    return n;
}
