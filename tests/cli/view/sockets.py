# SPDX-License-Identifier: BSD-2-Clause
"""A listener with backlog 5, one accepted connection with 100 bytes unread, one
that waits, a bound datagram socket; then the commands given, one after the
other."""
import socket
import subprocess
import sys

listener = socket.socket()
listener.bind(("127.0.0.1", 8080))
listener.listen(5)
client = socket.create_connection(("127.0.0.1", 8080))
accepted, _ = listener.accept()
client.send(b"x" * 100)
while len(accepted.recv(200, socket.MSG_PEEK)) < 100:
    pass
waiting = socket.create_connection(("127.0.0.1", 8080))
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagram.bind(("0.0.0.0", 5353))
for command in sys.argv[1:]:
    subprocess.call(command, shell=True)
