/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux's default settings. Reading and writing them by name is the socket
 * layer's business. */
#include "base/sysctl.h"

void sysctl_defaults(struct sysctl *s) {
    *s = (struct sysctl){
#define X(path, member, value, low, high) .member = value,
        WEIR_SYSCTLS(X)
#undef X
            .tcp_rmem = {4096, 131072, 6291456},
        .tcp_wmem = {4096, 16384, 4194304},
        .ip_local_port_range = {32768, 60999},
    };
}
