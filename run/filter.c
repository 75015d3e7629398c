/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which system calls the agent sees. Everything else, first of all read, write,
 * poll and close on the carriers, stays between the program and the kernel.
 *
 * The filter is written by hand: libseccomp 2.5 cannot say "notify, unless this
 * 64-bit pointer is NULL" and has no default per foreign ABI. Every test of
 * arguments ends in a return, so that the accumulator holds the call's number
 * at the head of each block; calls decided by number alone stay in the kernel's
 * cache of allowed calls.
 *
 * Other ABIs (i386, x32) could reach kernel sockets past us: the agent refuses
 * their socket calls, and io_uring's, with ENOSYS, and says so.
 */
#include "run/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000u
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#error "no system call table for this architecture"
#endif

#define I386_SOCKETCALL 102
#define I386_SOCKET_FIRST 359 /* socket .. shutdown */
#define I386_SOCKET_LAST 373
#define IO_URING_SETUP 425 /* the same everywhere */

#define ARG_LO(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define ARG_HI(n) (ARG_LO(n) + 4)

#define NOTIFY SECCOMP_RET_USER_NOTIF
#define ALLOW SECCOMP_RET_ALLOW

struct filter {
    struct sock_filter op[200];
    unsigned short n;
};

static void emit(struct filter *f, unsigned code, unsigned jt, unsigned jf,
                 uint32_t k) {
    f->op[f->n++] =
        (struct sock_filter){(uint16_t)code, (uint8_t)jt, (uint8_t)jf, k};
}

static void load(struct filter *f, size_t offset) {
    emit(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void equal(struct filter *f, uint32_t k, unsigned jt, unsigned jf) {
    emit(f, BPF_JMP | BPF_JEQ | BPF_K, jt, jf, k);
}

static void ret(struct filter *f, uint32_t action) {
    emit(f, BPF_RET | BPF_K, 0, 0, action);
}

/* Call `nr`: `action`. */
static void on(struct filter *f, long nr, uint32_t action) {
    equal(f, (uint32_t)nr, 0, 1);
    ret(f, action);
}

/* Call `nr`: notify where the pointer in argument `arg` is not NULL. */
static void on_pointer(struct filter *f, long nr, unsigned arg,
                       uint32_t without) {
    equal(f, (uint32_t)nr, 0, 6);
    load(f, ARG_LO(arg));
    equal(f, 0, 0, 2);
    load(f, ARG_HI(arg));
    equal(f, 0, 1, 0);
    ret(f, NOTIFY);
    ret(f, without);
}

/* recvfrom: notify with an address, and with flags that an AF_UNIX socket does
 * not know or TCP takes otherwise. */
static void on_receive(struct filter *f, uint32_t without) {
    equal(f, SYS_recvfrom, 0, 8);
    load(f, ARG_LO(4));
    equal(f, 0, 0, 4);
    load(f, ARG_HI(4));
    equal(f, 0, 0, 2);
    load(f, ARG_LO(3));
    emit(f, BPF_JMP | BPF_JSET | BPF_K, 0, 1, MSG_ERRQUEUE | MSG_TRUNC);
    ret(f, NOTIFY);
    ret(f, without);
}

/* open: a file that describes the host is answered by us; who reads one does
 * not ask for O_NONBLOCK. Servers do, for each file they serve (it might be a
 * FIFO), and so does opendir, with O_DIRECTORY. */
static void on_open(struct filter *f, long nr, unsigned arg) {
    equal(f, (uint32_t)nr, 0, 5);
    load(f, ARG_LO(arg));
    emit(f, BPF_ALU | BPF_AND | BPF_K, 0, 0, O_NONBLOCK | O_DIRECTORY | O_PATH);
    equal(f, O_NONBLOCK, 1, 0);
    ret(f, NOTIFY);
    ret(f, ALLOW);
}

static void foreign_abi(struct filter *f) {
    load(f, offsetof(struct seccomp_data, arch));
    equal(f, NATIVE, 7, 0);
    load(f, offsetof(struct seccomp_data, nr));
    equal(f, I386_SOCKETCALL, 3, 0);
    equal(f, IO_URING_SETUP, 2, 0);
    emit(f, BPF_JMP | BPF_JGE | BPF_K, 0, 2, I386_SOCKET_FIRST);
    emit(f, BPF_JMP | BPF_JGT | BPF_K, 1, 0, I386_SOCKET_LAST);
    ret(f, NOTIFY);
    ret(f, ALLOW);
}

static void sockets(struct filter *f, uint32_t data) {
    static const long always[] = {
        SYS_bind,
        SYS_listen,
        SYS_accept,
        SYS_accept4,
        SYS_connect,
        SYS_getsockname,
        SYS_getpeername,
        SYS_setsockopt,
        SYS_getsockopt,
        SYS_shutdown,
        SYS_sendmsg,
        SYS_recvmsg,
        SYS_sendmmsg,
        SYS_recvmmsg,
        SYS_openat2,
        IO_URING_SETUP,
        SYS_sched_getaffinity,
        SYS_sched_setaffinity,
    };
    for (unsigned i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        on(f, always[i], NOTIFY);
    equal(f, SYS_socket, 0, 4);
    load(f, ARG_LO(0));
    equal(f, AF_UNIX, 0, 1);
    ret(f, ALLOW);
    ret(f, NOTIFY);
    on_pointer(f, SYS_sendto, 4, data);
    on_receive(f, data);
    on_open(f, SYS_openat, 2);
#ifdef SYS_open
    on_open(f, SYS_open, 1);
#endif
    /* Interface ioctls (0x89xx) and SIOCOUTQ, which counts otherwise on a
     * carrier. FIONREAD is right as it is. */
    equal(f, SYS_ioctl, 0, 6);
    load(f, ARG_LO(1));
    equal(f, 0x5411, 2, 0);
    emit(f, BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xff00);
    equal(f, 0x8900, 0, 1);
    ret(f, NOTIFY);
    ret(f, ALLOW);
}

static void traced_calls(struct filter *f) {
    static const long calls[] = {SYS_read,   SYS_write,   SYS_readv,
                                 SYS_writev, SYS_close,   SYS_sendfile,
                                 SYS_splice, SYS_preadv2, SYS_pwritev2};
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        on(f, calls[i], SECCOMP_RET_TRACE);
}

int filter_install(bool traced) {
    struct filter f = {.n = 0};
    foreign_abi(&f);
    load(&f, offsetof(struct seccomp_data, nr));
#ifdef X32_BIT
    emit(&f, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
    ret(&f, NOTIFY);
#endif
    sockets(&f, traced ? SECCOMP_RET_TRACE : ALLOW);
    if (traced)
        traced_calls(&f);
    ret(&f, ALLOW);
    struct sock_fprog prog = {f.n, f.op};
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                      SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
    if (fd < 0 && errno == EACCES) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                     SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
    }
    return fd < 0 ? -errno : (int)fd;
}
