# SPDX-License-Identifier: BSD-2-Clause
# calls.py strace FILE | calls.py weir TIMELINE.jsonl PID: the socket calls of one
# program with their results, one a line, in words that are the same for both.
# Descriptors are numbered in the order they came to be.
import json
import re
import sys

names = {}  # of open descriptors
count = 0


def sock(fd):
    return names.get(fd, "?")


def new(fd):
    global count
    count += 1
    names[fd] = "s%d" % count
    return names[fd]


def line(call, args, ret, errno):
    result = ret if errno is None else "-1 " + errno
    print("%s(%s) = %s" % (call, ", ".join(str(a) for a in args), result))


def strace(path):
    rows, held = [], {}
    for text in open(path):
        pid, text = text.rstrip("\n").split(None, 1)
        if text.endswith("<unfinished ...>"):
            held[pid] = text[: -len("<unfinished ...>")].rstrip()
            continue
        m = re.match(r"<\.\.\. \w+ resumed>\s*(.*)", text)
        if m:
            text = held.pop(pid) + m[1]
        m = re.match(r"(\w+)\((.*)\)\s+= (-?\d+)(?: (E\w+))?", text)
        if m:
            rows.append((m[1], m[2], int(m[3]), m[4]))
    for call, args, ret, errno in rows:
        one_of_strace(call, args, ret, errno)


def address(args):
    m = re.search(r'sin_port=htons\((\d+)\), sin_addr=inet_addr\("([\d.]+)"\)', args)
    return "%s:%s" % ("*" if m[2] == "0.0.0.0" else m[2], m[1])


def one_of_strace(call, args, ret, errno):
    if call == "socket":
        if "AF_INET," in args and ret >= 0:
            kind = "TCP" if "SOCK_STREAM" in args else "UDP"
            line(call, [kind], new(ret), errno)
        return
    fd = int(re.match(r"\d+", args)[0]) if args[:1].isdigit() else -1
    if fd not in names:
        return
    if call in ("bind", "connect"):
        line(call, [sock(fd), address(args)], ret, errno)
    elif call == "listen":
        line(call, [sock(fd), args.split(", ")[1]], ret, errno)
    elif call in ("accept", "accept4"):
        line("accept", [sock(fd)], new(ret) if ret >= 0 else ret, errno)
    elif call in ("read", "write", "sendto", "recvfrom"):
        n = re.findall(r"(?<=, )\d+", args)[0]
        word = {"sendto": "send", "recvfrom": "recv"}.get(call, call)
        line(word, [sock(fd), n], ret, errno)
    elif call == "close":
        line(call, [sock(fd)], ret, errno)
        del names[fd]
    else:
        line(call, [sock(fd)], ret, errno)


def weir(path, pid):
    for text in open(path):
        ev = json.loads(text)
        if ev["kind"] != "CALL" or ev["pid"] != pid:
            continue
        errno = ev.get("errno")
        args = re.match(r"\w+\((.*)\)$", ev["words"])[1].split(", ")
        call = "accept" if ev["call"] == "accept4" else ev["call"]
        if call == "socket":
            line("socket", args, new(ev["ret"]), errno)
            continue
        args[0] = sock(ev["fd"])
        ret = ev["ret"]
        if call == "accept":
            ret = new(ret) if ret >= 0 else ret
        elif call not in ("bind", "connect", "listen", "read", "write", "send", "recv"):
            args = args[:1]
        line(call, args, ret, errno)
        if call == "close":
            del names[ev["fd"]]


if sys.argv[1] == "strace":
    strace(sys.argv[2])
else:
    weir(sys.argv[2], int(sys.argv[3]))
