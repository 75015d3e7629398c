#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# copies.sh BUILD: how many times the door copies a byte between two programs,
# as its traced calls say: the most of any call that received.
"$1/weir" trace --new -- "$1/bench/bench_program" rr 0.05 >/dev/null 2>&1
"$1/weir" timeline --json | sed -n 's/.*"call":"recv".*"copies":\([0-9]*\).*/\1/p' | sort -n | tail -n 1
