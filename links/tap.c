/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One read is one frame, of 60 bytes or of 64 KiB; how long is known after. So
 * a read is spread over the packet's own head, which holds a small frame whole,
 * and a few buffers of growing size that stand ready. Those that a frame has
 * reached go with it, the others serve again: nothing is copied after the read,
 * and a queue of small frames holds little more than their bytes.
 *
 * A read that finds nothing costs as much as one that does, so a poll reads no
 * more frames than the last one found: the descriptor stays readable where more
 * wait, and then twice as many are read.
 */
#include "links/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH 64 /* frames read in one poll, at most */

/* After the head: together a frame of 64 KiB. */
static const uint32_t sizes[] = {1856, 8000, 24320, 31744};
enum { BUFFERS = sizeof(sizes) / sizeof(sizes[0]) };

struct tap {
    struct weir_link link;
    int fd;
    bool offload;
    unsigned nbufs; /* so many hold the longest frame */
    unsigned batch; /* frames to read in the next poll */
    unsigned full_polls, patience;
    struct weir_pkt *pkt;
    struct weir_buf *buf[BUFFERS];
};

/* Send: what the kernel is left to do, in virtio's words. */
static void virtio_of(const struct weir_pkt *pkt, struct virtio_net_hdr *h) {
    memset(h, 0, sizeof(*h));
    if (pkt->flags & WEIR_PKT_CSUM_PARTIAL) {
        h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        h->csum_start = pkt->csum_start;
        h->csum_offset = pkt->csum_offset;
    } else if (pkt->flags & WEIR_PKT_CSUM_VALID) {
        h->flags = VIRTIO_NET_HDR_F_DATA_VALID;
    }
    if (pkt->gso_size) {
        uint8_t doff = 0;
        weir_pkt_copy_out(pkt, pkt->csum_start + 12u, &doff, 1);
        h->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        h->gso_size = pkt->gso_size;
        h->hdr_len = (uint16_t)(pkt->csum_start + (doff >> 4) * 4u);
    }
}

static void tap_write(struct tap *t, struct weir_pkt *pkt, uint64_t now) {
    struct virtio_net_hdr vh;
    struct iovec iov[WEIR_PKT_SLICES + 2];
    int n = 0;
    if (t->offload) {
        virtio_of(pkt, &vh);
        iov[n++] = (struct iovec){&vh, sizeof(vh)};
    }
    if (pkt->head_len)
        iov[n++] = (struct iovec){pkt->head + pkt->head_off, pkt->head_len};
    for (unsigned i = 0; i < pkt->nslices; i++)
        iov[n++] = (struct iovec){pkt->slice[i].buf->data + pkt->slice[i].off,
                                  pkt->slice[i].len};
    if (writev(t->fd, iov, n) < 0) {
        weir_link_drop(&t->link, pkt, WEIR_LINK_TX_ERROR, now);
        return;
    }
    t->link.stats.tx_frames++;
    t->link.stats.tx_bytes += pkt->len;
    weir_pkt_free(pkt);
}

static void tap_send(struct weir_link *link, struct weir_pkt *list,
                     uint64_t now) {
    struct tap *t = (struct tap *)link;
    for (struct weir_pkt *pkt = list, *next; pkt; pkt = next) {
        next = pkt->next;
        pkt->next = NULL;
        struct weir_pkt *cut = t->offload ? pkt : weir_pkt_segment(pkt), *after;
        for (; cut; cut = after) {
            after = cut->next;
            tap_write(t, cut, now);
        }
    }
}

/* See that all stands ready; false: no memory. */
static bool refill(struct tap *t) {
    if (!t->pkt && !(t->pkt = weir_pkt_alloc(t->link.arena, 0)))
        return false;
    for (unsigned i = 0; i < t->nbufs; i++)
        if (!t->buf[i] &&
            !(t->buf[i] = weir_buf_alloc(t->link.arena, sizes[i])))
            return false;
    return true;
}

