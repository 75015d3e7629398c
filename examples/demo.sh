#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# demo.sh WEIR: a static Go echo server on host b, nc on host a; what is typed
# comes back; Ctrl-C ends nc. Then the timeline of it all.
set -eu
weir=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "building the echo server as a static Go binary ..."
GOCACHE="$work/cache" GOFLAGS=-mod=mod CGO_ENABLED=0 GO111MODULE=off \
    go build -o "$work/echo" "$here/echo/echo.go"
DEMO=$work "$weir" up "$here/echo.weir.yaml"
echo
"$weir" timeline --width "${COLUMNS:-150}"
