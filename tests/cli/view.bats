#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# What stock programs see of their host: weir's, never the machine's.

setup_file() {
    export VIEW="$BATS_TEST_DIRNAME/view"
    export GOI="$BATS_FILE_TMPDIR/interfaces"
    GOCACHE="$BATS_FILE_TMPDIR/go" CGO_ENABLED=0 \
        go build -o "$GOI" "$VIEW/interfaces.go"
}

host() { "$WEIR" run --new --no-record -- "$@"; }
with_sockets() { host python3 "$VIEW/sockets.py" "$@"; }

# has PATTERN: a line of the output matches (blanks squeezed).
has() {
    squeezed=$(printf '%s\n' "$output" | tr -s ' ')
    printf '%s\n' "$squeezed" | grep -qE -- "$1" || {
        printf 'no line like: %s\n%s\n' "$1" "$squeezed"
        return 1
    }
}
has_not() { ! has "$1" >/dev/null; }

@test "netstat -luntp names the program" {
    run with_sockets "netstat -luntp"
    [ "$status" -eq 0 ]
    has '^tcp 1 0 127.0.0.1:8080 0.0.0.0:\* LISTEN [0-9]+/python3'
    has '^udp 0 0 0.0.0.0:5353 0.0.0.0:\* [0-9]+/python3'
    has_not 'tcp6|udp6|no support'
}

@test "netstat -ant counts what lies unread" {
    run with_sockets "netstat -ant"
    has '^tcp 100 0 127.0.0.1:8080 127.0.0.1:[0-9]+ ESTABLISHED'
    has '^tcp 0 0 127.0.0.1:[0-9]+ 127.0.0.1:8080 ESTABLISHED'
    [ "$(printf '%s\n' "$output" | grep -c ESTABLISHED)" -eq 4 ]
}

@test "lsof -i finds the listener and both ends" {
    run with_sockets "lsof -nP -i :8080"
    has '^python3 .*IPv4 .*TCP 127.0.0.1:8080 \(LISTEN\)'
    has '^python3 .*TCP 127.0.0.1:[0-9]+->127.0.0.1:8080 \(ESTABLISHED\)'
    has '^python3 .*TCP 127.0.0.1:8080->127.0.0.1:[0-9]+ \(ESTABLISHED\)'
}

@test "ss lists sockets, queues, backlog and programs" {
    run with_sockets "ss -ltnp" "ss -tin" "ss -uan"
    has '^LISTEN 1 5 127.0.0.1:8080 0.0.0.0:\* users:\(\("python3",pid=[0-9]+,fd=[0-9]+\)\)'
    has '^ESTAB 100 0 127.0.0.1:8080 127.0.0.1:'
    has 'wscale:.*rto:.*cwnd:10'
    has '^UNCONN 0 0 0.0.0.0:5353 0.0.0.0:\*'
}

@test "a socket nobody holds any more is not listed" {
    run host python3 -c 'import socket, subprocess
s = socket.socket()
s.bind(("127.0.0.1", 8080))
s.listen(5)
s.close()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 8081))
u.close()
subprocess.call("ss -Hlntu; netstat -luntp", shell=True)'
    has_not '808[01]'
}

@test "ifconfig, ip addr: lo and eth0, no IPv6, nothing of the machine's" {
    run host sh -c 'ifconfig -a; ip addr; netstat -i; cat /proc/net/dev'
    [ "$status" -eq 0 ]
    has '^eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST> mtu 1500'
    has '^ inet 10.0.0.1 netmask 255.255.255.0 broadcast 10.0.0.255'
    has '^ inet 127.0.0.1/8 scope host lo'
    has '^ inet 10.0.0.1/24 brd 10.0.0.255 scope global eth0'
    has_not 'inet6|RTNETLINK|Error'
    [ "$(host ip -o link | wc -l)" -eq 2 ]
    for name in $(ls /sys/class/net); do
        [ "$name" = lo ] || [ "$name" = eth0 ] || has_not "(^| )$name(:|@)"
    done
}

@test "nothing can be changed" {
    run host sh -c 'ip link set eth0 down; ip addr add 1.2.3.4/24 dev eth0
        ip route add 9.0.0.0/8 dev eth0; ifconfig eth0 mtu 1300; ip addr'
    [ "$(printf '%s\n' "$output" | grep -c 'Operation not permitted')" -eq 4 ]
    has_not '1\.2\.3\.4'
}

@test "IPv6 is absent, unknown files of /proc/net do not exist" {
    run host sh -c 'cd /proc/net; for f in tcp6 udp6 if_inet6 ipv6_route \
        nf_conntrack xfrm_stat softnet_stat; do cat $f; done'
    [ "$(printf '%s\n' "$output" | grep -c 'No such file or directory')" -eq 7 ]
    [ "$(printf '%s\n' "$output" | wc -l)" -eq 7 ]
}

@test "every way to /proc/net leads to the same table" {
    run host sh -c 'cat /proc/net/dev >$0; for f in /proc/self/net/dev \
        /proc/thread-self/net/dev /proc/1/net/dev /proc/$$/task/$$/net/dev \
        /proc//./net/../net/dev; do cmp $0 $f; done; cd /proc/self; cmp $0 net/dev' \
        "$BATS_TEST_TMPDIR/dev"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "settings are the host's" {
    run host cat /proc/sys/net/ipv4/tcp_rmem /proc/sys/net/core/somaxconn
    [ "$output" = "$(printf '4096\t131072\t6291456\n4096')" ]
}

@test "the machine's interfaces and settings are out of reach" {
    run host sh -c 'ls /sys/class/net /proc/net/stat; cat /sys/class/net/lo/mtu
        echo 0 >/proc/sys/net/ipv4/tcp_sack'
    [ "$(printf '%s\n' "$output" | grep -c 'No such file')" -eq 3 ]
    has 'tcp_sack: Permission denied'
}

@test "names: the hosts of the network, and no other" {
    run host sh -c 'getent hosts localhost; getent ahosts nosuch.example; echo $?'
    has '^127.0.0.1 localhost$'
    has '^2$'
    run host python3 -c 'import socket
print([a[4][0] for a in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)])
try: socket.getaddrinfo("nosuch.example", 80)
except socket.gaierror as e: print(e)
print(socket.if_nameindex())'
    has "^\['127.0.0.1'\]$"
    has 'Name or service not known'
    has "^\[\(1, 'lo'\), \(2, 'eth0'\)\]$"
}

