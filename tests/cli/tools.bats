#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The commands beside run and up: their lines, their JSON, their errors.

bats_require_minimum_version 1.5.0

setup() {
    TOOLS="$BATS_TEST_DIRNAME/tools"
    HOME_OF=$(mktemp -d /tmp/wXXXXXX)
    export XDG_RUNTIME_DIR=$HOME_OF XDG_STATE_HOME=$HOME_OF/state
    UP=$HOME_OF/up
}

teardown() {
    rm -f "$UP"
    [ ! -e "$HOME_OF/lab.yaml" ] || "$WEIR" down lab >/dev/null 2>&1 || true
    wait
    rm -rf "$HOME_OF"
}

# hold [OPTION...]: a network that is up until teardown.
hold() {
    timeout 30 "$WEIR" run "$@" -- python3 "$TOOLS/hold.py" "$UP" 3>&- &
    until [ -e "$UP" ]; do sleep 0.02; done
}

# lab: a network of two hosts, detached; programs that wait.
lab() {
    cat >"$HOME_OF/lab.yaml" <<END
name: lab
hosts:
  a: { run: [ { cmd: [sleep, "30"], expect: running } ] }
  b: { run: [ { cmd: [sleep, "30"], expect: running } ] }
links:
  - endpoints: [a, b]
END
    "$WEIR" up -d "$HOME_OF/lab.yaml" >"$HOME_OF/lab.out" 2>&1 3>&-
    until [ "$("$WEIR" ps lab | grep -c sleep)" = 2 ]; do sleep 0.02; done
}

# reset: a recording of a connection that was reset.
reset() { "$WEIR" trace -q -- python3 "$TOOLS/reset.py" >/dev/null; }

# has PATTERN: a line of the output matches.
has() {
    printf '%s\n' "$output" | grep -qE -- "$1" || {
        printf 'no line like: %s\n%s\n' "$1" "$output"
        return 1
    }
}

fails() { # fails PATTERN COMMAND...: status 125, and why
    pattern=$1 && shift
    run "$@"
    [ "$status" = 125 ] || { echo "status $status"; return 1; }
    has "$pattern"
}

# ---- trace ----

