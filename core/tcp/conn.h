/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_TCP_CONN_H
#define WEIR_CORE_TCP_CONN_H
/*
 * What TCP remembers, by how long and how dearly:
 *
 *   struct tcp_conn      224 bytes: a connection that is idle
 *   struct tcp_work      on demand: what is needed only while bytes are queued,
 *                        in flight or out of order; given back when idle
 *   struct tcp_opts      on demand: options few programs set
 *   struct tcp_request   half-open (SYN queue)
 *   struct tcp_tw        64 bytes: TIME_WAIT, and orphans in FIN_WAIT_2
 *   struct tcp_listener  LISTEN
 *
 * All but listeners are found in one keyed table by the 4-tuple (demux.c).
 * Times of 32 bits are milliseconds of the stack's clock and compare modulo
 * 2^32.
 */
#include "base/endpoint.h"
#include "base/list.h"
#include "base/tags.h"
#include "ip/ip.h"
#include "tcp/segment.h"
#include "tcp/seq.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* ---- the hash ---- */

enum tcp_node_kind { TCP_NODE_CONN, TCP_NODE_REQUEST, TCP_NODE_TW };

struct tcp_node {
    struct tag_node tag; /* first: see tcp_node_of */
    uint8_t kind;        /* enum tcp_node_kind */
    uint8_t state;       /* enum weir_tcp_state; written by state.c alone */
    uint16_t tw_flags;   /* TIME_WAIT: enum tcp_tw_flag */
    union {
        uint32_t tw_wnd; /* TIME_WAIT: window last offered, bytes */
        struct {         /* a connection: high words of its byte counts */
            uint16_t read_hi, written_hi;
        };
    };
};

/* ---- one record per transmission (RFC 8985 5.1, RFC 6298) ---- */

enum tcp_tx_flag {
    TX_SYN = 1 << 0,
    TX_FIN = 1 << 1,
    TX_SACKED = 1 << 2,  /* the peer says it has it */
    TX_LOST = 1 << 3,    /* believed lost, not sent again yet or lost again */
    TX_RETRANS = 1 << 4, /* sent more than once */
    TX_PSH = 1 << 5,
    TX_APP_LIMITED = 1 << 6,
    TX_IN_FLIGHT = 1 << 7, /* the last retransmission is still in the pipe */
};

struct tcp_tx {
    struct tcp_tx *next, *prev;   /* by sequence number */
    struct tcp_tx *tnext, *tprev; /* by time sent, oldest first */
    tcp_seq seq, end;
    uint64_t sent_ns; /* last transmission */
    uint16_t nth;     /* how often it was sent */
    uint8_t flags;    /* enum tcp_tx_flag */
};

/* ---- the part that exists on demand ---- */

enum tcp_xmit_timer { /* which of them `xmit_due` is about */
                      XMIT_NONE,
                      XMIT_REXMIT,
                      XMIT_TLP,
                      XMIT_REORDER,
                      XMIT_PERSIST,
};

enum tcp_ca_state { CA_OPEN, CA_DISORDER, CA_RECOVERY, CA_LOSS };

struct tcp_sendq {
    struct weir_slice *ring; /* mask + 1 slices: `few`, or more elsewhere */
    uint32_t mask;
    uint32_t head, tail; /* absolute; head..tail-1 are in use */
    uint32_t bytes;
    tcp_seq base;    /* sequence number of the first byte */
    uint32_t cur;    /* slice that holds `cur_seq`: where new data begins */
    tcp_seq cur_seq; /* first byte of slice `cur` */
    bool own_tail;   /* the tail buffer is ours to append to */
    struct weir_buf *spare; /* a small one that is empty again, or NULL */
    struct weir_slice few[2];
};

struct tcp_txlist {
    struct tcp_tx *head, *tail;   /* by sequence number */
    struct tcp_tx *thead, *ttail; /* by time sent; without SACKED and LOST */
    struct tcp_tx *lost_hint;     /* no LOST record lies before it; or NULL */
    struct tcp_tx *sack_top;      /* highest SACKED record, or NULL */
    uint32_t sacked_bytes, lost_bytes, retrans_bytes;
};

/* RFC 8985 5.2 */
struct tcp_rack {
    uint64_t xmit_ns; /* sent time of the newest delivered record */
    tcp_seq end;
    uint32_t rtt_us, min_rtt_us;
    uint32_t reo_wnd_mult;
    uint8_t reo_persist;
    bool reordering_seen;
    bool dsack_round;
    tcp_seq dsack_round_end;
    tcp_seq fack; /* highest sequence number delivered */
};

