#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The programs people write to learn the socket calls, in Go, PHP, Python and C:
# what they do on weir is what they do on the kernel.
load lib

setup_file() {
    export PROGRAMS="$BATS_TEST_DIRNAME/../programs" BIN="$BATS_FILE_TMPDIR"
    if command -v go >/dev/null; then
        GOCACHE="$BIN/go" CGO_ENABLED=0 go build -o "$BIN/echo" \
            "$BATS_TEST_DIRNAME/../../examples/echo/echo.go"
    fi
    if command -v cc >/dev/null; then
        for program in server client udp local; do
            cc -o "$BIN/$program" "$PROGRAMS/$program.c"
        done
    fi
}

setup() {
    own_place
    cd "$BATS_TEST_TMPDIR"
}

# ---- T1 ----

@test "T1: echo server in Go, nc in a second shell, Ctrl-C" {
    need go nc
    "$WEIR" run -- "$BIN/echo" >server 2>&1 3>&- &
    server=$!
    until_true said server "listening on"
    mkfifo keys
    # A shell with a terminal: a group of its own, SIGINT not ignored.
    setsid env --default-signal=INT "$WEIR" run -- nc 127.0.0.1 8888 <keys >client 2>&1 3>&- &
    client=$!
    exec 7>keys
    echo hello-echo >&7
    until_true said client hello-echo
    echo again >&7
    until_true said client again
    kill -INT -- "-$client"
    wait "$client" || status=$?
    exec 7>&-
    [ "$status" = 130 ]
    [ "$(cat client)" = "hello-echo
again" ]
    kill -0 "$server"
    # What the end of nc did: FIN from it, then FIN from the server.
    closed() { "$WEIR" timeline --json | grep '"kind":"STATE"' | grep -q '"to":"TIME_WAIT"'; }
    until_true closed
    kill "$server"
    wait "$server" || true
    "$WEIR" timeline --json | grep -o '"from":"[A-Z_0-9]*","to":"[A-Z_0-9]*"' >states
    for pair in CLOSED:SYN_SENT SYN_SENT:ESTABLISHED ESTABLISHED:FIN_WAIT1 \
        ESTABLISHED:CLOSE_WAIT CLOSE_WAIT:LAST_ACK FIN_WAIT1:FIN_WAIT2 FIN_WAIT2:TIME_WAIT; do
        said states "\"from\":\"${pair%:*}\",\"to\":\"${pair#*:}\"" || { cat states; echo "missing $pair"; false; }
    done
}

# ---- T2 ----

# language FILE: what runs it. The system's Python, not a wrapper around one.
language() {
    case "$1" in
    *.php) echo php ;;
    *) [ -x /usr/bin/python3 ] && echo /usr/bin/python3 || echo python3 ;;
    esac
}

# of_kernel SERVER CLIENT PORT: k-server, k-client: output; .calls: the calls.
of_kernel() {
    for end in server client; do
        eval "file=\$$([ $end = server ] && echo 1 || echo 2)"
        strace -f -o "k-$end.strace" -e trace=network,read,write,close \
            "$(language "$file")" "$PROGRAMS/$file" "$3" >"k-$end" 2>&1 3>&- &
        eval "$end=$!"
        [ $end = client ] || until_true said k-server "listen ok"
    done
    wait "$client" "$server"
    for end in server client; do
        python3 "$PROGRAMS/calls.py" strace "k-$end.strace" >"k-$end.calls"
    done
}

of_weir() {
    for end in server client; do
        eval "file=\$$([ $end = server ] && echo 1 || echo 2)"
        # The shell says its process id, then becomes the program.
        "$WEIR" run --trace -- sh -c 'echo $$ >"$0"; exec "$@"' "w-$end.pid" \
            "$(language "$file")" "$PROGRAMS/$file" "$3" >"w-$end" 2>&1 3>&- &
        eval "$end=$!"
        [ $end = client ] || until_true said w-server "listen ok"
    done
    wait "$client" "$server"
    "$WEIR" timeline --json >w.jsonl
    for end in server client; do
        python3 "$PROGRAMS/calls.py" weir w.jsonl "$(cat "w-$end.pid")" >"w-$end.calls"
    done
}

