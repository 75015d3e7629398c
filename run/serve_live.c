/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a carrier still held by anybody? A connected one tells by itself. Of one
 * that is fresh, bound, listening or a datagram's no event tells, so we ask
 * where it matters: bind finds its address taken, somebody connects to it, a
 * program ended, and now and then.
 *
 * A carrier with a name is asked by connecting to it with the wrong type of
 * socket: EPROTOTYPE says that it lives, ECONNREFUSED that only its name is
 * left; nothing is changed by it. One without is looked up by its inode.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run/serve_in.h"

#define GROUP 64
#define RECENT_NS 1000000u /* what was asked since then is believed to live */

static bool name_alive(const struct end *e) {
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    memcpy(sun.sun_path, e->path, sizeof(sun.sun_path));
    bool wrong = e->type == SOCK_DGRAM;
    int *fd = &e->sv->probe[wrong];
    if (*fd < 0)
        *fd = socket(AF_UNIX,
                     (wrong ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC |
                         SOCK_NONBLOCK,
                     0);
    int r = connect(*fd, (const struct sockaddr *)&sun, sizeof(sun));
    bool alive = r == 0 || (errno != ECONNREFUSED && errno != ENOENT);
    if (r == 0) { /* not the type it was taken for */
        close(*fd);
        *fd = -1;
    }
    return alive;
}

struct diag_request {
    struct nlmsghdr h;
    struct unix_diag_req q;
};

union diag_answer {
    struct nlmsghdr h;
    char room[1024];
};

/* Ask the kernel for the unix socket with that inode; false: cannot know. */
static bool diag_ask(struct serve *sv, uint64_t inode, uint32_t show,
                     union diag_answer *answer) {
    if (sv->diag == -2)
        sv->diag =
            socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (sv->diag < 0)
        return false;
    struct diag_request req = {
        .h = {.nlmsg_len = sizeof(req),
              .nlmsg_type = SOCK_DIAG_BY_FAMILY,
              .nlmsg_flags = NLM_F_REQUEST},
        .q = {.sdiag_family = AF_UNIX,
              .udiag_states = ~0u,
              .udiag_ino = (uint32_t)inode,
              .udiag_show = show,
              .udiag_cookie = {~0u, ~0u}},
    };
    if (send(sv->diag, &req, sizeof(req), 0) < 0)
        return false;
    ssize_t n = recv(sv->diag, answer, sizeof(*answer), 0);
    return n >= (ssize_t)sizeof(answer->h) && n >= (ssize_t)answer->h.nlmsg_len;
}

static bool inode_alive(struct serve *sv, uint64_t inode, bool unknown) {
    union diag_answer answer;
    if (!diag_ask(sv, inode, 0, &answer))
        return unknown;
    if (answer.h.nlmsg_type != NLMSG_ERROR)
        return true;
    const struct nlmsgerr *err = NLMSG_DATA(&answer.h);
    return err->error != -ENOENT && (unknown || err->error == 0);
}

uint32_t end_unread(struct end *e) {
    union diag_answer answer;
    const uint32_t at = NLMSG_LENGTH(sizeof(struct unix_diag_msg));
    if (!diag_ask(e->sv, e->inode, UDIAG_SHOW_RQLEN, &answer) ||
        answer.h.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return 0;
    for (uint32_t i = at; i + sizeof(struct nlattr) <= answer.h.nlmsg_len;) {
        struct nlattr a;
        struct unix_diag_rqlen len;
        memcpy(&a, answer.room + i, sizeof(a));
        if (a.nla_type == UNIX_DIAG_RQLEN &&
            a.nla_len >= NLA_HDRLEN + sizeof(len)) {
            memcpy(&len, answer.room + i + NLA_HDRLEN, sizeof(len));
            return len.udiag_rqueue;
        }
        i += a.nla_len < NLA_HDRLEN ? NLA_HDRLEN : NLA_ALIGN(a.nla_len);
    }
    return 0;
}

bool end_alive(struct end *e) {
    return e->path[0] ? name_alive(e) : inode_alive(e->sv, e->inode, true);
}

bool end_surely_alive(struct end *e) {
    return inode_alive(e->sv, e->inode, false);
}

static void check_end(struct serve *sv, uint64_t inode, uint64_t not_since) {
    struct end *e = end_get(sv, inode);
    bool quiet = e && (e->src.fd < 0 || e->type == SOCK_DGRAM);
    if (!quiet || e->state == END_RELEASED || e->checked_ns > not_since)
        return;
    e->checked_ns = loop_now(sv->loop);
    if (!end_alive(e))
        end_released(e);
}

/* The others of an SO_REUSEPORT group: any of them may be chosen. */
static void check_group(struct serve *sv, int proto, struct weir_stack *s,
                        uint16_t port, uint64_t not_since) {
    uint64_t tag[GROUP], cursor = 0;
    unsigned n = 0;
    struct weir_sockinfo info;
    while (n < GROUP && weir_sockinfo_next(s, &cursor, &info))
        if (info.proto == proto && info.sock >= 0 && info.local.port == port &&
            info.peer.port == 0)
            tag[n++] = info.tag;
    while (n > 0)
        check_end(sv, tag[--n], not_since);
}

static void check_one(struct serve *sv, int proto, struct weir_stack *s,
                      const struct weir_endpoint *ep, uint64_t not_since) {
    struct weir_sockinfo info;
    int shared = 0;
    uint32_t len = sizeof(shared);
    if (weir_holder(s, proto, ep, &info) || info.sock < 0)
        return;
    weir_getsockopt(s, info.sock, SOL_SOCKET, SO_REUSEPORT, &shared, &len);
    if (shared)
        check_group(sv, proto, s, ep->port, not_since);
    else
        check_end(sv, info.tag, not_since);
}

void live_check(struct serve *sv, const struct weir_endpoint *ep) {
    for (struct host *h = sv->net->hosts; h; h = h->next)
        if (h->stack) {
            check_one(sv, IPPROTO_TCP, h->stack, ep, UINT64_MAX);
            check_one(sv, IPPROTO_UDP, h->stack, ep, UINT64_MAX);
        }
}

void live_check_listeners(struct serve *sv, const struct weir_endpoint *ep) {
    for (struct end *e = sv->listeners, *next; e; e = next) {
        next = e->next_listener;
        if (e->port == ep->port)
            check_end(sv, e->inode, UINT64_MAX);
    }
}

void live_check_datagram(struct serve *sv, const struct weir_endpoint *ep) {
    uint64_t since = loop_now(sv->loop) - RECENT_NS;
    for (struct host *h = sv->net->hosts; h; h = h->next)
        if (h->stack)
            check_one(sv, IPPROTO_UDP, h->stack, ep, since);
}
