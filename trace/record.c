/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording is one sparse file, mapped shared. Its writer holds a shared lock
 * on it for as long as it lives, so that pruning never takes a recording that
 * is still being written.
 */
#include "trace/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define RECORD_VERSION 3u
#define SUFFIX ".weir"

static uint64_t clock_ns(clockid_t id) {
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The directory of recordings, made where it is missing. */
static int state_dir(char *out, size_t size) {
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;
    if (xdg && xdg[0] == '/')
        n = snprintf(out, size, "%s/weir", xdg);
    else if (home && home[0] == '/')
        n = snprintf(out, size, "%s/.local/state/weir", home);
    else
        return -ENOENT;
    if (n < 0 || (size_t)n >= size)
        return -ENAMETOOLONG;
    for (char *p = out + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            mkdir(out, 0700);
            *p = '/';
        }
    return mkdir(out, 0700) && errno != EEXIST ? -errno : 0;
}

static int is_recording(const struct dirent *d) {
    size_t n = strlen(d->d_name), s = strlen(SUFFIX);
    return n > s && !strcmp(d->d_name + n - s, SUFFIX);
}

/* Names begin with the time, so the order of names is the order of time. */
static int list(const char *dir, struct dirent ***names) {
    return scandir(dir, names, is_recording, alphasort);
}

static void prune(const char *dir) {
    struct dirent **names;
    int n = list(dir, &names);
    for (int i = 0; i < n; i++) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        int fd = i + RECORD_KEEP <= n ? open(path, O_RDWR | O_CLOEXEC) : -1;
        if (fd >= 0) {
            if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                unlink(path);
            close(fd);
        }
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

static int open_file(struct record *r, const char *network) {
    char dir[400];
    if (state_dir(dir, sizeof(dir)))
        return -1;
    prune(dir);
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    struct tm tm;
    char when[32];
    localtime_r(&ts.tv_sec, &tm);
    strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
    snprintf(r->path, sizeof(r->path), "%s/%s.%03ld-%s-%d" SUFFIX, dir, when,
             ts.tv_nsec / 1000000, network, (int)getpid());
    int fd = open(r->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        flock(fd, LOCK_SH | LOCK_NB);
    return fd;
}

static void join_words(char *out, size_t size, char *const *argv) {
    size_t at = 0;
    for (int i = 0; argv && argv[i] && at + 1 < size; i++) {
        int n = snprintf(out + at, size - at, "%s%s", i ? " " : "", argv[i]);
        at += n > 0 ? (size_t)n : 0;
    }
}

static void set_rings(struct record_header *h, struct weir_recorder *rec) {
    char *base = (char *)h;
    rec->bulk.mask = h->bulk_records - 1;
    rec->bulk.slot = (struct weir_event *)(void *)(base + h->bulk_offset);
    rec->rare.mask = h->rare_records - 1;
    rec->rare.slot = (struct weir_event *)(void *)(base + h->rare_offset);
}

int record_create(struct record *r, const char *network, char *const *argv,
                  uint64_t seed, bool file) {
    memset(r, 0, sizeof(*r));
    r->writer = true;
    size_t head = (sizeof(struct record_header) + PAGE - 1) & ~(PAGE - 1);
    r->bytes = head + sizeof(struct weir_event) * (RECORD_BULK + RECORD_RARE);
    r->fd = file ? open_file(r, network) : -1;
    if (r->fd >= 0 && ftruncate(r->fd, (off_t)r->bytes)) {
        unlink(r->path);
        close(r->fd);
        r->fd = -1;
    }
    if (r->fd < 0)
        r->path[0] = 0;
    int flags = r->fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
    void *mem = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, flags, r->fd, 0);
    if (mem == MAP_FAILED)
        return -errno;
    struct record_header *h = r->header = mem;
    memcpy(h->magic, RECORD_MAGIC, sizeof(h->magic));
    h->version = RECORD_VERSION;
    h->header_bytes = (uint32_t)sizeof(*h);
    h->bulk_records = RECORD_BULK;
    h->rare_records = RECORD_RARE;
    h->bulk_offset = head;
    h->rare_offset = head + sizeof(struct weir_event) * RECORD_BULK;
    h->t0_ns = clock_ns(CLOCK_MONOTONIC);
    h->wall_ns = (int64_t)clock_ns(CLOCK_REALTIME) - (int64_t)h->t0_ns;
    h->seed = seed;
    h->pid = (uint32_t)getpid();
    snprintf(h->weir, sizeof(h->weir), WEIR_VERSION);
    snprintf(h->network, sizeof(h->network), "%s", network);
    join_words(h->command, sizeof(h->command), argv);
    h->rec.next = 1;
    set_rings(h, &h->rec);
    return 0;
}

void record_host(struct record *r, uint8_t number, const char *name) {
    struct record_header *h = r->header;
    for (uint32_t i = 0; i < h->nhosts; i++)
        if (h->host[i].number == number)
            return;
    if (h->nhosts == sizeof(h->host) / sizeof(h->host[0]))
        return;
    struct record_host *rh = &h->host[h->nhosts++];
    rh->number = number;
    snprintf(rh->name, sizeof(rh->name), "%s", name);
}

const char *record_setting_name(enum record_setting which) {
    static const char *const names[] = {
        [RECORD_SYN_RETRIES] = "net.ipv4.tcp_syn_retries",
        [RECORD_RETRIES2] = "net.ipv4.tcp_retries2",
        [RECORD_KEEPALIVE_TIME] = "net.ipv4.tcp_keepalive_time",
        [RECORD_KEEPALIVE_INTVL] = "net.ipv4.tcp_keepalive_intvl",
        [RECORD_KEEPALIVE_PROBES] = "net.ipv4.tcp_keepalive_probes",
        [RECORD_TIMEWAIT_LEN] = "net.ipv4.tcp_timewait_len"};
    return which < RECORD_SETTINGS ? names[which] : "?";
}

void record_settings(struct record *r, uint8_t number,
                     const uint32_t value[RECORD_SETTINGS]) {
    struct record_header *h = r->header;
    for (uint32_t i = 0; i < h->nhosts; i++)
        if (h->host[i].number == number) {
            memcpy(h->host[i].setting, value, sizeof(h->host[i].setting));
            h->host[i].has_settings = true;
        }
}

bool record_setting(const struct record *r, uint8_t host,
                    enum record_setting which, uint32_t *value) {
    const struct record_header *h = r->header;
    for (uint32_t i = 0; i < h->nhosts; i++)
        if (h->host[i].number == host && h->host[i].has_settings) {
            *value = h->host[i].setting[which];
            return true;
        }
    return false;
}

void record_interface(struct record *r, const struct record_if *i) {
    struct record_header *h = r->header;
    if (h->nifs < RECORD_IFS)
        h->ifs[h->nifs++] = *i;
}

const struct record_if *record_if_by_addr(const struct record *r,
                                          uint32_t addr) {
    const struct record_header *h = r->header;
    for (uint32_t i = 0; addr && i < h->nifs; i++)
        if (h->ifs[i].addr == addr)
            return &h->ifs[i];
    return NULL;
}

static bool on_link(const struct record_if *i, uint32_t addr) {
    uint32_t mask = i->plen ? ~0u << (32 - i->plen) : 0;
    return i->addr && (addr & mask) == (i->addr & mask);
}

/* By the networks of its interfaces, then by the source. */
const struct record_if *record_if_towards(const struct record *r, uint8_t host,
                                          uint32_t src, uint32_t dst) {
    const struct record_header *h = r->header;
    const struct record_if *own = record_if_by_addr(r, dst), *found = NULL;
    if (dst >> 24 == 127 || src >> 24 == 127 || (own && own->host == host))
        return NULL;
    for (uint32_t i = 0; i < h->nifs; i++) {
        const struct record_if *x = &h->ifs[i];
        if (x->host != host)
            continue;
        if (on_link(x, dst))
            return x;
        if (!found || x->addr == src)
            found = x;
    }
    return found;
}

void record_close(struct record *r) {
    if (!r->header)
        return;
    if (r->writer)
        r->header->ended = 1;
    munmap(r->header, r->bytes);
    if (r->fd >= 0)
        close(r->fd);
    r->header = NULL;
}

static int latest(char *out, size_t size) {
    char dir[400];
    struct dirent **names;
    int err = state_dir(dir, sizeof(dir));
    int n = err ? -1 : list(dir, &names);
    if (n <= 0)
        return -ENOENT;
    snprintf(out, size, "%s/%s", dir, names[n - 1]->d_name);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return 0;
}

/* Every offset and count of the file is checked here, once. */
static int check(const struct record_header *h, size_t bytes) {
    if (bytes < sizeof(*h) || memcmp(h->magic, RECORD_MAGIC, 8))
        return -EPROTO;
    if (h->version != RECORD_VERSION || h->header_bytes != sizeof(*h))
        return -EPROTONOSUPPORT;
    uint64_t b = h->bulk_records, q = h->rare_records;
    bool powers = b && q && !(b & (b - 1)) && !(q & (q - 1));
    if (!powers || h->bulk_offset % 8 || h->rare_offset % 8 ||
        h->bulk_offset > bytes || b > (bytes - h->bulk_offset) / 64 ||
        h->rare_offset > bytes || q > (bytes - h->rare_offset) / 64 ||
        h->nhosts > sizeof(h->host) / sizeof(h->host[0]) ||
        h->nifs > RECORD_IFS)
        return -EPROTO;
    return 0;
}

int record_open(struct record *r, const char *path) {
    memset(r, 0, sizeof(*r));
    r->fd = -1;
    int err = path ? 0 : latest(r->path, sizeof(r->path));
    if (err)
        return err;
    if (path)
        snprintf(r->path, sizeof(r->path), "%s", path);
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (r->fd < 0 || fstat(r->fd, &st))
        return -errno;
    r->bytes = (size_t)st.st_size;
    void *mem = r->bytes ? mmap(NULL, r->bytes, PROT_READ, MAP_SHARED, r->fd, 0)
                         : MAP_FAILED;
    err = mem == MAP_FAILED ? -EPROTO : check(mem, r->bytes);
    if (err) {
        close(r->fd);
        return err;
    }
    r->header = mem;
    return 0;
}

int record_open_network(struct record *r, const char *network) {
    char dir[400], path[1024];
    struct dirent **names;
    int err = state_dir(dir, sizeof(dir));
    int n = err ? -1 : list(dir, &names), found = -ENOENT;
    for (int i = n; i-- > 0;) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        free(names[i]);
        if (found == 0 || record_open(r, path))
            continue;
        if (!r->header->ended && !strcmp(r->header->network, network))
            found = 0;
        else
            record_close(r);
    }
    if (n >= 0)
        free(names);
    return found;
}

const char *record_host_name(const struct record *r, uint8_t number) {
    const struct record_header *h = r->header;
    for (uint32_t i = 0; i < h->nhosts; i++)
        if (h->host[i].number == number)
            return h->host[i].name;
    return "?";
}

/* The next unread record of a ring, or NULL; skips what was overwritten. */
static const struct weir_event *peek(const struct record_header *h,
                                     const struct weir_ring *ring,
                                     uint64_t offset, uint32_t records,
                                     uint64_t *at, uint64_t *lost) {
    uint64_t head = ring->head;
    if (head > records && *at < head - records) {
        *lost += head - records - *at;
        *at = head - records;
    }
    if (*at >= head)
        return NULL;
    const struct weir_event *slots = (const void *)((const char *)h + offset);
    return &slots[*at & (records - 1)];
}

const struct weir_event *record_next(const struct record *r,
                                     struct record_cursor *c) {
    const struct record_header *h = r->header;
    const struct weir_event *b = peek(h, &h->rec.bulk, h->bulk_offset,
                                      h->bulk_records, &c->bulk, &c->lost);
    const struct weir_event *q = peek(h, &h->rec.rare, h->rare_offset,
                                      h->rare_records, &c->rare, &c->lost);
    if (b && (!q || b->id < q->id)) {
        c->bulk++;
        return b;
    }
    if (q)
        c->rare++;
    return q;
}