@test "names of a scenario's hosts" {
    cat >"$BATS_TEST_TMPDIR/names.yaml" <<END
name: names
hosts:
  a:
    run:
      - cmd: [sh, -c, "getent hosts b; ip -br -4 addr"]
        expect: { exit: 0, output: "10.0.1.2        b" }
  b: {}
links:
  - endpoints: [a, b]
END
    run "$WEIR" up "$BATS_TEST_TMPDIR/names.yaml"
    [ "$status" -eq 0 ]
    has '10.0.1.1/24'
}

@test "node: os.networkInterfaces, dns" {
    run host node -e 'console.log(JSON.stringify(require("os").networkInterfaces()));
        require("dns").lookup("nosuch.example", e => console.log(e.code))'
    has '^\{"lo":\[\{"address":"127.0.0.1","netmask":"255.0.0.0","family":"IPv4","mac":"00:00:00:00:00:00","internal":true,"cidr":"127.0.0.1/8"\}\],"eth0":\[\{"address":"10.0.0.1".*"cidr":"10.0.0.1/24"\}\]\}$'
    has '^ENOTFOUND$'
}

@test "Go: net.Interfaces, no such host" {
    run host "$GOI"
    has '^1 lo 65536 true \[127.0.0.1/8\]'
    has '^2 eth0 1500 true \[10.0.0.1/24\]'
    has 'nosuch.example: no (such host|suitable address)'
    [ "${#lines[@]}" -eq 3 ]
}

@test "netlink: ports, peeking, plain writes, empty reads" {
    run host python3 -c 'import os, socket, struct
def ask(s, how):
    how(struct.pack("=IHHIIBxHiII", 32, 18, 0x301, 7, 0, 0, 0, 0, 0, 0))
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
print("unbound", s.getsockname())
s.connect((0, 0))
print("port", s.getsockname()[0] == os.getpid(), s.getpeername())
print("type", s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE), s.getsockopt(socket.SOL_SOCKET, 39))
ask(s, s.send)
d, _, flags, peer = s.recvmsg(10, 0, socket.MSG_PEEK | socket.MSG_TRUNC)
print("peek", len(d), bool(flags & socket.MSG_TRUNC), peer)
d, peer = s.recvfrom(65536)
print("read", struct.unpack("=HHI", d[4:12]), peer)
t = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
t.bind((0, 0))
print("second", t.getsockname()[0] not in (0, os.getpid()))
ask(t, lambda m: t.sendto(m, (0, 0)))
print("at once", len(t.recv(65536, socket.MSG_DONTWAIT)) > 0)
t.setblocking(False)
try: t.recvmsg(10)
except BlockingIOError: print("empty")
for protocol in (9, 16):
    try: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
    except OSError as e: print(protocol, e.strerror)'
    has '^unbound \(0, 0\)$'
    has '^port True \(0, 0\)$'
    has '^type 3 16$'
    has '^peek 10 True \(0, 0\)$'
    has '^read \(16, 2, 7\) \(0, 0\)$'
    has '^second True$'
    has '^at once True$'
    has '^empty$'
    has '^9 Protocol not supported$'
    has '^16 Protocol not supported$'
}

@test "a program of another agent sees the same host" {
    "$WEIR" run --no-record -- python3 -c 'import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 8090))
s.listen(5)
open("'"$BATS_TEST_TMPDIR"'/ready", "w").close()
time.sleep(60)' 3>&- &
    first=$!
    until [ -e "$BATS_TEST_TMPDIR/ready" ]; do sleep 0.05; done
    run "$WEIR" run -- sh -c 'netstat -lnt; ss -ltn; ip addr; ifconfig lo'
    kill "$first"
    has '^tcp 0 0 127.0.0.1:8090 0.0.0.0:\* LISTEN'
    has '^LISTEN 0 5 127.0.0.1:8090'
    has '^ inet 127.0.0.1/8 scope host lo'
    has '^ inet 127.0.0.1 netmask 255.0.0.0'
}

@test "the kernel says the same (network namespace)" {
    unshare -n true 2>/dev/null || skip "needs the right to make one"
    unshare -n sh -c 'ip link set lo up
        ip link add eth0 address 02:77:65:00:01:00 type veth peer name p &&
        ip link set p netns $$ && ip addr add 10.0.0.1/24 brd + dev eth0 &&
        ip link set eth0 up && ip link set p up || exit 77
        ip link set p alias peer
        exec sh "$0" 2>&1' "$VIEW/same.sh" >"$BATS_TEST_TMPDIR/kernel" ||
        [ $? -ne 77 ] || skip "no veth"
    sed -i '/^N: p:/,/^N: eth0/{/^N: eth0/!d}' "$BATS_TEST_TMPDIR/kernel"
    host sh "$VIEW/same.sh" >"$BATS_TEST_TMPDIR/weir" 2>&1
    diff "$BATS_TEST_TMPDIR/kernel" "$BATS_TEST_TMPDIR/weir"
}
