# SPDX-License-Identifier: BSD-2-Clause
"""run.py BUILD: weir and its peers side by side, one table of ratios.

Rounds are interleaved (each row's columns after one another, then again), so
that a slow change of the machine hits all; samples taken while the machine was
disturbed are thrown away and taken again (quiet.py). Printed are medians, the
spread, how many CPUs were busy, the ratio to the row's base and whether the
goal is met. What this machine lacks is a line that says so.
BENCH_LOCK=FILE: samples are taken under an exclusive lock on FILE, 40 s in a row.
"""
import argparse
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import quiet
from plot import plot
from rows import rows

PLACES = ("veth", "veth1500")
WEIR = ("door", "door, --spin", "load", "load, --spin", "direct", "ring", "tap")
NEEDS = {  # a word of a command: packages' programs
    "slirp": ["slirp4netns", "unshare", "nsenter"], "pasta": ["pasta"],
    "nginx": ["nginx", "wrk"], "redis": ["redis-server", "redis-benchmark"],
    "iperf3": ["iperf3"], "count.py": ["valgrind", "cc"], "taskset": ["taskset"], "valgrind": ["valgrind"],
    **{place: ["ip"] for place in PLACES}}


def sh(text):
    done = subprocess.run(["sh", "-ec", text], capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
    return said[-1] if done.returncode else None


def namespaces_make():
    """wb-a and wb-b with a veth pair as it comes and one without offload. None, or why not."""
    if os.getuid() != 0:
        return "needs root: network namespaces"
    namespaces_remove()
    return sh("""
        ip netns add wb-a; ip netns add wb-b
        for n in 1 2; do
            ip link add wb-a$n netns wb-a type veth peer name wb-b$n netns wb-b
            for end in a b; do
                host=$([ $end = a ] && echo 1 || echo 2)
                ip -n wb-$end addr add 10.93.$n.$host/24 dev wb-$end$n
                ip -n wb-$end link set wb-$end$n up
                ip -n wb-$end link set lo up
            done
        done
        for end in a b; do
            ip netns exec wb-$end ethtool -K wb-${end}2 tso off gso off gro off tx off rx off
        done""")


def namespaces_remove():
    sh("for n in wb-a wb-b; do ip netns del $n 2>/dev/null || :; done")


def lacks(command, places):
    """Why this machine cannot run the command; None where it can."""
    if len(command) == 1:
        return command[0]
    for word in command:
        if word in PLACES and places:
            return places
        for program in NEEDS.get(os.path.basename(word), []):
            if not shutil.which(program):
                return f"{program} is not installed"
        if "/bench/bench_" in word and not os.path.exists(word):
            why = word + ".why"
            return open(why, encoding="utf-8").read().strip() if os.path.exists(why) else \
                f"{os.path.basename(word)} is not built"
        if word.endswith("/bench_tap") and os.getuid() != 0:
            return "needs root: a TAP"
        if (word in ("slirp", "pasta") or word.endswith("/bench_tap")) and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            return "no /dev/net/tun that may be opened"
    return None


class Cell:
    """One row's column: its samples, and those that were thrown away."""

    def __init__(self, row, column, command, places):
        self.row, self.column, self.command = row, column, command
        self.good, self.bad, self.failed, self.took = [], [], None, 0.0
        self.cited = command if isinstance(command, tuple) else None
        self.absent = None if self.cited else lacks(command, places)

    def wanted(self, rounds):
        return not (self.cited or self.absent or self.failed) and \
            len(self.good) < (1 if self.row.once else rounds)

    def sample(self, env):
        begin = time.monotonic() - quiet.waited
        got = quiet.sample(self.command, env)
        self.took = time.monotonic() - quiet.waited - begin
        if got.failed:
            # Once more: a lost port or a slow start is no result.
            got = quiet.sample(self.command, env)
            self.failed = got.failed
        if not got.failed:
            (self.bad if got.why and not self.row.once else self.good).append(got)

    def figures(self):
        """Those that count; where none was quiet, all, and the table says so."""
        return [s.value for s in self.good or self.bad]

    def median(self):
        return statistics.median(self.figures()) if self.figures() else None

    def extra(self, name):
        values = [s.extra[name] for s in self.good or self.bad if name in s.extra]
        if values and isinstance(values[0], str):
            return values[-1]
        return statistics.median(values) if values else None

    def cpu(self):
        return statistics.median(s.cpu for s in self.good or self.bad)


def ratio(row, cell, base):
    """Above 1: better than the base. None where one of them has no figure."""
    if cell.cited:
        return cell.cited[0]
    mid, of = cell.median(), base.median() if base else None
    if cell is base or not mid or not of:
        return None
    return mid / of if row.more else of / mid


def short(v):
    return f"{v:.0f}" if v >= 1000 else f"{v:.3g}"


def lines(row, cells):
    """The row's lines: (column, figure, spread, cpu, ratio, verdict or remark)."""
    by_name = {c.column: c for c in cells}
    base = by_name.get(row.base)
    for cell in cells:
        r = ratio(row, cell, base)
        goal = row.goal.get(cell.column)
        times = f"{r:.2f}x" if r is not None else ""
        remark = []
        if cell.cited:
            yield cell, "cited", "", "", times, f"measured elsewhere: {cell.cited[1]}"
            continue
        if cell.absent or cell.failed:
            yield cell, "-", "", "", "", cell.absent or f"failed: {cell.failed}"
            continue
        if not cell.figures():
            yield cell, "-", "", "", "", "no time was left for it"
            continue
        if goal and r is not None:
            remark.append(f"goal {goal:g}x {'met' if r >= goal else 'NOT MET'}")
        elif row.base in ("kernel", "veth") and cell.column in WEIR and r is not None and r < 1:
            remark.append("a loss")
        if cell.column == "norecord" and (on := by_name.get("direct")) and on.median():
            cost = (cell.median() / on.median() if row.more else on.median() / cell.median()) - 1
            remark.append(f"the recorder costs {cost:.0%} (aim: 25 %)")
        tails = [f"{n} {short(v)}" for n in ("p50", "p99", "p999") if (v := cell.extra(n))]
        remark += [" ".join(tails)] if tails else []
        remark += [f"{k} {v if isinstance(v := cell.extra(k), str) else f'{v:g}'}" for k in (cell.good or cell.bad)[0].extra
                   if k not in ("p50", "p99", "p999", "segments")]
        if not cell.good:
            remark.append("the machine was never quiet")
        elif row.once and cell.good[0].why:
            remark.append(f"not quiet: {cell.good[0].why}")
        elif cell.bad:
            remark.append(f"{len(cell.bad)} of {len(cell.good) + len(cell.bad)} samples thrown away")
        values = cell.figures()
        yield (cell, f"{cell.median():.4g}" if cell.median() < 1e4 else f"{cell.median():.0f}",
               f"{short(min(values))}..{short(max(values))}" if len(values) > 1 else "",
               f"{cell.cpu():.1f}", times, ", ".join(remark))


def machine(top):
    """One line: what this was measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "")
    commit = subprocess.run(["git", "-C", top, "describe", "--always", "--dirty"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return (f"{model}, {len(quiet.CPUS)} CPUs, Linux {os.uname().release.split('-')[0]}, "
            f"weir {commit or 'of no commit'}, {time.strftime('%Y-%m-%d')}")


def table(out, all_cells):
    print(f"{'':22}{'median':>10}  {'lowest..highest':<17}{'CPUs':>4}{'ratio':>9}  ", file=out)
    for row, cells in all_cells:
        print(f"{row.name} ({row.unit}; {'more' if row.more else 'less'} is better)", file=out)
        for cell, figure, spread, cpu, times, remark in lines(row, cells):
            mark = "" if cell.column != row.base else " ="
            print(f"    {cell.column + mark:18}{figure:>10}  {spread:<17}{cpu:>4}{times:>9}  {remark}"
                  .rstrip(), file=out)
        if row.note:
            print(f"    ({row.note})", file=out)


def as_json(all_cells):
    for row, cells in all_cells:
        base = next((c for c in cells if c.column == row.base), None)
        for c in cells:
            yield {"row": row.name, "unit": row.unit, "more_is_better": row.more,
                   "column": c.column, "base": row.base,
                   "command": None if c.cited else c.command,
                   "median": c.median(), "samples": [s.value for s in c.good],
                   "thrown_away": [{"value": s.value, "why": s.why} for s in c.bad],
                   "cpus": c.cpu() if c.figures() else None,
                   "extra": {k: c.extra(k) for s in (c.good or c.bad)[:1] for k in s.extra},
                   "ratio": ratio(row, c, base), "goal": row.goal.get(c.column),
                   "absent": c.absent or c.failed, "cited": c.cited and c.cited[1]}


def measure(all_cells, rounds, budget, env):
    """Rounds until every cell has enough good samples or the time is over
    (waiting for the lock does not count)."""
    end = time.monotonic() + budget

    def left():
        return end + quiet.waited - time.monotonic()

    for n in range(rounds * 3):
        todo = [c for _, cells in all_cells for c in cells if c.wanted(min(n + 1, rounds))]
        if not todo:
            continue
        for cell in todo:
            if cell.took > left():
                return
            cell.sample(env)
        print(f"round {n + 1}: {len(todo)} samples, {left():.0f} s left",
              file=sys.stderr)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=0.5, help="of one sample")
    p.add_argument("--budget", type=float, default=600, help="seconds in all")
    p.add_argument("--only", default="", help="rows whose name matches")
    p.add_argument("--columns", default="", help="columns whose name matches")
    p.add_argument("--out", help="figures.json and figures.svg go there")
    args = p.parse_args()
    build = os.path.abspath(args.build)
    state = tempfile.mkdtemp(prefix="wb.")
    env = dict(os.environ, XDG_STATE_HOME=state, XDG_RUNTIME_DIR=state)
    places = namespaces_make()
    try:
        all_cells = [(row, [Cell(row, column, command, places)
                            for column, command in row.columns.items()
                            if re.search(args.columns, column)])
                     for row in rows(build, args.seconds) if re.search(args.only, row.name)]
        for _ in range(5):
            quiet.calibrate()
        measure(all_cells, args.rounds, args.budget, env)
    except KeyboardInterrupt:
        print("ended early: the table has what there is", file=sys.stderr)
    finally:
        quiet.lock.release()
        if not places:
            namespaces_remove()
        shutil.rmtree(state, ignore_errors=True)
    said = io.StringIO()
    print(machine(os.path.dirname(build)), file=said)
    table(said, all_cells)
    print(said.getvalue(), end="")
    out = args.out or os.path.join(build, "bench")
    figures = list(as_json(all_cells))
    with open(os.path.join(out, "figures.json"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps(o) + "\n" for o in figures)
    with open(os.path.join(out, "figures.txt"), "w", encoding="utf-8") as f:
        f.write(said.getvalue())
    plot(figures, os.path.join(out, "figures.svg"))
    print(f"Ratios are to the column marked =, above 1 is better. {out}/figures.json has all samples, "
          f"{out}/figures.svg is the plot.")


main()
