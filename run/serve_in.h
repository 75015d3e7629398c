/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_SERVE_IN_H
#define WEIR_RUN_SERVE_IN_H
/* What the files of the stack's side share. */
#include <sys/socket.h>
#include <sys/un.h>

#include "run/near.h"
#include "run/serve.h"

/* A byte that reaches the stack was copied by its program into the carrier, and
 * from there into a buffer; the other way again, twice. */
#define CARRIER_COPIES 2

#define ENDS 8192

/* The stack's end of a connection that waits in a listening carrier. */
struct waiting {
    struct waiting *next;
    int fd;
    unsigned serial; /* in its name, which who accepts it sees */
};

enum end_state {
    END_FRESH, /* also bound */
    END_LISTENING,
    END_CONNECTING,
    END_CONNECTED,
    END_RESET, /* a byte was asked for; closes when it is there */
    END_DEAD,  /* the program has seen the end; its descriptor lives on */
    END_DATAGRAM,
    END_RELEASED, /* no program has it; its bytes still go out */
};

/* A carrier as the stack knows it. */
struct end {
    struct loop_source src; /* the stack's end; fd -1: there is none */
    struct end *next;       /* in its hash chain */
    struct serve *sv;
    struct serve_conn *conn; /* the agent that made it; NULL: gone */
    struct host *host;
    unsigned boot; /* of the host; another one: its socket is no more */
    int sock;
    uint64_t inode;
    enum end_state state;
    int type;
    bool eof_given;  /* the program has been shown the peer's FIN */
    bool shut_out;   /* its own end of file went to the core */
    bool shut_both;  /* it called shutdown(RDWR), */
    bool shut_write; /* or SHUT_WR: see end_is_shut */
    bool waited;     /* an agent wants to hear of new bytes */
    bool registered;
    bool nobody_waits;   /* a connect that does not block: an end follows */
    bool more;           /* the carrier may hold bytes we have not read */
    bool urgent;         /* there may be an urgent byte among them */
    bool was_urgent;     /* it has sent such a byte, which TCP does not count */
    bool ending;         /* and behind them the end of file, */
    bool hung_up;        /* in both directions */
    bool full;           /* at the last read or write: more lies in it */
    bool wants_room;     /* it was full: EPOLLOUT is of interest */
    uint64_t checked_ns; /* when live_check asked for it last */
    unsigned filler;     /* bytes to throw away */
    uint32_t pid, tid;   /* who called about it last; */
    int fd;              /* what it was in that process */
    uint64_t bytes_in, bytes_out;
    weir_event_id event;         /* the last call about it */
    struct weir_endpoint target; /* of the connect in progress */
    uint64_t seen_in;            /* traced: bytes that calls have read */
    weir_event_id because;       /* behind the last change the core told */
    bool traced;                 /* every call is seen: bytes need no record */
    struct weir_slice out;       /* read from the carrier, not yet taken */
    /* serve_conduit.c */
    struct conduit *sends, *receives;
    uint8_t bulk; /* reads in a row that speak for another way */
    /* serve_pace.c */
    uint64_t peer;          /* carrier of the other end; 0: not found, */
    uint64_t look_at;       /* to be looked for at so many bytes_out */
    struct end *next_paced; /* waits for that one's program to read, */
    bool paced;
    uint64_t due_ns;   /* until then; */
    uint64_t moved_ns; /* when bytes went into this carrier last */
    struct end *next_listener;
    uint16_t port;                /* listening: where, */
    struct waiting *head, **tail; /* and who waits */
    unsigned waiting;
    int *returned; /* accepted handles that could not be delivered */
    unsigned nreturned;
    struct udp_side *udp;
    char path[108]; /* name of a listening or datagram carrier */
};

struct serve_conn {
    struct proto_pipe pipe; /* the agent's way to us */
    struct proto_pipe *to;
    struct serve *sv;
    struct serve_conn *next;
    struct host *host;
    uint32_t ended_pid;  /* the program that ended last, */
    weir_event_id ended; /* and its event */
};

struct serve {
    struct net *net;
    struct loop *loop;
    struct serve_conn *conns;
    struct end *end[ENDS];
    struct end *listeners;
    struct end *paced; /* who waits for his peer to read */
    unsigned sweep_at; /* chain where the next sweep begins */
    struct loop_passer passer;
    uint64_t sweep_ns;
    struct weir_buf *buf; /* being filled from carriers */
    uint32_t buf_used;
    struct weir_buf *stand_ins;
    unsigned conduits;
    int diag; /* unix_diag; -1 */
    struct near *near;
    unsigned serial;
    unsigned pid; /* ours */
    int probe[2]; /* asks who lives: a stream's, a datagram's socket */
    char dir[80];
};

/* Both halves have ended without a close: that it hangs up does not mean that
 * it is closed. */
static inline bool end_is_shut(const struct end *e) {
    return e->shut_both || (e->shut_write && e->eof_given);
}

/* ---- serve.c ---- */
struct weir_stack *end_stack(const struct end *e); /* NULL: it is no more */
struct end *end_get(struct serve *sv, uint64_t inode);
struct end *end_new(struct serve_conn *conn, uint64_t inode, int sock,
                    int type);
