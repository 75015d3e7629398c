# SPDX-License-Identifier: BSD-2-Clause
"""rows.py: what is measured. One Row is one line of the table.

Row(name, unit, more, {column: command}, goal={column: ratio}, ...)

A command's first token on standard output is the figure, the rest name=value.
`more`: is more better. A goal is the least ratio to the row's base (the column
`kernel` unless `base` says otherwise), made so that above 1 the column is better
than the base. What a command needs beyond itself is found from its
words (needs() in run.py); where that is absent, the table says so.

Columns: kernel (loopback), veth (the kernel, two network namespaces), door (the
universal door, `weir run`), load (a server behind it, our client on the direct API), direct (the
direct API), norecord (the same, the flight recorder off), ring (two stacks on
two cores, links/ring between them), tap (the direct API and a program on the
kernel, links/tap between them), lwip, gvisor, slirp, pasta; any other name will
do. `note` is printed under the row. A tuple in place of a command is a
figure that was measured elsewhere: (multiple of the kernel beside it, "of what");
a command of one word is why there is none here.
"""
import os
from dataclasses import dataclass, field


@dataclass
class Row:
    name: str
    unit: str
    more: bool
    columns: dict
    goal: dict = field(default_factory=dict)
    base: str = "kernel"
    once: bool = False      # counted or slow: one sample, no rounds
    note: str = ""


def memory_gib():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("MemAvailable")) / (1 << 20)


