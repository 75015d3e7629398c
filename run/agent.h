/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_AGENT_H
#define WEIR_RUN_AGENT_H
/*
 * The ancestor of the programs of one host: starts them, answers the system
 * calls they are stopped in, and alone touches their memory and descriptors.
 * Of sockets it knows nothing but what the stack tells (run/proto.h).
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/loop.h"
#include "run/proto.h"

struct agent;

struct agent_config {
    struct loop *loop;
    const char *dir; /* private directory for carriers' names */
    bool traced;     /* every data call and close is seen, too */
    /* A program that was started with agent_start ended. */
    void (*exited)(void *ctx, pid_t pid, int wait_status);
    void (*stopped)(void *ctx, pid_t pid, int sig);
    void *ctx;
};

/* NULL with errno. Makes the process the reaper of its descendants and takes
 * SIGCHLD (blocked, by a signalfd). */
struct agent *agent_create(const struct agent_config *config);
void agent_destroy(struct agent *ag);

/* The stack's side of the conversation; `agent_pipe` is ours. */
void agent_connect(struct agent *ag, struct proto_pipe *stack);
struct proto_pipe *agent_pipe(struct agent *ag);
/* A message from the stack (called by the transport). fd: passed, or -1; ours
 * the caller's. */
void agent_message(struct agent *ag, const struct proto *m, const void *data,
                   int fd);

/* Start a program in process group `pgid` (0: its own). Signals in `mask` are
 * what it shall have blocked. Returns its pid, or -errno; *stage says what
 * failed: 'e' execve, 'f' filter, 'g' pidfd_getfd. */
pid_t agent_start(struct agent *ag, char *const argv[], pid_t pgid,
                  const sigset_t *mask, char *stage);

/* Descendants that still live, zombies apart: how many; their pids in `pids`.
 */
unsigned agent_programs(struct agent *ag, pid_t *pids, unsigned max);

#endif
