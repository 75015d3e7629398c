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

# gVisor's netstack from Debian's package of its source.
peer gvisor env GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= \
    GOCACHE="${GOCACHE:-$build/go}" go build -o "$build/bench_gvisor" "$here/gvisor.go"
# lwIP as Debian builds its library. (Not by meson: weir must build without.)
peer lwip sh -c 'cc -O2 -o "$0" "$1" $(pkg-config --cflags --libs lwip) -lm' \
    "$build/bench_lwip" "$here/lwip.c"
exit 0
