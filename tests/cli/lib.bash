# SPDX-License-Identifier: BSD-2-Clause
# What several of the files here use.

: "${WEIR:=$BATS_TEST_DIRNAME/../../build/weir}"

# need COMMAND...: skip the test where one is missing.
need() {
    for what in "$@"; do
        command -v "$what" >/dev/null || skip "$what is not installed"
    done
}

# until_true COMMAND...: wait for it, 20 s at most.
until_true() {
    local tries=400
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "never true: $*"; return 1; }
        sleep 0.05
    done
}

# said FILE WORDS: the file holds the words.
said() { grep -qF -- "$2" "$1"; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# A TCP port of the kernel that is free now.
free_port() {
    python3 -c 'import socket
s = socket.socket()
s.bind(("", 0))
print(s.getsockname()[1])'
}

# A runtime directory and recordings of the test's own.
own_place() {
    export XDG_RUNTIME_DIR="$BATS_TEST_TMPDIR/run" XDG_STATE_HOME="$BATS_TEST_TMPDIR/state"
    mkdir -p -m 700 "$XDG_RUNTIME_DIR"
}
