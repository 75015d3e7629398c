/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HTTPD_H
#define HTTPD_H
/* An HTTP/1.1 server on a stack: keep-alive, pipelining, run to completion. */
#include "weir/socket.h"

struct httpd {
    struct weir_stack *s;
    int listener;
    uint64_t answers; /* given so far */
};

/* Listen on a port: 0 or -errno. */
int httpd_open(struct httpd *h, struct weir_stack *s, uint16_t port);

/* A socket of the stack is ready (weir_ready_next). Answers everything that is
 * there. The tags of accepted sockets are the server's. */
void httpd_ready(struct httpd *h, const struct weir_ready *r);

#endif
