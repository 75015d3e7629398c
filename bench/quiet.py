# SPDX-License-Identifier: BSD-2-Clause
"""quiet.py: one sample of a command, and whether the machine was quiet meanwhile.

A sample counts where, while it ran,
  - no more than STEAL of the time was taken by the hypervisor (/proc/stat),
  - others (not the runner, not what it started) used no more than FOREIGN of a CPU,
  - a fixed piece of work, done on each CPU just before and just after, took
    no more than CALIBRATION longer than the best of this run.
What was started and is left behind (a daemon) is ended and waited for, so that
its time is known too: the runner adopts orphans (PR_SET_CHILD_SUBREAPER).
"""
import ctypes
import fcntl
import os
import re
import resource
import signal
import subprocess
import time
import zlib

STEAL, FOREIGN, CALIBRATION = 0.01, 0.10, 0.15
CPUS = sorted(os.sched_getaffinity(0))
HZ = os.sysconf("SC_CLK_TCK")
WORK = bytes(1 << 16)
waited = 0.0  # seconds, for the lock
best = {}  # CPU: seconds the fixed work took at best

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def calibrate():
    """How much longer than at best the fixed work takes now: the worst CPU.
    Its best of some milliseconds: whether the CPU is slow, not whether the
    work was interrupted, which /proc/stat tells."""
    worst = 0
    for cpu in CPUS:
        os.sched_setaffinity(0, {cpu})
        least = 1
        for _ in range(12):
            begin = time.perf_counter()
            for _ in range(20):
                zlib.crc32(WORK)
            least = min(least, time.perf_counter() - begin)
            if least < best.get(cpu, 0) * 1.02:
                break
        best[cpu] = min(best.get(cpu, 1), least)
        worst = max(worst, least / best[cpu] - 1)
    os.sched_setaffinity(0, CPUS)
    return worst


def machine():
    """Seconds of all CPUs: (busy, of which processes, stolen). What runs in
    soft interrupts (the kernel's TCP, mostly) is charged to no process."""
    with open("/proc/stat", encoding="ascii") as f:
        user, nice, system, _, _, irq, soft, steal = map(int, f.readline().split()[1:9])
    processes = user + nice + system
    return (processes + irq + soft) / HZ, processes / HZ, steal / HZ


def ours():
    self, kids = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return self.ru_utime + self.ru_stime + kids.ru_utime + kids.ru_stime


def children():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as f:
        return [int(pid) for pid in f.read().split()]


def end_rest():
    """End and wait for what a command left behind; its orphans are ours."""
    deadline = time.monotonic() + 3
    asked = set()
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        late = time.monotonic() > deadline
        for pid in children():
            if late or pid not in asked:
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                asked.add(pid)
        time.sleep(0.005)


class Sample:
    """value, extra (name: number or word), cpu (CPUs busy), why (not quiet: a reason)."""

    def __init__(self, command, env, seconds_most):
        before = calibrate()
        busy, processes, stolen = machine()
        mine, begin = ours(), time.monotonic()
        self.value, self.extra, self.failed = None, {}, None
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 stdin=subprocess.DEVNULL, text=True, env=env)
        try:
            out, err = child.communicate(timeout=seconds_most)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = "", f"no answer in {seconds_most} s"
            child.communicate()
        end_rest()
        took = time.monotonic() - begin
        busy2, processes2, stolen2 = machine()
        self.cpu = (busy2 - busy) / took
        foreign = (processes2 - processes - (ours() - mine)) / took
        after = calibrate()
        self.read(out, err.strip() or f"exit status {child.returncode}")
        self.why = None
        if (stolen2 - stolen) / took > STEAL:
            self.why = f"{(stolen2 - stolen) / took:.0%} of a CPU stolen"
        elif foreign > FOREIGN:
            self.why = f"others used {foreign:.0%} of a CPU"
        elif max(before, after) > CALIBRATION:
            self.why = f"fixed work took {max(before, after):.0%} longer"

    def read(self, out, error):
        tokens = out.split()
        try:
            self.value = float(tokens[0])
            for token in tokens[1:]:
                name, _, said = token.partition("=")
                self.extra[name] = float(said) if re.fullmatch(r"[\d.e+-]+", said) else said
        except (IndexError, ValueError):
            self.failed = error.splitlines()[-1]


class Lock:
    """The file BENCH_LOCK names, held for some samples in a row, then left to
    others for a moment. Without it: nothing."""
    SLICE, LEAVE = 40, 2

    def __init__(self):
        self.path, self.file, self.since = os.environ.get("BENCH_LOCK"), None, 0.0

    def take(self):
        global waited
        if not self.path or (self.file and time.monotonic() - self.since < self.SLICE):
            return
        begin = time.monotonic()
        if self.file:
            self.release()
            time.sleep(self.LEAVE)
        self.file = open(self.path, "a", encoding="ascii")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        self.since = time.monotonic()
        waited += self.since - begin

    def release(self):
        if self.file:
            self.file.close()
            self.file = None


lock = Lock()


def sample(command, env, seconds_most=60):
    lock.take()
    return Sample(command, env, seconds_most)