struct tcp_loss {
    uint8_t state; /* enum tcp_ca_state */
    uint8_t dupacks;
    bool undo_possible;
    bool tlp_retrans;   /* the probe was a retransmission */
    bool tlp_active;    /* a probe is out */
    bool tlp_due;       /* and to be sent in the next pass */
    bool retransmitted; /* in this episode */
    tcp_seq high_seq;   /* recovery ends when this is acknowledged */
    tcp_seq tlp_end;
    tcp_seq undo_una;
    int32_t undo_retrans; /* retransmissions not yet found spurious */
    uint32_t prior_cwnd, prior_ssthresh;
    uint32_t retrans_tsval; /* TSval of the first retransmission: Eifel */
    uint32_t prr_delivered, prr_out; /* RFC 6937 */
};

struct tcp_recvq {
    struct weir_pkt *head, *tail;
    uint32_t bytes;  /* unread, in order */
    uint32_t charge; /* memory it stands for, out-of-order included */
};

/* Bytes that arrived past a gap: contiguous packets, no gap within. */
struct tcp_island {
    struct tcp_island *next;
    struct weir_pkt *head, *tail;
    tcp_seq start, end;
    bool fin; /* a FIN follows at `end` */
};

struct tcp_ofo {
    struct tcp_island *head, *tail; /* ascending, gaps between */
    uint32_t bytes;
};

struct tcp_work {
    struct wtimer visit; /* when it is asked whether it is needed */
    struct tcp_conn *conn;
    uint64_t xmit_due, delack_due; /* ns; WEIR_NEVER */
    struct list owing;             /* in tcp->owing: an ACK, later */
    struct tcp_conn *dirty_next;   /* while CONN_DIRTY */
    weir_event_id out_cause;       /* what made it possible to send */
    uint8_t xmit_timer;            /* enum tcp_xmit_timer */
    uint8_t retries;     /* RTOs in a row without an advance (RFC 6298 5.5) */
    uint8_t backoff;     /* doublings of the RTO now in force */
    uint8_t probes;      /* zero-window probes in a row, unanswered */
    uint16_t soft_error; /* positive errno remembered, or 0 */
    uint8_t soft_reason;
    uint64_t stuck_since; /* when what is now first unanswered was sent; 0 */
    uint32_t wnd_max;     /* largest window the peer ever offered */
    uint32_t cc_acked;    /* bytes acknowledged towards the next growth */
    uint32_t way_gen;     /* what follows holds while ip_generation() is this */
    uint32_t way_most;    /* bytes of payload IP takes at once */
    bool way_sums;        /* large segments, which we have to sum */
    uint16_t way_ifindex; /* and while bound to this interface */
    struct tcp_sendq sendq;
    struct tcp_txlist tx;
    struct tcp_rack rack;
    struct tcp_loss loss;
    tcp_seq snd_up;    /* last urgent byte + 1 to send, with CONN_URG_SEND */
    tcp_seq push_seq;  /* first byte after the last PSH */
    tcp_seq small_end; /* end of the last segment shorter than MSS (Minshall) */

    struct tcp_recvq rcvq;
    struct tcp_ofo ofo;
    struct tcp_range dsack; /* to report, where start != end */
    tcp_seq last_ofo;       /* the range to report first (RFC 2018 4) */
    tcp_seq copied;         /* next byte the program reads */
    uint32_t ato_ms;        /* delayed ACK time-out; 0: no data yet */
    uint32_t data_ms;       /* when data last came */
    uint32_t oow_ms;        /* last ACK to a segment out of the window */
    uint16_t quickack;      /* ACKs still to be sent at once */
    uint16_t rcv_mss;       /* estimate of the peer's segment size */
    tcp_seq rcv_up;         /* urgent byte + 1, with CONN_URG_* */
    uint8_t oob_byte;
    /* receive buffer auto-sizing */
    uint64_t rcv_rtt_ns, rtt_since, space_since;
    uint32_t space; /* most bytes the program read in one round trip */
    tcp_seq space_seq, rtt_seq;

    struct tcp_listener *parent; /* waits in its accept queue */
    struct tcp_conn *accept_next;
};

/* ---- rarely set options ---- */

