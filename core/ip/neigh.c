/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The neighbours: which MAC address an IP address on a link has, and how sure
 * that is. The states are those of RFC 4861 7.3.2, used for ARP as Linux does:
 *
 *    (none) --packet--> INCOMPLETE --reply--> REACHABLE --time--> STALE
 *                           |                     ^                 | packet
 *                       no answer           confirmed             v
 *                           v                     +------------- DELAY
 *    FAILED <--no answer-- PROBE <--------------- 5 s ------------+
 *
 * INCOMPLETE asks by broadcast, mcast_solicit times, retrans_time apart; PROBE
 * asks the address it knows, ucast_solicit times. Packets wait in INCOMPLETE
 * only, unres_qlen of them, and the oldest gives way (Linux; RFC 1122 2.3.2.2
 * wants at least the latest one kept). On FAILED they end, and who sent them is
 * told that the host cannot be reached.
 */
#include <errno.h>

#include "ip/state.h"
#include "wire/ether.h"
#include "wire/icmp.h"

#define DELAY_FIRST_PROBE (5 * IP_SEC) /* delay_first_probe_time */
#define LOCKTIME IP_SEC /* a fresh entry is not overridden that long */
#define REACHABLE_REDRAW (300 * IP_SEC)

enum {
    VALID = WEIR_NUD_PERMANENT | WEIR_NUD_REACHABLE | WEIR_NUD_PROBE |
            WEIR_NUD_STALE | WEIR_NUD_DELAY,
};

bool neigh_init(struct ip *ip) {
    return hash_init(&ip->neighs, ip->env->arena);
}

static uint64_t neigh_key(const struct ip *ip, uint32_t addr,
                          unsigned ifindex) {
    uint64_t secret;
    memcpy(&secret, ip->id_key, sizeof(secret));
    return mix64(((uint64_t)ifindex << 32 | addr) ^ secret);
}

struct neigh *neigh_find(const struct ip *ip, uint32_t addr, unsigned ifindex) {
    for (struct hash_node *h =
             hash_first(&ip->neighs, neigh_key(ip, addr, ifindex));
         h; h = hash_next(h)) {
        struct neigh *n = container_of(h, struct neigh, node);
        if (n->addr == addr && n->ifindex == ifindex)
            return n;
    }
    return NULL;
}

static void neigh_arm(struct ip *ip, struct neigh *n, uint64_t after) {
    wheel_arm(ip->env->wheel, &n->timer, WTIMER_NEIGH, ip->env->now + after);
}

static uint64_t retrans(const struct ip *ip) {
    return (uint64_t)ip->env->sysctl.neigh_retrans_ms * IP_MSEC;
}

/* RFC 4861 6.3.2: uniform in half to one and a half of the base, drawn anew
 * from time to time, so that hosts do not probe in step. */
static uint64_t reachable_time(struct ip *ip) {
    struct env *env = ip->env;
    if (env->now >= ip->reachable_until) {
        uint64_t base = (uint64_t)env->sysctl.neigh_reachable_ms * IP_MSEC;
        ip->reachable_ns = base / 2 + rng_u64(&env->rng) % (base + 1);
        ip->reachable_until = env->now + REACHABLE_REDRAW;
    }
    return ip->reachable_ns;
}

static void drop_pending(struct ip *ip, struct neigh *n, struct weir_pkt *pkt,
                         enum weir_reason reason) {
    struct ip4_hdr h;
    ip4_parse(pkt->head + pkt->head_off, &h);
    const struct drop_info info = drop_info_of(pkt, h.hlen, &h);
    n->npending--;
    pkt_drop(ip->env, pkt, reason, &info);
}

static void neigh_free(struct ip *ip, struct neigh *n) {
    struct weir_pkt *pkt;
    while ((pkt = pkt_queue_pop(&n->pending)))
        drop_pending(ip, n, pkt, WEIR_NEIGH_FAILED);
    wheel_disarm(ip->env->wheel, &n->timer);
    dst_forget(ip);
    hash_remove(&ip->neighs, &n->node);
    list_remove(&n->link);
    arena_free(ip->env->arena, n, sizeof(*n));
}

