/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_DOOR_H
#define WEIR_RUN_DOOR_H
/*
 * The conversation of run/proto.h between two processes of one user: packets
 * on a unix socket, descriptors beside them. The socket lies in a directory
 * that only its owner can enter.
 */
#include "run/agent.h"
#include "run/serve.h"

struct door;      /* the stack's: where agents of other processes come in */
struct door_link; /* one conversation */

/* Listen at `path` for agents. NULL with errno. */
struct door *door_open(struct loop *loop, struct serve *sv, const char *path);
void door_close(struct door *d);

/* Join the stack that listens at `path` with an agent that `door_attach` names
 * later. NULL with errno (ECONNREFUSED, ENOENT: nobody there). */
struct door_link *door_join(struct loop *loop, const char *path);
/* Say hello for `host` ("" or NULL: the first) and wait for the answer: 0 or
 * -errno (-ENOENT: no such host); `dir` (size bytes) gets the directory for
 * carriers. */
int door_hello(struct door_link *l, const char *host, char *dir, size_t size);
void door_attach(struct door_link *l, struct agent *ag, void (*lost)(void *ctx),
                 void *ctx);
void door_leave(struct door_link *l);

#endif
