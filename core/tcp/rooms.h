/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_CORE_TCP_ROOMS_H
#define WEIR_CORE_TCP_ROOMS_H
/*
 * What the rooms of TCP offer each other, by file.
 */
#include <errno.h>

#include "base/abi.h"
#include "tcp/conn.h"
#include "tcp/tcp.h"

/* As endpoint_touch, for those that a program can see. */
static inline void tcp_touch(struct tcp *tcp, struct tcp_conn *c) {
    if (c->ep.handle >= 0 && !(c->ep.flags & EP_DEAD))
        endpoint_touch(tcp->env, &c->ep);
}

/* ---- tcp.c: lives of connections ---- */

/* In no table yet: tcp_hash_conn is the next step. */
struct tcp_conn *tcp_conn_create(struct tcp *tcp);
/* Free it and all it holds; sends nothing, tells nobody. */
void tcp_conn_destroy(struct tcp *tcp, struct tcp_conn *c);
/* The work block, taken at the first need; NULL where memory is out. */
struct tcp_work *tcp_work_get(struct tcp *tcp, struct tcp_conn *c);
/* Nothing needs the work block, perhaps: give it back, soon. */
void tcp_work_rest(struct tcp *tcp, struct tcp_conn *c);
/* A visit: false: the work block was given back. */
bool tcp_work_visited(struct tcp *tcp, struct tcp_conn *c);
/* The options block, likewise; stays. */
struct tcp_opts *tcp_opts_get(struct tcp *tcp, struct tcp_opts **slot);
/* Put it in the list of those that have something to send. */
void tcp_dirty(struct tcp *tcp, struct tcp_conn *c);
void tcp_ack_now(struct tcp *tcp, struct tcp_conn *c);
void tcp_request_dirty(struct tcp *tcp, struct tcp_request *r);

/* ---- state.c ---- */

void tcp_state_set(struct tcp *tcp, struct tcp_conn *c, unsigned to,
                   enum weir_reason reason);
/* The same for what is not a tcp_conn: only the event and the transition. */
void tcp_state_note(struct tcp *tcp, const struct tcp_tuple *t, uint32_t sock,
                    unsigned from, unsigned to, enum weir_reason reason);
/* The first state of what comes into being in it; no event. */
void tcp_state_init(struct tcp_node *node, unsigned state);
struct tcp_tuple tcp_conn_tuple(const struct tcp_conn *c);

/* ---- demux.c ---- */

void tcp_hash_conn(struct tcp *tcp, struct tcp_conn *c, bool by_tuple);
void tcp_unhash_conn(struct tcp *tcp, struct tcp_conn *c);
void tcp_hash_node(struct tcp *tcp, struct tcp_node *n,
                   const struct tcp_tuple *t);
/* In the place of what had that tuple before. */
void tcp_hash_conn_for(struct tcp *tcp, struct tcp_conn *c,
                       struct tcp_request *r);
void tcp_unhash_node(struct tcp *tcp, struct tcp_node *n,
                     const struct tcp_tuple *t);
struct tcp_tuple tcp_tw_tuple(const struct tcp_tw *tw);
/* Connection, half-open or TIME_WAIT of that tuple; NULL: none. */
struct tcp_node *tcp_lookup(struct tcp *tcp, const struct tcp_tuple *t);
/* This one will be looked for soon, by its tuple. */
void tcp_lookup_soon(struct tcp *tcp, const struct tcp_conn *c);
/* All of what is most likely a connection is asked for, before it is needed:
 * its lines come from memory at the same time. */
static inline void tcp_near(struct tcp_node *n) {
    const char *c = (const char *)tcp_conn_of_node(n);
    for (size_t at = 0; at < sizeof(struct tcp_conn); at += 64)
        __builtin_prefetch(c + at);
}
struct tcp_listener *tcp_lookup_listener(struct tcp *tcp,
                                         const struct tcp_tuple *t,
                                         unsigned ifindex);
uint32_t tcp_tuple_hash(const struct tcp *tcp, const struct tcp_tuple *t);
/* All nodes, one after another, from {0} on; NULL: no more. None is passed over
 * while none is added or taken away. */
