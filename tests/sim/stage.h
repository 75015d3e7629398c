/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_TESTS_SIM_STAGE_H
#define WEIR_TESTS_SIM_STAGE_H
/* Two hosts and short words for what scenarios do with them. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net.h"

static struct net n;

static inline void open_net(uint64_t delay, double loss) {
    struct net_params p = {.mtu = 1500, .delay = delay, .loss = loss};
    net_open(&n, 42, 2, &p);
    if (getenv("SIM_VERBOSE"))
        n.verbose = stderr;
}

static inline void close_net(void) {
    net_close(&n);
}

static inline void wait_ns(uint64_t ns) {
    net_run(&n, n.now + ns);
}

static inline int listen_on(unsigned h, uint16_t port, int backlog) {
    int s = weir_socket(n.host[h], AF_INET, SOCK_STREAM, 0), on = 1;
    struct weir_endpoint at = net_at(&n, h, port);
    weir_setsockopt(n.host[h], s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(weir_bind(n.host[h], s, &at), 0);
    assert_int_equal(weir_listen(n.host[h], s, backlog), 0);
    return s;
}

static inline int connect_to(unsigned h, unsigned peer, uint16_t port) {
    int s = weir_socket(n.host[h], AF_INET, SOCK_STREAM, 0);
    struct weir_endpoint to = net_at(&n, peer, port);
    assert_int_equal(weir_connect(n.host[h], s, &to), -EINPROGRESS);
    return s;
}

static inline struct weir_sockinfo info(unsigned h, int s) {
    struct weir_sockinfo i;
    assert_int_equal(weir_sockinfo(n.host[h], s, &i), 0);
    return i;
}

static inline int so_error(unsigned h, int s) {
    int e = 0;
    uint32_t len = sizeof(e);
    weir_getsockopt(n.host[h], s, SOL_SOCKET, SO_ERROR, &e, &len);
    return e;
}

/* A connection a -> b, established and accepted. */
static inline void pair_up(int *a, int *b) {
    int l = listen_on(1, 80, 5);
    *a = connect_to(0, 1, 80);
    wait_ns(2 * S);
    *b = weir_accept(n.host[1], l, NULL);
    assert_true(*b >= 0);
    weir_close(n.host[1], l);
    assert_int_equal(info(0, *a).state, WEIR_TCP_ESTABLISHED);
}

static inline ssize_t put(unsigned h, int s, size_t len) {
    static char buf[1 << 20];
    struct iovec v = {buf, len};
    ssize_t r = weir_send(n.host[h], s, &v, 1, 0, NULL);
    net_settle(&n);
    return r;
}

static inline ssize_t get(unsigned h, int s, size_t len) {
    static char buf[1 << 20];
    struct iovec v = {buf, len};
    ssize_t r = weir_recv(n.host[h], s, &v, 1, 0, NULL, NULL);
    net_settle(&n);
    return r;
}

static inline uint64_t counter(unsigned h, enum weir_counter c) {
    return weir_counter(n.host[h], c);
}
#define CTR(h, name) counter(h, WEIR_CTR_TcpExt_##name)

/* Times (ms) at which host `h` sent TCP segments that match, since `from`. */
static inline unsigned sent_times(unsigned h, uint8_t mask, uint8_t flags,
                                  uint64_t from, uint64_t *ms, unsigned most) {
    struct weir_recorder *r = &n.rec[h];
    unsigned k = 0;
    uint64_t first =
        r->bulk.head > r->bulk.mask ? r->bulk.head - r->bulk.mask : 0;
    for (uint64_t i = first; i < r->bulk.head && k < most; i++) {
        const struct weir_event *e = &r->bulk.slot[i & r->bulk.mask];
        if (e->kind == WEIR_EV_SEGMENT_SENT && e->seg.proto == 6 &&
            (e->seg.tcp_flags & mask) == flags && e->t_ns >= from)
            ms[k++] = (e->t_ns - from) / MS;
    }
    return k;
}

/* Drops what a test says. */
static uint8_t drop_mask, drop_flags;
static int drop_from = -1;
static unsigned drop_left, drop_skip;
static uint32_t drop_len;
static inline bool drop_some(void *ctx, const struct frame_info *f) {
    (void)ctx;
    if (drop_from >= 0 && (unsigned)drop_from != f->from)
        return false;
    if ((f->flags & drop_mask) != drop_flags || f->len < drop_len)
        return false;
    if (drop_skip) {
        drop_skip--;
        return false;
    }
    if (!drop_left)
        return false;
    drop_left--;
    return true;
}

static inline void drop(int from, uint8_t mask, uint8_t flags, uint32_t len,
                        unsigned skip, unsigned count) {
    drop_from = from;
    drop_mask = mask;
    drop_flags = flags;
    drop_len = len;
    drop_skip = skip;
    drop_left = count;
    n.filter = drop_some;
}

#endif
