/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_VIEW_H
#define WEIR_RUN_VIEW_H
/*
 * What a program sees of its host beside sockets: /proc/net, /etc/hosts,
 * netlink, interface ioctls. Each either answers the call (true; the call is
 * gone then) or leaves it to the kernel (false).
 */
#include <stdbool.h>

struct call;

/* open, openat, openat2 of `path` (cut after 63 characters). */
bool view_open(struct call *c, const char *path);
/* ioctl 0x89xx on any socket. */
bool view_ioctl(struct call *c);
/* socket(AF_NETLINK, ...): always answers. */
void view_netlink(struct call *c);

#endif