struct tcp_walk {
    size_t line, place;
    unsigned loose;
};
struct tcp_node *tcp_walk(struct tcp *tcp, struct tcp_walk *at);

/* ---- port.c ---- */

/* bind(): the connection's address with `port`. 0 or -EADDRINUSE. */
int tcp_port_bind(struct tcp *tcp, struct tcp_conn *c, uint16_t port);
/* A free port, for bind() of port 0 and listen() without bind(). */
int tcp_port_any(struct tcp *tcp, struct tcp_conn *c);
/* For connect(): raddr, rport and laddr are set; finds a port where there is
 * none yet. 0 or -EADDRNOTAVAIL. *before: the TIME_WAIT whose tuple it is,
 * which is to make way; NULL: none. */
int tcp_port_connect(struct tcp *tcp, struct tcp_conn *c,
                     struct tcp_tw **before);
/* An accepted connection holds its listener's port too. */
void tcp_port_share(struct tcp *tcp, struct tcp_conn *child);
void tcp_port_release(struct tcp *tcp, struct tcp_conn *c);
/* The hold of `c` passes to `tw`, and ends. */
void tcp_port_to_tw(struct tcp *tcp, struct tcp_conn *c, struct tcp_tw *tw);
void tcp_port_release_tw(struct tcp *tcp, struct tcp_tw *tw);
/* Before and after a change of what the hold is filed under (address, flags,
 * device). */
void tcp_port_lift(struct tcp *tcp, struct tcp_conn *c);
void tcp_port_put(struct tcp *tcp, struct tcp_conn *c);
/* The listener takes over the hold of `c`: 0 or -EADDRINUSE. */
int tcp_port_listen(struct tcp *tcp, struct tcp_conn *c,
                    struct tcp_listener *l);
/* As tcp_port_lift and _put, for a listener's flags. */
void tcp_port_listener_lift(struct tcp *tcp, struct tcp_listener *l);
void tcp_port_listener_put(struct tcp *tcp, struct tcp_listener *l);
void tcp_port_unlisten(struct tcp *tcp, struct tcp_listener *l);

/* ---- listen.c ---- */

void tcp_listen_input(struct tcp *tcp, struct tcp_listener *l,
                      struct tcp_segment *seg);
void tcp_request_input(struct tcp *tcp, struct tcp_request *r,
                       struct tcp_segment *seg);
void tcp_request_send(struct tcp *tcp, struct tcp_request *r);
void tcp_request_end(struct tcp *tcp, struct tcp_request *r,
                     enum weir_reason reason);
void tcp_listener_close(struct tcp *tcp, struct tcp_listener *l);
void tcp_listener_free(struct tcp *tcp, struct tcp_listener *l);

/* ---- handshake.c ---- */

tcp_seq tcp_isn(struct tcp *tcp, const struct tcp_tuple *t);
uint32_t tcp_ts_offset(struct tcp *tcp, const struct tcp_tuple *t);
/* MSS to announce on that way, and the window to begin with. */
uint16_t tcp_mss_of_mtu(uint32_t mtu);
uint32_t tcp_first_window(const struct tcp *tcp, uint32_t rcvbuf, unsigned mss,
                          bool scaling, uint8_t *wscale);
/* SYN options for a connection about to send SYN (`ack`: SYN+ACK). */
void tcp_syn_options(struct tcp *tcp, struct tcp_conn *c, struct tcp_hdr *h,
                     bool ack);
void tcp_syn_sent_input(struct tcp *tcp, struct tcp_conn *c,
                        struct tcp_segment *seg);
/* SYN_RECV -> ESTABLISHED of a connection of ours (simultaneous open, or the
 * child of a half-open one). */
void tcp_established(struct tcp *tcp, struct tcp_conn *c,
                     const struct tcp_segment *seg);
struct tcp_conn *tcp_request_to_conn(struct tcp *tcp, struct tcp_request *r);
void tcp_mss_update(struct tcp *tcp, struct tcp_conn *c, uint32_t mtu);

/* ---- input.c ---- */

void tcp_input(struct tcp *tcp, struct tcp_segment *seg);
void tcp_conn_input(struct tcp *tcp, struct tcp_conn *c,
                    struct tcp_segment *seg);

/* ---- ack.c ---- */

