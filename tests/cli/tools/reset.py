# SPDX-License-Identifier: BSD-2-Clause
# 5 bytes sent, 3 read, closed: the sender's next read is reset.
import socket, time

l = socket.create_server(("127.0.0.1", 28888))
c = socket.create_connection(("127.0.0.1", 28888))
a, _ = l.accept()
c.sendall(b"hello")
while len(a.recv(3, socket.MSG_PEEK)) < 3:
    pass
print(a.recv(3).decode())
a.close()
time.sleep(0.05)
try:
    c.recv(10)
except ConnectionResetError:
    print("reset")
