/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * setsockopt and getsockopt: the transport is asked first, then the table says
 * how. Lengths and errors are Linux's: an int wants four bytes (options of IP
 * take one byte too), what getsockopt gives is cut to the caller's length.
 */
#include <errno.h>

#include "base/abi.h"
#include "sock/option.h"
#include "sock/sock.h"

static bool read_int(int level, const void *value, uint32_t len, int32_t *out) {
    if (len >= sizeof(*out)) {
        memcpy(out, value, sizeof(*out));
        return true;
    }
    if (level != ABI_IPPROTO_IP || len < 1)
        return false;
    *out = *(const uint8_t *)value; /* ip(7): some programs pass a char */
    return true;
}

static int bind_device(struct weir_stack *s, struct endpoint *e,
                       const char *name, uint32_t len) {
    char want[16] = {0};
    memcpy(want, name, len < sizeof(want) - 1 ? len : sizeof(want) - 1);
    if (!want[0]) {
        e->ifindex = 0;
        return 0;
    }
    struct weir_if iface;
    for (unsigned i = 1; ip_if_get(s->ip, i, &iface) == 0; i++)
        if (memcmp(iface.name, want, sizeof(want)) == 0) {
            e->ifindex = (uint16_t)i;
            return 0;
        }
    return env_fail(&s->env, ENODEV, WEIR_NOT_SPECIFIED);
}

/* One byte for four options: any of them replaces the others, and switching
 * off one that is not on switches off whichever is, as on Linux. */
static int set_timestamp(struct weir_stack *s, struct endpoint *e, int number) {
    struct endpoint_extra *x = endpoint_extra(&s->env, e);
    if (!x)
        return env_fail(&s->env, ENOMEM, WEIR_NOMEM);
    x->timestamp = (uint8_t)number;
    return 0;
}

static int set_special(struct weir_stack *s, struct endpoint *e,
                       const struct option_row *row, int32_t v) {
    struct weir_if iface;
    int level = row->public.level, number = row->public.number;
    if (level == ABI_SOL_SOCKET && number != ABI_SO_BINDTOIFINDEX)
        return set_timestamp(s, e, v ? number : 0);
    if (level == ABI_SOL_SOCKET) {
        if (v != 0 && (v < 0 || ip_if_get(s->ip, (unsigned)v, &iface)))
            return env_fail(&s->env, ENODEV, WEIR_NOT_SPECIFIED);
        e->ifindex = (uint16_t)v;
        return 0;
    }
    switch (number) {
    case ABI_IP_TOS:
        /* The two ECN bits of a stream are TCP's own (RFC 3168 5). */
        e->tos =
            (uint8_t)(e->kind == ENDPOINT_UDP ? v : (v & ~3) | (e->tos & 3));
        return 0;
    case ABI_IP_TTL:
        if (v != -1 && (v < 1 || v > 255))
            return env_fail(&s->env, EINVAL, WEIR_NOT_SPECIFIED);
        e->ttl = (uint8_t)(v == -1 ? 0 : v);
        return 0;
    case ABI_IP_MTU_DISCOVER:
        if (v < 0 || v > 5)
            return env_fail(&s->env, EINVAL, WEIR_NOT_SPECIFIED);
        e->pmtudisc = (uint8_t)v;
        return 0;
    }
    return env_fail(&s->env, ENOPROTOOPT, WEIR_NOT_SUPPORTED);
}

static int set_timeval(struct weir_stack *s, struct endpoint *e,
                       const struct option_row *row, const void *value,
                       uint32_t len) {
    int64_t tv[2];
    if (len < sizeof(tv))
        return env_fail(&s->env, EINVAL, WEIR_NOT_SPECIFIED);
    memcpy(tv, value, sizeof(tv));
    if (tv[1] < 0 || tv[1] >= 1000000)
        return env_fail(&s->env, EDOM, WEIR_NOT_SPECIFIED);
    struct endpoint_extra *x = endpoint_extra(&s->env, e);
    if (!x)
        return env_fail(&s->env, ENOMEM, WEIR_NOMEM);
    if (tv[0] < 0)
        tv[0] = tv[1] = 0;
    memcpy((char *)x + row->arg, tv, sizeof(tv));
    return 0;
}

