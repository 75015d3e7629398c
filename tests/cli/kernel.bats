# SPDX-License-Identifier: BSD-2-Clause
# The kernel as the peer: a TAP in a network namespace of the test's own, the
# kernel at one end (10.9.0.1), a host of weir at the other (10.9.0.2).

setup_file() {
    export LAB=$BATS_FILE_TMPDIR/lab NS=weir-test-$$
    mkdir -p "$LAB"
    head -c 3000000 /dev/urandom >"$LAB/file"
}

setup() {
    [ "$(id -u)" = 0 ] || skip "a TAP needs root"
    [ -c /dev/net/tun ] || skip "no /dev/net/tun"
    ip netns add "$NS" 2>/dev/null || skip "no network namespaces"
    $(in_ns) true 2>/dev/null || skip "ip netns exec does not work here"
    $(in_ns) ip link set lo up
    $(in_ns) ip tuntap add weir0 mode tap || skip "no TAP interfaces"
    $(in_ns) ip addr add 10.9.0.1/24 dev weir0
    $(in_ns) ip link set weir0 up
}

teardown() {
    [ "$(id -u)" = 0 ] || return 0
    [ -n "$SERVER" ] && kill "$SERVER" 2>/dev/null
    "$WEIR" down taptest >/dev/null 2>&1
    ip netns del "$NS" 2>/dev/null || true
}

in_ns() { echo "ip netns exec $NS"; }

# up OFFLOAD [LINE]: the scenario, left running; LINE is one more of the link.
up() {
    cat >"$LAB/tap.weir.yaml" <<YAML
name: taptest
hosts:
  w:
    addr: 10.9.0.2/24
    run:
      - name: server
        cmd: cd $LAB && exec python3 -m http.server 8000 --bind 0.0.0.0
        expect: running
links:
  - endpoints: [w]
    tap: weir0
    offload: $1
    ${2:-mtu: 1500}
YAML
    $(in_ns) "$WEIR" up -d ${3:+-w "$3"} "$LAB/tap.weir.yaml" </dev/null >"$LAB/up.log" 2>&1 3>&-
    for i in $(seq 50); do
        $(in_ns) curl -s -o /dev/null http://10.9.0.2:8000/ && return 0
        sleep 0.1
    done
    cat "$LAB/up.log"
    return 1
}

kernel_server() {
    $(in_ns) python3 -m http.server 9000 --bind 10.9.0.1 --directory "$LAB" >/dev/null 2>&1 3>&- &
    SERVER=$!
    for i in $(seq 50); do
        $(in_ns) curl -s -o /dev/null http://10.9.0.1:9000/ && return 0
        sleep 0.1
    done
    return 1
}

both_ways() {
    $(in_ns) curl -s -m 30 -o "$LAB/out" http://10.9.0.2:8000/file
    cmp "$LAB/file" "$LAB/out"
    kernel_server
    $(in_ns) timeout 30 "$WEIR" exec --network taptest w -- curl -s -o "$LAB/in" http://10.9.0.1:9000/file 3>&-
    cmp "$LAB/file" "$LAB/in"
}

# faults FILE: frames weir sent whose checksum or form tshark finds bad.
faults() {
    tshark -r "$1" -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE \
        -Y 'ip.src == 10.9.0.2 && (tcp.checksum.status == 0 || udp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed)' 2>/dev/null
}

@test "the kernel's ping, curl and nc reach a program on weir" {
    up true
    run $(in_ns) ping -c 3 -i 0.2 -W 2 10.9.0.2
    echo "$output"
    [[ "$output" == *"3 received, 0% packet loss"* ]]
    run $(in_ns) sh -c 'printf "HEAD / HTTP/1.0\r\n\r\n" | nc -N -w 3 10.9.0.2 8000'
    [[ "$output" == *"200 OK"* ]]
}

@test "bulk both ways, offload on" {
    up true
    both_ways
}