void neigh_flush(struct ip *ip, unsigned ifindex) {
    LIST_EACH(&ip->neigh_lru, at) {
        struct neigh *n = container_of(at, struct neigh, link);
        if (n->ifindex == ifindex)
            neigh_free(ip, n);
    }
}

/* Room for one more: what has not been used for longest goes, but not while it
 * is being resolved. */
static bool neigh_make_room(struct ip *ip) {
    if (ip->neighs.count < (size_t)ip->env->sysctl.neigh_gc_thresh3)
        return true;
    LIST_EACH(&ip->neigh_lru, at) {
        struct neigh *n = container_of(at, struct neigh, link);
        if (n->state == WEIR_NUD_STALE || n->state == WEIR_NUD_FAILED ||
            n->state == WEIR_NUD_REACHABLE || n->state == 0) {
            neigh_free(ip, n);
            return true;
        }
    }
    return false;
}

/* What has been of no use for gc_stale_time is forgotten when something else
 * is learnt. */
static void collect(struct ip *ip) {
    uint64_t limit = (uint64_t)ip->env->sysctl.neigh_gc_stale * IP_SEC;
    for (unsigned i = 0; i < 2 && !list_empty(&ip->neigh_lru); i++) {
        struct neigh *n = container_of(ip->neigh_lru.next, struct neigh, link);
        if (ip->neighs.count <= 128 || ip->env->now - n->used < limit ||
            (n->state != WEIR_NUD_STALE && n->state != WEIR_NUD_FAILED))
            return;
        neigh_free(ip, n);
    }
}

static struct neigh *make(struct ip *ip, uint32_t addr, unsigned ifindex) {
    collect(ip);
    if (!neigh_make_room(ip))
        return NULL;
    struct neigh *n = arena_zalloc(ip->env->arena, sizeof(*n));
    if (!n)
        return NULL;
    n->addr = addr;
    n->ifindex = (uint16_t)ifindex;
    n->used = n->updated = ip->env->now;
    dst_forget(ip);
    hash_insert(&ip->neighs, &n->node, neigh_key(ip, addr, ifindex));
    list_push_back(&ip->neigh_lru, &n->link);
    return n;
}

static unsigned max_probes(const struct ip *ip, const struct neigh *n) {
    return (unsigned)(n->state == WEIR_NUD_PROBE
                          ? ip->env->sysctl.neigh_ucast_solicit
                          : ip->env->sysctl.neigh_mcast_solicit);
}

/* Ask once more, and wait. */
static void probe(struct ip *ip, struct neigh *n) {
    struct ip_if *iface = ip->ifs[n->ifindex];
    uint32_t sender = 0;
    if (n->pending.head) { /* Linux (arp_announce 0): whoever wants to send */
        struct ip4_hdr h;
        ip4_parse(n->pending.head->head + n->pending.head->head_off, &h);
        sender = addr_is_own(ip, h.src) ? h.src : 0;
    }
    if (!sender)
        sender = addr_select(ip, n->ifindex, n->addr);
    n->probes++;
    neigh_arm(ip, n, retrans(ip));
    n->cause =
        arp_request(ip, iface, sender, n->addr,
                    n->state == WEIR_NUD_PROBE ? n->mac : NULL, n->probes);
}

