/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the path a program gives to the file it means. Names are taken
 * literally: a symbolic link elsewhere that leads to one of our files is not
 * followed, and shows the machine's.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/view_in.h"

static int directory_of(const struct call *c) {
#ifdef SYS_open
    if (c->nr == SYS_open)
        return AT_FDCWD;
#endif
    return (int)c->args[0];
}

/* The directory a relative path starts from. */
static bool read_start(const struct call *c, char *out, size_t size) {
    char link[64];
    int dir = directory_of(c);
    if (dir == AT_FDCWD)
        snprintf(link, sizeof(link), "/proc/%d/cwd", (int)c->task->tid);
    else
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)c->task->tid, dir);
    ssize_t n = readlink(link, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 && (size_t)n < size - 1 && out[0] == '/';
}

/* Append `path` to the absolute `out`, component by component. */
static bool append(char *out, size_t size, const char *path) {
    size_t len = strlen(out);
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n == 2 && !memcmp(path, "..", 2)) {
            while (len > 0 && out[--len] != '/')
                ;
        } else if (n > 0 && !(n == 1 && *path == '.')) {
            if (len + n + 2 > size)
                return false;
            out[len++] = '/';
            memcpy(out + len, path, n);
            len += n;
        }
        out[len] = '\0';
        path += n;
        path += *path == '/';
    }
    return true;
}

static bool is_process(const char *name, size_t n) {
    if ((n == 4 && !memcmp(name, "self", 4)) ||
        (n == 11 && !memcmp(name, "thread-self", 11)))
        return true;
    for (size_t i = 0; i < n; i++)
        if (!isdigit((unsigned char)name[i]))
            return false;
    return n > 0;
}

/* /proc/PID/net/x and /proc/PID/task/TID/net/x are /proc/net/x. */
static void unify(char *path) {
    if (strncmp(path, "/proc/", 6))
        return;
    char *at = path + 6;
    size_t n = strcspn(at, "/");
    if (!is_process(at, n))
        return;
    at += n;
    if (!strncmp(at, "/task/", 6) && is_process(at + 6, strcspn(at + 6, "/")))
        at += 6 + strcspn(at + 6, "/");
    if (!strncmp(at, "/net", 4) && (at[4] == '/' || !at[4]))
        memmove(path + 5, at, strlen(at) + 1);
}

bool path_resolve(struct call *c, const char *path, char *out, size_t size) {
    out[0] = '\0';
    if (!path[0] || (path[0] != '/' && !read_start(c, out, size)))
        return false;
    if (path[0] != '/' && !strcmp(out, "/"))
        out[0] = '\0';
    if (!append(out, size, path))
        return false;
    unify(out);
    return true;
}
