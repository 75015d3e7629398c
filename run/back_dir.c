/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the back finds when it starts: inherited descriptors, and the network's
 * directory, $XDG_RUNTIME_DIR/weir/NAME or /tmp/weir-UID/NAME, for its owner
 * only. Whoever holds the lock in it is the stack; others join through
 * door.sock. A run with --new has a directory of its own, named by its pid.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/run_in.h"

/* ---- what was inherited ---- */

static bool is_kernel_socket(int fd) {
    int domain = 0;
    socklen_t len = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len))
        return false;
    return domain == AF_INET || domain == AF_INET6 || domain == AF_PACKET;
}

void inherited_list(struct back *b) {
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        int fd = atoi(e->d_name);
        bool dot = e->d_name[0] == '.';
        if (!dot && fd != dirfd(dir) && fd != b->front.fd &&
            b->ninherited < FDS_MAX)
            b->inherited[b->ninherited++] = fd;
    }
    if (dir)
        closedir(dir);
    for (unsigned i = 0; i < b->ninherited; i++)
        if (is_kernel_socket(b->inherited[i]) && !b->opt->allow_inherited) {
            fprintf(stderr,
                    "weir: descriptor %d is a socket of the kernel: what the "
                    "program does with it, weir would not see "
                    "(--allow-inherited lets it pass)\n",
                    b->inherited[i]);
            back_fail(b, RUN_FAILED, NULL, 0);
        }
}

/* Nobody shall wait for us at the other end of CMD's pipes. */
void inherited_close(struct back *b) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (unsigned i = 0; i < b->ninherited; i++) {
        int fd = b->inherited[i];
        if (fd == STDERR_FILENO)
            continue;
        if (fd <= 2 && null >= 0)
            dup2(null, fd);
        else
            close(fd);
    }
    if (null > 2)
        close(null);
}

/* ---- the private directory ---- */

/* The lock, where it is free. It goes with its directory when its owner ends,
 * so make sure that it is still the one under that name. */
static bool take_lock(struct back *b, const char *path) {
    struct stat mine, named;
    mkdir(b->dir, 0700);
    b->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (b->lock < 0 && errno != ENOENT)
        back_fail(b, RUN_FAILED, path, -errno);
    if (b->lock >= 0 && flock(b->lock, LOCK_EX | LOCK_NB) == 0 &&
        fstat(b->lock, &mine) == 0 && stat(path, &named) == 0 &&
        mine.st_ino == named.st_ino)
        return true;
    close(b->lock);
    b->lock = -1;
    return false;
}

/* Join the stack that holds the lock; false: we hold it now. */
static bool join(struct back *b) {
    char lock[108], door[108];
    snprintf(lock, sizeof(lock), "%s/lock", b->dir);
    snprintf(door, sizeof(door), "%s/door.sock", b->dir);
    for (int tries = 0; tries < 500; tries++) {
        if (take_lock(b, lock))
            return false;
        b->link = door_join(b->loop, door);
        if (b->link)
            return true;
        usleep(10000); /* it is starting, or ending */
    }
    back_fail(b, RUN_FAILED, "the stack of the default host does not answer",
              0);
}

void make_dir(struct back *b) {
    const char *base = getenv("XDG_RUNTIME_DIR");
    char parent[56];
    if (base && base[0] == '/' && strlen(base) < 50)
        snprintf(parent, sizeof(parent), "%s/weir", base);
    else
        snprintf(parent, sizeof(parent), "/tmp/weir-%u", (unsigned)geteuid());
    struct stat st;
    if ((mkdir(parent, 0700) && errno != EEXIST) || lstat(parent, &st) ||
        !S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
        int err = -errno;
        fprintf(stderr, "weir: %s cannot be used\n", parent);
        back_fail(b, RUN_FAILED, NULL, err);
    }
    if (b->opt->alone)
        snprintf(b->dir, sizeof(b->dir), "%s/%d", parent, (int)getpid());
    else
        snprintf(b->dir, sizeof(b->dir), "%s/%.16s", parent, b->opt->network);
    if (mkdir(b->dir, 0700) && errno != EEXIST)
        back_fail(b, RUN_FAILED, b->dir, -errno);
    b->owner = b->opt->alone || !join(b);
}

void remove_dir(struct back *b) {
    DIR *dir = b->owner ? opendir(b->dir) : NULL;
    struct dirent *e;
    while (dir && (e = readdir(dir)))
        if (e->d_name[0] != '.')
            unlinkat(dirfd(dir), e->d_name, 0);
    if (dir)
        closedir(dir);
    if (b->owner)
        rmdir(b->dir);
}
