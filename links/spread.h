/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_SPREAD_H
#define WEIR_LINKS_SPREAD_H
/*
 * One link made of several, each of which leads to one of n stacks with the
 * same addresses (shards): what is sent takes the leg of the shard that has its
 * flow
 * ("weir/flow.h"), what comes from any leg is delivered.
 *
 *   TCP, UDP       by addresses and ports
 *   fragments      all of a datagram by the ports of its first; later ones that
 *                  come before it wait for it, bounded in number and time
 *   ICMP errors    by the packet they quote, turned round
 *   ARP requests   to shard 0, which answers; the others are told of the sender
 *                  as if it had announced itself
 *   other ARP      to all
 *   anything else  to shard 0
 *
 * The switch and the tap serve as legs too; links/ring.h is made for it.
 */
#include "weir/flow.h"
#include "weir/link.h"

/* Takes the legs over (closed with it); leg i leads to shard i. The arena, MTU,
 * features and addresses are those of leg 0. NULL with errno. */
struct weir_link *spread_create(struct weir_link *const *leg, unsigned n,
                                const struct weir_rss *rss);

#endif
