"""A proxy that makes a cluster far away: `python -m benchmarks.support.delay TARGET_PORT MILLISECONDS` prints its own port.

Half of the delay is added in each direction. Bytes stay in order and are forwarded as they come, so that bandwidth is
untouched.
"""

from __future__ import annotations

import asyncio
import sys


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Pass bytes on `delay_s` after they came."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    try:
        while data := await reader.read(1 << 18):
            waiting.put_nowait((loop.time() + delay_s, data))
    except ConnectionError:
        pass
    waiting.put_nowait((loop.time() + delay_s, b""))
    await asyncio.gather(delivering, return_exceptions=True)


async def main(target: int, milliseconds: float) -> None:
    """Serve until killed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target)
        half = milliseconds / 2000
        await asyncio.gather(_forward(reader, back, half), _forward(there, writer, half))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
