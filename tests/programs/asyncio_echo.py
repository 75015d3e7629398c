# SPDX-License-Identifier: BSD-2-Clause
# An asyncio echo server and 50 clients at once, 300 KB each, half-closed when
# all is said.
import asyncio


async def serve(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def client(port, i):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    want = bytes([i]) * 300000

    async def say():
        writer.write(want)
        await writer.drain()
        writer.write_eof()

    _, got = await asyncio.gather(say(), reader.read(-1))
    assert got == want, "client %d: %d bytes" % (i, len(got))
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(client(port, i) for i in range(50)))
    print("50 echoes right")


asyncio.run(main())
