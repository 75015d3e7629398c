# SPDX-License-Identifier: BSD-2-Clause
# What must read the same on Linux and on weir, for a host with lo and eth0
# (10.0.0.1/24). Counters, IPv6 and the order of tries do not count.
ip -4 addr | grep -v valid_lft | sed 's/@[a-z]*:/:/; s/^[0-9]*: /N: /'
ip route
ip route show table local
ip route get 10.0.0.7
ip route get 10.0.0.1
ip route get 10.0.0.255
ip route get 127.0.0.1
ip route get 8.8.8.8
ip rule
ip -4 neigh
cat /proc/net/route
netstat -rn
ifconfig eth0 | grep -v -e RX -e TX -e inet6 -e ether
ifconfig lo | grep -v -e RX -e TX -e inet6
head -1 /proc/net/arp
head -2 /proc/net/dev
grep '^Ip:\|^Icmp:\|^Tcp:\|^Udp:' /proc/net/snmp | sed -n '1~2p'
cat /proc/net/psched
# Tables of sockets.
python3 - <<'END'
import socket, subprocess, re
a = socket.socket()
a.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
a.bind(("127.0.0.1", 8080))
a.listen(5)
c = socket.socket()
c.bind(("127.0.0.1", 9090))
c.connect(("127.0.0.1", 8080))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("0.0.0.0", 5353))
for command in ("netstat -ant", "netstat -luntp", "netstat -anu",
                "ss -Htan", "ss -Hltn", "ss -Huan"):
    text = subprocess.run(command, shell=True, capture_output=True,
                          text=True).stdout
    text = re.sub(r"\d+/python3", "PID/python3", text)
    print("\n".join(sorted(" ".join(l.split()) for l in text.splitlines())))
for name in ("tcp", "udp", "raw", "icmp"):
    # all but slot, inode, references, address and rates
    print("\n".join(sorted(f"{len(l)} {l[5:75] if ':' in l[:8] else l}"
                           for l in open("/proc/net/" + name))))
END