static int set_row(struct weir_stack *s, struct endpoint *e,
                   const struct option_row *row, int32_t v) {
    struct endpoint_extra *x;
    switch (row->how) {
    case HOW_FLAG:
        e->flags = (uint16_t)(v ? e->flags | row->arg : e->flags & ~row->arg);
        return 0;
    case HOW_EXTRA_INT:
    case HOW_EXTRA_BYTE:
        x = endpoint_extra(&s->env, e);
        if (!x)
            return env_fail(&s->env, ENOMEM, WEIR_NOMEM);
        if (row->how == HOW_EXTRA_INT)
            memcpy((char *)x + row->arg, &v, sizeof(v));
        else
            *((uint8_t *)x + row->arg) =
                row->arg == offsetof(struct endpoint_extra, mcast_ttl)
                    ? (uint8_t)v
                    : v != 0;
        return 0;
    case HOW_SPECIAL:
        return set_special(s, e, row, v);
    case HOW_REFUSE:
        return env_fail(&s->env, row->arg, WEIR_NOT_SUPPORTED);
    case HOW_TRANSPORT:
    case HOW_TIMEVAL:
    case HOW_READ_ONLY:
        break;
    }
    return env_fail(&s->env, ENOPROTOOPT, WEIR_NOT_SUPPORTED);
}

static int option_set(struct weir_stack *s, struct endpoint *e, int level,
                      int name, const void *value, uint32_t len) {
    int r = e->kind == ENDPOINT_UDP
                ? udp_setsockopt(s->udp, e, level, name, value, len)
                : tcp_setsockopt(s->tcp, e, level, name, value, len);
    if (r != -ENOPROTOOPT)
        return r;
    const struct option_row *row = option_find(level, name);
    if (!row)
        return env_fail(&s->env, ENOPROTOOPT, WEIR_NOT_SUPPORTED);
    if (row->how == HOW_TIMEVAL)
        return set_timeval(s, e, row, value, len);
    if (level == ABI_SOL_SOCKET && name == ABI_SO_BINDTODEVICE)
        return bind_device(s, e, value, len);
    int32_t v = 0;
    if (row->how != HOW_REFUSE && !read_int(level, value, len, &v))
        return env_fail(&s->env, EINVAL, WEIR_NOT_SPECIFIED);
    return set_row(s, e, row, v);
}

int weir_setsockopt(struct weir_stack *s, int sock, int level, int name,
                    const void *value, uint32_t len) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return env_fail(&s->env, EBADF, WEIR_BAD_STATE);
    int32_t v = 0;
    if (len >= sizeof(v))
        memcpy(&v, value, sizeof(v));
    struct call_scope c =
        call_begin(s, WEIR_CALL_setsockopt, sock,
                   (uint32_t)level << 16 | (uint16_t)name, (uint32_t)v);
    return (int)call_end(s, c, option_set(s, e, level, name, value, len));
}

static int give(void *value, uint32_t *len, const void *from, uint32_t have) {
    if (*len > have)
        *len = have;
    memcpy(value, from, *len);
    return 0;
}

static int get_device(struct weir_stack *s, struct endpoint *e, void *value,
                      uint32_t *len) {
    struct weir_if iface;
    if (!e->ifindex || ip_if_get(s->ip, e->ifindex, &iface)) {
        *len = 0;
        return 0;
    }
    if (*len < sizeof(iface.name))
        return env_fail(&s->env, EINVAL, WEIR_NOT_SPECIFIED);
    uint32_t n = 0;
    while (n < sizeof(iface.name) - 1 && iface.name[n])
        n++;
    return give(value, len, iface.name, n + 1);
}

