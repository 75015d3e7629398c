/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lock goes with its directory when its owner ends, so after taking it the
 * owner makes sure that it is still the one under that name.
 */
#include "run/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int place_parent(char *out, size_t size) {
    const char *base = getenv("XDG_RUNTIME_DIR");
    /* Names of sockets in it must fit sun_path. */
    if (base && base[0] == '/' && strlen(base) < 50)
        snprintf(out, size, "%s/weir", base);
    else
        snprintf(out, size, "/tmp/weir-%u", (unsigned)geteuid());
    struct stat st;
    if ((mkdir(out, 0700) && errno != EEXIST) || lstat(out, &st))
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    return st.st_uid == geteuid() ? 0 : -EPERM;
}

/* A run that crashed or was killed left its directory: runs of their own are
 * named by a process id. One that is just being made is left alone. */
static void sweep(const char *parent) {
    DIR *d = opendir(parent);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        char dir[400];
        struct stat st;
        snprintf(dir, sizeof(dir), "%s/%s", parent, e->d_name);
        if (strspn(e->d_name, "0123456789") == strlen(e->d_name) &&
            stat(dir, &st) == 0 && st.st_mtime + 10 < time(NULL) &&
            !place_is_up(dir))
            place_remove(dir);
    }
    if (d)
        closedir(d);
}

int place_of(const char *network, char *out, size_t size) {
    char parent[64];
    int err = place_parent(parent, sizeof(parent));
    if (err)
        return err;
    sweep(parent);
    int n = snprintf(out, size, "%s/%.16s", parent, network);
    if (n < 0 || (size_t)n >= size)
        return -ENAMETOOLONG;
    for (int tries = 0; mkdir(out, 0700) && errno != EEXIST; tries++)
        if (errno != ENOENT || tries == 3 ||
            place_parent(parent, sizeof(parent)))
            return -errno; /* ENOENT: another run has just removed it */
    return 0;
}

static int open_lock(const char *dir, int flags) {
    char path[128];
    snprintf(path, sizeof(path), "%s/lock", dir);
    return open(path, flags | O_RDWR | O_CLOEXEC, 0600);
}

int place_take(const char *dir) {
    struct stat mine, named;
    char path[128];
    snprintf(path, sizeof(path), "%s/lock", dir);
    mkdir(dir, 0700);
    int fd = open_lock(dir, O_CREAT);
    if (fd < 0)
        return errno == ENOENT ? -EBUSY : -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 &&
        stat(path, &named) == 0 && mine.st_ino == named.st_ino)
        return fd;
    close(fd);
    return -EBUSY;
}

bool place_is_up(const char *dir) {
    int fd = open_lock(dir, 0);
    if (fd < 0)
        return false;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return held;
}

void place_remove(const char *dir) {
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
    char parent[128]; /* the last one leaves nothing behind */
    snprintf(parent, sizeof(parent), "%s", dir);
    char *slash = strrchr(parent, '/');
    if (slash) {
        *slash = 0;
        rmdir(parent);
    }
}

bool place_list(unsigned n, char *name, size_t size) {
    char parent[64], dir[400];
    struct dirent *e;
    DIR *d = place_parent(parent, sizeof(parent)) ? NULL : opendir(parent);
    bool found = false;
    while (d && !found && (e = readdir(d))) {
        snprintf(dir, sizeof(dir), "%s/%s", parent, e->d_name);
        if (e->d_name[0] == '.' || !place_is_up(dir))
            continue;
        found = n-- == 0;
        if (found)
            snprintf(name, size, "%s", e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}