static void meaning(struct weir_pkt *pkt, const struct virtio_net_hdr *vh) {
    if (vh->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        pkt->flags |= WEIR_PKT_CSUM_PARTIAL;
        pkt->csum_start = vh->csum_start;
        pkt->csum_offset = vh->csum_offset;
    } else if (vh->flags & VIRTIO_NET_HDR_F_DATA_VALID) {
        pkt->flags |= WEIR_PKT_CSUM_VALID;
    }
    if ((vh->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV4)
        pkt->gso_size = vh->gso_size;
}

/* `len` bytes lie in the head and the buffers, one after the other. */
static struct weir_pkt *gather(struct tap *t, uint32_t len) {
    struct weir_pkt *pkt = t->pkt;
    uint32_t n = len < WEIR_PKT_ROOM ? len : WEIR_PKT_ROOM;
    pkt->head_len = (uint16_t)n;
    pkt->len = n;
    t->pkt = NULL;
    for (unsigned i = 0; pkt->len < len; i++) {
        n = len - pkt->len < sizes[i] ? len - pkt->len : sizes[i];
        weir_pkt_append(pkt, t->buf[i], 0, n);
        t->buf[i] = NULL;
    }
    return pkt;
}

/* NULL: nothing there (or no memory: the frame stays in the kernel's queue). */
static struct weir_pkt *tap_read(struct tap *t, uint64_t now) {
    if (!refill(t))
        return NULL;
    struct virtio_net_hdr vh = {0};
    struct iovec iov[BUFFERS + 2] = {{&vh, sizeof(vh)},
                                     {t->pkt->head, WEIR_PKT_ROOM}};
    for (unsigned i = 0; i < t->nbufs; i++)
        iov[i + 2] = (struct iovec){t->buf[i]->data, sizes[i]};
    ssize_t skip = t->offload ? (ssize_t)sizeof(vh) : 0;
    ssize_t n =
        readv(t->fd, skip ? iov : iov + 1, (int)t->nbufs + (skip ? 2 : 1));
    if (n <= skip)
        return NULL;
    struct weir_pkt *pkt = gather(t, (uint32_t)(n - skip));
    meaning(pkt, &vh);
    pkt->t_ns = now;
    t->link.stats.rx_frames++;
    t->link.stats.rx_bytes += pkt->len;
    return pkt;
}

/* More where the last polls were full; where that was in vain (a peer that asks
 * and waits) it is tried again ever more seldom. */
static void adapt(struct tap *t, unsigned n) {
    if (n < t->batch) {
        if (n && t->full_polls == 0) /* the one after it grew */
            t->patience = t->patience < 64 ? t->patience * 2 : 64;
        t->batch = n ? n : 1;
        t->full_polls = 0;
    } else if (++t->full_polls >= t->patience && t->batch < BATCH) {
        t->batch *= 2;
        t->full_polls = 0;
    } else if (n > 1) {
        t->patience = 1;
    }
}

static unsigned tap_poll(struct weir_link *link, uint64_t now) {
    struct tap *t = (struct tap *)link;
    struct weir_pkt *head = NULL, **tail = &head;
    unsigned n = 0;
    for (; n < t->batch; n++) {
        struct weir_pkt *pkt = tap_read(t, now);
        if (!pkt)
            break;
        *tail = pkt;
        tail = &pkt->next;
    }
    adapt(t, n);
    if (head)
        link->deliver(link->to, link, head, now);
    return n;
}

static uint64_t tap_deadline(const struct weir_link *link) {
    (void)link;
    return WEIR_NEVER;
}

static int tap_fd(const struct weir_link *link) {
    return ((const struct tap *)link)->fd;
}

static void tap_close(struct weir_link *link) {
    struct tap *t = (struct tap *)link;
    if (t->pkt)
        weir_pkt_free(t->pkt);
    for (unsigned i = 0; i < BUFFERS; i++)
        if (t->buf[i])
            weir_buf_unref(t->buf[i]);
    close(t->fd);
    free(t);
}

static const struct weir_link_ops tap_ops = {
    .kind = "tap",
    .send = tap_send,
    .poll = tap_poll,
    .deadline = tap_deadline,
    .fd = tap_fd,
    .close = tap_close,
};

static int attach(int fd, const char *ifname, bool offload) {
    struct ifreq ifr = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI |
                                             (offload ? IFF_VNET_HDR : 0))};
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
    if (ioctl(fd, TUNSETIFF, &ifr))
        return -1;
    unsigned flags = offload ? TUN_F_CSUM | TUN_F_TSO4 : 0;
    return ioctl(fd, TUNSETOFFLOAD, flags);
}

static unsigned device_mtu(const char *ifname) {
    char path[64];
    unsigned mtu = 1500;
    snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", ifname);
    FILE *f = fopen(path, "re");
    if (f) {
        if (fscanf(f, "%u", &mtu) != 1)
            mtu = 1500;
        fclose(f);
    }
    return mtu;
}

struct weir_link *tap_open(struct weir_arena *arena, const char *ifname,
                           bool offload) {
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct tap *t = calloc(1, sizeof(*t));
    if (!t || attach(fd, ifname, offload)) {
        int err = t ? errno : ENOMEM;
        close(fd);
        free(t);
        errno = err;
        return NULL;
    }
    t->fd = fd;
    t->offload = offload;
    t->batch = t->patience = 1;
    t->link.ops = &tap_ops;
    t->link.arena = arena;
    t->link.mtu = device_mtu(ifname);
    uint32_t frame = offload ? 65535 + 18 : t->link.mtu + 18;
    for (uint32_t n = WEIR_PKT_ROOM; n < frame && t->nbufs < BUFFERS;)
        n += sizes[t->nbufs++];
    t->link.features = offload ? WEIR_LINK_CSUM | WEIR_LINK_GSO : 0;
    /* Ours, not the kernel's: locally administered, told apart by the name. */
    uint8_t mac[6] = {0x02, 0x77, 0x65, 0x69, 0x72, 0};
    for (const char *p = ifname; *p; p++)
        mac[5] = (uint8_t)(mac[5] * 31 + *p);
    memcpy(t->link.mac, mac, 6);
    snprintf(t->link.name, sizeof(t->link.name), "%s", ifname);
    return &t->link;
}
