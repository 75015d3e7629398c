#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The universal door: what programs see on weir is what they see on the kernel;
# how they end is how the run ends; nothing stays behind.

setup() {
    : "${WEIR:=$BATS_TEST_DIRNAME/../../build/weir}"
    [ -x "$WEIR" ] || WEIR=$BATS_TEST_DIRNAME/../../build/tools/weir
    PROGS=.
    [ -x ./prog_masks ] || PROGS=$BATS_TEST_DIRNAME/../../build/tests/door
    cd "$PROGS"
    export XDG_RUNTIME_DIR=${BATS_TEST_TMPDIR}
}

# same MODE PROGRAM...: equal output on the kernel and on weir.
same() {
    mode=$1 && shift
    "$@" </dev/null >"$BATS_TEST_TMPDIR/on-kernel"
    timeout 60 "$WEIR" "$mode" --new -- "$@" </dev/null >"$BATS_TEST_TMPDIR/on-weir"
    diff -u "$BATS_TEST_TMPDIR/on-kernel" "$BATS_TEST_TMPDIR/on-weir"
}

@test "poll masks in every state (run)" { same run ./prog_masks; }
@test "poll masks in every state (trace)" { same trace ./prog_masks; }
@test "results and errnos (run)" { same run ./prog_errnos; }
@test "results and errnos (trace)" { same trace ./prog_errnos; }
@test "fork, vfork, dup, passing, exec, epoll, threads (run)" { same run ./prog_share; }
@test "fork, vfork, dup, passing, exec, epoll, threads (trace)" { same trace ./prog_share; }
@test "errors of data calls, exactly (trace)" { same trace ./prog_exact; }
@test "beside datagrams: control data, error queue, many at once (run)" { same run ./prog_beside; }
@test "beside datagrams: control data, error queue, many at once (trace)" { same trace ./prog_beside; }
@test "calls that block and what ends them (run)" { same run ./prog_blocked; }
@test "calls that block and what ends them (trace)" { same trace ./prog_blocked; }
@test "sockets whose connection has ended (run)" { same run ./prog_ended; }
@test "sockets whose connection has ended (trace)" { same trace ./prog_ended; }

# random MODE SEEDS: random calls; what each says and how all sockets look then.
random() {
    fast=$([ "$1" = trace ] || echo fast)
    timeout 100 ./prog_random write 1 "$2" $fast >"$BATS_TEST_TMPDIR/on-kernel"
    timeout 200 "$WEIR" run "--$1" --new -- ./prog_random check 1 "$2" $fast <"$BATS_TEST_TMPDIR/on-kernel"
}

@test "random calls (run)" { random fast 40; }
@test "random calls (trace)" { random trace 40; }

@test "streams of many megabytes (run)" { same run ./prog_bulk; }
@test "bulk on one host is not copied on its way, small talk is" {
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR
    timeout 60 "$WEIR" run --new -- ./prog_bulk </dev/null
    "$WEIR" timeline --json | grep '"kind":"DATA"' >"$BATS_TEST_TMPDIR/data"
    # Without the program's own read: into the first carrier; that, and twice more.
    grep -q '"copies":1[^0-9].*"out":0' "$BATS_TEST_TMPDIR/data"
    grep -q '"copies":3[^0-9].*"out":0' "$BATS_TEST_TMPDIR/data"
}
@test "streams of many megabytes (trace)" { same trace ./prog_bulk; }
@test "streams of many megabytes, one processor, a reader of the recording beside" {
    ./prog_bulk </dev/null >"$BATS_TEST_TMPDIR/on-kernel"
    cpu=$(taskset -cp $$ | sed 's/.*[ ,-]//')
    timeout 60 taskset -c "$cpu" "$WEIR" run -- ./prog_bulk </dev/null >"$BATS_TEST_TMPDIR/on-weir" &
    until "$WEIR" ps 2>/dev/null | grep -q prog_bulk; do sleep 0.02; done
    timeout 60 "$WEIR" dump -i any -w "$BATS_TEST_TMPDIR/x.pcapng" 3>&-
    wait $!
    [ -s "$BATS_TEST_TMPDIR/x.pcapng" ]
    diff -u "$BATS_TEST_TMPDIR/on-kernel" "$BATS_TEST_TMPDIR/on-weir"
}
@test "megabytes both ways at once (run)" { same run ./prog_both; }
@test "megabytes both ways at once (trace)" { same trace ./prog_both; }
@test "2000 connections at once, descriptors run out (run)" { same run ./prog_many 2000; }
@test "2000 connections at once, descriptors run out (trace)" { same trace ./prog_many 2000; }
@test "shared ports (run)" { same run ./prog_port; }
@test "shared ports (trace)" { same trace ./prog_port; }
@test "processors of programs that wait for each other (run)" { same run ./prog_near; }
@test "processors of programs that wait for each other (trace)" { same trace ./prog_near; }
@test "asyncio and sockets of Python (run)" { same run python3 "$BATS_TEST_DIRNAME/prog_asyncio.py"; }
@test "asyncio and sockets of Python (trace)" { same trace python3 "$BATS_TEST_DIRNAME/prog_asyncio.py"; }
@test "a storm of signals, restarted calls (run)" { same run ./prog_storm 300 restart; }
@test "a storm of signals, EINTR (run)" { same run ./prog_storm 300 eintr; }
@test "a storm of signals, restarted calls (trace)" { same trace ./prog_storm 300 restart; }

