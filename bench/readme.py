# SPDX-License-Identifier: BSD-2-Clause
"""readme.py DIR: put a run's figures (DIR/figures.txt, .json, .svg) into
bench/README.md (the table and each row's commands), bench/figures.svg and
README.md (a short table): between the lines <!-- NAME --> and <!-- /NAME -->."""
import json
import os
import re
import shlex
import shutil
import sys

top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
source = sys.argv[1]
run_in = os.path.dirname(os.path.dirname(os.path.abspath(source)))  # perhaps another clone
with open(f"{source}/figures.json", encoding="utf-8") as lines:
    figures = [json.loads(line) for line in lines]
WEIR = ("door", "direct", "load", "ring", "tap")
SHORT = {  # rows of README.md
    "request/response 1 B, blocking, one core", "request/response 1 B, blocking, free",
    "request/response 1 B, spinning, two cores",
    "bulk, 1 stream, 64 KiB segments, one core", "bulk, 1 stream, MTU 1500, checksums, one core",
    "bulk, 1 stream, free", "connect, 1 B each way, close, one core",
    "nginx and wrk, 64 connections", "nginx and wrk, 1 connection",
    "nginx and wrk, a connection a request, 64 at once",
    "small web answers, keep-alive, 64 connections", "redis-benchmark GET, one at a time",
    "redis-benchmark GET, 50 at once, no pipeline", "idle established endpoint"}


def block(path, name, text):
    with open(f"{top}/{path}", encoding="utf-8") as f:
        old = f.read()
    new, n = re.subn(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
                     lambda m: m[1] + text + m[2], old, flags=re.S)
    if n != 1:
        sys.exit(f"{path}: no place for {name}")
    with open(f"{top}/{path}", "w", encoding="utf-8") as f:
        f.write(new)


def commands():
    name = None
    for o in figures:
        if not o["command"]:
            continue
        if o["row"] != name:
            name = o["row"]
            yield name
        words = shlex.join(o["command"]).replace(f"{run_in}/", "").replace("bench/../", "").replace("build/../", "")
        yield f"    {o['column']:20}{words}"


def number(v):
    return f"{v:.0f}" if v >= 1000 else f"{v:.3g}"


def cell(o):
    if not o:
        return ""
    times = "" if o["ratio"] is None else f" {o['ratio']:.1f}x" if o["ratio"] >= 2 else f" {o['ratio']:.2f}x"
    return (number(o["median"]) if o["median"] else "") + times


def short():
    yield "| | base: the kernel | unmodified programs | direct API | other | best peer |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name in dict.fromkeys(o["row"] for o in figures):
        if name not in SHORT:
            continue
        of = {o["column"]: o for o in figures if o["row"] == name}
        base = of[next(iter(of.values()))["base"]]
        peers = [o for c, o in of.items() if o["ratio"] and c not in WEIR and o is not base
                 and c in ("lwip", "gvisor", "slirp", "pasta", "smoltcp", "lwip, upstream")]
        best = max(peers, key=lambda o: o["ratio"], default=None)
        other = [f"{c}: {cell(of[c])}" for c in ("load", "ring") if c in of]
        peer = f"{best['column']}{' (cited, ' + best['cited'] + ')' if best['cited'] else ''}: {cell(best)}" \
            if best else ""
        yield (f"| {name}, {of[base['column']]['unit']} | {number(base['median']) if base['median'] else '-'} "
               f"| {cell(of.get('door'))} | {cell(of.get('direct'))} | {', '.join(other)} | {peer} |")


with open(f"{source}/figures.txt", encoding="utf-8") as said:
    block("bench/README.md", "table", "```\n" + said.read() + "```\n")
block("bench/README.md", "commands", "```\n" + "\n".join(commands()) + "\n```\n")
block("README.md", "figures", "\n".join(short()) + "\n")
shutil.copy(f"{source}/figures.svg", f"{top}/bench/figures.svg")
