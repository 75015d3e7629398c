# SPDX-License-Identifier: BSD-2-Clause
# The notes' client: five bytes of "client", then what the server says.
import socket
import sys

c = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
c.connect(("127.0.0.1", int(sys.argv[1])))
print("write len:", c.send(b"client"[:5]))
print("recv from server:", c.recv(128).decode())
c.close()
