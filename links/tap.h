/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_LINKS_TAP_H
#define WEIR_LINKS_TAP_H
/*
 * A TAP interface of Linux as a link: the kernel is the peer. With `offload`
 * frames carry virtio headers, so checksums may be left to the other side and
 * TCP segments of up to 64 KiB pass uncut; without, every frame is complete.
 */
#include <stdbool.h>

#include "weir/link.h"

/* Open (create where it is missing) the interface `ifname`. Needs CAP_NET_ADMIN
 * or an interface that belongs to the user. The address, route and up state of
 * the kernel's side are the caller's business. NULL with errno. */
struct weir_link *tap_open(struct weir_arena *arena, const char *ifname,
                           bool offload);

#endif
