#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# What goes wrong is said in words that help, with the right exit status, and
# leaves no process and no file behind (recordings apart).
bats_require_minimum_version 1.5.0
load lib

setup() {
    own_place
    cd "$BATS_TEST_TMPDIR"
}

# Every process of the test carries its runtime directory; none may be left, nor
# a file in that directory.
alive() {
    local p
    for p in /proc/[0-9]*; do
        [ "$p" != "/proc/$$" ] && [ "$p" != "/proc/$BASHPID" ] || continue
        grep -qsF "$XDG_RUNTIME_DIR" "$p/environ" || continue
        tr '\0' ' ' <"$p/cmdline"
        echo
    done | grep -vE '^ *$|bats' | grep .
}
nothing_alive() { ! alive; }

teardown() {
    until_true nothing_alive || { alive && false; }
    left=$(find "$XDG_RUNTIME_DIR" ! -type d)
    [ -z "$left" ] || { echo "left: $left" && false; }
    left=$(ls -A "$BATS_TEST_TMPDIR" | grep -vxE 'run|state|scenario.yaml|out|err|ready' || true)
    [ -z "$left" ] || { echo "left: $left" && false; }
}

# scenario LINK HOST-B: a small one.
scenario() {
    cat >scenario.yaml <<END
name: small
hosts:
  a: { run: ["true"] }
  b: $2
links:
  - endpoints: [a, b]
    $1
END
}

# refused WORDS: `weir up` says where, in these words, and runs nothing.
refused() {
    run "$WEIR" up scenario.yaml
    echo "$output"
    [ "$status" = 125 ]
    [ "${#lines[@]}" = 1 ]
    [[ "$output" == "weir: scenario.yaml:$1"* ]]
    run "$WEIR" up --check scenario.yaml
    [ "$status" = 125 ]
    [ ! -e state ]
}

@test "scenario: the small one is good" {
    scenario "delay: 1ms" "{}"
    run "$WEIR" up scenario.yaml
    [ "$status" = 0 ]
}

@test "scenario: an unknown key has line, column and the nearest known" {
    scenario "dely: 10ms" "{}"
    refused "7:5: unknown key 'dely'; did you mean 'delay'?"
    scenario "delay: 10ms" "{ runn: [ls] }"
    refused "4:8: unknown key 'runn'; did you mean 'run'?"
    scenario "delay: 10ms" "{ settings: { tcp_retrys2: 3 } }"
    refused "4:20: unknown setting 'tcp_retrys2'; did you mean 'tcp_retries2'?"
}

@test "scenario: bad values have line and column, and an example" {
    scenario "delay: 10lightyears" "{}"
    refused "7:12: delay '10lightyears': a delay is a time"
    scenario "loss: 120%" "{}"
    refused "7:11: loss '120%': a share is a percentage, as in \"1%\""
    scenario "a->b: { rate: much }" "{}"
    refused "7:19: rate 'much': a rate is a number and a unit, as in \"10mbit\""
    scenario "mtu: 12" "{}"
    refused "7:10: '12' is not a number from 68 to 65535"
    scenario "delay: 1ms" "{ addr: 10.0.0.300/24 }"
    refused "4:14: '10.0.0.300/24' is not ADDRESS/PREFIX, as in 10.0.0.1/24"
}

@test "scenario: a value the stack refuses" {
    scenario "delay: 1ms" "{ settings: { tcp_retries2: many } }"
    run "$WEIR" up scenario.yaml
    [ "$status" = 125 ]
    [[ "$output" == "weir: scenario.yaml:4: 'many' is no value of tcp_retries2" ]]
}

@test "scenario: a host nobody defined, broken YAML, an empty file, no file" {
    scenario "delay: 1ms" "{}"
    sed -i 's/\[a, b\]/[a, c]/' scenario.yaml
    refused "6:20: unknown host 'c'"
    printf 'hosts: [\n' >scenario.yaml
    refused "2:1: "
    : >scenario.yaml
    refused " the file is empty"
    rm scenario.yaml
    run "$WEIR" up scenario.yaml
    [ "$status" = 125 ]
    [ "$output" = "weir: scenario.yaml: No such file or directory" ]
}

@test "scenario: a program that is missing fails the expectation" {
    scenario "delay: 1ms" "{ run: [[nosuchprogram]] }"
    run "$WEIR" up scenario.yaml
    echo "$output"
    [ "$status" = 1 ]
    [[ "$output" == *"nosuchprogram"*"status 127"* ]]
}

@test "a program that is missing: 127; not executable: 126" {
    for how in run trace; do
        run -127 "$WEIR" $how -- nosuchprogram
        [ "$status" = 127 ]
        [[ "$output" == *"nosuchprogram cannot be run: No such file or directory"* ]]
        run -127 "$WEIR" $how -- ./nosuchprogram
        [ "$status" = 127 ]
        run -126 "$WEIR" $how -- /etc/passwd
        [ "$status" = 126 ]
        [[ "$output" == *"/etc/passwd cannot be run: Permission denied"* ]]
        run "$WEIR" $how -- "$BATS_TEST_TMPDIR"
        [ "$status" = 126 ]
    done
}

