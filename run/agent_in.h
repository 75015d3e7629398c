/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef WEIR_RUN_AGENT_IN_H
#define WEIR_RUN_AGENT_IN_H
/* What the files of the agent share. */
#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "run/agent.h"
#include "weir/event.h"
#include "weir/socket.h"

struct call;
struct netlink_socket;

/* One answer that may have to be given twice (a restarted call). */
struct answer {
    int nr; /* -1: none */
    uint64_t args[6];
    uint64_t inode; /* the socket it was about */
    int64_t result;
};

/* A thread that makes calls. */
struct task {
    struct task *next;
    pid_t tid, pid;
    int pidfd; /* of the thread where the kernel can, else of its process */
    struct answer lost;    /* reply found the caller gone */
    struct answer last_ok; /* last bind or connect that succeeded */
    uint64_t event;        /* traced: its record */
    uint64_t inode;        /* traced: the socket it is about; 0: foreign */
    int stop_nr;           /* traced: the call; -1: not in one */
    uint64_t stop_args[6];
    int stop_type;     /* traced: SOCK_STREAM, .. */
    bool stop_input;   /* traced: the call reads from it */
    bool drop_sigpipe; /* TCP would not have raised it */
    bool broken_pipe;  /* traced: we raised it, for a call that says EPIPE */
};

/* A process. */
struct program {
    struct loop_source src; /* its pidfd */
    struct program *next;
    struct agent *ag;
    pid_t pid;
    bool ours; /* started by agent_start */
    bool said; /* its end has been recorded */
    char comm[16];
};

/* Where a carrier was last seen in a program, for those moments when its own
 * side is needed and nobody calls. */
struct hint {
    struct hint *next;
    uint64_t inode;
    pid_t tid;
    int fd;
    int sndbuf; /* to be restored once connected; 0: no */
};

struct notifier { /* a filter's listener */
    struct loop_source src;
    struct notifier *next;
    struct agent *ag;
};

#define TASKS 1024
#define HINTS 4096

struct agent {
    struct agent_config config;
    struct loop *loop;
    struct proto_pipe pipe; /* what the stack sends through, when local */
    struct proto_pipe *stack;
    struct notifier *notifiers;
    struct task *task[TASKS];
    struct hint *hint[HINTS];
    struct program *programs;
    struct call *calls; /* all that are not answered yet */
    struct loop_source sigchld;
    struct loop_passer passer;
    int rendezvous; /* listens: both ends of a connected carrier meet here */
    struct sockaddr_un meet;
    struct netlink_socket *netlinks; /* view_netlink.c */
    uint32_t seq;
    int sndbuf;          /* of a carrier, as it comes */
    unsigned serial;     /* of carriers' names */
    struct rlimit files; /* as the programs shall have it */
    uint32_t alarms;     /* what has been said already */
    int passed;          /* descriptor beside the message being handled; -1 */
};

enum agent_alarm {
    ALARM_IO_URING,
    ALARM_I386,
    ALARM_X32,
    ALARM_KERNEL_SOCKET,
};

#define MESSAGE_IOV 1024
#define TYPE_NETLINK 0x100 /* call.type of a netlink socket's message */

/* What a data call is about: one message in the program's memory. */
struct message {
    uint64_t header; /* its msghdr; 0: none */
    uint64_t name, name_len_at;
    uint32_t name_len;
    uint64_t control;
    size_t control_len;
    size_t total; /* bytes */
    bool many;    /* of sendmmsg, recvmmsg */
    bool timed;   /* recvmmsg with a time-out, which ends then: */
    uint64_t deadline_ns;
    unsigned niov;
    struct iovec iov[MESSAGE_IOV];
};

/* A notified system call that is being answered. */
struct call {
    struct call *next, **prev;
    struct agent *ag;
    struct notifier *from;
    struct task *task;
    uint64_t id; /* of the notification */
    int nr;
    enum weir_call what;
    uint64_t args[6];
    int dup;        /* borrowed from the program while we work, or for a moment
                     * of the network (HELD_SOON); -1 */
    uint64_t inode; /* of the socket */
    uint64_t event; /* its record */
    uint32_t seq;   /* of the request it waits for; 0: none */
    void (*reply)(struct call *c, const struct proto *m, const void *data);
    /* Held until something happens: then called again. */
    void (*retry)(struct call *c);
    enum {
        NOT_HELD,
        HELD_CONNECT,
        HELD_ACCEPT,
        HELD_DATA,
        HELD_REPLY,
        HELD_SOON
    } held;
    uint64_t deadline_ns; /* of a held call; WEIR_NEVER */
    void (*expired)(struct call *c);
    int fd;         /* about to be injected; -1 */
    uint64_t fresh; /* inode of that, a socket of ours; 0 */
    int flags;      /* socket, accept: SOCK_*; sendto..: MSG_* */
    int type;       /* SOCK_STREAM, .. */
    struct message *message;
    bool gone;           /* a signal took the caller away: nothing was done */
    bool committed;      /* it cannot be undone: finish, and keep the answer */
    bool asked;          /* the stack will say when to try again */
    bool ahead;          /* what it sent is still under way in this process */
    bool broken_pipe;    /* SIGPIPE comes with EPIPE */
    unsigned step;       /* sendmmsg, recvmmsg: messages done */
    size_t done;         /* bytes of a stream moved so far */
    int64_t done_result; /* traced: what the carrier said */
};

/* ---- agent.c ---- */
/* False, and c->gone, where the caller no longer waits. */
bool call_valid(struct call *c);
void call_return(struct call *c, int64_t result);
void call_continue(struct call *c);
/* Put `fd` (stays ours) into the program and return its number. False: the
 * caller is gone. */