/* The packets that waited can never be sent. */
static void fail(struct ip *ip, struct neigh *n) {
    COUNT(ip->env, Weir, NeighFailed);
    n->state = WEIR_NUD_FAILED;
    n->updated = ip->env->now;
    /* Telling a transport may make it send, here: work on a list of our own. */
    struct pkt_queue waiting = n->pending;
    n->pending = (struct pkt_queue){0};
    n->npending = 0;
    struct weir_pkt *pkt;
    while ((pkt = pkt_queue_pop(&waiting))) {
        icmp_unreachable(ip, pkt, ICMP_HOST, WEIR_NEIGH_FAILED);
        struct ip4_hdr h;
        ip4_parse(pkt->head + pkt->head_off, &h);
        const struct drop_info info = drop_info_of(pkt, h.hlen, &h);
        pkt_drop(ip->env, pkt, WEIR_NEIGH_FAILED, &info);
    }
}

static void record_fired(struct ip *ip, const struct neigh *n, bool last) {
    struct env *env = ip->env;
    struct weir_event *ev = env_record(env, WEIR_EV_TIMER_FIRED, 0);
    if (!ev)
        return;
    ev->timer.timer = WEIR_TIMER_ARP;
    ev->timer.tries = n->probes;
    ev->timer.next_ms = last ? 0 : (uint32_t)env->sysctl.neigh_retrans_ms;
    ev->timer.bytes = n->npending;
    env->cause = ev->id;
}

static void unanswered(struct ip *ip, struct neigh *n) {
    bool last = n->probes >= max_probes(ip, n);
    weir_event_id cause = ip->env->cause;
    ip->env->cause = n->cause;
    record_fired(ip, n, last);
    if (last)
        fail(ip, n);
    else
        probe(ip, n);
    ip->env->cause = cause;
}

void ip_neigh_timer(struct ip *ip, struct wtimer *timer) {
    struct neigh *n = container_of(timer, struct neigh, timer);
    uint64_t now = ip->env->now;
    switch (n->state) {
    case WEIR_NUD_REACHABLE:
        if (now < n->confirmed + reachable_time(ip)) {
            neigh_arm(ip, n, n->confirmed + reachable_time(ip) - now);
        } else if (now < n->used + DELAY_FIRST_PROBE) {
            n->state = WEIR_NUD_DELAY;
            n->updated = now;
            neigh_arm(ip, n, DELAY_FIRST_PROBE);
        } else {
            n->state = WEIR_NUD_STALE;
            n->updated = now;
        }
        break;
    case WEIR_NUD_DELAY:
        n->updated = now;
        if (now <= n->confirmed + DELAY_FIRST_PROBE) {
            n->state = WEIR_NUD_REACHABLE;
            neigh_arm(ip, n, reachable_time(ip));
        } else {
            n->state = WEIR_NUD_PROBE;
            n->probes = 0;
            if (max_probes(ip, n) > 0)
                probe(ip, n);
            else
                fail(ip, n);
        }
        break;
    case WEIR_NUD_INCOMPLETE:
    case WEIR_NUD_PROBE:
        unanswered(ip, n);
        break;
    default:
        break;
    }
}

static void wait_for_answer(struct ip *ip, struct neigh *n,
                            struct weir_pkt *pkt) {
    if (n->npending >= ip->env->sysctl.neigh_unres_qlen)
        drop_pending(ip, n, pkt_queue_pop(&n->pending), WEIR_NEIGH_QUEUEFULL);
    pkt_queue_push(&n->pending, pkt);
    n->npending++;
}

static void resolve(struct ip *ip, struct neigh *n, struct weir_pkt *pkt) {
    wait_for_answer(ip, n, pkt);
    if (n->state == WEIR_NUD_INCOMPLETE)
        return;
    n->state = WEIR_NUD_INCOMPLETE;
    n->updated = ip->env->now;
    n->probes = 0;
    weir_event_id cause = ip->env->cause;
    if (pkt->event)
        ip->env->cause = pkt->event; /* that is why we ask */
    probe(ip, n);
    ip->env->cause = cause;
}

