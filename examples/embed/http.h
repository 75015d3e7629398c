/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HTTP_H
#define HTTP_H
/* HTTP/1.1 without sockets: the head of one request, and its answer. No
 * memory, no state. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#define HTTP_HEAD_MAX 8192 /* bytes; a longer head is refused (431) */

struct http_request {
    const char *target; /* not terminated; points into the bytes */
    size_t target_len;
    bool head_only; /* HEAD: the answer has no body */
    bool close;     /* no further request follows */
};

/* `bytes` may hold less than one request, or several. Bytes of the first one's
 * head; 0: it is not complete, call again with the same bytes and more; or
 * -status (400, 431, 501, 505), after which no more can be read. */
ssize_t http_parse(const char *bytes, size_t n, struct http_request *r);

/* The answer to what http_parse returned: how many iovecs it takes, 4 at most,
 * constant bytes. */
int http_answer(ssize_t parsed, const struct http_request *r,
                struct iovec iov[4]);

#endif
