#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Whatever is killed or denied: the user gets the terminal back, nothing stays.

setup() {
    : "${WEIR:=$BATS_TEST_DIRNAME/../../build/weir}"
    [ -x "$WEIR" ] || WEIR=$BATS_TEST_DIRNAME/../../build/tools/weir
    PROGS=.
    [ -x ./prog_deny ] || PROGS=$BATS_TEST_DIRNAME/../../build/tests/door
    cd "$PROGS"
    export XDG_RUNTIME_DIR=${BATS_TEST_TMPDIR}
}

children() { cat "/proc/$1/task/$1/children"; }

# A run of programs that ignore what can be ignored: $front, $back, $cmd.
stubborn() {
    "$WEIR" run --new -- sh -c 'trap "" INT TERM HUP; echo > "$0"; sleep 1000 & sleep 1000; sleep 1000' \
        "$BATS_TEST_TMPDIR/up" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
    front=$!
    while [ ! -e "$BATS_TEST_TMPDIR/up" ]; do sleep 0.02; done
    back=$(children $front | tr -d ' ')
    cmd=$(children $back | tr -d ' ')
    all="$back $cmd $(children $cmd)"
}

nothing_left() {
    for _ in $(seq 200); do
        left=
        for pid in $all; do
            if [ -e "/proc/$pid" ] && ! grep -q 'State:.Z' "/proc/$pid/status" 2>/dev/null; then left=$pid; fi
        done
        [ -n "$left" ] || break
        sleep 0.02
    done
    [ -z "$left" ]
    [ -z "$(find "$XDG_RUNTIME_DIR/weir" -mindepth 1)" ]
}

@test "the back is killed: 125, programs and directory are gone" {
    stubborn
    kill -KILL "$back"
    status=0
    wait "$front" || status=$?
    [ "$status" = 125 ]
    grep -q 'ended unexpectedly' "$BATS_TEST_TMPDIR/err"
    nothing_left
}

@test "the back hangs: a second signal ends all of it" {
    stubborn
    kill -STOP "$back"
    kill -TERM "$front"
    sleep 0.5
    kill -TERM "$front"
    status=0
    wait "$front" || status=$?
    [ "$status" = 125 ]
    grep -q 'does not answer' "$BATS_TEST_TMPDIR/err"
    nothing_left
}

@test "the back hangs: one signal ends all of it, seconds later" {
    stubborn
    kill -STOP "$back"
    kill -INT "$front"
    status=0
    wait "$front" || status=$?
    [ "$status" = 125 ]
    nothing_left
}

@test "the front is killed: nothing stays" {
    stubborn
    kill -KILL "$front"
    wait "$front" || true
    nothing_left
}

@test "the program is killed: nothing stays" {
    stubborn
    kill -KILL "$cmd"
    status=0
    wait "$front" || status=$?
    [ "$status" = 137 ]
    nothing_left
}

@test "a program that ignores signals still gets them, and lives" {
    stubborn
    kill -TERM "$front"
    kill -INT "$front"
    sleep 0.5
    kill -TERM "$front"
    sleep 0.1
    [ -e "/proc/$cmd" ]
    kill -KILL "$cmd"
    wait "$front" || true
    nothing_left
}

@test "pidfd_getfd is denied: 125, and the one option that helps" {
    run timeout 20 ./prog_deny getfd "$WEIR" run --new -- true
    [ "$status" = 125 ]
    [[ "$output" == *"pidfd_getfd"*"--cap-add=SYS_PTRACE"* ]]
}

# The stack's side is in a process that may reach into no other one; only the
# agent, the programs' ancestor, does.
@test "the stack opens neither memory nor descriptors of programs" {
    printf 'name: alone\nhosts:\n  a: {}\n' >"$BATS_TEST_TMPDIR/net.yaml"
    ./prog_deny all "$WEIR" up --keep "$BATS_TEST_TMPDIR/net.yaml" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    up=$!
    for _ in $(seq 200); do
        [ ! -S "$XDG_RUNTIME_DIR/weir/alone/door.sock" ] || break
        sleep 0.05
    done
    ./prog_errnos >"$BATS_TEST_TMPDIR/on-kernel"
    timeout 60 "$WEIR" exec --network alone a -- ./prog_errnos >"$BATS_TEST_TMPDIR/on-weir"
    kill "$up"
    wait "$up" || true
    diff -u "$BATS_TEST_TMPDIR/on-kernel" "$BATS_TEST_TMPDIR/on-weir"
}
