/* SPDX-License-Identifier: BSD-2-Clause */
/* What there is to see: one page, and the refusals. */
#include <string.h>

#include "http.h"

static const struct page {
    int status;
    const char *target, *head, *body;
} pages[] = {
    {200, "/", "200 OK\r\nContent-Length: 6\r\n", "hello\n"},
    {404, NULL, "404 Not Found\r\nContent-Length: 10\r\n", "not found\n"},
    {400, NULL, "400 Bad Request\r\nContent-Length: 0\r\n", ""},
    {431, NULL, "431 Request Header Fields Too Large\r\nContent-Length: 0\r\n",
     ""},
    {501, NULL, "501 Not Implemented\r\nContent-Length: 0\r\n", ""},
    {505, NULL, "505 HTTP Version Not Supported\r\nContent-Length: 0\r\n", ""},
};

static const struct page *page_for(ssize_t parsed,
                                   const struct http_request *r) {
    const struct page *p = pages;
    if (parsed < 0)
        while (p->status != -parsed)
            p++;
    else
        while (p->target && (r->target_len != strlen(p->target) ||
                             memcmp(r->target, p->target, r->target_len) != 0))
            p++;
    return p;
}

int http_answer(ssize_t parsed, const struct http_request *r,
                struct iovec iov[4]) {
    const struct page *p = page_for(parsed, r);
    const char *rest = "Content-Type: text/plain\r\n\r\n";
    if (parsed < 0 || r->close)
        rest = "Content-Type: text/plain\r\nConnection: close\r\n\r\n";
    iov[0] = (struct iovec){(void *)"HTTP/1.1 ", 9};
    iov[1] = (struct iovec){(void *)p->head, strlen(p->head)};
    iov[2] = (struct iovec){(void *)rest, strlen(rest)};
    iov[3] = (struct iovec){(void *)p->body, strlen(p->body)};
    return parsed > 0 && r->head_only ? 3 : 4;
}
