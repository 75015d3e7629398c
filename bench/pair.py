# SPDX-License-Identifier: BSD-2-Clause
"""pair.py BUILD PLACE WHAT SECONDS [ARGS]: a server and a client, one number.

PLACE: where the two are.
  kernel    both here (or where this runs: under `weir run`, on weir)
  veth      in the two network namespaces that run.py made: wb-a and wb-b
  veth1500  the same, on the pair without offload: whole checksums, MTU 1500
  slirp     the client in a namespace behind slirp4netns, the server here
  load      the server behind the door, the client ours on the direct API (load.c)
  loadspin  the same, the stack waits awake, up to 50 us each time
  pasta     the client in a namespace behind pasta (its TAP), the server here
WHAT: program rr|bulk|crr, nginx, redis, iperf3.
Everything that was started has ended and was waited for when this returns.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

build, place, what, *args = sys.argv[1:]
stage = tempfile.mkdtemp(prefix="wb.")
PORT = 5301
started = []


def start(command, **more):
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, **more)
    started.append(child)
    return child


def end():
    for child in reversed(started):
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        try:
            child.wait(3)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    subprocess.run(["rm", "-rf", stage], check=False)


def fail(text):
    end()
    sys.exit(text)


def in_namespace(number):
    return ["ip", "netns", "exec", f"wb-{'ab'[number]}"]


def gateway():
    with open("/proc/net/route", encoding="ascii") as f:
        for line in f:
            words = line.split()
            if words[1] == "00000000":
                return socket.inet_ntoa(bytes.fromhex(words[2])[::-1])
    fail("no default route: pasta has no gateway to stand for this host")


def slirp():
    """A namespace with slirp4netns at its TAP; 10.0.2.2 is this host."""
    inside = start(["unshare", "-rn", "sleep", "1000"])
    ready, tell = os.pipe()
    for _ in range(200):
        if os.readlink(f"/proc/{inside.pid}/ns/net") != os.readlink("/proc/self/ns/net"):
            break
        time.sleep(0.005)
    start(["slirp4netns", "-c", "-r", str(tell), str(inside.pid), "tap0"], pass_fds=[tell])
    os.close(tell)
    if not os.read(ready, 1):
        fail("slirp4netns did not start")
    return ["nsenter", "--preserve-credentials", "-U", "-n", "-t", str(inside.pid)]


def places():
    """(words before the server, words before the client, the server's address)."""
    if place in ("kernel", "load", "loadspin"):
        return [], [], "127.0.0.1"
    if place.startswith("veth"):
        return in_namespace(0), in_namespace(1), "10.93.1.1" if place == "veth" else "10.93.2.1"
    if place == "slirp":
        return [], slirp(), "10.0.2.2"
    # As root pasta becomes nobody, who may not read what root built.
    who = ["--runas", "0"] if os.getuid() == 0 else []
    return [], ["pasta", "-q", "--config-net", *who, "--"], gateway()


def wait_for_port(before):
    """The server listens (asked where it is)."""
    probe = f"import socket; socket.create_connection(('127.0.0.1', {PORT}), 1)"
    for _ in range(100):
        if before:
            if not subprocess.run([*before, "python3", "-c", probe], check=False,
                                  stderr=subprocess.DEVNULL).returncode:
                return
        else:
            try:
                socket.create_connection(("127.0.0.1", PORT), 1).close()
                return
            except OSError:
                pass
        time.sleep(0.02)
    fail(f"{what}: the server does not answer")


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50,
                          stdin=subprocess.DEVNULL)
    if done.returncode:
        fail((done.stderr.strip() or done.stdout.strip() or f"{command[0]}: status {done.returncode}")
             .splitlines()[-1])
    return done.stdout


def program(there, here, host):
    mode, seconds, size, streams = (args + ["1", "1"])[:4]
    binary = f"{build}/bench/bench_program"
    start([*there, binary, "-s", size, "-l", str(PORT), mode])
    return run([*here, binary, "-s", size, "-n", streams, "-c", f"{host}:{PORT}",
                mode, seconds]).strip()


def load(server, request, seconds, connections):
    spin = ["--spin", "50"] if place == "loadspin" else []
    out = run([f"{build}/bench/bench_load", "-c", connections, "-d", seconds, "-p", str(PORT),
               "-r", request, *spin, "--", *server]).split()
    return " ".join([f"{float(out[0]) / 1e3:.3f}", *out[1:]])


def nginx(there, here, host):
    seconds, connections, close = (args + [""])[:3]
    with open(f"{stage}/nginx.conf", "w", encoding="ascii") as f:
        f.write(f"""
daemon off; master_process off; pid {stage}/pid; error_log {stage}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000;
  client_body_temp_path {stage}/b; proxy_temp_path {stage}/p; fastcgi_temp_path {stage}/f;
  uwsgi_temp_path {stage}/u; scgi_temp_path {stage}/s;
  server {{ listen {PORT} backlog=1024; location / {{ return 200 "hello\\n"; }} }} }}
""")
    server = ["nginx", "-c", f"{stage}/nginx.conf", "-e", f"{stage}/error.log"]
    if place.startswith("load"):
        return load(server, "http", seconds, connections)
    start([*there, *server])
    wait_for_port(there)
    # wrk's shortest run is a second.
    out = run([*here, "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(float(seconds)))}s",
               *(["-H", "Connection: close"] if close else []), "--latency",
               f"http://{host}:{PORT}/"])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    if "Non-2xx" in out:
        fail("wrk: answers that are not 200")
    unit = {"us": 1, "ms": 1e3, "s": 1e6}
    p = {m[1]: float(m[2]) * unit[m[3]]
         for m in re.finditer(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)$", out, re.M)}
    return f"{rate / 1e3:.3f} p50={p.get('50', 0):.1f} p99={p.get('99', 0):.1f}"


def redis(there, here, host):
    seconds, clients = args
    server = ["redis-server", "--port", str(PORT), "--save", "", "--appendonly", "no",
              "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", stage,
              "--logfile", f"{stage}/log"]
    if place.startswith("load"):
        return load(server, "get", seconds, clients)
    start([*there, *server])
    wait_for_port(there)
    bench = [*here, "redis-benchmark", "-h", host, "-p", str(PORT), "-c", clients, "-t", "get",
             "--csv", "-n"]
    # It counts requests, not seconds: a short run first tells how many.
    rate = 0
    for n in (1000, None):
        n = n or max(1000, int(rate * float(seconds)))
        line = run([*bench, str(n)]).splitlines()[-1].replace('"', "").split(",")
        rate = float(line[1])
    return f"{rate / 1e3:.3f} p50={float(line[4]) * 1e3:.1f} p99={float(line[6]) * 1e3:.1f}"


def iperf3(there, here, host):
    seconds, streams = args
    start([*there, "iperf3", "-s", "-p", str(PORT), "-1"])
    time.sleep(0.2)  # -1: a probe would be its one client
    out = json.loads(run([*here, "iperf3", "-c", host, "-p", str(PORT), "-t", seconds, "-J",
                          "-C", "reno", "-P", streams]))
    return f"{out['end']['sum_received']['bits_per_second'] / 1e9:.3f}"


try:
    result = {"program": program, "nginx": nginx, "redis": redis, "iperf3": iperf3}[what](*places())
finally:
    end()
print(result)
