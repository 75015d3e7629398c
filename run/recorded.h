/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_RECORDED_H
#define WEIR_RUN_RECORDED_H
/* What a recording says of the network it is about. */
#include "host/net.h"
#include "trace/record.h"

/* Name every host and interface there is now. */
void recorded_net(struct record *r, const struct net *net);

#endif
