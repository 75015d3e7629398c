/* SPDX-License-Identifier: BSD-2-Clause */
#include "tools/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_inode(const void *a, const void *b) {
    const struct holder *x = a, *y = b;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    return x->pid != y->pid ? (x->pid < y->pid ? -1 : 1) : x->fd - y->fd;
}

static void add(struct holders *hs, const struct holder *h) {
    if (hs->n == hs->room) {
        size_t room = hs->room ? hs->room * 2 : 256;
        struct holder *more = realloc(hs->h, room * sizeof(*more));
        if (!more)
            return;
        hs->h = more;
        hs->room = room;
    }
    hs->h[hs->n++] = *h;
}

static void read_comm(int pid, char *comm, size_t size) {
    char path[40];
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    FILE *f = fopen(path, "re");
    if (!f || !fgets(comm, (int)size, f))
        snprintf(comm, size, "?");
    comm[strcspn(comm, "\n")] = 0;
    if (f)
        fclose(f);
}

/* weir's own ends have other inodes than those of the programs. */
static void look_at(struct holders *hs, int pid) {
    char path[320], target[64];
    struct holder h = {.pid = pid};
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        ssize_t n =
            e->d_name[0] == '.'
                ? -1
                : readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
        unsigned long inode;
        if (n <= 0)
            continue;
        target[n] = 0;
        if (sscanf(target, "socket:[%lu]", &inode) != 1)
            continue;
        if (!h.comm[0])
            read_comm(pid, h.comm, sizeof(h.comm));
        h.inode = inode;
        h.fd = atoi(e->d_name);
        add(hs, &h);
    }
    if (d)
        closedir(d);
}

void holders_find(struct holders *hs) {
    memset(hs, 0, sizeof(*hs));
    DIR *d = opendir("/proc");
    struct dirent *e;
    while (d && (e = readdir(d)))
        if (isdigit((unsigned char)e->d_name[0]))
            look_at(hs, atoi(e->d_name));
    if (d)
        closedir(d);
    if (hs->n)
        qsort(hs->h, hs->n, sizeof(*hs->h), by_inode);
}

const struct holder *holders_of(const struct holders *hs, uint64_t inode) {
    size_t lo = 0, hi = hs->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (hs->h[mid].inode < inode)
            lo = mid + 1;
        else
            hi = mid;
    }
    return inode && lo < hs->n && hs->h[lo].inode == inode ? &hs->h[lo] : NULL;
}

void holders_free(struct holders *hs) {
    free(hs->h);
    memset(hs, 0, sizeof(*hs));
}
