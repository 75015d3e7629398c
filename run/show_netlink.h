/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_SHOW_NETLINK_H
#define WEIR_RUN_SHOW_NETLINK_H
/* One netlink request being answered, and what the families of requests share.
 */
#include <libmnl/libmnl.h>

#include "run/show.h"

/* Datagrams stay under this: glibc reads with a page. */
#define NETLINK_DATAGRAM 3584u

struct netlink {
    const struct show *w;
    const struct nlmsghdr *req;
    uint32_t port; /* of who asks */
    bool dump;
    uint32_t used; /* bytes in `room` */
    char room[NETLINK_DATAGRAM];
    char next[4096]; /* the message being built */
};

/* A message of the answer: header and `size` bytes of its family's header,
 * zeroed; then attributes; then netlink_end. */
struct nlmsghdr *netlink_begin(struct netlink *n, uint16_t type, size_t size,
                               void *header);
void netlink_end(struct netlink *n, struct nlmsghdr *h);

/* The payload, at least `size` bytes long (as much as there is of `out`). */
bool netlink_payload(const struct netlink *n, void *out, size_t size);
/* Attribute `type` behind a family's header of `size` bytes; NULL. */
const struct nlattr *netlink_attr(const struct netlink *n, size_t size,
                                  uint16_t type);

/* The families: 0 (dumps end by themselves) or -errno. */
int show_link(struct netlink *n);
int show_addr(struct netlink *n);
int show_rtroute(struct netlink *n);
int show_neigh(struct netlink *n);
int show_rule(struct netlink *n);
int show_diag(struct netlink *n);

#endif
