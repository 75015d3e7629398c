# SPDX-License-Identifier: BSD-2-Clause
# What is written to a connected UDP socket leaves before whatever comes after it:
# another connect, a shutdown, a close.
import socket


def bound():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    s.settimeout(5)
    return s


a, b = bound(), bound()
for i in range(500):
    c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    c.connect(a.getsockname())
    c.send(b"first %d" % i)
    c.connect(b.getsockname())
    c.send(b"second %d" % i)
    if i % 2:
        c.shutdown(socket.SHUT_WR)
    else:
        c.send(b"third %d" % i)
    c.close()
    assert a.recv(100) == b"first %d" % i
    assert b.recv(100) == b"second %d" % i
    assert i % 2 or b.recv(100) == b"third %d" % i
print("all in order")
