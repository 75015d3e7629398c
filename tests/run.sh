#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh BUILD: every test; the last line counts them. As root the command-line
# tests run twice, the second time as an ordinary user.
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/.." && pwd)
# Short: sockets lie below it, and their names have room for 108 letters.
stage=$(mktemp -d /tmp/wt.XXXXXX)
trap 'rm -rf "$stage"' EXIT
passed=0 failed=0 skipped=0

# count FILE: add up a TAP stream, show what failed or was skipped.
count() {
    s=$(grep -ciE '^ok .*# skip' "$1")
    p=$(($(grep -c '^ok ' "$1") - s))
    f=$(grep -c '^not ok ' "$1")
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    grep -iE '^ok .*# skip' "$1"
    if [ "$f" != 0 ]; then
        grep -A 30 '^not ok ' "$1"
    fi
    printf '# %s: %d passed, %d failed, %d skipped\n' "$2" "$p" "$f" "$s"
}

# Unit tests and simulations: each prints TAP.
meson test -C "$build" --list 2>/dev/null | sed 's/.* \/ //' >"$stage/list"
meson test -C "$build" --no-rebuild --quiet >"$stage/meson.out" 2>&1
python3 "$top/tests/tap.py" "$build/meson-logs/testlog.json" >"$stage/unit.tap"
count "$stage/unit.tap" "unit, simulation"

sh "$top/tests/tidy/tidy.sh" "$top" "$build" >"$stage/tidy.tap" 2>&1
count "$stage/tidy.tap" "tidy"

# What users run, from a place every user can read.
mkdir "$stage/weir" && chmod 755 "$stage" "$stage/weir"
cp "$build/weir" "$stage/weir/weir"
cp -r "$top/tests" "$top/examples" "$top/docs" "$stage/weir/"
find "$build" -maxdepth 3 -name 'prog_*' -type f -perm -1 -exec cp {} "$stage/weir/" \;
# What an embedder gets.
DESTDIR="$stage/inst" meson install -C "$build" --no-rebuild --quiet >/dev/null 2>&1
chmod -R a+rX "$stage/weir" "$stage/inst"
# cli WHO [COMMAND...]: the bats files, TAP.
cli() {
    who=$1 && shift
    own=$stage/$(printf %.1s "$who")
    mkdir "$own" && chmod 777 "$own"
    (cd "$stage/weir" && "$@" env HOME="$own" XDG_RUNTIME_DIR="$own" \
        XDG_STATE_HOME="$own/state" WEIR="$stage/weir/weir" INSTALLED="$stage/inst" TMPDIR="$own" \
        PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        bats --tap tests/*/*.bats </dev/null) >"$stage/$who.tap" 2>&1
    count "$stage/$who.tap" "command line as $who"
}
cli "$(id -un)"
if [ "$(id -u)" = 0 ]; then
    cli nobody setpriv --reuid=65534 --regid=65534 --clear-groups
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
