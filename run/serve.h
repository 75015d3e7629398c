/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_SERVE_H
#define WEIR_RUN_SERVE_H
/*
 * The stack's side of the door: owns the stack's ends of the carriers, relays
 * bytes between them and the sockets of the core, and answers agents
 * (run/proto.h). It touches no program's memory or descriptors.
 */
#include "host/net.h"
#include "run/proto.h"

struct serve;
struct serve_conn;

/* `dir`: private directory where the stack's own ends get names. NULL with
 * errno. Sets the door of each host an agent joins. Blocks SIGPIPE for good. */
struct serve *serve_create(struct net *net, const char *dir);
void serve_destroy(struct serve *sv);

/* An agent joins a host (NULL: with its HELLO); what it is told goes to
 * `to_agent`. */
struct serve_conn *serve_join(struct serve *sv, struct host *host,
                              struct proto_pipe *to_agent);
void serve_leave(struct serve_conn *conn);
/* What the agent sends into (a local transport), or call serve_message. */
struct proto_pipe *serve_pipe(struct serve_conn *conn);
void serve_message(struct serve_conn *conn, const struct proto *m,
                   const void *data, int fd);

/* Agents that are connected; sockets that still have bytes to deliver to their
 * peers. */
unsigned serve_agents(const struct serve *sv);
unsigned serve_draining(struct serve *sv, uint64_t *bytes);

/* Stop, continue or kill all programs of a host (freeze, thaw, crash). */
enum serve_how { SERVE_CONTINUE, SERVE_STOP, SERVE_KILL };
void serve_programs(struct serve *sv, struct host *host, enum serve_how how);

/* Let programs run on whatever processor they like (run/near.h). */
void serve_let_go(struct serve *sv);

/* Look which carriers nobody holds any more, and close their sockets. */
void serve_sweep(struct serve *sv);

/* The socket of a host by carrier: its handle, or -1. */
int serve_socket(struct serve *sv, uint64_t inode, struct host **host);

#endif
