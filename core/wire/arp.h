/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_WIRE_ARP_H
#define WEIR_CORE_WIRE_ARP_H
/* ARP for IPv4 over Ethernet (RFC 826). */
#include <stdbool.h>
#include <stdint.h>

enum { ARP_LEN = 28, ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp {
    uint16_t op; /* others than request and reply are parsed too */
    uint8_t sender_mac[6], target_mac[6];
    uint32_t sender, target;
};

/* `p` holds ARP_LEN bytes. False: not IPv4 over Ethernet. */
bool arp_parse(const uint8_t *p, struct arp *out);
void arp_emit(uint8_t *p, const struct arp *arp);

#endif
