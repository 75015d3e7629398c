/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that describe the host. A file is rendered into memory when it is
 * opened and does not change after that, like a seq_file read in one go; the
 * agent hands the program a read-only descriptor of it. What is not listed
 * here does not exist: no file of the machine's shows through. The host has no
 * IPv6, so those files are absent as from a kernel without it.
 */
#include "run/show.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
    const char *path;
    void (*show)(const struct show *w);
} files[] = {
    {"/etc/host.conf", show_host_conf},
    {"/etc/hosts", show_hosts},
    {"/etc/nsswitch.conf", show_nsswitch},
    {"/etc/resolv.conf", show_resolv},
    {"/proc/net/arp", show_arp},
    {"/proc/net/dev", show_dev},
    {"/proc/net/dev_mcast", show_empty},
    {"/proc/net/fib_trie", show_fib},
    {"/proc/net/icmp", show_icmp},
    {"/proc/net/igmp", show_igmp},
    {"/proc/net/netlink", show_netlinks},
    {"/proc/net/netstat", show_netstat},
    {"/proc/net/packet", show_packet},
    {"/proc/net/protocols", show_protocols},
    {"/proc/net/psched", show_psched},
    {"/proc/net/ptype", show_ptype},
    {"/proc/net/raw", show_raw},
    {"/proc/net/route", show_route},
    {"/proc/net/rt_cache", show_rt_cache},
    {"/proc/net/snmp", show_snmp},
    {"/proc/net/sockstat", show_sockstat},
    {"/proc/net/tcp", show_tcp},
    {"/proc/net/udp", show_udp},
    {"/proc/net/udplite", show_udplite},
    {"/proc/net/unix", show_unix},
};

static int show_file(const struct show *w) {
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (!strcmp(files[i].path, w->path)) {
            files[i].show(w);
            return 0;
        }
    return strncmp(w->path, "/proc/sys/", 10) ? -ENOENT : show_sysctl(w);
}

/* An answer in a memory file: its descriptor, or -errno. */
static int answer_file(struct show *w, const struct proto *m,
                       const void *data) {
    int fd = memfd_create("weir", MFD_CLOEXEC), err = -EOPNOTSUPP;
    int dup = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    w->out = dup < 0 ? NULL : fdopen(dup, "w");
    if (!w->out) {
        err = -ENFILE;
        if (dup >= 0)
            close(dup);
    } else {
        if (m->a[0] == PROTO_VIEW_FILE)
            err = show_file(w);
        else if (m->a[0] == PROTO_VIEW_NETLINK)
            err = show_netlink(w, m, data);
        if (fclose(w->out) && !err)
            err = -ENOMEM;
    }
    if (err && fd >= 0)
        close(fd);
    return err ? err : fd;
}

void show_answer(struct serve_conn *conn, const struct proto *m,
                 const void *data) {
    struct proto r = {.op = m->op, .seq = m->seq, .inode = m->inode};
    struct show w = {.sv = conn->sv,
                     .host = conn->host,
                     .stack = conn->host->stack,
                     .path = data};
    char out[8192];
    int fd = -1;
    if (!w.stack) {
        r.result = m->a[0] == PROTO_VIEW_FILE ? -ENOENT : -ENETDOWN;
    } else if (m->a[0] == PROTO_VIEW_IOCTL) {
        r.len = sizeof(out);
        r.result = show_ioctl(&w, m->a[1], data, m->len, out, &r.len);
        r.len = r.result < 0 ? 0 : r.len;
    } else {
        fd = answer_file(&w, m, data);
        r.result = fd < 0 ? fd : 0;
    }
    conn->to->send(conn->to, &r, out, fd);
}