# pair SERVER CLIENT: the same words, the same calls, the same results.
pair() {
    need strace
    case "$*" in *php*) need php ;; esac
    port=$(free_port)
    strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
    of_kernel "$1" "$2" "$port"
    of_weir "$1" "$2" "$port"
    for end in server client; do
        diff -u "k-$end" "w-$end"
        diff -u "k-$end.calls" "w-$end.calls"
    done
    grep -q '^recv: clien$' w-server
    grep -q ' hi$' w-client
    [ "$(wc -l <w-server.calls)" -ge 8 ]
    [ "$(wc -l <w-client.calls)" -ge 5 ]
}

@test "T2: PHP to PHP, call for call as on the kernel" { pair server.php client.php; }
@test "T2: Python to Python, call for call" { pair server.py client.py; }
@test "T2: Python to PHP, call for call" { pair server.php client.py; }
@test "T2: PHP to Python, call for call" { pair server.py client.php; }

# unread WHERE...: server and client there; what the client sees.
unread() {
    rm -f server # or the last one's words would be taken for this one's
    "$@" python3 "$PROGRAMS/unread.py" server "$port" >server 2>&1 3>&- &
    server=$!
    until_true said server "listen ok" || return 1
    "$@" python3 "$PROGRAMS/unread.py" client "$port" 2>&1
    wait "$server"
}

@test "a server that answers and closes without reading: reset, and why" {
    port=$(free_port)
    unread env >kernel
    for _ in 1 2 3 4 5; do # what was sent just before the close arrives, too
        unread "$WEIR" run -- >weir
        diff -u kernel weir
    done
    unread "$WEIR" run --trace -- >weir
    diff -u kernel weir
    run "$WEIR" why
    echo "$output"
    [[ "$output" == *"recv("*"ECONNRESET"* ]]
    [[ "$output" == *"RST"*"5 bytes unread"*"close("* ]]
}

# ---- T3, T4 ----

# messages WHERE...: the server, two clients; what each prints.
messages() {
    rm -f server
    (cd "$BIN" && exec "$@" ./server "$port" 2) >server 2>&1 3>&- &
    server=$!
    until_true said server "listen ok" || return 1
    for i in 1 2; do
        (cd "$BIN" && "$@" ./client 127.0.0.1 $([ "$port" = 8000 ] || echo "$port")) || return 1
    done
    wait "$server" || return 1
    cat server
}

@test "T3: a server in C on 8000 answers every message of ./client 127.0.0.1" {
    need cc
    port=$(free_port)
    messages env >kernel
    port=8000
    messages "$WEIR" run -- >weir
    diff -u kernel weir
    messages "$WEIR" run --trace -- >weir
    diff -u kernel weir
    [ "$(grep -c 'client: got "you said: ' weir)" -eq 6 ]
}

# both PROGRAM...: equal output on the kernel and on weir, either way.
both() {
    "$@" | sort >kernel
    for how in --fast --trace; do
        "$WEIR" run "$how" --new -- "$@" | sort >weir
        diff -u kernel weir
    done
    [ -s kernel ]
}

@test "T4: UDP, recvfrom and sendto" {
    need cc
    both "$BIN/udp" "$(free_port)"
    "$BIN/udp" "$(free_port)" no-peer | sort >kernel
    "$WEIR" run --trace --new -- "$BIN/udp" 9000 no-peer | sort >weir
    diff -u kernel weir
}

@test "T4: local sockets" {
    need cc
    both "$BIN/local" "$BATS_TEST_TMPDIR/pair.sock"
}

@test "UDP: what is written leaves before connect, shutdown and close" {
    both python3 "$PROGRAMS/udp_order.py"
}