void neigh_output(struct ip *ip, struct ip_if *iface, uint32_t next_hop,
                  struct weir_pkt *pkt) {
    struct env *env = ip->env;
    if (!iface->up) {
        COUNT(env, Ip, OutDiscards);
        pkt_drop(env, pkt, WEIR_DEV_READY, NULL);
        return;
    }
    struct neigh *n = neigh_find(ip, next_hop, iface->ifindex);
    if (!n)
        n = make(ip, next_hop, iface->ifindex);
    if (!n) {
        COUNT(env, Ip, OutDiscards);
        pkt_drop(env, pkt, WEIR_NEIGH_CREATEFAIL, NULL);
        return;
    }
    neigh_send(ip, iface, n, pkt);
}

static void use(struct ip *ip, struct neigh *n) {
    n->used = ip->env->now;
    if (ip->neigh_lru.prev != &n->link) {
        list_remove(&n->link);
        list_push_back(&ip->neigh_lru, &n->link);
    }
}

bool neigh_ready(struct ip *ip, struct neigh *n) {
    if (!(n->state & VALID) || n->state == WEIR_NUD_STALE)
        return false;
    use(ip, n);
    return true;
}

void neigh_send(struct ip *ip, struct ip_if *iface, struct neigh *n,
                struct weir_pkt *pkt) {
    struct env *env = ip->env;
    use(ip, n);
    if (!(n->state & VALID)) {
        resolve(ip, n, pkt);
        return;
    }
    if (n->state == WEIR_NUD_STALE) {
        n->state = WEIR_NUD_DELAY;
        n->updated = env->now;
        neigh_arm(ip, n, DELAY_FIRST_PROBE);
    }
    if_send(ip, iface, pkt, n->mac, ETHER_IP4);
}

/* The address is known now: send what waited for it. */
static void flush_pending(struct ip *ip, struct neigh *n) {
    struct pkt_queue waiting = n->pending;
    n->pending = (struct pkt_queue){0};
    n->npending = 0;
    struct weir_pkt *pkt;
    while ((pkt = pkt_queue_pop(&waiting)))
        neigh_output(ip, ip->ifs[n->ifindex], n->addr, pkt);
}

void neigh_learn(struct ip *ip, struct ip_if *iface,
                 const struct neigh_news *news) {
    struct env *env = ip->env;
    struct neigh *n = neigh_find(ip, news->addr, iface->ifindex);
    if (!n && news->create)
        n = make(ip, news->addr, iface->ifindex);
    if (!n || n->state == WEIR_NUD_PERMANENT)
        return;
    bool was_valid = n->state & VALID;
    bool same = was_valid && memcmp(n->mac, news->mac, ETHER_MAC) == 0;
    if (was_valid && !same && !news->override &&
        env->now <= n->updated + LOCKTIME)
        return;
    if (news->solicited) {
        n->state = WEIR_NUD_REACHABLE;
        n->confirmed = env->now;
        neigh_arm(ip, n, reachable_time(ip));
    } else if (!same) {
        /* It is there, but whether it hears us is not known. */
        n->state = WEIR_NUD_STALE;
        wheel_disarm(env->wheel, &n->timer);
    }
    if (!same || news->solicited)
        n->updated = env->now;
    memcpy(n->mac, news->mac, ETHER_MAC);
    n->probes = 0;
    if (!was_valid)
        flush_pending(ip, n);
}

void ip_confirm(struct ip *ip, uint32_t dst) {
    const struct ip_dst *d = dst_get(ip, dst, 0);
    struct neigh *n = d ? d->path.neigh : NULL;
    if (n && (n->state & VALID))
        n->confirmed = ip->env->now;
}

int ip_neigh_get(const struct ip *ip, unsigned i, struct weir_neigh *out) {
    LIST_EACH(&ip->neigh_lru, at) {
        const struct neigh *n = container_of(at, struct neigh, link);
        if (i-- > 0)
            continue;
        *out = (struct weir_neigh){.addr = weir_addr_v4(n->addr),
                                   .ifindex = n->ifindex,
                                   .state = n->state};
        memcpy(out->mac, n->mac, sizeof(out->mac));
        return 0;
    }
    return -ENOENT;
}