@test "usage: no command, unknown command, unknown option: 125" {
    run "$WEIR" run
    [ "$status" = 125 ]
    [[ "$output" == *usage* ]]
    run "$WEIR" rnu
    [ "$status" = 125 ]
    [[ "$output" == *"no such command: rnu"* ]]
    run "$WEIR" run --nwe -- true
    [ "$status" = 125 ]
    run "$WEIR" run --timeout soon -- true
    [ "$status" = 125 ]
    [[ "$output" == *"not a number of seconds: soon"* ]]
}

@test "a port in use: EADDRINUSE, and who holds it" {
    "$WEIR" run -- python3 -c '
import socket, time
s = socket.create_server(("", 8080))
open("ready", "w").close()
time.sleep(60)' 3>&- &
    holder=$!
    until_true test -e ready
    run "$WEIR" run -- python3 -c 'import socket
socket.create_server(("", 8080))'
    [ "$status" = 1 ]
    [[ "$output" == *"Address already in use"* ]]
    run "$WEIR" why
    echo "$output"
    kill "$holder"
    wait "$holder" || true
    [[ "${lines[0]}" == *"bind("*":8080) = -1 EADDRINUSE"* ]]
    [[ "$output" == *"python3["*"has port 8080"* ]]
}

@test "exec: no such network, no such host" {
    run "$WEIR" exec a -- true
    [ "$status" = 125 ]
    [[ "$output" == "weir: no network 'default' is up"* ]]
    run "$WEIR" exec --network nosuch a -- true
    [ "$status" = 125 ]
    [[ "$output" == "weir: no network 'nosuch' is up"* ]]
    scenario "delay: 1ms" "{}"
    "$WEIR" up -d scenario.yaml 3>&-
    run "$WEIR" exec c -- true
    [ "$status" = 125 ]
    [ "$output" = "weir: network 'small' has no host 'c' (see weir ps)" ]
    run "$WEIR" up -d scenario.yaml 3>&-
    [ "$status" = 125 ]
    [[ "$output" == *"'small' is up already; try: weir down small" ]]
    run "$WEIR" exec b -- sh -c 'exit 9'
    [ "$status" = 9 ]
    "$WEIR" down small
    run "$WEIR" down small
    [ "$status" = 125 ]
}

@test "an inherited socket of the kernel: 125, unless it is allowed" {
    run python3 -c 'import socket, subprocess, sys
s = socket.socket()
for option in ([], ["--allow-inherited"]):
    r = subprocess.run([sys.argv[1], "run", *option, "--", "true"], pass_fds=[s.fileno()])
    print(r.returncode)' "$WEIR"
    echo "$output"
    [[ "$output" == *"descriptor "*" is a socket of the kernel"*"125"*"0" ]]
}

@test "--timeout: 124, also for what does not heed SIGTERM" {
    run "$WEIR" run --timeout 0.2 -- sleep 60
    [ "$status" = 124 ]
    run "$WEIR" run --timeout 0.2 -- sh -c 'trap "" TERM; while :; do sleep 1; done'
    [ "$status" = 124 ]
}

@test "exit status and signals are the program's" {
    for n in 0 1 77 255; do
        run "$WEIR" run -- sh -c "exit $n"
        [ "$status" = "$n" ]
    done
    for name in TERM INT KILL SEGV PIPE USR1; do
        run "$WEIR" run -- sh -c "kill -$name \$\$"
        [ "$status" = $((128 + $(kill -l $name))) ]
    done
}

@test "a signal to weir reaches the program, and its end is weir's" {
    setsid env --default-signal=INT,TERM "$WEIR" run -- python3 -c '
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *a: sys.exit(42))
open("ready", "w").close()
time.sleep(60)' 3>&- &
    weir=$!
    until_true test -e ready
    kill -TERM "$weir"
    wait "$weir" || status=$?
    [ "$status" = 42 ]
}

@test "weir killed: its programs end, the next run starts anew" {
    "$WEIR" run -- sh -c ': >ready; exec sleep 60' 3>&- &
    weir=$!
    until_true test -e ready
    kill -KILL "$weir"
    wait "$weir" || true
    until_true nothing_alive
    run "$WEIR" run -- python3 -c 'import socket; socket.create_server(("", 8080))'
    [ "$status" = 0 ]
}

@test "what is left running is named and ended; --wait waits" {
    run "$WEIR" run -- sh -c 'sleep 1000 & until grep -q sleep /proc/$!/comm; do :; done; exit 3'
    [ "$status" = 3 ]
    [[ "$output" == *"still running after the command"*sleep* ]]
    run "$WEIR" run --wait -- sh -c '(sleep 0.3; echo late) & exit 4'
    [ "$status" = 4 ]
    [[ "$output" == *late* ]]
}

@test "a scenario's signal arrives once; its end ends the whole group" {
    cat >scenario.yaml <<'END'
name: signals
hosts:
  a:
    run:
      - name: counter
        cmd:
          - python3
          - -c
          - |
            import signal, time
            got = []
            signal.signal(signal.SIGUSR1, lambda *a: got.append(1))
            print("ready", flush=True)
            end = time.time() + 1.2
            while time.time() < end: time.sleep(0.05)
            print("got", len(got))
        expect: { exit: 0, output: "got 1" }
      - { name: shell, cmd: "sleep 60; echo never", expect: running }
      - { name: session, cmd: [setsid, sleep, "60"], expect: running }
events:
  - { at: 800ms, signal: USR1, program: counter }
END
    run "$WEIR" up scenario.yaml
    echo "$output"
    [ "$status" = 0 ]
    [[ "$output" != *never* ]]
}