def rows(build, seconds):
    S = str(seconds)
    program, direct = f"{build}/bench/bench_program", f"{build}/bench/bench_direct"
    scale = f"{build}/bench/bench_scale"
    ring, sizes = f"{build}/bench/bench_ring", f"{build}/bench/bench_sizes"
    gvisor, lwip = f"{build}/bench/bench_gvisor", f"{build}/bench/bench_lwip"
    core = ["taskset", "-c", "0"]
    door = [f"{build}/weir", "run", "--new", "--"]
    spinning = door[:-1] + ["--spin", "--"]
    bench = os.path.dirname(os.path.abspath(__file__))
    pair = ["python3", f"{bench}/pair.py", build]

    def own(*args):
        """A program of ours for the benchmark; with the recorder and without."""
        return {"direct": [*args], "norecord": ["env", "NO_RECORD=1", *args]}

    table = []

    def row(*args, **more):
        table.append(Row(*args, **more))

    # ---- request/response
    for size, name in (("1", "1 B"), ("1024", "1 KiB")):
        rr = [program, "-s", size, "rr", S]
        row(f"request/response {name}, blocking, one core", "us", False, {
            "kernel": core + rr, "door": core + door + rr,
            **(own(*core, direct, "rr", S) if size == "1" else {}),
            "direct, each timed": [*core, sizes, "rr", S, size],
            "gvisor": core + [gvisor, "-s", size, "rr", S],
            "lwip": core + [lwip, "-s", size, "rr", S],
            **({"lwip, upstream": (13.0 / 0.38, "0.38 beside 13.0 us"),
                "smoltcp": (13.0 / 0.48, "0.48 beside 13.0 us")} if size == "1" else {})},
            goal={"direct": 68})
        row(f"request/response {name}, blocking, free", "us", False, {
            "kernel": rr, "door": door + rr, "door, --spin": spinning + rr,
            "veth": pair + ["veth", "program", "rr", S, size],
            "slirp": pair + ["slirp", "program", "rr", S, size],
            "pasta": pair + ["pasta", "program", "rr", S, size]}, goal={"door": 3})
        spin = [program, "-b", "-s", size, "rr", S]
        row(f"request/response {name}, spinning, two cores", "us", False, {
            "kernel": spin, "door": door + spin, "door, --spin": spinning + spin,
            **({"ring": [ring, "rr", S]} if size == "1" else {})}, goal={"ring": 11})
    # ---- bulk
    for streams in ("1", "8"):
        bulk = [program, "-n", streams, "bulk", S]
        s = "1 stream" if streams == "1" else f"{streams} streams"
        row(f"bulk, {s}, 64 KiB segments, one core", "Gbit/s", True, {
            "kernel": core + bulk, "door": core + door + bulk,
            **(own(*core, direct, "bulk", S, "65535") if streams == "1" else
               own(*core, sizes, "bulk", S, "65535", streams)),
            "gvisor": core + [gvisor, "-n", streams, "-m", "65535", "bulk", S],
            **({"lwip, upstream": (22.5 / 58.5, "22.5 beside 58.5 Gbit/s"),
                "smoltcp": (20.0 / 58.5, "20.0 beside 58.5 Gbit/s")} if streams == "1" else {})},
            goal={"direct": 2})
        row(f"bulk, {s}, MTU 1500, checksums, one core", "Gbit/s", True, {
            "veth": core + pair + ["veth1500", "program", "bulk", S, "1", streams],
            **(own(*core, direct, "bulk", S, "1500") if streams == "1" else
               own(*core, sizes, "bulk", S, "1500", streams)),
            "gvisor": core + [gvisor, "-n", streams, "-m", "1500", "bulk", S],
            "lwip": core + [lwip, "-n", streams, "bulk", S],
            **({"lwip, upstream": (9.3 / 10.4, "9.3 beside 10.4 Gbit/s"),
                "smoltcp": (16.2 / 10.4, "16.2 beside 10.4 Gbit/s")} if streams == "1" else {})},
            base="veth", goal={"direct": 3.5})
        row(f"bulk, {s}, free", "Gbit/s", True, {
            "kernel": bulk, "door": door + bulk,
            **({"ring": [ring, "bulk", S, "65535"]} if streams == "1" else {}),
            "veth": pair + ["veth", "program", "bulk", S, "1", streams],
            "slirp": pair + ["slirp", "program", "bulk", S, "1", streams],
            "pasta": pair + ["pasta", "program", "bulk", S, "1", streams]})
    # ---- connections
    crr = [program, "crr", S]
    row("connect, 1 B each way, close, one core", "k/s", True, {
        "kernel": core + crr, "door": core + door + crr,
        **own(*core, direct, "crr", S),
        "direct, 200 at once": [*core, scale, "crr", S],
        "gvisor": core + [gvisor, "crr", S], "lwip": core + [lwip, "crr", S],
        "lwip, upstream": (242 / 16.7, "242 k/s (200 sockets; 4,096: 24) beside 16.7"),
        "smoltcp": (513 / 16.7, "513 beside 16.7 k/s")}, goal={"direct, 200 at once": 60})
    row("connect, 1 B each way, close, free", "k/s", True, {
        "kernel": crr, "door": door + crr,
        "veth": pair + ["veth", "program", "crr", S],
        "slirp": pair + ["slirp", "program", "crr", S],
        "pasta": pair + ["pasta", "program", "crr", S]})
    row("a call that is none of weir's, behind the door", "ns more", False, {
        "door": [f"{build}/bench/bench_notours", "-w", " ".join(door)]},
        note="the most of read, getppid, epoll_wait; each as alone/behind the door")
    # ---- programs
    for name, args, goal in (
            ("64 connections", ["64"], {"door": 1.2, "load": 1.7}),
            ("1 connection", ["1"], {"load": 1.2, "load, --spin": 3}),
            ("a connection a request, 64 at once", ["64", "close"], {"door": 1})):
        do = ["nginx", S, *args]
        row(f"nginx and wrk, {name}", "k/s", True, {
            "kernel": pair + ["kernel", *do], "door": door + pair + ["kernel", *do],
            **({} if "close" in do else {"load": pair + ["load", *do]}),
            **({"load, --spin": pair + ["loadspin", *do]} if "1" in do[2:] else {}),
            "veth": pair + ["veth", *do],
            "slirp": pair + ["slirp", *do], "pasta": pair + ["pasta", *do]}, goal=goal)
    row("small web answers, keep-alive, 64 connections", "k/s", True, {
        "kernel": pair + ["kernel", "nginx", S, "64"],
        **own(*core, f"{build}/bench/bench_httpd_load", S)},
        goal={"direct": 16},
        note="nginx and wrk on two cores; the example web server and its clients on one")
    for clients in ("50", "1"):
        do = ["redis", S, clients]
        row(f"redis-benchmark GET, {clients} at once, no pipeline" if clients != "1" else
            "redis-benchmark GET, one at a time", "k/s", True, {
                "kernel": pair + ["kernel", *do], "door": door + pair + ["kernel", *do],
                "load": pair + ["load", *do],
                "veth": pair + ["veth", *do],
                "slirp": pair + ["slirp", *do], "pasta": pair + ["pasta", *do]},
            goal={"door": 1.1, "load": 1.3} if clients == "50" else {})
    for streams in ("1", "8"):
        do = ["iperf3", "1", streams]
        row(f"iperf3, {streams} stream" + "s" * (streams != "1"), "Gbit/s", True, {
            "kernel": pair + ["kernel", *do], "door": door + pair + ["kernel", *do],
            "veth": pair + ["veth", *do],
            "slirp": pair + ["slirp", *do], "pasta": pair + ["pasta", *do]},
            goal={"door": 0.8} if streams == "1" else {})
    # ---- more cores, and the kernel as the peer
    shards = f"{build}/bench/bench_shards"
    for name, unit, args in (
            ("request/response 1 B, 16 connections a shard", "k/s", ["rr", S]),
            ("connect, 1 B each way, close", "k/s", ["crr", S]),
            ("bulk, a stream a shard, MTU 1500, checksums", "Gbit/s", ["bulk", S, "1500"])):
        row(f"{name}, on shards", unit, True, {
            "1 shard": [shards, "1", *args], "2 shards": [shards, "2", *args],
            "2, mesh": [shards, "2", *args, *([] if "1500" in args else ["1500"]), "mesh"]},
            base="1 shard", goal={"2 shards": 1.8},
            note="a shard of the server and one of the client on each core; mesh: half of the flows cross")
    tap = f"{build}/bench/bench_tap"
    row("request/response 1 B, a program on the kernel and weir over a TAP, one core", "us", False, {
        "kernel": core + [program, "rr", S], "tap": [tap, "rr", S, "poll", "0", "0"]})
    for mode, name in (("in", "the kernel to weir"), ("out", "weir to the kernel")):
        row(f"bulk, {name} over a TAP, two cores", "Gbit/s", True, {
            "kernel": [program, "bulk", S], "tap": [tap, mode, S, "spin", "0", "1"],
            "tap, cubic": [tap, mode, S, "spin", "0", "1", "cubic"]},
            note="weir spins; the kernel's congestion control is the machine's own but where cubic is said")
    row("request/response 1 B, one of a million connections at random", "us", False, {
        "10 connections": [*core, scale, "random", "10", S],
        "direct": [*core, scale, "random", "1000000", S]}, base="10 connections",
        goal={"direct": 0.5}, once=True)
    row("endpoints held, made one after another", "k/s", True, {
        "direct, 1 million": [*core, scale, "held", "1000000"],
        "direct, 10 million": [*core, scale, "held", "10000000"] if memory_gib() > 6 else
        ["not enough memory"]}, once=True, note="bytes an endpoint, GiB of all")
    # ---- memory, copies, instructions: counted, not timed
    row("idle established endpoint", "bytes", False, {
        "kernel": ["python3", f"{bench}/idle_kernel.py"],
        "direct": [direct, "idle", "0"], "gvisor": [gvisor, "idle", "0"],
        "lwip, upstream": (3750 / 280, "280 B beside 3.75 kB"),
        "smoltcp": (3750 / 408, "408 B beside 3.75 kB")}, once=True,
        note="weir's aim: 256 bytes. The kernel's with its file; the door's connections also cost two AF_UNIX sockets each")
    copies = f"{build}/bench/bench_copies"
    row("copies of a byte, program to program", "copies", False, {
        "door": ["sh", f"{bench}/copies.sh", build],
        "direct": [copies, "65535"], "direct, MTU 1500": [copies, "1500"]}, once=True,
        note="counted by the stack; the kernel makes two, in and out")
    for mode, name in (("rr", "1 B"), ("bulk", "bulk, MTU 1500"), ("gso", "bulk, 64 KiB"),
                       ("crr", "connect, 1 B each way, close")):
        row(f"instructions a segment, {name}", "instructions", False, {
            "direct": ["python3", f"{bench}/../tests/count/count.py", build, mode]}, once=True)
    return table
