/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwip [-s SIZE] [-n STREAMS] MODE SECONDS: lwIP as Debian packages its library
 * (MSS 1460, checksums made and verified), on its callback API: two interfaces
 * of one stack in this thread, what one sends is copied to the other. Modes and
 * figures as in program.c. Its own thread, which only runs timers, gets the
 * lock now and then.
 */
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "percentile.h"

#define WIRE 4096 /* packets on their way */

static struct netif iface[2];
static struct {
    struct pbuf *pkt;
    int to;
} wire[WIRE];
static unsigned wire_head, wire_tail;
static unsigned size = 1, streams = 1;
static int swallow;       /* bulk: the server only reads */
static unsigned returned; /* bytes that came back to the client */
static double arrived;    /* bytes the server read */
static int connected;
static char bytes[65536], sink[65536];
static struct percentile times;

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void must(int ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "lwIP: %s\n", what);
        exit(1);
    }
}

/* The packet stays the stack's (it may send it again): a copy travels. */
static err_t transmit(struct netif *from, struct pbuf *p, const ip4_addr_t *d) {
    (void)d;
    struct pbuf *copy = pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_RAM);
    must(copy && wire_head - wire_tail < WIRE, "the wire is full");
    pbuf_copy(copy, p);
    wire[wire_head % WIRE].to = from == &iface[0];
    wire[wire_head++ % WIRE].pkt = copy;
    return ERR_OK;
}

static void deliver(void) {
    while (wire_tail != wire_head) {
        unsigned i = wire_tail++ % WIRE;
        ip4_input(wire[i].pkt, &iface[wire[i].to]);
    }
}

static err_t iface_init(struct netif *n) {
    n->name[0] = 'w', n->name[1] = 'b';
    n->mtu = 1500;
    n->output = transmit;
    return ERR_OK;
}

static void interfaces(void) {
    ip4_addr_t mask, any;
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&any, 0, 0, 0, 0);
    for (int i = 0; i < 2; i++) {
        ip4_addr_t addr;
        IP4_ADDR(&addr, 10, 0, 0, (unsigned)i + 1);
        must(netif_add(&iface[i], &addr, &mask, &any, NULL, iface_init,
                       ip4_input) != NULL,
             "netif_add");
        netif_set_up(&iface[i]);
        netif_set_link_up(&iface[i]);
    }
}

static err_t served(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t e) {
    (void)arg, (void)e;
    if (!p)
        return tcp_close(pcb);
    u16_t n = p->tot_len;
    pbuf_copy_partial(p, sink, n, 0);
    tcp_recved(pcb, n);
    pbuf_free(p);
    arrived += n;
    if (!swallow)
        must(tcp_write(pcb, sink, n, TCP_WRITE_FLAG_COPY) == ERR_OK, "write");
    return ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t e) {
    (void)arg, (void)e;
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, served);
    return ERR_OK;
}

static err_t came_back(void *arg, struct tcp_pcb *pcb, struct pbuf *p,
                       err_t e) {
    (void)arg, (void)e;
    if (!p)
        return ERR_OK;
    returned += p->tot_len;
    pbuf_copy_partial(p, sink, p->tot_len, 0);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t stands(void *arg, struct tcp_pcb *pcb, err_t e) {
    (void)arg, (void)pcb, (void)e;
    connected++;
    return ERR_OK;
}

static void server(void) {
    ip_addr_t at = IPADDR4_INIT_BYTES(10, 0, 0, 2);
    struct tcp_pcb *l = tcp_new();
    tcp_bind_netif(l, &iface[1]);
    must(tcp_bind(l, &at, 7) == ERR_OK, "bind");
    l = tcp_listen_with_backlog(l, 255);
    tcp_bind_netif((struct tcp_pcb *)l, &iface[1]);
    tcp_accept(l, accepted);
}

static struct tcp_pcb *dial(void) {
    ip_addr_t from = IPADDR4_INIT_BYTES(10, 0, 0, 1),
              at = IPADDR4_INIT_BYTES(10, 0, 0, 2);
    struct tcp_pcb *c = tcp_new();
    must(c != NULL, "no memory for a connection");
    tcp_bind_netif(c, &iface[0]);
    tcp_bind(c, &from, 0);
    tcp_nagle_disable(c);
    tcp_recv(c, came_back);
    int before = connected;
    must(tcp_connect(c, &at, 7, stands) == ERR_OK, "connect");
    deliver();
    must(connected == before + 1, "not connected");
    return c;
}

static void round_trip(struct tcp_pcb *c) {
    returned = 0;
    must(tcp_write(c, bytes, (u16_t)size, TCP_WRITE_FLAG_COPY) == ERR_OK,
         "write");
    tcp_output(c);
    while (returned < size && wire_tail != wire_head)
        deliver();
    must(returned == size, "the answer did not come");
}

/* Its thread of timers: a turn every 100 ms of ours, and time to take it. */
static void let_timers(void) {
    static double last;
    if (now() - last < 0.1)
        return;
    UNLOCK_TCPIP_CORE();
    usleep(100);
    LOCK_TCPIP_CORE();
    deliver();
    last = now();
}

static double rr(double end) {
    struct tcp_pcb *c = dial();
    double begin = now(), one = begin, t;
    long n = 0;
    for (; one < end; n++, one = t) {
        round_trip(c);
        t = now();
        percentile_add(&times, (t - one) * 1e9);
        if (n % 1000 == 0)
            let_timers();
    }
    return (now() - begin) / (double)n * 1e6;
}

/* 12,000 at most: each stays in TIME_WAIT for two minutes, in a list that is
 * searched, and its port with it. */
static double crr(double end) {
    double begin = now(), one = begin, t;
    long n = 0;
    for (; one < end && n < 12000; n++, one = t) {
        struct tcp_pcb *c = dial();
        round_trip(c);
        must(tcp_close(c) == ERR_OK, "close");
        deliver();
        t = now();
        percentile_add(&times, (t - one) * 1e9);
        let_timers();
    }
    return (double)n / (now() - begin) / 1e3;
}

static double bulk(double end) {
    struct tcp_pcb *c[64];
    for (unsigned i = 0; i < streams; i++)
        c[i] = dial();
    swallow = 1;
    arrived = 0;
    double begin = now();
    while (now() < end) {
        for (unsigned i = 0; i < streams; i++) {
            u16_t n = tcp_sndbuf(c[i]) & 0xffff;
            if (n && tcp_write(c[i], bytes, n, TCP_WRITE_FLAG_COPY) == ERR_OK)
                tcp_output(c[i]);
        }
        if (wire_tail == wire_head)
            usleep(100); /* nothing can go: its timers must */
        deliver();
        let_timers();
    }
    return arrived * 8 / (now() - begin) / 1e9;
}

int main(int argc, char **argv) {
    int o;
    while ((o = getopt(argc, argv, "s:n:")) != -1)
        *(o == 's' ? &size : &streams) = (unsigned)atoi(optarg);
    must(argc - optind == 2 && size <= 1460 && streams <= 64, "usage");
    const char *mode = argv[optind];
    tcpip_init(NULL, NULL);
    LOCK_TCPIP_CORE();
    interfaces();
    server();
    double end = now() + atof(argv[optind + 1]);
    double result = !strcmp(mode, "rr")    ? rr(end)
                    : !strcmp(mode, "crr") ? crr(end)
                                           : bulk(end);
    printf("%.3f", result);
    percentile_print(&times);
    printf("\n");
    fflush(stdout);
    _exit(0);
}
