# SPDX-License-Identifier: BSD-2-Clause
"""row_on_kernel.py FILE: the programs of a scenario on the Linux kernel.

Each host is a network namespace, each link a veth pair with the addresses
`weir up` gives; what each program asserts must hold there, too. Only for rows
without events and impairments (the kernel here has no netem).
"""
import os
import subprocess
import sys
import tempfile
import time

import yaml

scenario = yaml.safe_load(open(sys.argv[1], encoding="utf-8"))
tag = f"wk{os.getpid()}"
hosts = list(scenario["hosts"])
links = [[e.split(":")[0] for e in l["endpoints"]] for l in scenario.get("links", [])]


def sh(*words, check=True):
    return subprocess.run(words, check=check, capture_output=True, text=True)


def inside(host, *words):
    return ["ip", "netns", "exec", f"{tag}{host}", *words]


def set_up():
    names = "127.0.0.1 localhost\n"
    for host in hosts:
        sh("ip", "netns", "add", f"{tag}{host}")
        sh(*inside(host, "ip", "link", "set", "lo", "up"))
    count = dict.fromkeys(hosts, 0)
    for n, ends in enumerate(links, 1):
        sh("ip", "link", "add", f"{tag}x", "netns", f"{tag}{ends[0]}", "type", "veth",
           "peer", "name", f"{tag}y", "netns", f"{tag}{ends[1]}")
        for host, raw, last in ((ends[0], f"{tag}x", 1), (ends[1], f"{tag}y", 2)):
            eth = f"eth{count[host]}"
            count[host] += 1
            sh(*inside(host, "ip", "link", "set", raw, "name", eth))
            sh(*inside(host, "ip", "addr", "add", f"10.0.{n}.{last}/24", "dev", eth))
            sh(*inside(host, "ip", "link", "set", eth, "up"))
            if eth == "eth0":
                names += f"10.0.{n}.{last} {host}\n"
    for host in hosts:
        body = scenario["hosts"][host] or {}
        for key, value in (body.get("settings") or {}).items():
            sh(*inside(host, "sysctl", "-qw", f"net.ipv4.{key}={value}"))
        for route in body.get("routes") or []:
            sh(*inside(host, "ip", "route", "add", *route.split()))
        os.makedirs(f"/etc/netns/{tag}{host}", exist_ok=True)
        with open(f"/etc/netns/{tag}{host}/hosts", "w", encoding="utf-8") as f:
            f.write(names)


def take_down():
    for host in hosts:
        sh("ip", "netns", "del", f"{tag}{host}", check=False)
        sh("rm", "-rf", f"/etc/netns/{tag}{host}", check=False)


def programs():
    for host in hosts:
        run = (scenario["hosts"][host] or {}).get("run") or []
        if isinstance(run, list) and run and isinstance(run[0], str):
            run = [{"cmd": run}]
        for p in run:
            yield host, p


def wait_for(place):
    host, port = place.rsplit(":", 1)
    for _ in range(200):
        if f":{port} " in sh(*inside(host, "ss", "-lntu")).stdout:
            return
        time.sleep(0.05)
    sys.exit(f"nobody listens on {place}")


def main():
    finite, endless = [], []
    waiting = sorted(programs(), key=lambda hp: "wait" in hp[1])
    with tempfile.TemporaryDirectory() as work:
        for host, p in waiting:
            if "wait" in p:
                wait_for(p["wait"])
            cmd = [str(w) for w in p["cmd"]]
            child = subprocess.Popen(inside(host, *cmd), cwd=work)
            expect = p.get("expect", 0)
            expect = expect.get("exit", 0) if isinstance(expect, dict) else expect
            (endless if expect in ("running", "any") else finite).append((p, expect, child))
        for p, expect, child in finite:
            status = child.wait(timeout=30)
            if status != expect:
                sys.exit(f"{p.get('name')}: status {status}, expected {expect}")
        for _, _, child in endless:
            child.kill()
            child.wait()


try:
    set_up()
    main()
finally:
    take_down()
