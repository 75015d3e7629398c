# SPDX-License-Identifier: BSD-2-Clause
# The notes' server: one client, read 128, write "hi".
import socket
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
s.listen(5)
print("listen ok", flush=True)
c, _ = s.accept()
print("recv:", c.recv(128).decode())
print("write len:", c.send(b"hi"))
s.close()
c.close()