struct tcp_opts {
    uint64_t keep_due; /* ns; WEIR_NEVER: no keep-alive running */
    int32_t keep_idle_s, keep_intvl_s; /* 0: the sysctl */
    int32_t user_timeout_ms;           /* 0: none */
    int32_t linger_s;                  /* -1: off (SO_LINGER) */
    int32_t linger2_s;                 /* 0: tcp_fin_timeout; -1: none */
    int32_t rcvlowat;                  /* at least 1 */
    int32_t notsent_lowat;             /* 0: the sysctl */
    int32_t window_clamp;              /* 0: none */
    int32_t defer_accept_s;
    uint16_t maxseg;   /* TCP_MAXSEG, 0: none */
    uint8_t keep_cnt;  /* 0: the sysctl */
    uint8_t keep_sent; /* probes unanswered */
    uint8_t syncnt;    /* 0: the sysctl */
};

/* ---- a connection ---- */

enum tcp_conn_flag {
    CONN_DIRTY = 1 << 0,     /* in the list tcp_output_pass drains */
    CONN_GONE = 1 << 1,      /* to be freed when it leaves that list */
    CONN_ACK_NOW = 1 << 2,   /* owes an ACK at once */
    CONN_ACK_LATER = 1 << 3, /* owes an ACK within work->delack_due */
    CONN_TS = 1 << 4,        /* timestamps agreed (RFC 7323 3) */
    CONN_SACK = 1 << 5,      /* SACK agreed (RFC 2018 2) */
    CONN_WSCALE = 1 << 6,    /* window scale agreed (RFC 7323 2) */
    CONN_FIN = 1 << 7,       /* the program will send no more: FIN is queued */
    CONN_FIN_SENT = 1 << 8,
    CONN_NODELAY = 1 << 9,
    CONN_CORK = 1 << 10,
    CONN_MORE = 1 << 11,        /* the last send said MSG_MORE */
    CONN_NO_QUICKACK = 1 << 12, /* delays ACKs: the traffic goes to and fro */
    CONN_CONNECTING = 1 << 13,  /* connect() was called and has not ended */
    CONN_CONNECTED = 1 << 14,   /* it has ended well, or was accepted */
    CONN_PASSIVE = 1 << 15,
    CONN_HASHED = 1 << 16,    /* found by its 4-tuple */
    CONN_PORT_LOCK = 1 << 17, /* bind() chose the port: kept over disconnect */
    CONN_ADDR_LOCK = 1 << 18,
    CONN_SNDBUF_LOCK = 1 << 19, /* SO_SNDBUF was set: no auto-sizing */
    CONN_RCVBUF_LOCK = 1 << 20,
    CONN_URG_SEND = 1 << 21,  /* work->snd_up is not acknowledged */
    CONN_URG_WAIT = 1 << 22,  /* urgent announced, the byte not here yet */
    CONN_URG_HERE = 1 << 23,  /* work->oob_byte holds it */
    CONN_URG_READ = 1 << 24,  /* and it was read: the mark is still ahead */
    CONN_SNDQ_FULL = 1 << 25, /* a send was refused: tell when there is room */
    CONN_PORT = 1 << 26,      /* holds a reference to its port */
    CONN_PROBE = 1 << 30,     /* owes a probe: zero window or keep-alive */
    CONN_PORT_BIND = 1 << 27, /* the port came by bind(), not by connect() */
    CONN_FIN_RCVD = 1 << 28,  /* the peer's FIN is in order: read ends in 0 */
    CONN_ACCEPTED = 1 << 29,  /* left the accept queue */
    CONN_ORPHAN = 1u << 31,   /* counted among the orphans */
};

