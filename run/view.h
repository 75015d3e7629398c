/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_VIEW_H
#define WEIR_RUN_VIEW_H
/*
 * What a program sees of its host beside sockets: /proc/net, /etc/hosts,
 * netlink, interface ioctls. Each either answers the call (true; the call is
 * gone then) or leaves it to the kernel (false).
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct agent;
struct call;
struct proto;

/* open, openat, openat2 of `path` (cut after 63 characters). */
bool view_open(struct call *c, const char *path);
/* ioctl 0x89xx on any socket. */
bool view_ioctl(struct call *c);
/* socket(AF_NETLINK, ...): always answers. */
void view_netlink(struct call *c);
/* bind, connect, names and options, where c->inode is a netlink socket's. */
bool view_netlink_control(struct call *c);
bool view_is_netlink(const struct call *c);
/* A request of `len` bytes in a message; ends in message_done. */
void view_netlink_send(struct call *c, const void *bytes, ssize_t len);
/* Write the address of the kernel, or the socket's own: 0 or -errno. */
int view_netlink_name(struct call *c, uint64_t addr, uint64_t len_addr,
                      bool own);
/* A note of the stack: answers to what was written without a call of ours. */
void view_note(struct agent *ag, const struct proto *m);

#endif
