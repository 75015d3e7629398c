# SPDX-License-Identifier: BSD-2-Clause
# The notes' server that answers and closes without reading; here it waits until
# there is something it does not read, so that the outcome is always the same.
import select
import socket
import sys

if sys.argv[1] == "server":
    s = socket.create_server(("0.0.0.0", int(sys.argv[2])), backlog=5)
    print("listen ok", flush=True)
    c, _ = s.accept()
    c.send(b"nihao!")
    select.select([c], [], [])
    c.close()
else:
    c = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    c.send(b"clien")
    try:
        while True:
            print("recv", c.recv(128), flush=True)
    except OSError as e:
        print(e)