struct tcp_conn {
    struct endpoint ep;
    struct tcp_node node;
    union {
        struct wtimer timer; /* the earliest of its timers (timer.c) */
        struct {
            void *unused[2];
            /* CLOSED, when none runs: the event behind it; see ep.reason */
            weir_event_id end_cause;
        };
    };
    struct tcp_work *work;
    struct tcp_opts *opt;
    struct {
        tcp_seq una, nxt; /* oldest unacknowledged, next to send */
        tcp_seq wl1;      /* SEG.SEQ of the last window update */
        uint32_t wnd;     /* bytes the peer will take after una */
    } snd;
    struct {
        tcp_seq nxt;  /* next expected */
        tcp_seq wup;  /* ACK last sent: left edge of the window we offered */
        uint32_t wnd; /* offered with it, bytes */
    } rcv;
    struct {
        uint32_t recent;   /* TS.Recent */
        uint32_t recent_s; /* when it was taken, seconds of our clock */
        uint32_t offset;   /* of our own TSval */
    } ts;
    uint32_t srtt_us;        /* times 8; 0: no sample yet */
    uint32_t rttvar_us;      /* times 4 */
    uint32_t cwnd, ssthresh; /* bytes */
    uint32_t rx_ms, tx_ms;   /* last segment received, last data sent */
    uint32_t flags;          /* enum tcp_conn_flag */
    uint16_t mss;            /* payload bytes per segment we send */
    uint16_t adv_mss;        /* MSS we announced */
    uint16_t peer_mss;       /* MSS the peer announced (536 where it did not) */
    uint8_t snd_wscale : 4, rcv_wscale : 4;
    uint8_t cc;
    uint32_t rcvbuf, sndbuf; /* limits, bytes */
    uint32_t read, written;  /* low words of the bytes of its life */
};
_Static_assert(sizeof(struct tcp_conn) <= 224, "an idle endpoint's cost");
_Static_assert(offsetof(struct tcp_conn, node) % ARENA_GRAIN == 0, "as tags.h");

/* ---- half-open ---- */

enum tcp_request_flag {
    REQ_TS = 1 << 0,
    REQ_SACK = 1 << 1,
    REQ_WSCALE = 1 << 2,
    REQ_ACKED = 1 << 3, /* the final ACK came, but the accept queue was full */
    REQ_DIRTY = 1 << 4, /* owes a SYN+ACK */
    REQ_GONE = 1 << 5,
    REQ_REFUSE = 1 << 6,
};

struct tcp_request {
    struct tcp_node node;
    struct wtimer timer; /* SYN+ACK again */
    struct tcp_tuple t;
    struct tcp_listener *listener;
    struct tcp_request *next, *prev; /* of that listener */
    struct tcp_request *dirty_next;
    weir_event_id cause;
    uint64_t sent_ns; /* first SYN+ACK */
    tcp_seq iss, irs;
    uint32_t ts_recent, ts_offset;
    uint32_t wnd;     /* offered with the SYN+ACK */
    uint32_t snd_wnd; /* of the SYN, never scaled */
    uint16_t peer_mss, adv_mss;
    uint16_t ifindex;
    uint8_t snd_wscale, rcv_wscale;
    uint8_t flags;   /* enum tcp_request_flag */
    uint8_t retries; /* SYN+ACKs by the timer */
    uint8_t sent;    /* SYN+ACKs of any cause */
};

/* ---- TIME_WAIT ---- */

enum tcp_tw_flag {
    TW_TS = 1 << 0,
    TW_REUSEADDR = 1 << 1,
    TW_REUSEPORT = 1 << 2,
    TW_BIND = 1 << 3,   /* the port came by bind(), not by connect() */
    TW_PORT = 1 << 4,   /* it holds the port */
    TW_WSCALE = 1 << 8, /* from here up: our window scale */
};

struct tcp_tw {
    struct tcp_node node;       /* state: TIME_WAIT or FIN_WAIT2 */
    struct tcp_tw *next, *prev; /* by expiry */
    uint32_t expires_ms;
    uint32_t laddr, raddr;
    uint16_t lport, rport;
    tcp_seq snd_nxt, rcv_nxt;
    uint32_t ts_recent, ts_offset;
};
_Static_assert(sizeof(struct tcp_tw) <= 64, "a TIME_WAIT's cost");

/* ---- LISTEN ---- */

struct tcp_listener {
    struct endpoint ep;
    struct tcp_listener *next, *prev; /* by port, in tcp->listeners */
    struct tcp_request *requests;
    struct tcp_conn *accept_head, *accept_tail;
    struct tcp_opts *opt;
    weir_event_id end_cause;
    uint32_t half_open; /* SYN queue, now */
    uint32_t waiting;   /* accept queue, now */
    uint32_t backlog;   /* min(backlog, somaxconn) */
    uint32_t flags;     /* what connections inherit: enum tcp_conn_flag */
    uint32_t rcvbuf, sndbuf;
    uint8_t cc;
};

/* ---- ports ---- */

