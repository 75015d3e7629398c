/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_HOLDERS_H
#define WEIR_TOOLS_HOLDERS_H
/* Who holds a carrier: every process of ours with a descriptor of that socket
 * inode, as ss -p and lsof find them. */
#include <stddef.h>
#include <stdint.h>

struct holder {
    uint64_t inode;
    int pid, fd;
    char comm[20];
};

struct holders {
    struct holder *h; /* by inode, then pid */
    size_t n, room;
};

void holders_find(struct holders *hs);
/* The first of an inode; those that follow have the same while they are its.
 * NULL: nobody holds it. */
const struct holder *holders_of(const struct holders *hs, uint64_t inode);
void holders_free(struct holders *hs);

#endif
