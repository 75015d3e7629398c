# SPDX-License-Identifier: BSD-2-Clause
# Each row of the scenarios: its file holds all its expectations, and the last
# failure, where there is one, is explained by what the other end did.

row() {
    run timeout 60 "$WEIR" up --quiet "examples/rows/$1.weir.yaml"
    if [ "$status" != 0 ]; then
        echo "$output"
        "$WEIR" timeline --width 150 | tail -n 40
        return 1
    fi
}

# why ROW WORD...: what `weir why` says of it contains each word, in order.
why() {
    row "$1" || return 1
    shift
    run "$WEIR" why
    echo "$output"
    text=$output
    for word in "$@"; do
        case "$text" in
        *"$word"*) text=${text#*"$word"} ;;
        *) echo "missing: $word" && return 1 ;;
        esac
    done
}

@test "F3: FIN wakes a blocked reader with 0" { row F03; }
@test "F4: RST gives ECONNRESET, then EPIPE and SIGPIPE" { row F04; }
@test "F5: write after the peer has closed" {
    why F05 "= -1 EPIPE" "RST sent b" "TCP_ABORT_ON_DATA"
}
@test "F6: the peer's machine dies" {
    why F06 "= -1 ETIMEDOUT" "TCP_RETRANSMIT_TIMEOUT" "retransmit timer fired"
}
@test "F7: cut, with keep-alive" { why F07-keepalive "= -1 ETIMEDOUT" "TCP_KEEPALIVE_TIMEOUT"; }
@test "F7: cut, without keep-alive" { row F07-silent; }
@test "F8: the peer reboots" { why F08 "= -1 ECONNRESET" "RST sent b" "NO_SOCKET"; }
@test "F10: SYN+ACK is sent again with back-off" { row F10; }
@test "S4: the port is taken, and who has it" { why S04 "*:8080) = -1 EADDRINUSE" "has port 8080"; }
@test "S6: a full accept queue delays" { row S06; }
@test "S8: established without accept" { row S08; }
@test "S9: simultaneous open" { row S09; }
@test "S10: refused" { why S10-refused "= -1 ECONNREFUSED" "RST sent b" "NO_SOCKET"; }
@test "S10: unreachable" { why S10-unreachable "= -1 EHOSTUNREACH" "NEIGH_FAILED"; }
@test "S10: timed out" { why S10-timeout "= -1 ETIMEDOUT" "TCP_SYN_TIMEOUT"; }
@test "S13: blocking and non-blocking writes" { row S13; }
@test "S15: the last holder's close sends the FIN" { row S15; }
@test "S16: close with unread data resets" {
    why S16 "= -1 ECONNRESET" "TCP_ABORT_ON_CLOSE" "8 bytes unread" "close("
}
@test "S17: half-close" { row S17; }
@test "L2: ARP asks again" { row L02; }
@test "L4: forwarding, and TTL" { row L04; }
@test "L6: an ICMP error reaches its socket" { why L06 "= -1 ECONNREFUSED" "ICMP_PORT_UNREACH"; }
@test "L8: late datagrams are dropped and counted" { row L08; }
@test "L11: 0.0.0.0 and one address" { row L11; }
@test "T10: copies of each byte" { row T10; }
