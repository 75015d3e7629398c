#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""One listening socket, two processes that accept from it, each in a run of its
own: every client hears its own words, and is known by its own port. Some clients
wait before the second process comes.

prog_shared.py serve PLACE      listens, passes the socket on, accepts
prog_shared.py help PLACE       takes it, accepts too, until told to stop
"""
import os
import socket
import sys
import threading
import time

role, place = sys.argv[1:]
PORT, EARLY, ALL, STEP = 4343, 20, 1000, 49


def talk_to(client, port):
    said = client.recv(100)
    right = client.getpeername()[1] == port == int(said.split()[1])
    client.sendall(b"%s %d %s" % (role.encode(), right, said.split()[0]))
    client.close()


def accept_from(listener):
    while True:
        client, (_, port) = listener.accept()
        threading.Thread(target=talk_to, args=(client, port), daemon=True).start()


def call(number, heard):
    with socket.create_connection(("127.0.0.1", PORT)) as s:
        s.sendall(b"%d %d" % (number, s.getsockname()[1]))
        answer = b""
        while piece := s.recv(100):
            answer += piece
    heard[number] = answer


def serve():
    listener = socket.create_server(("127.0.0.1", PORT), backlog=64)
    desk = socket.socket(socket.AF_UNIX)
    desk.bind(place)
    desk.listen()
    heard = {}
    early = [threading.Thread(target=call, args=(n, heard)) for n in range(EARLY)]
    for t in early:
        t.start()
    time.sleep(0.3)  # they wait, all of them
    helper, _ = desk.accept()
    socket.send_fds(helper, [b"take"], [listener.fileno()])
    helper.recv(1)
    for _ in range(4):
        threading.Thread(target=accept_from, args=(listener,), daemon=True).start()
    for t in early:
        t.join()
    for first in range(EARLY, ALL, STEP):
        some = [threading.Thread(target=call, args=(n, heard)) for n in range(first, first + STEP)]
        for t in some:
            t.start()
        for t in some:
            t.join()
    helper.sendall(b"stop")
    wrong = [n for n in range(ALL) if heard.get(n, b"").split()[1:] != [b"1", b"%d" % n]]
    helped = sum(a.startswith(b"help") for a in heard.values())
    print(f"{len(heard)} answers, {len(wrong)} wrong, helped: {helped > 0}")


def help_out():
    while not os.path.exists(place):
        time.sleep(0.02)
    time.sleep(0.1)
    desk = socket.socket(socket.AF_UNIX)
    desk.connect(place)
    _, fds, _, _ = socket.recv_fds(desk, 10, 1)
    listener = socket.socket(fileno=fds[0])
    for _ in range(4):
        threading.Thread(target=accept_from, args=(listener,), daemon=True).start()
    desk.sendall(b"!")
    desk.recv(10)
    os._exit(0)


serve() if role == "serve" else help_out()