@test "bulk both ways, offload off: the kernel's capture finds no bad checksum" {
    up false
    $(in_ns) tcpdump -i weir0 -U -w "$LAB/k.pcap" 2>/dev/null 3>&- &
    dump=$!
    until [ -s "$LAB/k.pcap" ]; do sleep 0.05; done
    both_ways
    kill "$dump"
    wait "$dump" || true
    [ "$(tshark -r "$LAB/k.pcap" 2>/dev/null | wc -l)" -gt 1000 ]
    run faults "$LAB/k.pcap"
    echo "$output"
    [ "$output" = "" ]
}

@test "offload on: weir's own capture finds no bad checksum" {
    up true "mtu: 1500" "$LAB/w.pcapng"
    both_ways
    "$WEIR" down taptest
    [ "$(tshark -r "$LAB/w.pcapng" 2>/dev/null | wc -l)" -gt 1000 ]
    run faults "$LAB/w.pcapng"
    echo "$output"
    [ "$output" = "" ]
}

@test "bulk both ways with 1 % loss from weir's side" {
    up true "loss: 1%"
    both_ways
}

# measured BYTES SECONDS
measured() { awk -v n="$1" -v s="$2" 'BEGIN { printf "%.1f MB/s", n / s / 1e6 }'; }

# behind_router OFFLOAD: w behind a router of weir; loss and delay both ways.
behind_router() {
    cat >"$LAB/router.weir.yaml" <<YAML
name: taptest
hosts:
  r:
    addr: [10.9.0.2/24, 10.9.1.1/24]
    settings: { ip_forward: 1 }
  w:
    addr: 10.9.1.2/24
    routes: ["default via 10.9.1.1"]
    run:
      - name: server
        cmd: cd $LAB && exec python3 -m http.server 8000 --bind 0.0.0.0
        expect: running
links:
  - { endpoints: [r], tap: weir0, offload: $1 }
  - { endpoints: [r, w], delay: 2ms, loss: 1% }
YAML
    $(in_ns) ip route add 10.9.1.0/24 via 10.9.0.2
    $(in_ns) "$WEIR" up -d "$LAB/router.weir.yaml" </dev/null >"$LAB/up.log" 2>&1 3>&-
    for i in $(seq 50); do
        $(in_ns) curl -s -o /dev/null http://10.9.1.2:8000/ && return 0
        sleep 0.1
    done
    cat "$LAB/up.log"
    return 1
}

# For each congestion control a namespace may choose: both ways, with the speed.
each_control() {
    tried=0
    for cc in $(sysctl -n net.ipv4.tcp_available_congestion_control); do
        $(in_ns) sysctl -qw "net.ipv4.tcp_congestion_control=$cc" 2>/dev/null || continue
        tried=$((tried + 1))
        t=$($(in_ns) curl -s -m 30 -o "$LAB/out" -w '%{time_total}' http://10.9.1.2:8000/file)
        cmp "$LAB/file" "$LAB/out" || return 1
        echo "# weir (NewReno) to the kernel, 4 ms, 1 % loss: $(measured 3000000 "$t")" >&3
        t=$($(in_ns) timeout 30 "$WEIR" exec --network taptest w -- \
            curl -s -o "$LAB/in" -w '%{time_total}' http://10.9.0.1:9000/file 3>&-)
        cmp "$LAB/file" "$LAB/in" || return 1
        echo "# the kernel ($cc) to weir, 4 ms, 1 % loss: $(measured 3000000 "$t")" >&3
    done
    [ "$tried" -gt 0 ]
}

@test "loss both ways behind a router of weir, each congestion control of the kernel" {
    behind_router true
    kernel_server
    each_control
}

@test "the same, offload off" {
    behind_router false
    kernel_server
    each_control
}

@test "the kernel's nc talks to an nc on weir" {
    up false
    $(in_ns) "$WEIR" exec --network taptest w -- nc -l 7000 >"$LAB/heard" </dev/null 3>&- &
    nc=$!
    until "$WEIR" ss -ltn 2>/dev/null | grep -q :7000; do sleep 0.05; done
    head -c 2000000 "$LAB/file" | $(in_ns) timeout 30 nc -N 10.9.0.2 7000
    wait "$nc"
    cmp "$LAB/heard" <(head -c 2000000 "$LAB/file")
}
