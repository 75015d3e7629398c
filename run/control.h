/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_CONTROL_H
#define WEIR_RUN_CONTROL_H
/*
 * The control socket of a network that is up, $PLACE/control.sock: where
 * `weir ps`, `ss`, `stat`, `link`, `fault` and `down` of the same user ask. A
 * request is one line of words; the answer is a line "ok" or "error WHY", then
 * JSON Lines, then the end.
 *
 *   ps
 *   ss
 *   kill HOST HANDLE
 *   stat [HOST]
 *   link show | link set LINK KEY WORDS... | link clear LINK
 *   link cut LINK | link heal LINK
 *   fault crash|reboot|freeze|thaw HOST
 *   down
 */
#include "host/net.h"
#include "run/serve.h"

struct control;

/* Who has the network. `recording`: path of its file, "" where there is none.
 */
struct control_owner {
    const char *recording;
    const char *command;
    void (*down)(void *ctx); /* end the network, programs first */
    void (*rebooted)(void *ctx, struct host *h); /* may be NULL */
    void *ctx;
};

/* Listen in the network's directory. NULL with errno. */
struct control *control_open(struct net *net, struct serve *sv, const char *dir,
                             const struct control_owner *owner);
void control_close(struct control *c);

/* Faults of a host, with their events: for scenarios as well. */
void control_crash(struct serve *sv, struct host *h);
int control_reboot(struct serve *sv, struct host *h); /* 0 or -errno */
void control_freeze(struct serve *sv, struct host *h, bool frozen);

/* Words into the recording (TEXT events). */
void control_say(struct net *net, const char *text);

#endif
