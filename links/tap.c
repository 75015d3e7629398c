/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One read is one frame. Receiving reads into a fresh 64 KiB buffer with
 * offload (a big segment fits) or a 2 KiB one without; a frame that would waste
 * most of a big buffer is copied into a small one, so that a queue of small
 * frames does not hold megabytes.
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

#define BATCH 64 /* frames read in one poll */
#define BIG (65536u + 256u)
#define SMALL 2048u

struct tap {
    struct weir_link link;
    int fd;
    bool offload;
    struct weir_buf *spare; /* of the last read that found nothing */
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

static struct weir_buf *buffer(struct tap *t) {
    struct weir_buf *buf = t->spare;
    t->spare = NULL;
    return buf ? buf : weir_buf_alloc(t->link.arena, t->offload ? BIG : SMALL);
}

/* Move a small frame out of a big buffer, which can then serve again. */
static struct weir_buf *shrink(struct tap *t, struct weir_buf *buf,
                               uint32_t len) {
    if (!t->offload || len > SMALL)
        return buf;
    struct weir_buf *small = weir_buf_alloc(t->link.arena, len);
    if (!small)
        return buf;
    memcpy(small->data, buf->data, len);
    t->spare = buf;
    return small;
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

/* NULL: nothing there (or no memory: the frame stays in the kernel's queue). */
static struct weir_pkt *tap_read(struct tap *t, uint64_t now) {
    struct weir_buf *buf = buffer(t);
    struct weir_pkt *pkt = buf ? weir_pkt_alloc(t->link.arena, 0) : NULL;
    if (!pkt) {
        t->spare = buf;
        return NULL;
    }
    struct virtio_net_hdr vh = {0};
    struct iovec iov[2] = {{&vh, sizeof(vh)}, {buf->data, buf->size}};
    ssize_t n =
        t->offload ? readv(t->fd, iov, 2) : read(t->fd, buf->data, buf->size);
    ssize_t head = t->offload ? (ssize_t)sizeof(vh) : 0;
    if (n <= head) {
        t->spare = buf;
        weir_pkt_free(pkt);
        return NULL;
    }
    uint32_t len = (uint32_t)(n - head);
    buf = shrink(t, buf, len);
    weir_pkt_append(pkt, buf, 0, len);
    meaning(pkt, &vh);
    pkt->t_ns = now;
    t->link.stats.rx_frames++;
    t->link.stats.rx_bytes += len;
    return pkt;
}

static unsigned tap_poll(struct weir_link *link, uint64_t now) {
    struct tap *t = (struct tap *)link;
    struct weir_pkt *head = NULL, **tail = &head;
    unsigned n = 0;
    for (; n < BATCH; n++) {
        struct weir_pkt *pkt = tap_read(t, now);
        if (!pkt)
            break;
        *tail = pkt;
        tail = &pkt->next;
    }
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
    if (t->spare)
        weir_buf_unref(t->spare);
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
    t->link.ops = &tap_ops;
    t->link.arena = arena;
    t->link.mtu = device_mtu(ifname);
    t->link.features = offload ? WEIR_LINK_CSUM | WEIR_LINK_GSO : 0;
    /* Ours, not the kernel's: locally administered, told apart by the name. */
    uint8_t mac[6] = {0x02, 0x77, 0x65, 0x69, 0x72, 0};
    for (const char *p = ifname; *p; p++)
        mac[5] = (uint8_t)(mac[5] * 31 + *p);
    memcpy(t->link.mac, mac, 6);
    snprintf(t->link.name, sizeof(t->link.name), "%s", ifname);
    return &t->link;
}