/* RFC 9293 3.10.7.4 fifth: the ACK field. False: drop the segment, with a
 * reason in *why. */
bool tcp_ack(struct tcp *tcp, struct tcp_conn *c, const struct tcp_segment *seg,
             enum weir_reason *why);

/* What a segment that header prediction let through says to its sender. */
struct tcp_news {
    tcp_seq seq, ack;
    uint32_t wnd; /* scaled */
    bool ts;
    uint32_t ts_ecr;
};
/* As tcp_ack, for an ACK in which predict.c found nothing to weigh. */
void tcp_ack_plain(struct tcp *tcp, struct tcp_conn *c,
                   const struct tcp_news *news);

/* ---- predict.c ---- */

/* An ACK, with PSH or without? Of all others no more needs to be asked. */
static inline bool tcp_may_predict(const struct weir_pkt *pkt) {
    const uint8_t *p = pkt->head + pkt->head_off;
    return pkt->head_len >= TCP_HDR_MIN && (p[13] & ~WEIR_PSH) == WEIR_ACK;
}
/* The expected segment of an open connection (tcp_may_predict): true where it
 * was, and then it is dealt with and the packet taken; false: nothing was done.
 */
bool tcp_predict(struct tcp *tcp, struct weir_pkt *pkt, const struct ip_rx *rx);

/* ---- txlist.c: transmission records ---- */

/* Memory for a record; NULL: there is none. */
struct tcp_tx *tcp_tx_take(struct tcp *tcp);
/* Such a record of bytes that leave now, the last unsent ones, where nothing
 * else is in flight: as tcp_tx_add and tcp_tx_sent. */
void tcp_tx_add_alone(struct tcp_work *w, struct tcp_tx *tx, tcp_seq seq,
                      tcp_seq end, uint64_t now);
struct tcp_tx *tcp_tx_add(struct tcp *tcp, struct tcp_conn *c, tcp_seq end,
                          uint8_t flags);
void tcp_tx_sent(struct tcp *tcp, struct tcp_conn *c, struct tcp_tx *tx);
void tcp_tx_remove(struct tcp *tcp, struct tcp_conn *c, struct tcp_tx *tx);
/* The same of the only one there is; it was sent once, and is neither SACKED
 * nor lost. */
void tcp_tx_remove_alone(struct tcp *tcp, struct tcp_work *w,
                         struct tcp_tx *tx);
/* Cut a record in two at `at`, which lies within; false: no memory. */
bool tcp_tx_split(struct tcp *tcp, struct tcp_conn *c, struct tcp_tx *tx,
                  tcp_seq at);
void tcp_tx_set_lost(struct tcp_work *w, struct tcp_tx *tx);
void tcp_tx_clear_lost(struct tcp_work *w, struct tcp_tx *tx);
/* Not lost after all. */
void tcp_tx_unlose(struct tcp_work *w, struct tcp_tx *tx);
void tcp_tx_set_sacked(struct tcp_work *w, struct tcp_tx *tx);
void tcp_tx_clear_sacked(struct tcp_work *w, struct tcp_tx *tx);
void tcp_tx_clear(struct tcp *tcp, struct tcp_conn *c);
/* Out of the pipe: neither SACKED nor lost: RFC 6675 4, in bytes. */
uint32_t tcp_pipe(const struct tcp_conn *c);

/* ---- sack.c, loss.c: what is lost; what to do about it ---- */

struct tcp_ack_sample {
    uint64_t newest_ns; /* sent time of the newest delivered record */
    uint64_t rtt_ns;    /* of the newest one sent once; 0: none */
    uint32_t acked;     /* bytes newly acknowledged cumulatively */
    uint32_t sacked;    /* bytes newly SACKED */
    uint32_t delivered; /* acked that was not SACKED, plus sacked */
    uint32_t prior_pipe;
    tcp_seq prior_una;
    bool dsack;
    bool retrans_acked; /* a retransmitted record was acknowledged */
    bool orig_acked;    /* one never retransmitted was, after RTO */
    bool dup;           /* a duplicate acknowledgment: RFC 5681 2 */
    struct tcp_range dsack_range;
    uint64_t sack_rtt_ns;
    bool orig_sacked;
};

