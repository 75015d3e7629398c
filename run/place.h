/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_PLACE_H
#define WEIR_RUN_PLACE_H
/*
 * Where networks that are up have their sockets: $XDG_RUNTIME_DIR/weir/NAME,
 * or /tmp/weir-UID/NAME, for their owner only. Whoever holds the lock in a
 * directory is that network's stack; everybody else comes in by door.sock.
 */
#include <stdbool.h>
#include <stddef.h>

/* The directory of all networks, made where it is missing. 0 or -errno. */
int place_parent(char *out, size_t size);
/* The directory of one network (made): 0 or -errno. */
int place_of(const char *network, char *out, size_t size);
/* Take the lock of a network's directory: its descriptor, -EBUSY where somebody
 * has it, or -errno. */
int place_take(const char *dir);
/* Is somebody holding it? */
bool place_is_up(const char *dir);
/* Remove the directory and everything in it. */
void place_remove(const char *dir);
/* Name of the n-th network that is up; false: no more. */
bool place_list(unsigned n, char *name, size_t size);

#endif
