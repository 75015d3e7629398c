/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options TCP keeps itself. Ranges, rounding and errors are Linux's. What few
 * programs set lies in struct tcp_opts, allocated at the first need; a listener
 * has the same block and its connections inherit a copy.
 */
#include "tcp/option.h"
#include "tcp/cc.h"
#include "tcp/rooms.h"

enum {
    MSS_LEAST = 88,
    WINDOW_MOST = 32767,
    KEEP_MOST_S = 32767,
    COUNT_MOST = 127,
    LINGER2_MOST_S = 120,
    RCVBUF_LEAST = 2304,
    SNDBUF_LEAST = 4608,
    CC_NAME_SIZE = 16,
};

/* The members a connection and a listener have in common. */
struct target {
    struct tcp *tcp;
    struct tcp_conn *c; /* NULL: a listener */
    struct endpoint *ep;
    struct tcp_opts **opt;
    uint32_t *flags, *rcvbuf, *sndbuf;
    uint8_t *cc;
};

static struct target target_of(struct tcp *tcp, struct endpoint *ep) {
    if (ep->kind == ENDPOINT_LISTENER) {
        struct tcp_listener *l = tcp_listener_of(ep);
        return (struct target){tcp,       NULL,       ep,         &l->opt,
                               &l->flags, &l->rcvbuf, &l->sndbuf, &l->cc};
    }
    struct tcp_conn *c = tcp_conn_of(ep);
    return (struct target){tcp,       c,          ep,         &c->opt,
                           &c->flags, &c->rcvbuf, &c->sndbuf, &c->cc};
}

static int bad(const struct target *t, int error) {
    return env_fail(t->tcp->env, error,
                    error == EINVAL ? WEIR_NOT_SPECIFIED : WEIR_NOT_SUPPORTED);
}

static void set_flag(const struct target *t, uint32_t flag, bool on) {
    *t->flags = on ? *t->flags | flag : *t->flags & ~flag;
}

static int set_buffer(const struct target *t, int name, int32_t v) {
    const struct sysctl *s = &t->tcp->env->sysctl;
    bool rcv = name == ABI_SO_RCVBUF;
    int32_t most = rcv ? s->rmem_max : s->wmem_max;
    uint32_t least = rcv ? RCVBUF_LEAST : SNDBUF_LEAST;
    uint32_t bytes = (uint32_t)(v < 0 || v > most ? most : v) * 2;
    *(rcv ? t->rcvbuf : t->sndbuf) = bytes > least ? bytes : least;
    set_flag(t, rcv ? CONN_RCVBUF_LOCK : CONN_SNDBUF_LOCK, true);
    endpoint_touch(t->tcp->env, t->ep);
    return 0;
}

static int set_keepalive(const struct target *t, bool on) {
    t->ep->flags = (uint16_t)(on ? t->ep->flags | EP_KEEPALIVE
                                 : t->ep->flags & ~EP_KEEPALIVE);
    if (t->c)
        tcp_keep_restart(t->tcp, t->c);
    return 0;
}

static int set_reuse(const struct target *t, uint16_t flag, bool on) {
    if (t->c)
        tcp_port_lift(t->tcp, t->c);
    else
        tcp_port_listener_lift(t->tcp, tcp_listener_of(t->ep));
    t->ep->flags = (uint16_t)(on ? t->ep->flags | flag : t->ep->flags & ~flag);
    if (t->c)
        tcp_port_put(t->tcp, t->c);
    else
        tcp_port_listener_put(t->tcp, tcp_listener_of(t->ep));
    return 0;
}

static int set_linger(const struct target *t, const void *value, uint32_t len) {
    int32_t l[2]; /* struct linger: l_onoff, l_linger */
    if (len < sizeof(l))
        return bad(t, EINVAL);
    memcpy(l, value, sizeof(l));
    struct tcp_opts *o = tcp_opts_get(t->tcp, t->opt);
    if (!o)
        return bad(t, ENOMEM);
    o->linger_s = l[0] ? (l[1] < 0 ? INT32_MAX : l[1]) : -1;
    return 0;
}