void tcp_sack_input(struct tcp *tcp, struct tcp_conn *c,
                    const struct tcp_segment *seg, struct tcp_ack_sample *s);
/* A record was delivered (acknowledged or SACKED). */
void tcp_rack_delivered(struct tcp *tcp, struct tcp_conn *c,
                        const struct tcp_tx *tx, const struct tcp_segment *seg);
void tcp_loss_ack(struct tcp *tcp, struct tcp_conn *c,
                  const struct tcp_segment *seg, struct tcp_ack_sample *s);
/* The same where predict.c found nothing lost or in doubt. */
void tcp_loss_ack_plain(struct tcp *tcp, struct tcp_conn *c,
                        const struct tcp_ack_sample *s);
void tcp_loss_rto(struct tcp *tcp, struct tcp_conn *c);
void tcp_loss_reorder_timer(struct tcp *tcp, struct tcp_conn *c);
void tcp_loss_probe_timer(struct tcp *tcp, struct tcp_conn *c);
/* When to send a tail loss probe: ns from now; 0: not. */
uint64_t tcp_loss_pto_ns(const struct tcp *tcp, const struct tcp_conn *c);
void tcp_loss_retransmitted(struct tcp *tcp, struct tcp_conn *c);
void tcp_loss_idle(struct tcp *tcp, struct tcp_conn *c);

/* ---- rtt.c ---- */

void tcp_rtt_sample(struct tcp *tcp, struct tcp_conn *c, uint64_t rtt_ns);
/* RTO without and with back-off, ns. */
uint64_t tcp_rto_base_ns(const struct tcp *tcp, const struct tcp_conn *c);
uint64_t tcp_rto_ns(const struct tcp *tcp, const struct tcp_conn *c);

/* ---- sendq.c: bytes the program sent ---- */

int tcp_sendq_copy(struct tcp *tcp, struct tcp_conn *c, const uint8_t *src,
                   uint32_t len);
int tcp_sendq_slice(struct tcp *tcp, struct tcp_conn *c,
                    const struct weir_slice *slice);
/* Refer to bytes from `seq`, at most `len`; returns how many went in. */
uint32_t tcp_sendq_refer(struct tcp_work *w, struct weir_pkt *pkt, tcp_seq seq,
                         uint32_t len, bool new_data);
/* New data that lies in one buffer of ours, into an empty packet; false: it
 * does not, and nothing was done. */
bool tcp_sendq_refer_one(const struct tcp_work *w, struct weir_pkt *pkt,
                         tcp_seq seq, uint32_t len);
void tcp_sendq_advance(struct tcp *tcp, struct tcp_work *w, tcp_seq una);
/* Empty, the next byte is `base`. Holds nothing that clear would free. */
void tcp_sendq_init(struct tcp_work *w, tcp_seq base);
void tcp_sendq_clear(struct tcp *tcp, struct tcp_work *w);
/* Bytes that may be added now. */
uint32_t tcp_send_space(const struct tcp_conn *c);
static inline uint32_t tcp_unsent(const struct tcp_conn *c) {
    if (!c->work || !c->work->sendq.bytes)
        return 0;
    const struct tcp_sendq *q = &c->work->sendq;
    int32_t n = seq_diff(seq_add(q->base, q->bytes), c->snd.nxt);
    return n > 0 ? (uint32_t)n : 0; /* FIN sent: one past the bytes */
}

/* ---- recvq.c, reassembly.c, receive.c: bytes the program has not read ---- */

void tcp_recvq_add(struct tcp *tcp, struct tcp_conn *c, struct weir_pkt *pkt);
void tcp_recvq_drop(struct tcp *tcp, struct tcp_work *w, uint32_t bytes);
void tcp_recvq_clear(struct tcp *tcp, struct tcp_work *w);
/* Memory a packet of that many payload bytes stands for. */
uint32_t tcp_charge(uint32_t len);
/* Bytes past a gap, or twice here: SACK blocks to tell of. */
static inline bool tcp_owes_sack(const struct tcp_work *w) {
    return w->ofo.head || w->dsack.start.v != w->dsack.end.v;
}
void tcp_ofo_insert(struct tcp *tcp, struct tcp_conn *c,
                    struct tcp_segment *seg);
