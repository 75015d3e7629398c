/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TOOLS_CMD_H
#define WEIR_TOOLS_CMD_H
/*
 * The subcommands. Each gets its own argv (argv[0] is its name) and returns an
 * exit status; EXIT_WEIR is weir's own failure.
 */
#define EXIT_WEIR 125

#include <stdint.h>

/* --spin[=USEC]: ns; leaves where it is none. */
uint64_t spin_option(const char *text);

int cmd_run(int argc, char **argv); /* also "trace" and "exec": argv[0] */
int cmd_timeline(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_down(int argc, char **argv);
int cmd_link(int argc, char **argv);
int cmd_fault(int argc, char **argv);
int cmd_lsof(int argc, char **argv);
int cmd_ss(int argc, char **argv);
int cmd_stat(int argc, char **argv);

#endif
