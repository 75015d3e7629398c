# SPDX-License-Identifier: BSD-2-Clause
# A listener, a connection with 100 bytes unread, a UDP socket; held until the
# file named is gone.
import os, socket, sys, time

l = socket.create_server(("127.0.0.1", 8080), backlog=7)
c = socket.create_connection(("127.0.0.1", 8080))
a, _ = l.accept()
a.sendall(bytes(100))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("0.0.0.0", 5353))
open(sys.argv[1], "w").close()
while os.path.exists(sys.argv[1]):
    time.sleep(0.02)