/* Move what has become contiguous to the receive queue; true: FIN reached. */
bool tcp_ofo_deliver(struct tcp *tcp, struct tcp_conn *c);
void tcp_ofo_clear(struct tcp *tcp, struct tcp_work *w);
unsigned tcp_ofo_sacks(struct tcp *tcp, struct tcp_conn *c,
                       struct tcp_sack *out, unsigned max);
/* RFC 9293 3.10.7.4 seventh and eighth: text and FIN. */
void tcp_receive(struct tcp *tcp, struct tcp_conn *c, struct tcp_segment *seg);
/* Of these, text that is in order and fits: takes the packet. */
void tcp_receive_text(struct tcp *tcp, struct tcp_conn *c, struct weir_pkt *pkt,
                      uint32_t len, uint32_t ts_ecr);
void tcp_receive_dsack(struct tcp_conn *c, tcp_seq start, tcp_seq end);
uint32_t tcp_receive_window(const struct tcp_conn *c); /* still on offer */
/* The window to advertise now, bytes; remembers it as offered. */
uint32_t tcp_select_window(struct tcp *tcp, struct tcp_conn *c);
/* The program read `bytes`: window update, buffer auto-sizing. */
void tcp_receive_read(struct tcp *tcp, struct tcp_conn *c, uint32_t bytes);

/* ---- urgent.c, data.c ---- */

void tcp_urgent_input(struct tcp *tcp, struct tcp_conn *c,
                      const struct tcp_segment *seg);
void tcp_urgent_skip(struct tcp *tcp, struct tcp_conn *c);
/* 1 where the next byte is urgent and not part of the stream, else 0. */
uint32_t tcp_urgent_in_front(const struct tcp_conn *c);
ssize_t tcp_urgent_recv(struct tcp *tcp, struct tcp_conn *c,
                        const struct iovec *iov, int n, int flags,
                        int *msg_flags);
bool tcp_writable(struct tcp *tcp, const struct tcp_conn *c);

/* ---- output.c ---- */

void tcp_output(struct tcp *tcp, struct tcp_conn *c);
/* Send what is nearly always sent, ACK with or without PSH and FIN before the
 * payload of `pkt`, which it takes: no SACK blocks, nothing urgent. */
void tcp_emit_plain(struct tcp *tcp, struct tcp_conn *c, struct weir_pkt *pkt,
                    tcp_seq seq, uint8_t flags, uint8_t nth);
/* The same where it is that. False: it is not, and nothing was done. */
bool tcp_emit(struct tcp *tcp, struct tcp_conn *c, struct weir_pkt *pkt,
              tcp_seq seq, uint8_t flags, uint8_t nth);
/* A header for this connection as it is now. */
void tcp_out_fill(struct tcp *tcp, struct tcp_conn *c, struct tcp_out *out,
                  uint8_t flags, tcp_seq seq);
/* A segment of no length: probe of a zero window or a silent peer. */
void tcp_output_probe(struct tcp *tcp, struct tcp_conn *c, tcp_seq seq,
                      uint8_t nth);
/* The oldest (or `tx`) record again, now; timers call this. */
bool tcp_retransmit(struct tcp *tcp, struct tcp_conn *c, struct tcp_tx *tx);

/* ---- reply.c ---- */

/* RFC 9293 3.10.7.1: RST to a segment that has no connection. */
void tcp_reply_reset(struct tcp *tcp, const struct tcp_segment *seg,
                     enum weir_reason reason);
/* RST that ends our connection. */
void tcp_reply_abort(struct tcp *tcp, struct tcp_conn *c,
                     enum weir_reason reason);
/* An ACK of the connection as it is now, though it will not live on. */
void tcp_reply_ack_of(struct tcp *tcp, struct tcp_conn *c);
struct tcp_reply *tcp_reply_new(struct tcp *tcp);
/* RFC 5961: an ACK to what may be an attack; rate limited. */
void tcp_challenge_ack(struct tcp *tcp, struct tcp_conn *c);
void tcp_replies_send(struct tcp *tcp);

/* ---- timer.c ---- */

