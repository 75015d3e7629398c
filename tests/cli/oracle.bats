# SPDX-License-Identifier: BSD-2-Clause
# The kernel is the oracle: what the programs of examples/rows assert of weir
# holds on Linux, too (rows without faults and impairments: there is no netem).

row() {
    [ "$(id -u)" = 0 ] || skip "network namespaces need root"
    /usr/bin/python3 -c 'import yaml' 2>/dev/null || skip "no python3-yaml"
    ip netns add weir-probe 2>/dev/null || skip "no network namespaces"
    ip netns exec weir-probe true 2>/dev/null && works=1
    ip netns del weir-probe
    [ -n "$works" ] || skip "ip netns exec does not work here"
    run timeout 60 /usr/bin/python3 tests/cli/oracle/row_on_kernel.py "examples/rows/$1.weir.yaml"
    echo "$output"
    [ "$status" = 0 ]
}

@test "F3 on the kernel" { row F03; }
@test "F4 on the kernel" { row F04; }
@test "F5 on the kernel" { row F05; }
@test "S4 on the kernel" { row S04; }
@test "S6 on the kernel" { row S06; }
@test "S8 on the kernel" { row S08; }
@test "S10, refused, on the kernel" { row S10-refused; }
@test "S10, unreachable, on the kernel" { row S10-unreachable; }
@test "S13 on the kernel" { row S13; }
@test "S15 on the kernel" { row S15; }
@test "S16 on the kernel" { row S16; }
@test "S17 on the kernel" { row S17; }
@test "L4 on the kernel" { row L04; }
@test "L6 on the kernel" { row L06; }
@test "L8 on the kernel" { row L08; }
@test "L11 on the kernel" { row L11; }
