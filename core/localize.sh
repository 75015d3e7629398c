#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# localize.sh IN OUT: the core as one object that exports weir_* only, so that
# the short names inside cannot clash with an embedder's.
set -e
object=$(dirname "$2")/weir_core.o
ld -r -o "$object" --whole-archive "$1" --no-whole-archive
objcopy --wildcard --keep-global-symbol='weir_*' "$object"
rm -f "$2"
ar rcs "$2" "$object"
rm -f "$object"
