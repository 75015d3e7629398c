/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TRACE_STRACE_H
#define WEIR_TRACE_STRACE_H
/*
 * A call as strace(1) writes it: under the name of the system call, arguments
 * in strace's notation, the result after them. Bytes that were moved are not
 * recorded, so buffers are left out.
 */
#include <stdio.h>

#include "trace/story.h"

enum strace_names { STRACE_FD, STRACE_FD_INODE, STRACE_FD_ADDRESS };

/* "recvfrom": read and write as they are, recv under its system call. */
const char *strace_name(unsigned call);
/* "accept4(3<TCP:[10.0.0.1:80]>, ": up to where the call waits. */
void strace_enter(FILE *out, const struct story *s, const struct weir_event *ev,
                  enum strace_names names);
/* The rest: "{sa_family=AF_INET, ...})", then " = 4<TCP:[...]>"; the result
 * comes apart, as it is aligned. */
void strace_leave(FILE *out, const struct weir_event *ev);
void strace_result(FILE *out, const struct story *s,
                   const struct weir_event *ev, enum strace_names names);

#endif
