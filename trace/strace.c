/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/strace.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "trace/words.h"
#include "weir/socket.h"

const char *strace_name(unsigned call) {
    if (call == WEIR_CALL_recv)
        return "recvfrom";
    if (call == WEIR_CALL_send)
        return "sendto";
    return weir_call_name(call);
}

static void address(FILE *out, uint32_t addr, uint32_t port) {
    fprintf(out,
            "{sa_family=AF_INET, sin_port=htons(%u), "
            "sin_addr=inet_addr(\"%u.%u.%u.%u\")}",
            port, addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255);
}

static void ends(FILE *out, const struct story_socket *k) {
    fprintf(out, "%u.%u.%u.%u:%u", k->local >> 24, k->local >> 16 & 255,
            k->local >> 8 & 255, k->local & 255, k->lport);
    if (k->rport)
        fprintf(out, "->%u.%u.%u.%u:%u", k->remote >> 24, k->remote >> 16 & 255,
                k->remote >> 8 & 255, k->remote & 255, k->rport);
}

static void descriptor(FILE *out, int fd, const struct story_socket *k,
                       enum strace_names names) {
    fprintf(out, "%d", fd);
    if (!k || names == STRACE_FD)
        return;
    if (names == STRACE_FD_INODE) {
        fprintf(out, "<socket:[%llu]>", (unsigned long long)k->inode);
        return;
    }
    fprintf(out, "<%s:[", k->proto == 17 ? "UDP" : "TCP");
    if (k->lport)
        ends(out, k);
    else
        fprintf(out, "%llu", (unsigned long long)k->inode);
    fputs("]>", out);
}

static void socket_arguments(FILE *out, const struct weir_event *ev) {
    unsigned type = ev->call.a0 & 15;
    fprintf(out, "AF_INET, %s",
            type == SOCK_DGRAM    ? "SOCK_DGRAM"
            : type == SOCK_STREAM ? "SOCK_STREAM"
                                  : "SOCK_RAW");
    if (ev->call.a0 & SOCK_CLOEXEC)
        fputs("|SOCK_CLOEXEC", out);
    if (ev->call.a0 & SOCK_NONBLOCK)
        fputs("|SOCK_NONBLOCK", out);
    switch (ev->call.a1) {
    case 0:
        fputs(", IPPROTO_IP", out);
        return;
    case 6:
        fputs(", IPPROTO_TCP", out);
        return;
    case 17:
        fputs(", IPPROTO_UDP", out);
        return;
    default:
        fprintf(out, ", %u", ev->call.a1);
    }
}

static void option_arguments(FILE *out, const struct weir_event *ev) {
    int level = (int)(ev->call.a0 >> 16), name = (int)(ev->call.a0 & 0xffff);
    const struct weir_option *o = NULL;
    for (unsigned i = 0; (o = weir_option(i)); i++)
        if (o->level == level && o->number == name)
            break;
    switch (level) {
    case 0:
        fputs("SOL_IP", out);
        break;
    case 1:
        fputs("SOL_SOCKET", out);
        break;
    case 6:
        fputs("SOL_TCP", out);
        break;
    default:
        fprintf(out, "%d", level);
    }
    if (o)
        fprintf(out, ", %s", o->name);
    else
        fprintf(out, ", %d", name);
    if (ev->call.call == WEIR_CALL_setsockopt && o && !strcmp(o->type, "int"))
        fprintf(out, ", [%d], 4", (int)ev->call.a1);
}

void strace_enter(FILE *out, const struct story *s, const struct weir_event *ev,
                  enum strace_names names) {
    static const char *const how[] = {"SHUT_RD", "SHUT_WR", "SHUT_RDWR"};
    const struct story_socket *k = story_socket(s, ev->host, ev->sock, ev->id);
    fprintf(out, "%s(", strace_name(ev->call.call));
    if (ev->call.call == WEIR_CALL_socket) {
        socket_arguments(out, ev);
        return;
    }
    descriptor(out, ev->call.fd, k, names);
    switch (ev->call.call) {
    case WEIR_CALL_bind:
    case WEIR_CALL_connect:
        fputs(", ", out);
        address(out, ev->call.a0, ev->call.a1);
        fputs(", 16", out);
        return;
    case WEIR_CALL_accept:
    case WEIR_CALL_accept4:
        fputs(", ", out);
        return;
    case WEIR_CALL_listen:
        fprintf(out, ", %d", (int)ev->call.a0);
        return;
    case WEIR_CALL_shutdown:
        fprintf(out, ", %s", how[ev->call.a0 < 3 ? ev->call.a0 : 2]);
        return;
    case WEIR_CALL_setsockopt:
    case WEIR_CALL_getsockopt:
        fputs(", ", out);
        option_arguments(out, ev);
        return;
    case WEIR_CALL_sendto:
    case WEIR_CALL_sendmsg:
        if (!k || k->proto != 17)
            break;
        if (ev->call.a1) {
            fputs(", ", out);
            address(out, ev->call.a0, ev->call.a1);
        }
        return;
    case WEIR_CALL_recvfrom:
    case WEIR_CALL_recvmsg:
    case WEIR_CALL_recvmmsg:
    case WEIR_CALL_sendmmsg:
        return;
    default:
        break;
    }
    if (ev->call.call >= WEIR_CALL_read && ev->call.call <= WEIR_CALL_splice)
        fprintf(out, ", %u", ev->call.a0);
}

void strace_leave(FILE *out, const struct weir_event *ev) {
    bool accept =
        ev->call.call == WEIR_CALL_accept || ev->call.call == WEIR_CALL_accept4;
    if (accept && ev->call.result >= 0 && ev->call.a1)
        address(out, ev->call.a0, ev->call.a1);
    else if (accept)
        fputs("...", out);
    fputc(')', out);
}

/* What accept gave: the listener's address, and the peer's. */
static void accepted(FILE *out, const struct story *s,
                     const struct weir_event *ev, enum strace_names names) {
    const struct story_socket *l = story_socket(s, ev->host, ev->sock, ev->id);
    if (!l || !l->local || names != STRACE_FD_ADDRESS) {
        fprintf(out, "%d", ev->call.result);
        return;
    }
    struct story_socket k = *l;
    k.remote = ev->call.a0;
    k.rport = (uint16_t)ev->call.a1;
    descriptor(out, ev->call.result, &k, names);
}

void strace_result(FILE *out, const struct story *s,
                   const struct weir_event *ev, enum strace_names names) {
    int r = ev->call.result;
    unsigned call = ev->call.call;
    if (r < 0) {
        fprintf(out, " = -1 %s (%s)", words_errno(-r), strerror(-r));
        return;
    }
    fputs(" = ", out);
    if (call == WEIR_CALL_socket)
        descriptor(out, r, story_socket(s, ev->host, ev->sock, UINT64_MAX),
                   names);
    else if (call == WEIR_CALL_accept || call == WEIR_CALL_accept4)
        accepted(out, s, ev, names);
    else
        fprintf(out, "%d", r);
}