void end_free(struct end *e);
void end_rename(struct end *e, uint64_t inode);
int end_watch(struct end *e, int fd); /* owns fd */
void end_unwatch(struct end *e);
void end_want_room(struct end *e, bool want);
void end_tell(struct end *e, enum proto_op op, int result);

void serve_ready(void *door, struct host *h, const struct weir_ready *ready);

/* ---- serve_call.c ---- */
void call_record_end(struct serve_conn *conn, const struct proto *m);
void call_record_data(struct end *e, weir_event_id id);
weir_event_id call_record_begin(struct serve_conn *conn, const struct proto *m,
                                int sock);
void call_record_why(struct weir_recorder *rec, weir_event_id id,
                     enum weir_reason why, weir_event_id cause);
/* Whom accept found. */
void call_record_peer(struct weir_recorder *rec, weir_event_id id,
                      const struct weir_endpoint *peer);
void program_record(struct serve_conn *conn, const struct proto *m,
                    const char *comm);
void alarm_record(struct serve_conn *conn, const struct proto *m,
                  const char *text);
weir_event_id data_record(struct end *e, uint32_t bytes, bool out,
                          weir_event_id cause);
/* Correct the bytes of a record made before they were known. */
void data_record_bytes(struct end *e, weir_event_id id, uint32_t bytes);
void socket_record(struct end *e, const struct proto *m);
void released_record(struct end *e);

/* ---- serve_tcp.c ---- */
void stream_attach(struct end *e, int fd, const struct proto *m);
void stream_connect(struct end *e, const struct proto *m, struct proto *r);
void stream_listen(struct end *e, const struct proto *m, const char *path,
                   struct proto *r);
void stream_accept(struct serve_conn *conn, struct end *listener,
                   const struct proto *m, struct proto *r);
void stream_unaccept(struct end *e);
void stream_name_waiting(struct serve *sv); /* agents are several now */
void stream_unlisten(struct end *e);
void stream_pushed(struct end *e);
void stream_ready(struct end *e, const struct weir_ready *ready);
void stream_end_ready(struct end *e, uint32_t events);
void listener_fill(struct end *e);

/* ---- serve_relay.c ---- */
void relay_out(struct end *e); /* program to core: all there is */
void relay_out_ready(struct end *e, uint32_t events); /* what epoll told of */
void relay_out_again(struct end *e); /* what was left, or came meanwhile */
void relay_begin(struct end *e); /* throw the filler away: it is connected */
void relay_in(struct end *e);    /* core to program */
void end_reset(struct end *e);
void end_changed(struct end *e); /* an agent that waits tries again */
void end_released(struct end *e);

/* ---- serve_conduit.c ---- */
#define CONDUIT_LEFT (-ENOSYS)
void conduit_forget(struct end *e);
/* A read brought `n` bytes, `whole`: all there were. Does another way pay? */
void conduit_seen(struct end *e, size_t n, bool whole);
/* Where e->sends. Bytes taken from the carrier, e->out then stands for them; 0
 * at the end; -errno; CONDUIT_LEFT: it has none any more. */
ssize_t conduit_take(struct end *e);
/* Where e->receives: of `n` bytes that the core has, how many go one way; */
size_t conduit_clip(const struct end *e, size_t n);
bool conduit_puts(const struct end *e); /* is that through the pipe? */
/* Then: into the carrier, as send() returns. */
ssize_t conduit_put(struct end *e, size_t n);
void conduit_throw(struct end *e, size_t n);
/* They have left, either way. */
void conduit_moved(struct end *e, size_t n);

/* ---- serve_pace.c ---- */
#define PACE_BULK 1000000u /* a connection that has moved as much is bulk */
/* The other end of the connection, if it is a carrier of ours; else NULL. */
struct end *pace_peer(struct end *e);
/* Shall its program's bytes stay in the carrier for now? */
bool pace_waits(struct end *e);
/* Bytes went into the carrier: whoever waited for that goes on. Any end may be
 * gone afterwards. */
void pace_moved(struct end *e);
void pace_forget(struct end *e);
uint64_t pace_deadline(const struct serve *sv);
void pace_pass(struct serve *sv, uint64_t now);

/* ---- serve_udp.c ---- */
int datagram_open(struct end *e, const char *path);
void datagram_connect(struct end *e, const struct proto *m, struct proto *r,
                      char path[108]);
void datagram_close(struct end *e);
void datagram_pushed(struct end *e);
void datagram_ready(struct end *e);
/* A call has taken the error: what is left shows anew. */
void datagram_error_taken(struct end *e);
void datagram_end_ready(struct end *e);
void datagram_written(struct end *e);

/* ---- serve_live.c ---- */
bool end_alive(struct end *e);
/* The same, but false where the kernel does not tell. */
bool end_surely_alive(struct end *e);
/* Bytes that lie in the program's side of the carrier (a datagram's: in the
 * first one), not read yet. */
uint32_t end_unread(struct end *e);
/* Close whatever listens on `ep`, on any host, if its program is gone. */
void live_check(struct serve *sv, const struct weir_endpoint *ep);
/* The same for who listens there, before a connect: finds them at once,
 * however many connections there are. */
void live_check_listeners(struct serve *sv, const struct weir_endpoint *ep);
/* The same for UDP only and not too often: before each datagram. */
void live_check_datagram(struct serve *sv, const struct weir_endpoint *ep);

#endif
