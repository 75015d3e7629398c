# SPDX-License-Identifier: BSD-2-Clause
"""count.py BUILD [MODE]: what a segment costs, counted and not timed.

Under callgrind a run of the direct API (bench_direct, both ends, recorder on)
of some turns and one of more: the difference, divided by the segments in it, is
free of what setting up costs. Instructions are counted in the program as it is
built; allocations (calls of arena_alloc) in one built here without inlining.
With MODE (rr, bulk, gso, crr) prints the instructions, then allocations=; without,
holds every line of limits.txt, as TAP: a count may fall, not rise.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
top = os.path.dirname(os.path.dirname(here))
build = os.path.abspath(sys.argv[1])
stage = tempfile.mkdtemp(prefix="wc.")
TURNS = {  # mode: arguments of bench_direct, turns of the short and of the long run
    "rr": (["rr", "x{}"], 1000, 2000),
    "bulk": (["bulk", "x{}", "1500"], 600, 700),
    "gso": (["bulk", "x{}", "65535"], 1000, 1200),
    "crr": (["crr", "x{}"], 200, 400),
}


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])}: {done.stderr.strip()[-300:]}")
    return done


def once(program, args, turns):
    """(instructions, allocations, segments) of one run."""
    out = f"{stage}/callgrind"
    done = run(["valgrind", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no",
                f"--callgrind-out-file={out}", program, *[a.format(turns) for a in args]])
    allocations = 0
    with open(out, encoding="utf-8") as f:
        called = None
        for line in f:
            if line.startswith("cfn="):
                called = line[4:].strip()
            elif line.startswith("calls=") and called == "arena_alloc":
                allocations += int(line[6:].split()[0])
            elif line.startswith("totals:"):
                instructions = int(line.split()[1])
    return instructions, allocations, int(re.search(r"segments=(\d+)", done.stdout)[1])


def per_segment(program, mode, which):
    args, short, long = TURNS[mode]
    a, b = once(program, args, short), once(program, args, long)
    return (b[which] - a[which]) / (b[2] - a[2])


def without_inlining():
    path = f"{stage}/direct"
    run(["cc", "-O1", "-fno-inline", "-std=gnu11", "-D_GNU_SOURCE", '-DWEIR_VERSION="-"',
         f"-I{top}/core", f"-I{top}/include", "-o", path, f"{top}/bench/direct.c",
         *glob.glob(f"{top}/core/**/*.c", recursive=True)])
    return path


def measure(mode, inlined, plain):
    return {"instructions": per_segment(inlined, mode, 0),
            "allocations": per_segment(plain, mode, 1)}


def main():
    inlined = f"{build}/bench/bench_direct"
    lacking = [f"{p} is not installed" for p in ("valgrind", "cc") if not shutil.which(p)]
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        lacking += [] if " avx2 " in f.read() else ["the limits are for a CPU with AVX2"]
    if lacking:
        print(f"1..0 # SKIP {lacking[0]}")
        return
    plain = without_inlining()
    if len(sys.argv) > 2:
        got = measure(sys.argv[2], inlined, plain)
        print(f"{got['instructions']:.1f} allocations={got['allocations']:.3f}")
        return
    n, all_got = 0, {}
    with open(f"{here}/limits.txt", encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            if not words:
                continue
            mode, what, limit = words[0], words[1], float(words[2])
            if mode not in all_got:
                all_got[mode] = measure(mode, inlined, plain)
            n, got = n + 1, all_got[mode][what]
            print("ok" if got <= limit else "not ok", n,
                  f"- {mode}: {what} per segment: {got:.2f}, at most {limit:g}")
    print(f"1..{n}")


try:
    main()
finally:
    shutil.rmtree(stage)
