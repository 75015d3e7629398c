/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run a command to which the machine denies some calls, as a container or a
 * hardened host may:
 *
 *     prog_deny getfd|all COMMAND...
 *
 * getfd: pidfd_getfd; all: whatever reaches into other processes.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
    static const unsigned short calls[] = {SYS_pidfd_getfd,
                                           SYS_process_vm_readv,
                                           SYS_process_vm_writev, SYS_ptrace};
    if (argc < 3)
        return 2;
    unsigned n = strcmp(argv[1], "all") == 0 ? 4 : 1, at = 0;
    struct sock_filter op[16];
    op[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                            offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < n; i++) {
        op[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                calls[i], 0, 1);
        op[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
                                                SECCOMP_RET_ERRNO | EPERM);
    }
    op[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog prog = {(unsigned short)at, op};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
        perror("seccomp");
        return 1;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