static int set_rcvlowat(const struct target *t, int32_t v) {
    struct tcp_opts *o = tcp_opts_get(t->tcp, t->opt);
    if (!o)
        return bad(t, ENOMEM);
    o->rcvlowat = v < 0 ? INT32_MAX : v ? v : 1;
    endpoint_touch(t->tcp->env, t->ep);
    return 0;
}

/* -ENOPROTOOPT: not TCP's. */
static int set_socket(const struct target *t, int name, const void *value,
                      uint32_t len) {
    int32_t v = 0;
    if (name == ABI_SO_LINGER)
        return set_linger(t, value, len);
    switch (name) {
    case ABI_SO_KEEPALIVE:
    case ABI_SO_SNDBUF:
    case ABI_SO_RCVBUF:
    case ABI_SO_RCVLOWAT:
    case ABI_SO_REUSEADDR:
    case ABI_SO_REUSEPORT:
        break;
    default:
        return -ENOPROTOOPT;
    }
    if (len < sizeof(v))
        return bad(t, EINVAL);
    memcpy(&v, value, sizeof(v));
    switch (name) {
    case ABI_SO_KEEPALIVE:
        return set_keepalive(t, v != 0);
    case ABI_SO_RCVLOWAT:
        return set_rcvlowat(t, v);
    case ABI_SO_REUSEADDR:
        return set_reuse(t, EP_REUSEADDR, v != 0);
    case ABI_SO_REUSEPORT:
        return set_reuse(t, EP_REUSEPORT, v != 0);
    default:
        return set_buffer(t, name, v);
    }
}

static int set_congestion(const struct target *t, const char *name,
                          uint32_t len) {
    if (len < 1)
        return bad(t, EINVAL);
    uint32_t n = 0;
    while (n < len && n < CC_NAME_SIZE - 1 && name[n])
        n++;
    for (unsigned i = 0; i < CC_COUNT; i++) {
        const char *own = tcp_cc[i]->name;
        uint32_t k = 0;
        while (own[k])
            k++;
        if (k == n && !memcmp(own, name, n)) {
            *t->cc = (uint8_t)i;
            return 0;
        }
    }
    return bad(t, ENOENT);
}

static int set_quickack(const struct target *t, int32_t v) {
    struct tcp_conn *c = t->c;
    set_flag(t, CONN_NO_QUICKACK, !v);
    if (c && v && c->flags & CONN_ACK_LATER &&
        tcp_in(c, IN(ESTABLISHED) | IN(CLOSE_WAIT)))
        tcp_ack_now(t->tcp, c);
    if (c && v && c->work && !c->work->quickack)
        c->work->quickack = 16;
    return 0;
}

static int set_push(const struct target *t, uint32_t flag, bool on, bool push) {
    set_flag(t, flag, on);
    if (push && t->c && t->c->work)
        tcp_dirty(t->tcp, t->c);
    return 0;
}

static int set_clamp(const struct target *t, struct tcp_opts *o, int32_t v) {
    if (!v) {
        if (!t->c || tcp_state(t->c) != WEIR_TCP_CLOSED)
            return bad(t, EINVAL);
        o->window_clamp = 0;
        return 0;
    }
    o->window_clamp = v < RCVBUF_LEAST / 2 ? RCVBUF_LEAST / 2 : v;
    return 0;
}

