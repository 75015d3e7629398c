/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files: an open of one that describes the host is answered with a descriptor
 * of what the stack writes into it. Only opens for reading are; what leads to a
 * place instead of content (O_PATH, directories) is the kernel's, unless it
 * would show the machine's interfaces.
 */
#include "run/view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/view_in.h"

#define PATH_CUT 63 /* a path as long as this may have been longer */

static bool open_flags(struct call *c, uint64_t *flags) {
    struct open_how how = {.flags = 0};
    *flags = c->args[2];
#ifdef SYS_open
    if (c->nr == SYS_open)
        *flags = c->args[1];
#endif
    if (c->nr != SYS_openat2)
        return true;
    if (call_read(c, c->args[2], &how, sizeof(how)) != sizeof(how))
        return false;
    *flags = how.flags;
    return true;
}

static bool is_ours(const char *path) {
    static const char *const etc[] = {"/etc/hosts", "/etc/resolv.conf",
                                      "/etc/nsswitch.conf", "/etc/host.conf"};
    for (unsigned i = 0; i < sizeof(etc) / sizeof(etc[0]); i++)
        if (!strcmp(path, etc[i]))
            return true;
    if (!strncmp(path, "/proc/sys/net/", 14))
        return strncmp(path + 14, "unix/", 5) != 0;
    return !strncmp(path, "/proc/net/", 10);
}

static bool is_below(const char *path, const char *dir) {
    size_t n = strlen(dir);
    return !strncmp(path, dir, n) && (path[n] == '/' || !path[n]);
}

/* The machine's, and nothing of ours to show instead: 0 or -errno. */
static int refusal(const char *path, uint64_t flags) {
    if (is_below(path, "/sys/class/net") ||
        is_below(path, "/sys/devices/virtual/net"))
        return -ENOENT;
    if (!strncmp(path, "/proc/net/", 10) && flags & O_DIRECTORY)
        return -ENOENT;
    /* Root must not change the machine's settings from in here. */
    if (!strncmp(path, "/proc/sys/net/", 14) && (flags & O_ACCMODE) != O_RDONLY)
        return -EACCES;
    return 0;
}

static void opened(struct call *c, const struct proto *m, const void *data) {
    char path[40];
    (void)data;
    if (m->result == PROTO_FOREIGN) {
        call_continue(c);
        return;
    }
    if (m->result < 0) {
        call_return(c, m->result);
        return;
    }
    /* A description of its own: read-only, at the beginning. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", c->ag->passed);
    c->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (c->fd < 0)
        call_return(c, -ENFILE);
    else
        call_inject(c, c->fd, c->flags & O_CLOEXEC);
}

bool view_open(struct call *c, const char *path) {
    char full[256];
    uint64_t flags;
    if (strlen(path) >= PATH_CUT || !path_resolve(c, path, full, sizeof(full)))
        return false;
    if ((strncmp(full, "/sys/", 5) && !is_ours(full)) || !open_flags(c, &flags))
        return false;
    int err = refusal(full, flags);
    if (err) {
        call_return(c, err);
        return true;
    }
    if (!is_ours(full) || flags & (O_PATH | O_DIRECTORY) ||
        (flags & O_ACCMODE) != O_RDONLY)
        return false;
    c->flags = (int)flags;
    struct proto m = {.op = PROTO_VIEW,
                      .a = {PROTO_VIEW_FILE},
                      .len = (uint32_t)strlen(full) + 1};
    call_ask(c, &m, full, opened);
    return true;
}
