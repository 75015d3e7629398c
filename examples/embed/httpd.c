/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server keeps no memory for a connection. A request that is not complete
 * stays in the socket's receive queue, and so does one whose answer the send
 * buffer had no room for: the socket's tag is the number of bytes of that
 * answer already sent. (Not here: a time limit for silent clients.)
 */
#include "httpd.h"

#include <errno.h>
#include <sys/socket.h>

#include "http.h"

#define DRAINING UINT64_MAX /* tag: what still comes is thrown away */
#define ENDED (WEIR_RDHUP | WEIR_HUP | WEIR_ERR)

/* Send the answer from its byte `done` on: whether all of it is sent now. */
static bool answer(struct httpd *h, int sock, struct iovec *iov, int n,
                   uint64_t done) {
    uint64_t left = 0, skip = done;
    for (int i = 0; i < n; i++) {
        size_t cut = skip < iov[i].iov_len ? skip : iov[i].iov_len;
        iov[i].iov_base = (char *)iov[i].iov_base + cut;
        left += iov[i].iov_len -= cut;
        skip -= cut;
    }
    ssize_t sent = weir_send(h->s, sock, iov, n, 0, NULL);
    if (sent < 0 && sent != -EAGAIN) {
        weir_close(h->s, sock);
        return false;
    }
    bool all = (uint64_t)(sent > 0 ? sent : 0) == left;
    if (done || !all)
        weir_set_tag(h->s, sock, all ? 0 : done + (sent > 0 ? sent : 0), 0);
    return all;
}

/* Our side has ended: take what comes until theirs has. (Closing with bytes
 * unread would reset, and the last answer might be lost.) */
static void drain(struct httpd *h, int sock) {
    struct iovec iov;
    while (weir_peek(h->s, sock, &iov, 1) > 0)
        weir_consume(h->s, sock, iov.iov_len);
    if (weir_ready(h->s, sock) & ENDED)
        weir_close(h->s, sock);
}

/* The request at the front of the queue: its head's bytes, 0 or -status. */
static ssize_t front(struct httpd *h, int sock, struct http_request *r,
                     char whole[HTTP_HEAD_MAX]) {
    struct iovec iov;
    if (weir_peek(h->s, sock, &iov, 1) <= 0)
        return 0;
    ssize_t n = http_parse(iov.iov_base, iov.iov_len, r);
    if (n) /* almost always: it lies in one segment */
        return n;
    iov = (struct iovec){whole, HTTP_HEAD_MAX};
    n = weir_recv(h->s, sock, &iov, 1, MSG_PEEK, NULL, NULL);
    return n > 0 ? http_parse(whole, (size_t)n, r) : 0;
}

/* Answer one request: whether it is answered and gone, and more may follow. */
static bool request(struct httpd *h, int sock, uint64_t done, bool ended) {
    char whole[HTTP_HEAD_MAX];
    struct http_request r;
    struct iovec iov[4];
    ssize_t n = front(h, sock, &r, whole);
    if (n == 0 && ended)
        weir_close(h->s, sock);
    if (n == 0 || !answer(h, sock, iov, http_answer(n, &r, iov), done))
        return false;
    h->answers++;
    if (n > 0 && !r.close)
        return weir_consume(h->s, sock, (size_t)n) == 0;
    weir_shutdown(h->s, sock, SHUT_WR);
    weir_set_tag(h->s, sock, DRAINING, 0);
    drain(h, sock);
    return false;
}

int httpd_open(struct httpd *h, struct weir_stack *s, uint16_t port) {
    struct weir_endpoint at = {.addr = weir_addr_v4(0), .port = port};
    *h = (struct httpd){s, weir_socket(s, AF_INET, SOCK_STREAM, 0), 0};
    int error = weir_bind(s, h->listener, &at);
    return error ? error : weir_listen(s, h->listener, 4096);
}

void httpd_ready(struct httpd *h, const struct weir_ready *r) {
    if (r->sock == h->listener)
        while (weir_accept(h->s, h->listener, NULL) >= 0)
            ;
    else if (r->tag == DRAINING)
        drain(h, r->sock);
    else if (request(h, r->sock, r->tag, r->mask & ENDED))
        while (request(h, r->sock, 0, r->mask & ENDED))
            ;
}
