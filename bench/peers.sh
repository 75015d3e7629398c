#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# peers.sh BUILD: build what drives the peers that are libraries. What cannot be
# built leaves BUILD/bench/bench_NAME.why, and the table says so.
build=$(cd "$1" && pwd)/bench
here=$(cd "$(dirname "$0")" && pwd)

# peer NAME COMMAND...
peer() {
    name=$1 && shift
    rm -f "$build/bench_$name.why"
    "$@" >"$build/$name.log" 2>&1 && return
    rm -f "$build/bench_$name"
    echo "cannot be built: $(tail -n 1 "$build/$name.log")" >"$build/bench_$name.why"
}

