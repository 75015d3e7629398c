/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_SOCK_OPTION_H
#define WEIR_CORE_SOCK_OPTION_H
/*
 * The one table of socket options: what each does here. The transports keep
 * what is theirs (HOW_TRANSPORT); the rest is carried out by option.c.
 */
#include "base/endpoint.h"
#include "weir/socket.h"

enum option_how {
    HOW_TRANSPORT,  /* tcp_setsockopt, udp_setsockopt */
    HOW_FLAG,       /* arg: a bit of endpoint.flags */
    HOW_EXTRA_INT,  /* arg: offset of an int32_t in endpoint_extra */
    HOW_EXTRA_BYTE, /* arg: offset of a uint8_t flag in endpoint_extra */
    HOW_TIMEVAL,    /* arg: offset of a struct timeval in endpoint_extra */
    HOW_SPECIAL,    /* a case of its own in option.c */
    HOW_READ_ONLY,  /* get: a case of its own; set: -ENOPROTOOPT */
    HOW_REFUSE,     /* arg: errno of set; get answers 0 or the same */
};

struct option_row {
    struct weir_option public;
    enum option_how how;
    uint16_t arg;
};

/* NULL where the table has no such option. */
const struct option_row *option_find(int level, int number);

#endif
