/* SPDX-License-Identifier: BSD-2-Clause */
/* ARP packets (RFC 826), IPv4 over Ethernet only. */
#include "wire/arp.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/ether.h"

enum { HTYPE_ETHER = 1 };

bool arp_parse(const uint8_t *p, struct arp *out) {
    if (get16(p) != HTYPE_ETHER || get16(p + 2) != ETHER_IP4 ||
        p[4] != ETHER_MAC || p[5] != 4)
        return false;
    out->op = get16(p + 6);
    memcpy(out->sender_mac, p + 8, ETHER_MAC);
    out->sender = get32(p + 14);
    memcpy(out->target_mac, p + 18, ETHER_MAC);
    out->target = get32(p + 24);
    return true;
}

void arp_emit(uint8_t *p, const struct arp *arp) {
    put16(p, HTYPE_ETHER);
    put16(p + 2, ETHER_IP4);
    p[4] = ETHER_MAC;
    p[5] = 4;
    put16(p + 6, arp->op);
    memcpy(p + 8, arp->sender_mac, ETHER_MAC);
    put32(p + 14, arp->sender);
    memcpy(p + 18, arp->target_mac, ETHER_MAC);
    put32(p + 24, arp->target);
}