/* Those in struct tcp_opts; `o` is there. */
static int set_rare(const struct target *t, struct tcp_opts *o, int name,
                    int32_t v) {
    switch (name) {
    case ABI_TCP_MAXSEG:
        if (v && (v < MSS_LEAST || v > WINDOW_MOST))
            return bad(t, EINVAL);
        o->maxseg = (uint16_t)v;
        if (t->c && t->c->work)
            t->c->work->way_gen = 0; /* output asks what it may send */
        return 0;
    case ABI_TCP_KEEPIDLE:
    case ABI_TCP_KEEPINTVL:
        if (v < 1 || v > KEEP_MOST_S)
            return bad(t, EINVAL);
        if (name == ABI_TCP_KEEPINTVL) {
            o->keep_intvl_s = v;
            return 0;
        }
        o->keep_idle_s = v;
        if (t->c)
            tcp_keep_restart(t->tcp, t->c);
        return 0;
    case ABI_TCP_KEEPCNT:
    case ABI_TCP_SYNCNT:
        if (v < 1 || v > COUNT_MOST)
            return bad(t, EINVAL);
        *(name == ABI_TCP_KEEPCNT ? &o->keep_cnt : &o->syncnt) = (uint8_t)v;
        return 0;
    case ABI_TCP_LINGER2:
        o->linger2_s = v < 0 ? -1 : v > LINGER2_MOST_S ? LINGER2_MOST_S : v;
        return 0;
    case ABI_TCP_DEFER_ACCEPT:
        o->defer_accept_s = v < 0 ? 0 : v;
        return 0;
    case ABI_TCP_WINDOW_CLAMP:
        return set_clamp(t, o, v);
    case ABI_TCP_USER_TIMEOUT:
        if (v < 0)
            return bad(t, EINVAL);
        o->user_timeout_ms = v;
        return 0;
    case ABI_TCP_NOTSENT_LOWAT:
        o->notsent_lowat = v;
        endpoint_touch(t->tcp->env, t->ep);
        return 0;
    default:
        return bad(t, ENOPROTOOPT);
    }
}

static int set_tcp(const struct target *t, int name, const void *value,
                   uint32_t len) {
    int32_t v = 0;
    switch (name) {
    case ABI_TCP_CONGESTION:
        return set_congestion(t, value, len);
    case ABI_TCP_FASTOPEN:
    case ABI_TCP_FASTOPEN_CONNECT:
    case ABI_TCP_INQ:
        return bad(t, EOPNOTSUPP);
    case ABI_TCP_REPAIR:
    case ABI_TCP_TIMESTAMP:
        return bad(t, EPERM);
    case ABI_TCP_ULP:
        return bad(t, ENOENT);
    default:
        break;
    }
    if (len < sizeof(v))
        return bad(t, EINVAL);
    memcpy(&v, value, sizeof(v));
    switch (name) {
    case ABI_TCP_NODELAY:
        return set_push(t, CONN_NODELAY, v != 0, v != 0);
    case ABI_TCP_CORK:
        return set_push(t, CONN_CORK, v != 0, !v);
    case ABI_TCP_QUICKACK:
        return set_quickack(t, v);
    default:
        break;
    }
    struct tcp_opts *o = tcp_opts_get(t->tcp, t->opt);
    return o ? set_rare(t, o, name, v) : bad(t, ENOMEM);
}

int tcp_setsockopt(struct tcp *tcp, struct endpoint *ep, int level, int name,
                   const void *value, uint32_t len) {
    const struct target t = target_of(tcp, ep);
    if (level == ABI_SOL_SOCKET)
        return set_socket(&t, name, value, len);
    if (level == ABI_IPPROTO_TCP)
        return set_tcp(&t, name, value, len);
    return -ENOPROTOOPT;
}

static int tcp_give(void *value, uint32_t *len, const void *from,
                    uint32_t size) {
    if (*len > size)
        *len = size;
    memcpy(value, from, *len);
    return 0;
}

static int give_int(void *value, uint32_t *len, int32_t v) {
    return tcp_give(value, len, &v, sizeof(v));
}

static int get_socket(const struct target *t, int name, void *value,
                      uint32_t *len) {
    const struct tcp_opts *o = *t->opt;
    int32_t linger[2] = {0, 0};
    switch (name) {
    case ABI_SO_KEEPALIVE:
        return give_int(value, len, (t->ep->flags & EP_KEEPALIVE) != 0);
    case ABI_SO_SNDBUF:
        return give_int(value, len, (int32_t)*t->sndbuf);
    case ABI_SO_RCVBUF:
        return give_int(value, len, (int32_t)*t->rcvbuf);
    case ABI_SO_RCVLOWAT:
        return give_int(value, len, o ? o->rcvlowat : 1);
    case ABI_SO_LINGER:
        if (o && o->linger_s >= 0) {
            linger[0] = 1;
            linger[1] = o->linger_s;
        }
        return tcp_give(value, len, linger, sizeof(linger));
    default:
        return -ENOPROTOOPT;
    }
}

