/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random socket calls, the same for the same seed. The first run, on the
 * kernel, writes down what each call answered and what all sockets then looked
 * like; a second one, anywhere, compares:
 *
 *     prog_random write FIRST N [fast] >oracle
 *     prog_random check FIRST N [fast] <oracle
 *
 * After each call the second run waits until the sockets look as they did
 * there, 3 s at most: nothing hangs on how fast the network is. `fast` leaves
 * a socket alone once a call on it has failed in a way that plain runs are
 * known to tell otherwise (docs/door.md).
 */
#include "prog_random.h"

enum { FIN_WAIT1 = 4, FIN_WAIT2 = 5 };

static struct slot slots[SLOTS];
static uint64_t rng;
static int level, edge;       /* epolls that watch all sockets */
static uint32_t edges[SLOTS]; /* what the second told since the last call */
static struct {
    unsigned mask;
    int unread;
} before[SLOTS];      /* at the end of the last step */
static int ports[64]; /* known by their order */
static bool checking, fast;
static double patience = 3; /* s */
static char expected[1024], line[1024];
static char story[65536]; /* of this seed */

uint32_t below(uint32_t n) {
    uint64_t z = rng += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

struct slot *slot_of(int i) {
    return &slots[i];
}

/* ---- what all sockets look like ---- */

/* Ports differ from run to run: the order in which they were seen does not. */
int port_name(int port, bool stream) {
    int i = 0;
    if (port == 0)
        return 0;
    port |= stream << 16;
    while (i < 63 && ports[i] && ports[i] != port)
        i++;
    ports[i] = port;
    return i + 1;
}

/* MSG_WAITALL leaves the bytes there until they are all, or does not. */
static bool waits(const struct slot *s) {
    return s->blocked && !s->blocked->done && s->blocked->deed.verb == RECV;
}

static int one_look(char *out, size_t room, int i) {
    struct slot *s = &slots[i];
    struct pollfd p = {.fd = s->fd, .events = ALL | POLLRDNORM | POLLWRNORM};
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t len = sizeof(info);
    int unread = 0;
    poll(&p, 1, 0);
    ioctl(s->fd, FIONREAD, &unread);
    if (s->stream)
        getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
    if (info.tcpi_state == FIN_WAIT2) /* a matter of delayed ACKs */
        info.tcpi_state = FIN_WAIT1;
    if (waits(s)) {
        p.revents &= ~(POLLIN | POLLRDNORM);
        unread = 0;
    }
    if (p.revents & POLLHUP) /* ERR is not shown after EPIPE: docs/door.md */
        p.revents &= ~POLLERR;
    return snprintf(out, room, " %d:%x/%d/%u%s", i, p.revents, unread,
                    info.tcpi_state, blocked_look(s));
}

static void collect_edges(void) {
    struct epoll_event ev[SLOTS];
    int n = epoll_wait(edge, ev, SLOTS, 0);
    for (int i = 0; i < n; i++)
        edges[ev[i].data.u32] |= ev[i].events;
}

/* The level-triggered view must be poll's. */
static int look(char *out, size_t room) {
    struct epoll_event ev[SLOTS];
    unsigned seen[SLOTS] = {0};
    int at = snprintf(out, room, "   ");
    collect_edges();
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].fd >= 0)
            at += one_look(out + at, room - (size_t)at, i);
    int n = epoll_wait(level, ev, SLOTS, 0);
    for (int i = 0; i < n; i++)
        seen[ev[i].data.u32] =
            ev[i].events & ~(ev[i].events & EPOLLHUP ? EPOLLERR : 0);
    at += snprintf(out + at, room - (size_t)at, " |");
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].fd >= 0 && slots[i].watched)
            at += snprintf(out + at, room - (size_t)at, " %x",
                           waits(&slots[i]) ? seen[i] & ~EPOLLIN : seen[i]);
    at += snprintf(out + at, room - (size_t)at, " !");
    return at;
}

static int put_edges(char *out, size_t room) {
    int at = 0;
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].fd >= 0 && slots[i].watched && edges[i])
            at += snprintf(out + at, room - (size_t)at, " %d:%x", i, edges[i]);
    return at;
}

/* Who waits for an edge must see it: of a bit that has come, of bytes that have
 * come. Others Linux shows here and there, to nobody's use. */
static bool edges_agree(const char *want) {
    int i, n, unread = 0;
    unsigned bits;
    for (; sscanf(want, " %d:%x%n", &i, &bits, &n) == 2; want += n) {
        struct pollfd p = {.fd = slots[i].fd, .events = ALL};
        poll(&p, 1, 0);
        ioctl(slots[i].fd, FIONREAD, &unread);
        unsigned fresh = (unsigned)p.revents & ~before[i].mask;
        if (unread > before[i].unread)
            fresh |= POLLIN;
        if (p.revents & POLLHUP)
            fresh &= ~(unsigned)POLLERR;
        if (bits & fresh & ~edges[i])
            return false;
    }
    return true;
}

