/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/recorded.h"

#include <string.h>

void recorded_net(struct record *r, const struct net *net) {
    for (const struct host *h = net->hosts; h; h = h->next) {
        record_host(r, h->number, h->name);
        for (unsigned i = 0; i < h->nifs; i++) {
            const struct host_if *hi = &h->ifs[i];
            struct record_if ri = {.host = h->number,
                                   .plen = (uint8_t)hi->plen};
            if (hi->plen && weir_addr_is_v4(&hi->addr))
                ri.addr = weir_addr_to_v4(&hi->addr);
            memcpy(ri.name, hi->config.name, sizeof(ri.name));
            memcpy(ri.mac, hi->config.mac, sizeof(ri.mac));
            record_interface(r, &ri);
        }
    }
}
