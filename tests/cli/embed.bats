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
