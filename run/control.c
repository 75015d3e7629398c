/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A talk is one request and its answer: the answer is made whole in memory at
 * the moment of the request, so that it shows one instant, and written as the
 * asker takes it. The directory keeps other users out; the peer's credentials
 * are looked at all the same.
 */
#include "run/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "run/control_in.h"

struct control_talk {
    struct loop_source src;
    struct control_talk *next;
    struct control *c;
    char request[1024];
    size_t have;
    char *answer; /* NULL: not asked yet */
    size_t size, sent;
    bool down; /* asked for the end: once it is told */
};

static void talk_end(struct control_talk *t) {
    struct control_talk **at = &t->c->talks;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    loop_del(t->c->net->loop, &t->src);
    close(t->src.fd);
    free(t->answer);
    free(t);
}

static void talk_write(struct control_talk *t) {
    struct control *c = t->c;
    bool down = t->down;
    while (t->sent < t->size) {
        ssize_t n = send(t->src.fd, t->answer + t->sent, t->size - t->sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            break;
        t->sent += (size_t)n;
    }
    talk_end(t);
    if (down)
        c->owner.down(c->owner.ctx);
}

static void dispatch(struct request *q, struct control_talk *t) {
    const char *what = q->n ? q->word[0] : "";
    if (!strcmp(what, "ps"))
        control_ps(q);
    else if (!strcmp(what, "ss"))
        control_ss(q);
    else if (!strcmp(what, "stat"))
        control_stat(q);
    else if (!strcmp(what, "link"))
        control_link(q);
    else if (!strcmp(what, "fault"))
        control_fault(q);
    else if (!strcmp(what, "kill"))
        control_kill(q);
    else if (!strcmp(what, "down"))
        t->down = true;
    else
        snprintf(q->error, sizeof(q->error), "unknown request '%.40s'", what);
}

static void talk_answer(struct control_talk *t) {
    char *body = NULL, *save = NULL;
    size_t size = 0;
    struct request q = {.c = t->c, .out = open_memstream(&body, &size)};
    FILE *whole = open_memstream(&t->answer, &t->size);
    if (!q.out || !whole) {
        if (q.out)
            fclose(q.out);
        if (whole)
            fclose(whole);
        free(body);
        talk_end(t);
        return;
    }
    for (char *w = strtok_r(t->request, " \t\n", &save);
         w && q.n < CONTROL_WORDS; w = strtok_r(NULL, " \t\n", &save))
        q.word[q.n++] = w;
    dispatch(&q, t);
    fclose(q.out);
    if (q.error[0])
        fprintf(whole, "error %s\n", q.error);
    else
        fputs("ok\n", whole);
    if (size && !q.error[0])
        fwrite(body, 1, size, whole);
    fclose(whole);
    free(body);
    loop_mod(t->c->net->loop, &t->src, EPOLLOUT);
    talk_write(t);
}

static void talk_ready(struct loop_source *src, uint32_t events) {
    struct control_talk *t = (struct control_talk *)src;
    (void)events;
    if (t->answer) {
        talk_write(t);
        return;
    }
    ssize_t n = recv(src->fd, t->request + t->have,
                     sizeof(t->request) - 1 - t->have, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || t->have + (size_t)n == sizeof(t->request) - 1) {
        talk_end(t);
        return;
    }
    t->have += (size_t)n;
    t->request[t->have] = 0;
    if (strchr(t->request, '\n'))
        talk_answer(t);
}

static bool same_user(int fd) {
    struct ucred peer;
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void accept_ready(struct loop_source *src, uint32_t events) {
    struct control *c = (struct control *)src;
    (void)events;
    int fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct control_talk *t = same_user(fd) ? calloc(1, sizeof(*t)) : NULL;
    if (!t) {
        close(fd);
        return;
    }
    t->src = (struct loop_source){talk_ready, fd};
    t->c = c;
    t->next = c->talks;
    c->talks = t;
    if (loop_add(c->net->loop, &t->src, EPOLLIN))
        talk_end(t);
}

struct control *control_open(struct net *net, struct serve *sv, const char *dir,
                             const struct control_owner *owner) {
    struct control *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    *c = (struct control){.net = net, .sv = sv, .owner = *owner};
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    snprintf(c->path, sizeof(c->path), "%s/control.sock", dir);
    memcpy(sun.sun_path, c->path, sizeof(sun.sun_path));
    unlink(c->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    c->src = (struct loop_source){accept_ready, fd};
    if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ||
        listen(fd, 64) || loop_add(net->loop, &c->src, EPOLLIN)) {
        int err = errno;
        if (fd >= 0)
            close(fd);
        free(c);
        errno = err;
        return NULL;
    }
    return c;
}

void control_close(struct control *c) {
    while (c->talks)
        talk_end(c->talks);
    loop_del(c->net->loop, &c->src);
    close(c->src.fd);
    unlink(c->path);
    free(c);
}
