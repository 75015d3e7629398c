/* SPDX-License-Identifier: BSD-2-Clause */
#include "run/recorded.h"

#include <stdlib.h>
#include <string.h>

static void record_its_settings(struct record *r, const struct host *h) {
    uint32_t value[RECORD_SETTINGS];
    char text[64];
    for (unsigned i = 0; i < RECORD_SETTINGS; i++) {
        const char *name = record_setting_name((enum record_setting)i);
        if (weir_sysctl_get(h->stack, name, text, sizeof(text)) < 0)
            return;
        value[i] = (uint32_t)strtoul(text, NULL, 10);
    }
    record_settings(r, h->number, value);
}

void recorded_net(struct record *r, const struct net *net) {
    for (const struct host *h = net->hosts; h; h = h->next) {
        record_host(r, h->number, h->name);
        if (h->stack)
            record_its_settings(r, h);
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
