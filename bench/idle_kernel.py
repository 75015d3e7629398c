# SPDX-License-Identifier: BSD-2-Clause
"""idle_kernel.py: bytes of kernel memory an idle established endpoint, its file
included: the growth of Slab in /proc/meminfo over connections on loopback that
have carried a byte each way. tcp= is the socket alone: the cache TCP in
/proc/slabinfo (root)."""
import resource
import socket
import time

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
N = min(10000, hard // 2 - 200)


def slab():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Slab:")) * 1024


def tcp():
    try:
        with open("/proc/slabinfo", encoding="ascii") as f:
            words = next(line.split() for line in f if line.startswith("TCP "))
            return float(words[3])
    except (OSError, StopIteration):
        return None


listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
kept = []


def pair():
    a = socket.create_connection(listener.getsockname())
    b = listener.accept()[0]
    for x, y in ((a, b), (b, a)):
        x.send(b"x")
        y.recv(1)
    kept.append((a, b))


for _ in range(100):
    pair()
before = slab()
for _ in range(N):
    pair()
time.sleep(1)
print(f"{(slab() - before) / (2 * N):.0f}", "" if tcp() is None else f"tcp={tcp():.0f}")