/* Arm the connection's one timer for the earliest that is due. */
/* Between two visits to a work block. Less than the shortest RTO, so that what
 * is sent is acknowledged as a rule, and its timer forgotten, before it is
 * armed; more than an ACK is delayed for. */
#define TCP_VISIT_NS (100 * NS_PER_MS)
void tcp_visit_arm(struct tcp *tcp, struct tcp_work *w);
/* At the end of a pass: ACKs that are owed and did not go with anything. */
void tcp_delacks_arm(struct tcp *tcp);
void tcp_timer_update(struct tcp *tcp, struct tcp_conn *c);
void tcp_xmit_arm(struct tcp *tcp, struct tcp_conn *c, enum tcp_xmit_timer t,
                  uint64_t due);
void tcp_xmit_disarm(struct tcp_conn *c);
void tcp_delack_arm(struct tcp *tcp, struct tcp_conn *c, uint32_t ms);
void tcp_keep_restart(struct tcp *tcp, struct tcp_conn *c);
void tcp_timer_event(struct tcp *tcp, struct tcp_conn *c, enum weir_timer t,
                     unsigned tries, uint64_t next_ns, uint32_t bytes,
                     tcp_seq seq);

/* ---- rexmit.c, keepalive.c: what timers do; each may end the connection */

void tcp_rexmit_fired(struct tcp *tcp, struct tcp_conn *c);
void tcp_persist_fired(struct tcp *tcp, struct tcp_conn *c);
void tcp_keep_fired(struct tcp *tcp, struct tcp_conn *c);
/* Has it tried in vain for as long as `retries` doublings of the RTO take (or
 * TCP_USER_TIMEOUT)? */
bool tcp_tried_enough(struct tcp *tcp, struct tcp_conn *c, unsigned retries);

/* ---- end.c: how connections end ---- */

/* It is over: error (0: none) to the program, queues dropped, CLOSED; freed
 * where no handle holds it. */
void tcp_end(struct tcp *tcp, struct tcp_conn *c, int error,
             enum weir_reason reason);
/* Out of the network, by a way that has its own state: timewait.c. */
void tcp_detach(struct tcp *tcp, struct tcp_conn *c);
/* The program will send no more. */
void tcp_send_fin(struct tcp *tcp, struct tcp_conn *c);
/* A peer's RST. */
void tcp_reset(struct tcp *tcp, struct tcp_conn *c);
/* close() with nothing unread: the rest of its life without a handle. */
void tcp_orphan(struct tcp *tcp, struct tcp_conn *c);
/* An orphan in FIN_WAIT_2 waits for the peer's FIN, but not for ever. False:
 * the connection is no more (a mini-socket waits, or it was reset). */
bool tcp_orphan_fin_wait2(struct tcp *tcp, struct tcp_conn *c);

/* ---- timewait.c ---- */

/* The connection moves to a mini-socket in `state` for `ms`. */
void tcp_time_wait(struct tcp *tcp, struct tcp_conn *c, unsigned state,
                   uint32_t ms);
/* True: a SYN may reopen it (and the TIME_WAIT is gone): go on as if there had
 * been none. */
bool tcp_tw_input(struct tcp *tcp, struct tcp_tw *tw, struct tcp_segment *seg);
void tcp_tw_end(struct tcp *tcp, struct tcp_tw *tw, enum weir_reason reason);
/* RFC 6191: may connect() take its place? `bound`: its port was chosen by the
 * program. */
bool tcp_tw_reusable(struct tcp *tcp, const struct tcp_tw *tw, bool bound);

/* ---- error.c ---- */

void tcp_icmp_error(struct tcp *tcp, const struct ip_rx_error *err);

/* ---- tcpinfo.c ---- */

int tcp_info_option(struct tcp *tcp, struct endpoint *ep, void *value,
                    uint32_t *len);

/* ---- check.c ---- */

/* Assert every invariant of every connection: for tests. */
void tcp_check(struct tcp *tcp);

/* ---- accept queue (listen.c) ---- */

bool tcp_accept_full(const struct tcp_listener *l);
void tcp_accept_add(struct tcp *tcp, struct tcp_listener *l,
                    struct tcp_conn *c);
void tcp_accept_remove(struct tcp *tcp, struct tcp_conn *c);

#endif
