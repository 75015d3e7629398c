# SPDX-License-Identifier: BSD-2-Clause
# What an embedder gets: installed headers, library and pkg-config file, and the
# examples built outside the tree.

setup() {
    [ -d "$INSTALLED" ] || skip "nothing is installed (make test does that)"
    pc=$(find "$INSTALLED" -name weir.pc)
    export PKG_CONFIG_SYSROOT_DIR=$INSTALLED PKG_CONFIG_PATH=${pc%/*}
}

@test "the examples build with pkg-config and run" {
    command -v pkg-config cc >/dev/null || skip "no compiler"
    cp -r examples/embed "$BATS_TEST_TMPDIR/embed"
    cd "$BATS_TEST_TMPDIR/embed"
    run make
    echo "$output"
    [ "$status" = 0 ]
    run ./echo
    [ "$output" = "11 bytes came back: hello-echo" ]
    run ./two_stacks
    [ "${lines[0]}" = '"across two stacks" after 30 ms' ]
    run timeout 60 ./own_link
    echo "$output"
    [[ "$output" == "200000 bytes arrived; "* ]]
}

@test "the example web server answers the kernel's clients over a TAP" {
    command -v pkg-config cc curl nc >/dev/null || skip "no compiler, curl or nc"
    [ "$(id -u)" = 0 ] && [ -c /dev/net/tun ] || skip "needs root and /dev/net/tun"
    cp -r examples/embed "$BATS_TEST_TMPDIR/embed"
    cd "$BATS_TEST_TMPDIR/embed"
    make web
    tap=web$$
    timeout 60 ./web $tap 3>&- &
    web=$!
    for _ in $(seq 100); do ip link show $tap 2>/dev/null && break; sleep 0.05; done
    ip addr add 10.77.0.1/24 dev $tap
    ip link set $tap up
    run curl -s --max-time 20 http://10.77.0.2/ http://10.77.0.2/nothing http://10.77.0.2/
    echo "$output"
    [ "$output" = "$(printf 'hello\nnot found\nhello')" ]
    run sh -c 'printf "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.0\r\n\r\n" | timeout 20 nc -N 10.77.0.2 80'
    echo "$output"
    [ "$(grep -c '^hello' <<<"$output")" = 2 ]
    run sh -c 'head -c 9000 /dev/zero | tr "\0" x | sed "s,^,GET / HTTP/1.1\r\nHost:," |
        timeout 20 nc -N 10.77.0.2 80'
    echo "$output"
    [[ "${lines[0]}" == "HTTP/1.1 431 "* ]]
    kill $web
}

@test "the library exports weir_* only" {
    run sh -c 'nm -g --defined-only "$(find "$INSTALLED" -name libweir.a)" |
        awk "NF == 3 {print \$3}" | grep -v ^weir_'
    [ "$output" = "" ]
}

@test "examples are under 100 lines each" {
    for f in examples/embed/*.c; do
        [ "$(wc -l <"$f")" -lt 100 ]
    done
}
