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
#include <sys/socket.h>
#include <unistd.h>

#include "run/place.h"
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

/* Join the stack that holds the lock; false: we hold it now. */
static bool join(struct back *b) {
    char door[108];
    snprintf(door, sizeof(door), "%s/door.sock", b->dir);
    for (int tries = 0; tries < 500; tries++) {
        b->lock = b->opt->join_only ? -EBUSY : place_take(b->dir);
        if (b->lock >= 0)
            return false;
        if (b->lock != -EBUSY)
            back_fail(b, RUN_FAILED, b->dir, b->lock);
        b->link = door_join(b->loop, door);
        if (b->link)
            return true;
        usleep(10000); /* it is starting, or ending */
    }
    back_fail(b, RUN_FAILED, "the stack of that network does not answer", 0);
}

/* `weir exec` joins a network that is up, and makes none. */
static void must_be_up(struct back *b) {
    if (place_is_up(b->dir))
        return;
    fprintf(stderr, "weir: no network '%s' is up; try: weir up FILE\n",
            b->opt->network);
    rmdir(b->dir);
    b->dir[0] = 0;
    back_fail(b, RUN_FAILED, NULL, 0);
}

void make_dir(struct back *b) {
    char name[32];
    snprintf(name, sizeof(name), "%d", (int)getpid());
    int err = place_of(b->opt->alone ? name : b->opt->network, b->dir,
                       sizeof(b->dir));
    if (err)
        back_fail(b, RUN_FAILED, "no directory for the network", err);
    if (b->opt->join_only)
        must_be_up(b);
    if (b->opt->alone) /* so that it is seen to be up */
        b->lock = place_take(b->dir);
    b->owner = b->opt->alone || !join(b);
}

void remove_dir(struct back *b) {
    if (b->owner)
        place_remove(b->dir);
}