/* Sockets of one port alike in what bind() asks about (Linux's rules). */
struct tcp_bind {
    struct tcp_bind *next;
    uint32_t laddr; /* 0: any */
    uint32_t count;
    uint16_t ifindex;
    bool reuse, reuseport, listening, by_connect;
};

struct tcp_port {
    struct tcp_port *next;
    struct tcp_bind *binds;
    uint16_t port;
};

/* Ports held by connect() alone: how many connections and TIME_WAITs each. */
enum { TCP_CONNECTS = 256 };
struct tcp_connects {
    uint32_t sum; /* of the counts */
    uint32_t count[TCP_CONNECTS];
};

/* ---- replies that belong to no connection, until the pass ends ---- */

struct tcp_reply {
    struct tcp_reply *next;
    weir_event_id cause;
    struct tcp_out out;
};

/* What a hash with a key said of two hosts, remembered: connections to one host
 * come one after another. No address is 0, so an empty place is no answer. */
enum { TCP_PAIRS = 64 };
struct tcp_pair {
    uint32_t laddr, raddr;
    uint32_t ts_offset;
};

enum { TCP_LISTEN_BUCKETS = 256, TCP_PORT_BUCKETS = 1024 };

struct tcp {
    struct env *env;
    struct ip *ip;
    struct tags table;       /* what has a tuple: demux.c */
    struct tags loose;       /* connections that have none */
    struct tcp_conn *recent; /* the last one found: often the next, too */
    struct tcp_conn *dirty_head, *dirty_tail;
    struct tcp_request *dirty_request_head, *dirty_request_tail;
    struct list owing; /* work blocks whose delack_due is not armed yet */
    struct tcp_reply *replies, *replies_tail;
    struct tcp_reply *reply_pool;
    struct tcp_tx *tx_pool;
    struct tcp_tw *tw_head[2], *tw_tail[2]; /* TIME_WAIT, FIN_WAIT_2 */
    struct wtimer tw_timer;
    uint32_t tw_count, orphans, conns;
    bool destroying;         /* nothing is sent or told any more */
    uint32_t challenge_left; /* RFC 5961 7, this second */
    uint64_t challenge_second;
    uint32_t port_turn[64]; /* RFC 6056 3.3.4: how far each destination's
                             * search has moved on */
    uint8_t port_key[16], isn_key[16], ts_key[16];
    uint64_t tuple_key[4]; /* demux.c */
    struct tcp_pair pairs[TCP_PAIRS];
    struct tcp_listener *listeners[TCP_LISTEN_BUCKETS];
    struct tcp_port *ports[TCP_PORT_BUCKETS];
    struct tcp_connects *connects[65536 / TCP_CONNECTS];
};

static inline struct tcp_node *tcp_node_of(struct tag_node *tag) {
    return (struct tcp_node *)tag;
}

static inline uint32_t tcp_now_ms(const struct tcp *tcp) {
    return tcp->env->now_ms;
}

static inline uint32_t tcp_now_s(const struct tcp *tcp) {
    return (uint32_t)(tcp->env->now / NS_PER_S);
}

static inline struct tcp_conn *tcp_conn_of(struct endpoint *ep) {
    return (struct tcp_conn *)ep;
}

static inline struct tcp_conn *tcp_conn_of_node(struct tcp_node *n) {
    return (struct tcp_conn *)((char *)n - offsetof(struct tcp_conn, node));
}

static inline struct tcp_listener *tcp_listener_of(struct endpoint *ep) {
    return (struct tcp_listener *)ep;
}

static inline struct tcp_request *tcp_request_of(struct tcp_node *n) {
    return (struct tcp_request *)n;
}

static inline struct tcp_tw *tcp_tw_of(struct tcp_node *n) {
    return (struct tcp_tw *)n;
}

static inline unsigned tcp_state(const struct tcp_conn *c) {
    return c->node.state;
}

static inline bool tcp_in(const struct tcp_conn *c, unsigned states) {
    return (1u << c->node.state & states) != 0;
}
/* Bytes of its life, 48 bits of them. */
static inline uint64_t tcp_bytes_read(const struct tcp_conn *c) {
    return (uint64_t)c->node.read_hi << 32 | c->read;
}

static inline uint64_t tcp_bytes_written(const struct tcp_conn *c) {
    return (uint64_t)c->node.written_hi << 32 | c->written;
}

#define IN(state) (1u << WEIR_TCP_##state)

#endif
