/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_RUN_IN_H
#define WEIR_RUN_RUN_IN_H
/* Front and back of a run. */
#include <signal.h>
#include <sys/types.h>

#include "run/run.h"

/* Messages between front and back: one packet each. */
enum run_word {
    RUN_STARTED = 1,
    RUN_STOPPED, /* back: CMD was stopped by signal `value` */
    RUN_ENDED,   /* back: wait status `value`; -1: see `status` */
    RUN_SIGNAL,  /* front: pass signal `value` on */
};
struct run_message {
    int word;
    int value;
    int status; /* exit status of weir's own, where value is -1 */
};

/* The back: agent, and the stack where there is none to join. Never returns. */
_Noreturn void back_main(const struct run_options *opt, int front, pid_t pgid,
                         const sigset_t *mask);

#endif