@test "trace: strace's line, beside segments and states" {
    run "$WEIR" trace -f -tt -T -yy -o "$HOME_OF/out" -- python3 "$TOOLS/reset.py"
    [ "$output" = "hel
reset" ]
    output=$(cat "$HOME_OF/out")
    has '^[0-9]+ +[0-9:]{8}\.[0-9]{6} recvfrom\([0-9]+<TCP:\[127\.0\.0\.1:[0-9]+->127\.0\.0\.1:28888\]>, 10\) += -1 ECONNRESET \(Connection reset by peer\) <0\.[0-9]{6}>$'
    has ' connect\([0-9]+<TCP:\[[0-9]+\]>, \{sa_family=AF_INET, sin_port=htons\(28888\), sin_addr=inet_addr\("127\.0\.0\.1"\)\}, 16\) = '
    has ' > S 0 win [0-9]+ 127\.0\.0\.1:[0-9]+ > 127\.0\.0\.1:28888$'
    has ' - SYN_SENT -> ESTABLISHED '
    has ' > R\. .* TCP_ABORT_ON_CLOSE: closed with received data unread$'
    has ' \+\+\+ exited with 0 \+\+\+$'
}

@test "trace: lines go to stderr, output is untouched" {
    "$WEIR" trace -- python3 "$TOOLS/reset.py" >"$HOME_OF/out" 2>"$HOME_OF/err"
    [ "$(cat "$HOME_OF/out")" = "hel
reset" ]
    grep -q 'ECONNRESET' "$HOME_OF/err"
}

@test "trace: -e, -Z, -c choose and count" {
    run "$WEIR" trace -e trace=listen -- python3 "$TOOLS/reset.py"
    has '^listen\(|\] listen\('
    ! has 'connect|ESTABLISHED|exited' >/dev/null
    run "$WEIR" trace -Z -e calls -- python3 "$TOOLS/reset.py"
    has 'ECONNRESET'
    ! has ' = 0$' >/dev/null
    run "$WEIR" trace -c -- python3 "$TOOLS/reset.py"
    has '^% time     seconds  usecs/call     calls    errors syscall$'
    has ' 2 +1 recvfrom$| 3 +1 recvfrom$| [0-9]+ +1 recvfrom$'
    has ' total$'
    fails 'names neither a socket call' "$WEIR" trace -e trace=nonsense -- true
}

@test "trace: a call that waits is unfinished, then resumed" {
    run timeout 20 "$WEIR" trace -- sh -c \
        'nc -l 127.0.0.1 8888 >/dev/null & sleep 0.3; echo hi | nc -N 127.0.0.1 8888; wait'
    has 'accept4?\([0-9]+,  <unfinished \.\.\.>$'
    has '<\.\.\. accept4? resumed>\{sa_family=AF_INET.* = [0-9]+$'
}

@test "trace: one who joins shows its own calls" {
    hold
    run timeout 20 "$WEIR" trace -- python3 -c '
import socket; s = socket.create_connection(("127.0.0.1", 8080)); s.close()'
    has 'connect\([0-9]+, .*htons\(8080\)'
    has ' > S 0 '
    ! has 'listen\(' >/dev/null
}

# ---- dump ----

@test "dump: tcpdump's line, program and reason; filters" {
    reset
    run "$WEIR" dump -n
    has '^[0-9:]{8}\.[0-9]{6} lo python3\.[0-9]+ Out IP 127\.0\.0\.1\.[0-9]+ > 127\.0\.0\.1\.28888: Flags \[S\], seq [0-9]+, win [0-9]+, length 0$'
    has ': Flags \[P\.\], seq 1:6, ack 1, win [0-9]+, length 5$'
    has '\[R\.\].*\[TCP_ABORT_ON_CLOSE: closed with received data unread\]$'
    run "$WEIR" dump -t -q 'tcp[tcpflags] & tcp-rst != 0'
    [ "${#lines[@]}" = 1 ]
    run "$WEIR" dump -c 2
    [ "${#lines[@]}" = 2 ]
    fails "can't parse filter expression" "$WEIR" dump no such filter
}

@test "dump: pcapng that tshark reads without a complaint" {
    reset
    "$WEIR" dump -w "$HOME_OF/x.pcapng"
    tshark -r "$HOME_OF/x.pcapng" -T fields -e frame.number >"$HOME_OF/n" 2>"$HOME_OF/err"
    [ "$(wc -l <"$HOME_OF/n")" = "$("$WEIR" dump | wc -l)" ]
    ! grep -viE 'running as user|^$' "$HOME_OF/err"
    run tshark -r "$HOME_OF/x.pcapng" -V
    ! has 'Malformed|Expert Info \((Error|Warning)/(Malformed|Protocol|Checksum)' >/dev/null
    run tshark -r "$HOME_OF/x.pcapng" -T fields -e frame.comment -Y tcp.flags.reset==1
    has 'python3\[[0-9]+\] TCP_ABORT_ON_CLOSE: closed with received data unread'
    "$WEIR" dump -w - | tshark -r - 2>/dev/null | grep -q '28888'
}

@test "dump: a network that is up" {
    hold
    timeout 20 "$WEIR" dump -n -l -i any -c 3 port 8080 >"$HOME_OF/live" 2>"$HOME_OF/err" 3>&- &
    dump=$!
    until grep -q listening "$HOME_OF/err" 2>/dev/null; do sleep 0.02; done
    "$WEIR" run -- python3 -c '
import socket; s = socket.create_connection(("127.0.0.1", 8080)); s.close()'
    wait $dump
    grep -q 'Flags \[S\]' "$HOME_OF/live"
}

# ---- a network that is up ----

@test "ps: hosts, programs, what they listen on" {
    hold
    run "$WEIR" ps
    has '^default +localhost +10\.0\.0\.1/24 +[0-9]+ +python3 +127\.0\.0\.1:8080 \*:5353/udp$|\*:5353/udp 127\.0\.0\.1:8080$'
    lab
    run "$WEIR" ps lab
    has '^lab +a +10\.0\.1\.1/24 +[0-9]+ +sleep$'
    has '^lab +b +10\.0\.1\.2/24 +[0-9]+ +sleep$'
    fails "several networks are up|no network 'nonsense' is up; there is" "$WEIR" ps nonsense
    "$WEIR" down lab
    run "$WEIR" ps
    ! has '^lab ' >/dev/null
}

@test "ss: columns, queues, holders, filters" {
    hold
    run "$WEIR" ss -ltn
    has '^State +Recv-Q Send-Q +Local Address:Port +Peer Address:Port'
    has '^LISTEN +0 +7 +127\.0\.0\.1:8080 +0\.0\.0\.0:\*'
    run "$WEIR" ss -tnp state established '( dport = :8080 )'
    [ "${#lines[@]}" = 2 ]
    has '^ESTAB +100 +0 .*users:\(\("python3",pid=[0-9]+,fd=[0-9]+\)\)$'
    run "$WEIR" ss -Htan 'not ( sport = :8080 or dport = :8080 )'
    [ -z "$output" ]
    run "$WEIR" ss -Huan sport = :5353
    has '^UNCONN +0 +0 +0\.0\.0\.0:5353 '
    fails "expected sport" "$WEIR" ss -t nonsense = 3
    fails "not a state" "$WEIR" ss state nonsense
    fails "not an address or port" "$WEIR" ss sport = :x!
}

@test "ss -K kills what it finds" {
    hold
    "$WEIR" ss -K -tn dport = :8080
    run "$WEIR" ss -Htn dport = :8080
    [ -z "$output" ]
    fails "say which" "$WEIR" ss -K
}

@test "lsof: who holds a port" {
    hold
    run "$WEIR" lsof -i :8080 -s TCP:LISTEN
    has '^python3 +[0-9]+ +[^ ]+ +[0-9]+u +IPv4 +[0-9]+ +0t0 +TCP +127\.0\.0\.1:8080 \(LISTEN\)$'
    pid=$("$WEIR" lsof -t -i :8080 -s TCP:LISTEN)
    [ "$(cat "/proc/$pid/comm")" = python3 ]
    run "$WEIR" lsof -i :1
    [ "$status" = 1 ]
}

@test "stat: names and values, zeros with -a" {
    hold
    run "$WEIR" stat
    has '^#localhost$'
    has '^TcpActiveOpens +1 *$'
    ! has '^TcpExtListenOverflows' >/dev/null
    run "$WEIR" stat -a localhost
    has '^TcpExtListenOverflows +0 *$'
    fails "there is no host 'x'; there is localhost" "$WEIR" stat x
}

@test "link: 60 MB between two hosts while it is harmed, cut and healed" {
    lab
    head -c 60000000 /dev/urandom >"$HOME_OF/sent"
    timeout 60 "$WEIR" exec --network lab b -- nc -l 7000 >"$HOME_OF/got" 3>&- &
    got=$!
    until "$WEIR" ss -Hltn --network lab --host b | grep -q :7000; do sleep 0.02; done
    timeout 60 "$WEIR" exec --network lab a -- nc -N 10.0.1.2 7000 <"$HOME_OF/sent" 3>&- &
    sent=$!
    until [ "$(stat -c %s "$HOME_OF/got")" -gt 3000000 ]; do sleep 0.01; done
    "$WEIR" link set a:eth0 delay 1ms loss 0.2%
    sleep 0.2
    "$WEIR" fault cut a:eth0
    sleep 0.2
    [ "$(stat -c %s "$HOME_OF/got")" -lt 60000000 ] # it was not over before
    "$WEIR" fault heal a:eth0
    "$WEIR" link clear a:eth0
    wait "$sent"
    wait "$got"
    cmp "$HOME_OF/sent" "$HOME_OF/got"
    "$WEIR" down lab
}

@test "link: set, show, clear; faults; errors say what there is" {
    lab
    "$WEIR" link set a:eth0 delay 20ms 5ms loss 1%
    run "$WEIR" link show
    has '^a:eth0 +10\.0\.1\.1 +delay 20ms 5ms loss 1% +0$'
    "$WEIR" link clear a:eth0
    "$WEIR" fault cut b:eth0
    run "$WEIR" link show b:eth0
    has '^b:eth0 +10\.0\.1\.2 +cut +0$'
    "$WEIR" fault heal b:eth0
    "$WEIR" fault freeze a
    run "$WEIR" ps
    has '^lab +a \(frozen\)'
    "$WEIR" fault thaw a
    "$WEIR" fault crash b
    run "$WEIR" ps
    has '^lab +b \(crashed\)'
    fails 'host b has crashed; try: weir fault reboot b' "$WEIR" fault freeze b
    "$WEIR" fault reboot b
    fails "there is no link 'c:eth0'; there is a:eth0, b:eth0" "$WEIR" link cut c:eth0
    fails "there is no host 'c'; there is a, b" "$WEIR" fault crash c
    fails "a share is a percentage" "$WEIR" link set a:eth0 loss 2
    fails "none of crash, reboot, freeze, thaw" "$WEIR" fault burn a
    "$WEIR" down lab
    run "$WEIR" why e1
    run "$WEIR" timeline -v
    has 'link b:eth0 cut'
    has 'host a frozen'
}

@test "every --json is JSON Lines" {
    hold
    for command in ps ss "ss -tulanpeiom" "lsof -i" stat "stat -a" "link show"; do
        "$WEIR" $command --json >"$HOME_OF/json"
        [ -s "$HOME_OF/json" ] || { echo "$command: nothing"; return 1; }
        jq -e . "$HOME_OF/json" >/dev/null || { echo "$command"; return 1; }
    done
    rm "$UP" && wait
    reset
    for command in timeline why "why --all"; do
        "$WEIR" $command --json | jq -e . >"$HOME_OF/json"
        [ -s "$HOME_OF/json" ] || { echo "$command: nothing"; return 1; }
    done
    [ "$("$WEIR" why --json | jq -r .reason)" = TCP_ABORT_ON_CLOSE ]
}

# ---- recordings, and none ----

@test "what is asked of nothing is said to be nothing" {
    fails "no network is up" "$WEIR" ss
    fails "no network is up" "$WEIR" down
    fails "there is no recording yet" "$WEIR" why
    fails "there is no recording yet" "$WEIR" timeline
    fails "there is no recording yet" "$WEIR" dump
    run -127 "$WEIR" run --new -- /nonexistent
    fails "no network 'x' is up" "$WEIR" exec --network x a -- true
}

@test "what is no recording is refused, what is cut as well" {
    reset
    good=$(ls "$XDG_STATE_HOME"/weir/*.weir)
    fails "not a recording" "$WEIR" timeline /etc/passwd
    fails "No such file" "$WEIR" why -r /nonexistent
    head -c 100 "$good" >"$HOME_OF/short"
    fails "not a recording" "$WEIR" dump -r "$HOME_OF/short"
    head -c 100000 "$good" >"$HOME_OF/cut"
    fails "not a recording" "$WEIR" why -r "$HOME_OF/cut"
    : >"$HOME_OF/empty"
    fails "not a recording" "$WEIR" timeline "$HOME_OF/empty"
    fails "is not an event" "$WEIR" why nonsense
    fails "has no event e99999" "$WEIR" why e99999
}

@test "why: a port in use is named, TIME_WAIT with its seconds" {
    run "$WEIR" trace -q -- python3 -c '
import socket
l = socket.create_server(("127.0.0.1", 8080)); s = socket.socket()
try: s.bind(("127.0.0.1", 8080))
except OSError as e: print(e.errno)'
    [ "$output" = 98 ]
    run "$WEIR" why
    has 'bind\([0-9]+, 127\.0\.0\.1:8080\) = -1 EADDRINUSE'
    has 'python3\[[0-9]+\] has port 8080 \(fd [0-9]+, listening\)$'
    "$WEIR" trace -q -- python3 -c '
import socket
l = socket.create_server(("127.0.0.1", 8080))
c = socket.create_connection(("127.0.0.1", 8080)); a, _ = l.accept()
a.close(); c.recv(1); c.close(); l.close()
s = socket.socket()
try: s.bind(("127.0.0.1", 8080))
except OSError: pass'
    run "$WEIR" why
    has 'has port 8080 \(TIME_WAIT for (60|59) s more\)$'
    has '^also: this socket has not set SO_REUSEADDR$'
}

@test "why: nothing failed; Nagle and a delayed ACK are told" {
    # Each piece is read before the next is written, so that no two share a
    # segment but by Nagle.
    "$WEIR" trace -q -- python3 -c '
import socket
l = socket.create_server(("127.0.0.1", 8080))
c = socket.create_connection(("127.0.0.1", 8080)); a, _ = l.accept()
for i in range(6):
    c.send(b"x"); a.recv(1); c.send(b"y" * 10)
    n = 0
    while n < 10: n += len(a.recv(100))
    a.send(b"z"); c.recv(1)'
    run "$WEIR" why
    [ "${lines[0]}" = "no call failed" ]
    has 'held back by Nagle until'
}

@test "many connections: a full recording is read at once" {
    "$WEIR" run -- python3 -c '
import socket, threading
l = socket.create_server(("127.0.0.1", 8080), backlog=64)
def serve():
    for i in range(4000):
        c, _ = l.accept(); c.sendall(c.recv(9)); c.close()
t = threading.Thread(target=serve); t.start()
for i in range(4000):
    c = socket.create_connection(("127.0.0.1", 8080)); c.send(b"x"); c.recv(9); c.recv(9); c.close()
t.join()'
    timeout 10 "$WEIR" timeline >"$HOME_OF/out"
    [ "$(wc -l <"$HOME_OF/out")" -gt 1000 ]
    timeout 10 "$WEIR" why >/dev/null
}

@test "manual pages: one each, without a complaint" {
    man="$BATS_TEST_DIRNAME/../../docs/man"
    for command in $("$WEIR" help | awk '/^  [a-z]/ {print $1}'); do
        case $command in
        exec) command=run ;;
        down) command=ps ;;
        esac
        [ -e "$man/weir-$command.1" ] || { echo "no page: $command"; return 1; }
        grep -q '^\.Sh EXAMPLES' "$man/weir-$command.1"
    done
    # What the machine's own index of manuals lacks is not our fault.
    run sh -c "mandoc -T lint $man/*.1 2>/dev/null | grep -v 'referenced manual not found'"
    [ -z "$output" ]
}
