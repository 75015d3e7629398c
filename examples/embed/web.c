/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * web TAP: a web server with a stack of its own behind a TAP device, one
 * thread, one loop. As root:
 *     ./web weir0 &
 *     ip addr add 10.77.0.1/24 dev weir0; ip link set weir0 up
 *     curl http://10.77.0.2/
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "httpd.h"

#define FRAME 1514

static uint64_t now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int tap_open(const char *name) {
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
        perror(name);
        exit(1);
    }
    return fd;
}

static void frames_out(struct weir_stack *s, int fd) {
    unsigned ifindex;
    for (struct weir_pkt *p, *next; (p = weir_output(s, &ifindex));)
        for (; p; p = next) {
            struct iovec iov[WEIR_PKT_SLICES + 1];
            int n = 0;
            next = p->next;
            iov[n++] = (struct iovec){p->head + p->head_off, p->head_len};
            for (int i = 0; i < p->nslices; i++)
                iov[n++] = (struct iovec){
                    p->slice[i].buf->data + p->slice[i].off, p->slice[i].len};
            if (writev(fd, iov, n) < 0)
                perror("a frame is lost");
            weir_pkt_free(p);
        }
}

static void frames_in(struct weir_stack *s, int fd) {
    for (ssize_t n = 1; n > 0;) {
        struct weir_buf *buf = weir_buf_alloc(weir_arena(s), FRAME);
        struct weir_pkt *p = weir_pkt_alloc(weir_arena(s), 0);
        n = read(fd, buf->data, FRAME);
        weir_pkt_append(p, buf, 0, n > 0 ? (uint32_t)n : 0);
        if (n > 0)
            weir_input(s, 2, p);
        else
            weir_pkt_free(p);
    }
}

int main(int argc, char **argv) {
    size_t bytes = 64u << 20;
    struct weir_config config = {
        .arena = weir_arena_init(aligned_alloc(4096, bytes), bytes),
        .host = 1,
        .now_ns = now()};
    struct weir_if eth = {
        .name = "eth0", .mac = {2, [5] = 77}, .up = true, .mtu = 1500};
    struct weir_addr addr = weir_addr_v4(WEIR_IP4(10, 77, 0, 2));
    struct weir_stack *s = weir_create(&config);
    struct httpd h;
    int fd = tap_open(argc > 1 ? argv[1] : "weir0");
    weir_addr_add(s, (unsigned)weir_if_add(s, &eth), &addr, 24);
    for (int error = httpd_open(&h, s, 80); !error;) {
        struct weir_ready r;
        weir_clock(s, now());
        frames_in(s, fd);
        while (weir_ready_next(s, &r))
            httpd_ready(&h, &r);
        weir_poll(s);
        frames_out(s, fd);
        uint64_t due = weir_deadline(s), ms = (due - weir_now(s)) / 1000000;
        struct pollfd in = {fd, POLLIN, 0};
        poll(&in, 1, due == WEIR_NEVER ? -1 : ms < 1000 ? (int)ms + 1 : 1000);
    }
    return 1;
}
