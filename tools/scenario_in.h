/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_SCENARIO_IN_H
#define WEIR_TOOLS_SCENARIO_IN_H
/* What the readers of a scenario's sections share. */
#include "tools/scenario.h"
#include "tools/yaml.h"

/* Index of a host; an error at the node where there is none. */
unsigned scenario_host_named(struct scenario *s, struct yaml *y,
                             struct fy_node *at, const char *name);
void scenario_pair(struct yaml *y, struct fy_node *key, struct fy_node *value,
                   struct sc_pair *pair, unsigned *n);
/* Where the reading of a host's body stands. */
struct host_reader {
    struct scenario *s;
    unsigned host;
};
/* "run: ..." of a host; `host_reader` is one. */
void scenario_read_run(struct yaml *y, struct fy_node *v, void *host_reader);
/* "INT" or "SIGINT"; 0 and an error. */
int scenario_signal(struct yaml *y, struct fy_node *v, const char *text);
void scenario_read_event(struct yaml *y, struct fy_node *v, void *scenario);
void scenario_read_expect(struct yaml *y, struct fy_node *v, void *scenario);

#endif
