/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_TCP_TCP_H
#define WEIR_CORE_TCP_TCP_H
/*
 * TCP as the socket layer and the stack see it (RFC 9293 3.9.1: OPEN, SEND,
 * RECEIVE, CLOSE, ABORT, STATUS). Inside: "tcp/conn.h". Results are -errno, as
 * a non-blocking Linux socket would answer; env->last_reason tells why.
 */
#include "base/endpoint.h"
#include "ip/ip.h"
#include "weir/socket.h"

struct tcp; /* demultiplexer, listeners, TIME_WAIT */

extern const struct ip_proto tcp_proto;

struct tcp *tcp_create(struct env *env, struct ip *ip);
void tcp_destroy(struct tcp *tcp); /* frees every connection, sends nothing */
/* Every connection that has something to send does so: once a pass. */
void tcp_output_pass(struct tcp *tcp);
/* Is there anything for the next pass? Then the stack's deadline is now. */
bool tcp_pending(const struct tcp *tcp);
/* Are there so many connections that a look ahead is worth while? */
bool tcp_ahead_pays(const struct tcp *tcp);
/* Of the first TCP_AHEAD frames of a list (not empty), which is cut behind
 * them: what they will need is asked for. Returns the rest, or NULL. */
enum { TCP_AHEAD = 16 };
struct weir_pkt *tcp_ahead(const struct tcp *tcp, struct weir_pkt *list);
/* env->fire of WTIMER_TCP, WTIMER_LISTEN, WTIMER_TIMEWAIT. */
void tcp_timer(struct tcp *tcp, struct wtimer *timer);
void tcp_visit_timer(struct tcp *tcp, struct wtimer *timer);
void tcp_listen_timer(struct tcp *tcp, struct wtimer *timer);
void tcp_timewait_timer(struct tcp *tcp, struct wtimer *timer);

/* A fresh socket in CLOSED; its endpoint is filled in but for the handle. */
struct endpoint *tcp_socket(struct tcp *tcp);
int tcp_bind(struct tcp *tcp, struct endpoint *ep,
             const struct weir_endpoint *local);
/* LISTEN. The endpoint may be replaced (*ep): a connection becomes a listener;
 * the handle and tag move along. */
int tcp_listen(struct tcp *tcp, struct endpoint **ep, int backlog);
int tcp_connect(struct tcp *tcp, struct endpoint *ep,
                const struct weir_endpoint *peer);
/* The next connection of the accept queue, without a handle; or NULL. */
struct endpoint *tcp_accept(struct tcp *tcp, struct endpoint *listener);
/* `asked`: the bytes of `iov` in all. */
ssize_t tcp_send(struct tcp *tcp, struct endpoint *ep, const struct iovec *iov,
                 int n, size_t asked, int flags);
int tcp_send_slices(struct tcp *tcp, struct endpoint *ep,
                    const struct weir_slice *slice, int n, int flags);
ssize_t tcp_recv(struct tcp *tcp, struct endpoint *ep, const struct iovec *iov,
                 int n, size_t asked, int flags, int *msg_flags);
int tcp_peek(struct tcp *tcp, struct endpoint *ep, struct iovec *iov, int n);
int tcp_consume(struct tcp *tcp, struct endpoint *ep, size_t bytes);
/* The next byte to read is the urgent one, read already or not. */
bool tcp_at_mark(const struct endpoint *ep);
/* Of a listener (SHUT_RD): it becomes a fresh socket, as on Linux (*ep). */
int tcp_shutdown(struct tcp *tcp, struct endpoint **ep, int how);
/* The handle is gone; the endpoint is TCP's alone from here. */
void tcp_close(struct tcp *tcp, struct endpoint *ep);
void tcp_abort(struct tcp *tcp, struct endpoint *ep, enum weir_reason reason);
/* connect(AF_UNSPEC): back to CLOSED, with RST where Linux sends one. */
int tcp_disconnect(struct tcp *tcp, struct endpoint **ep);
unsigned tcp_ready(struct tcp *tcp, struct endpoint *ep); /* poll(2)'s mask */
void tcp_info(struct tcp *tcp, struct endpoint *ep, struct weir_sockinfo *out);
/* Of a connection. */
void tcp_queues(const struct endpoint *ep, struct weir_queues *out);
/* Those without a handle too: TIME_WAIT, half-open, orphans. */
int tcp_info_next(struct tcp *tcp, uint64_t *cursor, struct weir_sockinfo *out);
int tcp_holder(struct tcp *tcp, const struct weir_endpoint *local,
               struct weir_sockinfo *out);
/* Options whose level is IPPROTO_TCP, and those of SOL_SOCKET that TCP itself
 * keeps (SO_LINGER, SO_SNDBUF, SO_RCVBUF, SO_RCVLOWAT, SO_KEEPALIVE,
 * SO_INCOMING_CPU..). -ENOPROTOOPT where it is not one of TCP's. */
int tcp_setsockopt(struct tcp *tcp, struct endpoint *ep, int level, int name,
                   const void *value, uint32_t len);
int tcp_getsockopt(struct tcp *tcp, struct endpoint *ep, int level, int name,
                   void *value, uint32_t *len);

#endif