static void remember(void) {
    for (int i = 0; i < SLOTS; i++) {
        struct pollfd p = {.fd = slots[i].fd, .events = ALL};
        if (slots[i].fd < 0)
            continue;
        poll(&p, 1, 0);
        before[i].mask = (unsigned)p.revents;
        before[i].unread = 0;
        ioctl(slots[i].fd, FIONREAD, &before[i].unread);
    }
}

static void next_expected(void) {
    expected[0] = '\0';
    if (checking && fgets(expected, sizeof(expected), stdin))
        expected[strcspn(expected, "\n")] = '\0';
}

static void tell(const char *what) {
    size_t used = strlen(story);
    snprintf(story + used, sizeof(story) - used, "%s\n", what);
}

static bool differs(void) {
    printf("%s  weir:\n%s\n  kernel:\n%s\n", story, line, expected);
    fflush(stdout);
    return false;
}

static double now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool settle_check(void) {
    double until = now() + patience;
    next_expected();
    char *bang = strchr(expected, '!');
    size_t same = bang ? (size_t)(bang - expected) + 1 : 0;
    for (int round = 0;; round++) {
        int at = look(line, sizeof(line));
        if ((size_t)at == same && !memcmp(line, expected, same) &&
            edges_agree(bang + 1))
            break;
        if (now() > until) {
            put_edges(line + at, sizeof(line) - (size_t)at);
            return differs();
        }
        if (round > 10)
            usleep(round > 100 ? 2000 : 200);
    }
    tell(expected);
    return true;
}

/* The kernel's lo is done when the call returns, mostly: until nothing has
 * changed for a while. */
static void settle_write(void) {
    char other[sizeof(line)];
    double until = now() + 3, since = now();
    double calm = anybody_blocked() ? 0.01 : 0.0015; /* it must run, too */
    look(line, sizeof(line));
    while (now() < until && now() - since < calm) {
        usleep(100);
        int at = look(other, sizeof(other));
        if (strcmp(other, line)) {
            since = now();
            memcpy(line, other, (size_t)at + 1);
        }
    }
    size_t at = strlen(line);
    put_edges(line + at, sizeof(line) - at);
    puts(line);
}

bool step_said(const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (!checking) {
        puts(line);
        return true;
    }
    next_expected();
    if (strcmp(line, expected))
        return differs();
    tell(line);
    return true;
}

bool step_settled(void) {
    bool good = true;
    if (checking)
        good = settle_check();
    else
        settle_write();
    collect_edges();
    memset(edges, 0, sizeof(edges));
    remember();
    return good;
}

/* ---- slots ---- */

void slot_open(int i, int fd, bool stream) {
    struct epoll_event ev = {.events = ALL, .data.u32 = (uint32_t)i};
    slots[i] =
        (struct slot){.fd = fd, .twin = -1, .stream = stream, .watched = true};
    epoll_ctl(level, EPOLL_CTL_ADD, fd, &ev);
    ev.events |= EPOLLET;
    epoll_ctl(edge, EPOLL_CTL_ADD, fd, &ev);
    collect_edges();
    edges[i] = 0;
    memset(&before[i], 0, sizeof(before[i]));
}

/* Its next connection is another carrier's, where there are carriers. */
void slot_unwatch(int i) {
    struct slot *s = &slots[i];
    if (!s->watched)
        return;
    s->watched = false;
    epoll_ctl(level, EPOLL_CTL_DEL, s->fd, NULL);
    epoll_ctl(edge, EPOLL_CTL_DEL, s->fd, NULL);
}

int slot_free(void) {
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].fd < 0)
            return i;
    return -1;
}

bool is_fast(void) {
    return fast;
}

static bool play(uint64_t seed) {
    char head[64];
    bool good = true;
    level = epoll_create1(EPOLL_CLOEXEC);
    edge = epoll_create1(EPOLL_CLOEXEC);
    memset(ports, 0, sizeof(ports));
    memset(edges, 0, sizeof(edges));
    story[0] = '\0';
    for (int i = 0; i < SLOTS; i++)
        slots[i] = (struct slot){.fd = -1, .twin = -1};
    snprintf(head, sizeof(head), "seed %lu", (unsigned long)seed);
    rng = seed * 1000003;
    if (checking) /* behind what a difference left unread */
        do
            next_expected();
        while (expected[0] && strcmp(expected, head));
    else
        puts(head);
    tell(head);
    good = steps_opening();
    for (int i = 0; good && i < STEPS; i++) {
        rng = seed * 1000003 + (uint64_t)i * 7919;
        good = step_random();
    }
    for (int i = 0; i < SLOTS; i++)
        slot_end(&slots[i]);
    close(level);
    close(edge);
    return good;
}

int main(int argc, char **argv) {
    unsigned bad = 0;
    if (argc < 4)
        return 2;
    checking = !strcmp(argv[1], "check");
    fast = argc > 4 && !strcmp(argv[4], "fast");
    if (getenv("PATIENCE"))
        patience = atof(getenv("PATIENCE"));
    steps_begin();
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    uint64_t first = strtoull(argv[2], NULL, 10);
    uint64_t n = strtoull(argv[3], NULL, 10);
    for (uint64_t seed = first; seed < first + n; seed++)
        bad += !play(seed);
    if (checking)
        printf("%u of %lu differ\n", bad, (unsigned long)n);
    return bad > 0;
}
