/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_GATE_H
#define WEIR_RUN_GATE_H
/* A whole network that agents of other processes join (`weir up`): its
 * directory, the stack's side of the door, and the door itself. */
#include "host/net.h"
#include "run/serve.h"

struct gate;

/* NULL: said on stderr (another network of that name is up, ...). */
struct gate *gate_open(struct net *net);
struct serve *gate_serve(struct gate *g);
const char *gate_dir(const struct gate *g);
void gate_close(struct gate *g);

#endif