@test "the exit status is the program's" {
    run timeout 20 "$WEIR" run --new -- sh -c 'exit 7'
    [ "$status" = 7 ]
    run timeout 20 "$WEIR" run --new -- /nonexistent
    [ "$status" = 127 ]
    run timeout 20 "$WEIR" run --new -- /etc/passwd
    [ "$status" = 126 ]
    run timeout 20 "$WEIR" run --new --timeout 0.2 -- sleep 10
    [ "$status" = 124 ]
}

@test "a stack that spins: what programs see is the same" {
    ./prog_masks </dev/null >"$BATS_TEST_TMPDIR/on-kernel"
    timeout 60 "$WEIR" run --new --spin=200 -- ./prog_masks </dev/null >"$BATS_TEST_TMPDIR/on-weir"
    diff -u "$BATS_TEST_TMPDIR/on-kernel" "$BATS_TEST_TMPDIR/on-weir"
    run timeout 20 "$WEIR" run --new --spin=never -- true
    [ "$status" = 125 ]
}

@test "a signal that kills the program kills the run" {
    run timeout 20 "$WEIR" run --new -- sh -c 'kill -SEGV $$'
    [ "$status" = 139 ]
}

@test "output, input, directory and environment are untouched" {
    out=$(printf abc | HELLO=there timeout 20 "$WEIR" run --new -- sh -c 'cat; pwd; echo $HELLO; echo err >&2' 2>"$BATS_TEST_TMPDIR/err")
    [ "$out" = "abc$(pwd)
there" ]
    [ "$(cat "$BATS_TEST_TMPDIR/err")" = err ]
}

@test "descriptors: those inherited and no others" {
    kernel=$(ls /proc/self/fd | wc -l)
    weir=$(timeout 20 "$WEIR" run --new -- ls /proc/self/fd | wc -l)
    [ "$kernel" = "$weir" ]
}

@test "what is left running is named and ended" {
    run timeout 20 "$WEIR" run --new -- sh -c 'sleep 1000 & exit 3'
    [ "$status" = 3 ]
    [[ "$output" == *"still running after the command"* ]]
}

@test "a second run joins the first" {
    timeout 20 "$WEIR" run -- python3 -c '
import socket
s = socket.socket(); s.bind(("127.0.0.1", 4242)); s.listen()
open("'"$BATS_TEST_TMPDIR"'/up", "w")
c, _ = s.accept(); c.sendall(c.recv(10).upper())' &
    while [ ! -e "$BATS_TEST_TMPDIR/up" ]; do sleep 0.02; done
    run timeout 20 "$WEIR" run -- python3 -c '
import socket
c = socket.create_connection(("127.0.0.1", 4242)); c.sendall(b"abc"); print(c.recv(10))'
    wait
    [ "$output" = "b'ABC'" ]
}

@test "two runs accept from one listening socket" {
    for role in serve help; do
        timeout 30 "$WEIR" run -- python3 "$BATS_TEST_DIRNAME/prog_shared.py" "$role" "$BATS_TEST_TMPDIR/desk" >"$BATS_TEST_TMPDIR/$role" 3>&- &
        until [ -e "$XDG_RUNTIME_DIR/weir/default/door.sock" ]; do sleep 0.02; done
    done
    wait
    [ "$(cat "$BATS_TEST_TMPDIR/serve")" = "1000 answers, 0 wrong, helped: True" ]
}

@test "an inherited socket of the kernel is refused" {
    run timeout 20 python3 -c '
import socket, subprocess, sys
s = socket.socket()
sys.exit(subprocess.call(["'"$WEIR"'", "run", "--new", "--", "true"], pass_fds=[s.fileno()]))'
    [ "$status" = 125 ]
    [[ "$output" == *"socket of the kernel"* ]]
}

@test "nothing stays behind" {
    timeout 20 "$WEIR" run --new -- ./prog_share >/dev/null
    [ -z "$(find "$XDG_RUNTIME_DIR/weir" -mindepth 1)" ]
}
