/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_UDP_UDP_H
#define WEIR_CORE_UDP_UDP_H
/* UDP (RFC 768, RFC 1122 4.1) as the socket layer and the stack see it. */
#include "base/endpoint.h"
#include "ip/ip.h"
#include "weir/socket.h"

struct udp;

extern const struct ip_proto udp_proto;

struct udp *udp_create(struct env *env, struct ip *ip);
void udp_destroy(struct udp *udp);
struct endpoint *udp_socket(struct udp *udp);
int udp_bind(struct udp *udp, struct endpoint *ep,
             const struct weir_endpoint *local);
/* `peer` NULL: dissolve. */
int udp_connect(struct udp *udp, struct endpoint *ep,
                const struct weir_endpoint *peer);
ssize_t udp_send(struct udp *udp, struct endpoint *ep, const struct iovec *iov,
                 int n, int flags, const struct weir_endpoint *to,
                 const struct weir_send_how *how);
ssize_t udp_recv(struct udp *udp, struct endpoint *ep, const struct iovec *iov,
                 int n, int flags, struct weir_dgram *d, int *msg_flags);
ssize_t udp_recverr(struct udp *udp, struct endpoint *ep,
                    const struct iovec *iov, int n,
                    struct weir_queued_error *out, int *msg_flags);
int udp_shutdown(struct udp *udp, struct endpoint *ep, int how);
void udp_close(struct udp *udp, struct endpoint *ep);
unsigned udp_ready(struct udp *udp, struct endpoint *ep);
void udp_info(struct udp *udp, struct endpoint *ep, struct weir_sockinfo *out);
int udp_info_next(struct udp *udp, uint64_t *cursor, struct weir_sockinfo *out);
int udp_holder(struct udp *udp, const struct weir_endpoint *local,
               struct weir_sockinfo *out);
int udp_setsockopt(struct udp *udp, struct endpoint *ep, int level, int name,
                   const void *value, uint32_t len);
int udp_getsockopt(struct udp *udp, struct endpoint *ep, int level, int name,
                   void *value, uint32_t *len);

#endif
