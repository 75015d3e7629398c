# SPDX-License-Identifier: BSD-2-Clause
# asyncio and socket, what servers and clients of either kind meet.
import asyncio
import socket


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data.upper(), addr)


class Client(asyncio.DatagramProtocol):
    def datagram_received(self, data, addr):
        self.answer.set_result(data)

    def error_received(self, exc):
        self.answer.set_result(type(exc).__name__)


async def datagrams():
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    client, p = await loop.create_datagram_endpoint(Client, remote_addr=server.get_extra_info("sockname"))
    for text in b"here", b"gone":
        p.answer = loop.create_future()
        client.sendto(text)
        print("datagram", await asyncio.wait_for(p.answer, 5))
        server.close()
        await asyncio.sleep(0.05)
    client.close()


async def handle(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


async def streams():
    server = await asyncio.start_server(handle, "127.0.0.1", 0, reuse_port=True)
    port = server.sockets[0].getsockname()[1]

    async def one(i):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"%d\n" % i)
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return int(line) == i

    print("streams", all(await asyncio.gather(*[one(i) for i in range(100)])))
    server.close()
    await server.wait_closed()
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except OSError as e:
        print("closed:", type(e).__name__)


def blocking():
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    print("sendmsg", peer.sendmsg([b"ab", b"cd"]), client.recvmsg(10, 100))
    client.settimeout(0.05)
    try:
        client.recv(1)
    except TimeoutError:
        print("timed out")
    peer.close()
    print("end", client.recv(1))
    try:
        socket.create_server(server.getsockname())
    except OSError as e:
        print("taken", e.errno)
    a, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    a.bind(("127.0.0.1", 0))
    a.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    b.sendto(b"x", a.getsockname())
    print("beside", a.recvmsg(10, 100)[:3])


asyncio.run(datagrams())
asyncio.run(streams())
blocking()
