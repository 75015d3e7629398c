/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simplest answers that start programs: no view of its own yet. Route
 * netlink is refused, which libraries take as "no interfaces known".
 */
#include "run/view.h"

#include <errno.h>

#include "run/agent_in.h"

bool view_open(struct call *c, const char *path) {
    (void)c;
    (void)path;
    return false;
}

bool view_ioctl(struct call *c) {
    (void)c;
    return false;
}

void view_netlink(struct call *c) {
    call_return(c, -EPROTONOSUPPORT);
}
