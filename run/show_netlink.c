/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Netlink, the kernel's side: requests in, datagrams of answers out. A dump is
 * several messages and NLMSG_DONE; anything else is one message, or NLMSG_ERROR
 * (with error 0 where an acknowledgement was asked for).
 */
#include "run/show_netlink.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>

static void flush(struct netlink *n) {
    if (n->used) {
        fwrite(&n->used, sizeof(n->used), 1, n->w->out);
        fwrite(n->room, n->used, 1, n->w->out);
    }
    n->used = 0;
}

struct nlmsghdr *netlink_begin(struct netlink *n, uint16_t type, size_t size,
                               void *header) {
    struct nlmsghdr *h = mnl_nlmsg_put_header(n->next);
    h->nlmsg_type = type;
    h->nlmsg_flags = n->dump ? NLM_F_MULTI : 0;
    h->nlmsg_seq = n->req->nlmsg_seq;
    h->nlmsg_pid = n->port;
    memcpy(mnl_nlmsg_put_extra_header(h, size), header, size);
    return h;
}

void netlink_end(struct netlink *n, struct nlmsghdr *h) {
    uint32_t len = MNL_ALIGN(h->nlmsg_len);
    if (n->used + len > sizeof(n->room))
        flush(n);
    if (len > sizeof(n->room))
        return;
    memcpy(n->room + n->used, h, len);
    n->used += len;
}

bool netlink_payload(const struct netlink *n, void *out, size_t size) {
    size_t len = mnl_nlmsg_get_payload_len(n->req);
    memset(out, 0, size);
    memcpy(out, mnl_nlmsg_get_payload(n->req), len < size ? len : size);
    return len >= size;
}

const struct nlattr *netlink_attr(const struct netlink *n, size_t size,
                                  uint16_t type) {
    const struct nlattr *a = mnl_nlmsg_get_payload_offset(n->req, size);
    const char *end = mnl_nlmsg_get_payload_tail(n->req);
    if (mnl_nlmsg_get_payload_len(n->req) < size)
        return NULL;
    for (; mnl_attr_ok(a, (int)(end - (const char *)a)); a = mnl_attr_next(a))
        if (mnl_attr_get_type(a) == type)
            return a;
    return NULL;
}

static void answer_error(struct netlink *n, int error) {
    struct nlmsgerr e = {.error = error, .msg = *n->req};
    flush(n);
    n->dump = false;
    struct nlmsghdr *h = netlink_begin(n, NLMSG_ERROR, sizeof(e), &e);
    size_t len = mnl_nlmsg_get_payload_len(n->req);
    if (error && len < 2048)
        memcpy(mnl_nlmsg_put_extra_header(h, len),
               mnl_nlmsg_get_payload(n->req), len);
    netlink_end(n, h);
    flush(n);
}

static void answer_done(struct netlink *n) {
    int32_t zero = 0;
    netlink_end(n, netlink_begin(n, NLMSG_DONE, sizeof(zero), &zero));
    flush(n);
}

static int route_request(struct netlink *n) {
    switch (n->req->nlmsg_type) {
    case RTM_GETLINK:
        return show_link(n);
    case RTM_GETADDR:
        return show_addr(n);
    case RTM_GETROUTE:
        return show_rtroute(n);
    case RTM_GETNEIGH:
        return show_neigh(n);
    case RTM_GETRULE:
        return show_rule(n);
    case RTM_GETQDISC:
    case RTM_GETTCLASS:
    case RTM_GETTFILTER:
        return n->dump ? 0 : -ENOENT;
    default:
        /* The kinds of each object: new, delete, get, set. */
        return n->req->nlmsg_type >= RTM_BASE &&
                       (n->req->nlmsg_type - RTM_BASE) % 4 != 2
                   ? -EPERM
                   : -EOPNOTSUPP;
    }
}

static void request(struct netlink *n, unsigned protocol) {
    int err = -EOPNOTSUPP;
    n->dump = (n->req->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (protocol == NETLINK_ROUTE)
        err = route_request(n);
    else if (n->req->nlmsg_type == SOCK_DIAG_BY_FAMILY)
        err = show_diag(n);
    if (err)
        answer_error(n, err);
    else if (n->dump)
        answer_done(n);
    flush(n);
    if (!err && !n->dump && n->req->nlmsg_flags & NLM_F_ACK)
        answer_error(n, 0);
}

int show_netlink(const struct show *w, const struct proto *m,
                 const void *data) {
    struct netlink *n = calloc(1, sizeof(*n));
    char *copy = malloc(m->len + 1u); /* aligned */
    int left = (int)m->len;
    if (!n || !copy) {
        free(n);
        free(copy);
        return -ENOMEM;
    }
    memcpy(copy, data, m->len);
    n->w = w;
    n->port = m->a[2];
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)copy;
    for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
        n->req = h;
        if (h->nlmsg_flags & NLM_F_REQUEST && h->nlmsg_type >= NLMSG_MIN_TYPE)
            request(n, m->a[1]);
        else if (h->nlmsg_flags & NLM_F_ACK)
            answer_error(n, 0);
    }
    free(copy);
    free(n);
    return 0;
}
