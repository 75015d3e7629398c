# SPDX-License-Identifier: BSD-2-Clause
"""run.py BUILD [ROUNDS]: the figures, side by side with the kernel in one run.

Rounds are interleaved (kernel, weir, direct, again), so that a disturbance of
the machine hits all; printed are medians, the spread (lowest..highest) and the
ratio of medians. Quote the ratios: these machines are shared.
"""
import os
import statistics
import subprocess
import sys
import tempfile

build = sys.argv[1]
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
program = f"{build}/bench/bench_program"
direct = f"{build}/bench/bench_direct"
weir = f"{build}/weir"
state = tempfile.mkdtemp()
env = dict(os.environ, XDG_STATE_HOME=state, XDG_RUNTIME_DIR=state)

# name, unit, more is better, {column: command}
ROWS = [
    ("request/response 1 B, blocking", "us", False, {
        "kernel": [program, "rr", "1"],
        "universal": [weir, "run", "--new", "--", program, "rr", "1"],
        "direct": [direct, "rr", "1"]}),
    ("bulk, one stream", "Gbit/s", True, {
        "kernel": [program, "bulk", "1"],
        "universal": [weir, "run", "--new", "--", program, "bulk", "1"],
        "direct": [direct, "bulk", "1", "65535"]}),
    ("bulk, MTU 1500", "Gbit/s", True, {
        "direct": [direct, "bulk", "1", "1500"]}),
    ("connect, 1 B each way, close", "k/s", True, {
        "kernel": [program, "crr", "1"],
        "universal": [weir, "run", "--new", "--", program, "crr", "1"],
        "direct": [direct, "crr", "1"]}),
    ("idle established endpoint", "bytes", False, {
        "direct": [direct, "idle", "0"]}),
]
COLUMNS = ["kernel", "universal", "direct"]


def figure(command):
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    try:
        return float(done.stdout.split()[0])
    except (IndexError, ValueError):
        sys.exit(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")


results = {}
for n in range(rounds):
    for name, _, _, columns in ROWS:
        for column, command in columns.items():
            results.setdefault((name, column), []).append(figure(command))
    print(f"round {n + 1} of {rounds}", file=sys.stderr)

print(f"{'':32}{'kernel':>20}{'universal door':>26}{'direct API':>26}")
for name, unit, more, columns in ROWS:
    line = f"{name + ', ' + unit:32.32}"
    kernel = statistics.median(results[name, "kernel"]) if "kernel" in columns else None
    for column in COLUMNS:
        values = results.get((name, column))
        if not values:
            line += f"{'-':>{20 if column == 'kernel' else 26}}"
            continue
        mid = statistics.median(values)
        text = f"{mid:.4g} ({min(values):.3g}..{max(values):.3g})"
        if column != "kernel" and kernel:
            text += f" {mid / kernel if more else kernel / mid:5.2f}x"
        line += f"{text:>{20 if column == 'kernel' else 26}}"
    print(line)
print("ratios are to the kernel (loopback), above 1: weir is faster; the flight recorder is on")