static int32_t get_maxseg(const struct target *t) {
    const struct tcp_opts *o = *t->opt;
    bool open = t->c && !tcp_in(t->c, IN(CLOSED));
    if (!open && o && o->maxseg)
        return o->maxseg;
    return t->c ? t->c->mss : 536;
}

static int32_t or_common(int32_t own, int32_t common) {
    return own ? own : common;
}

/* -1: not an int of TCP's (all of these are >= 0, but LINGER2). */
static int tcp_get_int(const struct target *t, int name, int32_t *v) {
    static const struct tcp_opts none;
    const struct sysctl *s = &t->tcp->env->sysctl;
    const struct tcp_opts *o = *t->opt ? *t->opt : &none;
    switch (name) {
    case ABI_TCP_NODELAY:
        return *v = (*t->flags & CONN_NODELAY) != 0, 0;
    case ABI_TCP_CORK:
        return *v = (*t->flags & CONN_CORK) != 0, 0;
    case ABI_TCP_QUICKACK:
        return *v = !(*t->flags & CONN_NO_QUICKACK), 0;
    case ABI_TCP_MAXSEG:
        return *v = get_maxseg(t), 0;
    case ABI_TCP_KEEPIDLE:
        return *v = or_common(o->keep_idle_s, s->tcp_keepalive_time), 0;
    case ABI_TCP_KEEPINTVL:
        return *v = or_common(o->keep_intvl_s, s->tcp_keepalive_intvl), 0;
    case ABI_TCP_KEEPCNT:
        return *v = or_common(o->keep_cnt, s->tcp_keepalive_probes), 0;
    case ABI_TCP_SYNCNT:
        return *v = or_common(o->syncnt, s->tcp_syn_retries), 0;
    case ABI_TCP_LINGER2:
        return *v = or_common(o->linger2_s, s->tcp_fin_timeout), 0;
    case ABI_TCP_DEFER_ACCEPT:
        return *v = o->defer_accept_s, 0;
    case ABI_TCP_WINDOW_CLAMP:
        return *v = or_common(o->window_clamp, (int32_t)(*t->rcvbuf / 2)), 0;
    case ABI_TCP_USER_TIMEOUT:
        return *v = o->user_timeout_ms, 0;
    case ABI_TCP_NOTSENT_LOWAT:
        return *v = o->notsent_lowat, 0;
    case ABI_TCP_FASTOPEN:
    case ABI_TCP_FASTOPEN_CONNECT:
    case ABI_TCP_INQ:
        return *v = 0, 0;
    default:
        return -1;
    }
}

int tcp_getsockopt(struct tcp *tcp, struct endpoint *ep, int level, int name,
                   void *value, uint32_t *len) {
    const struct target t = target_of(tcp, ep);
    int32_t v;
    if (level == ABI_SOL_SOCKET)
        return get_socket(&t, name, value, len);
    if (level != ABI_IPPROTO_TCP)
        return -ENOPROTOOPT;
    if (name == ABI_TCP_INFO)
        return tcp_info_option(tcp, ep, value, len);
    if (name == ABI_TCP_CONGESTION) {
        char text[CC_NAME_SIZE] = {0};
        const char *own = tcp_cc[*t.cc]->name;
        for (unsigned i = 0; own[i] && i < sizeof(text) - 1; i++)
            text[i] = own[i];
        return tcp_give(value, len, text, sizeof(text));
    }
    if (tcp_get_int(&t, name, &v) == 0)
        return give_int(value, len, v);
    return env_fail(tcp->env, ENOPROTOOPT, WEIR_NOT_SUPPORTED);
}