bool call_inject(struct call *c, int fd, bool cloexec);
void call_hold(struct call *c, int why, uint64_t timeout_ns,
               void (*retry)(struct call *), void (*expired)(struct call *));
void agent_wake(struct agent *ag, uint64_t inode, int why, int result);
/* Ask the stack; `reply` runs perhaps before this returns: last act of a
 * handler. Fills in who asks. */
void call_ask(struct call *c, struct proto *m, const void *data,
              void (*reply)(struct call *, const struct proto *, const void *));
void agent_note(struct agent *ag, struct proto *m, const void *data, int fd);
void agent_say(struct agent *ag, enum agent_alarm what, pid_t pid,
               const char *text);

int agent_listen_to(struct agent *ag, int fd); /* owns fd */

/* ---- agent_task.c ---- */
struct task *task_get(struct agent *ag, pid_t tid);
void task_forget(struct agent *ag, struct task *t);
struct program *program_seen(struct agent *ag, pid_t pid);
void program_executed(struct agent *ag, pid_t pid);
void program_ended(struct agent *ag, struct program *p, int wait_status);
/* Traced: it is about to end, with this wait status. */
void program_ending(struct agent *ag, pid_t pid, int wait_status);
void agent_reap(struct agent *ag);
/* The program's memory: bytes moved, or -EFAULT. */
ssize_t call_read(struct call *c, uint64_t addr, void *buf, size_t len);
/* The same, but who it is of is not looked at again: for what does no harm if
 * it was another process's. */
ssize_t call_peek(struct call *c, uint64_t addr, void *buf, size_t len);
int call_write(struct call *c, uint64_t addr, const void *buf, size_t len);
int call_write_many(struct call *c, const struct iovec *local,
                    const struct iovec *remote, unsigned n);
/* Borrow args[0]: 0 and c->dup, c->inode; -EBADF, -ENOTSOCK. */
int call_borrow(struct call *c);
void call_give_back(struct call *c);
/* The carrier with that inode from whatever program has it; -1. */
int agent_find(struct agent *ag, uint64_t inode);
void hint_set(struct agent *ag, uint64_t inode, pid_t tid, int fd);
struct hint *hint_get(struct agent *ag, uint64_t inode);
void hint_drop(struct agent *ag, uint64_t inode);
uint64_t inode_of(int fd); /* 0: not a socket */

/* ---- families of calls ---- */
void agent_socket(struct call *c);
void agent_bind(struct call *c);
void agent_listen(struct call *c);
void agent_connect_call(struct call *c);
void agent_accept(struct call *c);
void agent_name(struct call *c);
void agent_setsockopt(struct call *c);
void agent_getsockopt(struct call *c);
void agent_shutdown(struct call *c);
void agent_ioctl(struct call *c);
void agent_sendto(struct call *c);
void agent_recvfrom(struct call *c);
void agent_sendmsg(struct call *c);
void agent_recvmsg(struct call *c);
void agent_sendmmsg(struct call *c);
void agent_recvmmsg(struct call *c);
void agent_open(struct call *c);
/* Shared by these: */
int unix_address(struct sockaddr_un *sun, const char *path);
void call_done(struct call *c, const struct proto *m, const void *data);
/* call_borrow; false where the call has been answered. */
bool call_borrowed(struct call *c);
/* A socket, but not of ours: left to the kernel. */
bool foreign_family(struct call *c);
/* The thread's last call was just this one, and it succeeded: the kernel may
 * restart a call whose answer it has taken. */
bool done_before(const struct call *c);
void set_record(struct proto *m, const struct weir_endpoint *ep);
void message_done(struct call *c, int64_t result);
/* The error that waits for the socket, taken by a GETOPT of SO_ERROR. */
int data_pending(struct call *c, const struct proto *m, const void *data);
void data_send(struct call *c);
int data_scatter(struct call *c, size_t skip, const void *from, size_t len);
int data_name(struct call *c, const struct weir_endpoint *ep);
void data_receive(struct call *c);
/* Notes of the stack. */
void agent_connected(struct agent *ag, const struct proto *m);
void agent_reset(struct agent *ag, const struct proto *m);
void carrier_path(struct agent *ag, char out[108], char kind);
/* sockaddr_in in the program's memory: 0 or -errno; *unspec: AF_UNSPEC. */
int call_address(struct call *c, uint64_t addr, uint32_t len,
                 struct weir_endpoint *ep, bool *unspec);
/* Write an address as accept, getsockname and recvfrom do. */
int call_put_address(struct call *c, uint64_t addr, uint64_t len_addr,
                     const struct weir_endpoint *ep);
uint64_t socket_timeout(int fd, int option); /* ns; UINT64_MAX: none */

/* ---- agent_beside.c: control data of datagrams ---- */
/* sendmsg's, into the request: 0 or -errno. */
int beside_send(struct call *c, struct proto *m);
/* A descriptor that came with a datagram and what it says; false: none. */
bool beside_take(const struct msghdr *h, struct weir_dgram *d);
/* Write what the socket asked for behind the message: 0 or -EFAULT. */
int beside_put(struct call *c, const struct weir_dgram *d, int flags);
/* recvmsg(MSG_ERRQUEUE). */
void beside_errors(struct call *c);
/* Let the program's poll say that there is an error. */
void beside_show_error(int fd);

/* ---- agent_trace.c ---- */
int trace_seize(struct agent *ag, pid_t pid);
/* A stop of a traced task: true where it was one. */
bool trace_stop(struct agent *ag, pid_t tid, int status);

#endif