/* The value of an option that is an int; false: it has none. */
static bool get_int(struct weir_stack *s, struct endpoint *e,
                    const struct option_row *row, int32_t *v) {
    bool udp = e->kind == ENDPOINT_UDP;
    int number = row->public.number;
    struct ip_way way;
    struct weir_addr src = weir_addr_v4(e->laddr);
    const struct weir_addr dst = weir_addr_v4(e->raddr);
    if (row->public.level == ABI_SOL_SOCKET) {
        switch (number) {
        case ABI_SO_TYPE:
            *v = udp ? ABI_SOCK_DGRAM : ABI_SOCK_STREAM;
            return true;
        case ABI_SO_PROTOCOL:
            *v = udp ? ABI_IPPROTO_UDP : ABI_IPPROTO_TCP;
            return true;
        case ABI_SO_DOMAIN:
            *v = ABI_AF_INET;
            return true;
        case ABI_SO_ACCEPTCONN:
            *v = e->kind == ENDPOINT_LISTENER;
            return true;
        case ABI_SO_SNDLOWAT:
            *v = 1;
            return true;
        case ABI_SO_BINDTOIFINDEX:
            *v = e->ifindex;
            return true;
        case ABI_SO_TIMESTAMP:
        case ABI_SO_TIMESTAMPNS:
        case ABI_SO_TIMESTAMP_NEW:
        case ABI_SO_TIMESTAMPNS_NEW:
            *v = e->extra && (e->extra->timestamp == number ||
                              (number == ABI_SO_TIMESTAMP_NEW &&
                               e->extra->timestamp == ABI_SO_TIMESTAMPNS_NEW));
            return true;
        case ABI_SO_ERROR:
            *v = e->error;
            e->error = 0;
            endpoint_touch(&s->env, e);
            return true;
        }
        return false;
    }
    switch (number) {
    case ABI_IP_TOS:
        *v = e->tos;
        return true;
    case ABI_IP_TTL:
        *v = e->ttl ? e->ttl : s->env.sysctl.ip_default_ttl;
        return true;
    case ABI_IP_MTU_DISCOVER:
        *v = e->pmtudisc;
        return true;
    case ABI_IP_MTU:
        if (!e->rport || ip_route(s->ip, &src, &dst, e->ifindex,
                                  e->flags & EP_BROADCAST, &way))
            return false;
        *v = (int32_t)way.mtu;
        return true;
    }
    return false;
}

static int get_row(struct weir_stack *s, struct endpoint *e,
                   const struct option_row *row, void *value, uint32_t *len) {
    static const struct endpoint_extra none;
    const struct endpoint_extra *x = e->extra ? e->extra : &none;
    int32_t v = 0;
    switch (row->how) {
    case HOW_FLAG:
        v = (e->flags & row->arg) != 0;
        return give(value, len, &v, sizeof(v));
    case HOW_EXTRA_INT:
        return give(value, len, (const char *)x + row->arg, sizeof(v));
    case HOW_EXTRA_BYTE:
        v = *((const uint8_t *)x + row->arg);
        return give(value, len, &v, sizeof(v));
    case HOW_TIMEVAL:
        return give(value, len, (const char *)x + row->arg, 16);
    case HOW_SPECIAL:
    case HOW_READ_ONLY:
        if (get_int(s, e, row, &v))
            return give(value, len, &v, sizeof(v));
        if (row->public.number == ABI_IP_MTU)
            return env_fail(&s->env, ENOTCONN, WEIR_BAD_STATE);
        break;
    case HOW_REFUSE:
        return give(value, len, &v, sizeof(v)); /* never set, so 0 */
    case HOW_TRANSPORT:
        break;
    }
    return env_fail(&s->env, ENOPROTOOPT, WEIR_NOT_SUPPORTED);
}

int weir_getsockopt(struct weir_stack *s, int sock, int level, int name,
                    void *value, uint32_t *len) {
    struct endpoint *e = handle_get(s, sock);
    if (!e)
        return env_fail(&s->env, EBADF, WEIR_BAD_STATE);
    int r = e->kind == ENDPOINT_UDP
                ? udp_getsockopt(s->udp, e, level, name, value, len)
                : tcp_getsockopt(s->tcp, e, level, name, value, len);
    if (r != -ENOPROTOOPT)
        return r;
    const struct option_row *row = option_find(level, name);
    if (!row)
        return env_fail(&s->env, ENOPROTOOPT, WEIR_NOT_SUPPORTED);
    if (level == ABI_SOL_SOCKET && name == ABI_SO_BINDTODEVICE)
        return get_device(s, e, value, len);
    return get_row(s, e, row, value, len);
}
