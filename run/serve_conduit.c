/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bulk between two programs of one host, moved without being looked at.
 *
 * What goes over `lo` reaches the other carrier as it left the first: nothing
 * on the way impairs or captures it. So the bytes of such a connection may pass
 * from carrier to carrier through a pipe (splice: the pages move, nobody copies
 * them), while the core carries stand-ins: slices of one shared buffer that say
 * how many there are and never what they are. TCP is TCP as before, its
 * windows, queues, segments and events; it delivers the stand-ins in order, and
 * as many bytes then leave the pipe.
 *
 * A conduit is laid when RUN reads in a row had LARGE bytes, and left when as
 * many had fewer than SMALL, when the program sends urgent data, or when the
 * pipe is full because nobody reads: from there on queues fill and the window
 * closes as always. Either change takes effect in order: what is `before` the
 * first stand-in in the core is delivered from there, and what comes behind the
 * last one, when as many bytes as were `held` have left the pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "run/serve_in.h"

#define RUN 16
#define LARGE 32768
#define SMALL 8192
#define STAND_INS 262144u    /* that many bytes at a time */
#define PIPE_BYTES (1 << 20) /* an ordinary user's largest */
#define PIPE_LEAST (1 << 18) /* with less there is nothing to gain */
#define MOST 16              /* of the 64 such pipes an ordinary user has */

struct conduit {
    struct end *from; /* NULL: it has left, or is gone */
    struct end *to;
    int pipe[2];
    uint64_t before; /* bytes in the core that `to` gets first */
    uint64_t held;   /* in the pipe; the core has a stand-in for each */
};

static void conduit_free(struct conduit *c) {
    if (c->from)
        c->from->sends = NULL;
    c->to->receives = NULL;
    c->to->sv->conduits--;
    close(c->pipe[0]);
    close(c->pipe[1]);
    free(c);
}

static void leave(struct end *e) {
    struct conduit *c = e->sends;
    if (!c)
        return;
    e->bulk = 0;
    if (end_stack(e))
        weir_set_copies(end_stack(e), e->sock, CARRIER_COPIES);
    if (!c->held) {
        conduit_free(c);
        return;
    }
    e->sends = NULL;
    c->from = NULL;
}

void conduit_forget(struct end *e) {
    leave(e);
    if (e->receives)
        conduit_free(e->receives);
}

/* The other end, if what is written here comes out there unchanged. */
static struct end *straight_to(struct end *e) {
    struct end *to = pace_peer(e);
    if (e->was_urgent || !to || to->receives || to->state != END_CONNECTED ||
        to->src.fd < 0 || to->type != SOCK_STREAM || e->traced || to->traced ||
        !end_stack(to) || end_stack(to) != end_stack(e))
        return NULL;
    return to;
}

static bool lay(struct end *e) {
    struct serve *sv = e->sv;
    struct end *to = sv->conduits < MOST ? straight_to(e) : NULL;
    struct weir_sockinfo mine, theirs;
    if (!to || weir_sockinfo(end_stack(e), e->sock, &mine) ||
        weir_sockinfo(end_stack(to), to->sock, &theirs))
        return false;
    /* What is not acknowledged may be read already, but no less is there. */
    uint64_t before = mine.written - theirs.read;
    if (before < theirs.rx_queue ||
        before > (uint64_t)mine.tx_queue + theirs.rx_queue)
        return false;
    if (!sv->stand_ins)
        sv->stand_ins = weir_buf_alloc(sv->net->arena, STAND_INS);
    struct conduit *c = sv->stand_ins ? calloc(1, sizeof(*c)) : NULL;
    if (!c)
        return false;
    if (pipe2(c->pipe, O_CLOEXEC | O_NONBLOCK)) {
        free(c);
        return false;
    }
    if (fcntl(c->pipe[1], F_SETPIPE_SZ, PIPE_BYTES) < 0 &&
        fcntl(c->pipe[1], F_SETPIPE_SZ, PIPE_LEAST) < 0) {
        close(c->pipe[0]);
        close(c->pipe[1]);
        free(c);
        return false;
    }
    fcntl(to->src.fd, F_SETFL, fcntl(to->src.fd, F_GETFL) | O_NONBLOCK);
    c->before = before;
    c->from = e;
    c->to = to;
    e->sends = to->receives = c;
    sv->conduits++;
    weir_set_copies(end_stack(e), e->sock, 1); /* into the carrier */
    return true;
}

void conduit_seen(struct end *e, size_t n, bool whole) {
    bool large = n >= (e->sends ? SMALL : LARGE) || !whole;
    e->bulk = large == !e->sends ? (uint8_t)(e->bulk + 1) : 0;
    if (e->bulk < RUN)
        return;
    e->bulk = 0;
    if (e->sends)
        leave(e);
    else if (e->bytes_out >= PACE_BULK)
        lay(e);
}

static ssize_t into_pipe(struct end *e) {
    ssize_t n = splice(e->src.fd, NULL, e->sends->pipe[1], NULL, STAND_INS,
                       SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    return n < 0 ? -errno : n;
}

ssize_t conduit_take(struct end *e) {
    struct conduit *c = e->sends;
    int waiting = 0;
    if (e->urgent) {
        leave(e);
        return CONDUIT_LEFT;
    }
    ssize_t n = into_pipe(e);
    if (n == -EAGAIN && c->held > 0 &&
        ioctl(e->src.fd, FIONREAD, &waiting) == 0 && waiting > 0)
        n = into_pipe(e); /* they may have come just now */
    bool empty = n == -EAGAIN && waiting == 0;
    if (n < 0 && n != -ECONNRESET && !empty) { /* it takes no more */
        leave(e);
        return CONDUIT_LEFT;
    }
    if (n <= 0)
        return n;
    c->held += (uint64_t)n;
    weir_buf_ref(e->sv->stand_ins);
    e->out = (struct weir_slice){e->sv->stand_ins, 0, (uint32_t)n};
    return n;
}

size_t conduit_clip(const struct end *e, size_t n) {
    const struct conduit *c = e->receives;
    uint64_t most = c->before ? c->before : c->held ? c->held : n;
    return n < most ? n : (size_t)most;
}

bool conduit_puts(const struct end *e) {
    return e->receives && !e->receives->before && e->receives->held;
}

ssize_t conduit_put(struct end *e, size_t n) {
    return splice(e->receives->pipe[0], NULL, e->src.fd, NULL, n,
                  SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}

void conduit_throw(struct end *e, size_t n) {
    char trash[8192];
    while (n > 0) {
        ssize_t got = read(e->receives->pipe[0], trash,
                           n < sizeof(trash) ? n : sizeof(trash));
        if (got <= 0)
            return;
        n -= (size_t)got;
    }
}

void conduit_moved(struct end *e, size_t n) {
    struct conduit *c = e->receives;
    if (c->before) {
        c->before -= n;
        return;
    }
    c->held -= n;
    if (!c->held && !c->from)
        conduit_free(c);
}
