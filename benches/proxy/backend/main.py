"""Records the number of each request in PostgreSQL before it answers."""

import asyncio
import os
import struct
import time

WORD = "first"
CONNECTIONS = 4


def process_began():
    with open("/proc/self/stat") as stat, open("/proc/uptime") as uptime:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
        now = float(uptime.read().split()[0])
    return time.monotonic() - (now - ticks / os.sysconf("SC_CLK_TCK"))


class Database:
    """One connection: the wire's own simple queries, as whoever is trusted may ask them."""

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("db", 5432)
        body = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
        self.writer.write(struct.pack("!i", len(body) + 4) + body)
        await self.ready()
        return self

    async def query(self, text):
        body = text.encode() + b"\0"
        self.writer.write(b"Q" + struct.pack("!i", len(body) + 4) + body)
        await self.ready()

    async def ready(self):
        error = None
        while True:
            kind = await self.reader.readexactly(1)
            (length,) = struct.unpack("!i", await self.reader.readexactly(4))
            body = await self.reader.readexactly(length - 4)
            if kind == b"E":
                error = body
            if kind == b"Z":
                if error:
                    raise RuntimeError(error)
                return


free = asyncio.Queue()
image = ""
started = 0.0


async def answered(method, path, body):
    if path == "/api/start":
        return f"{started:.3f}"
    if path == "/api/image":
        return image
    number = path.partition("id=")[2]
    if number:
        connection = await free.get()
        try:
            await connection.query(f"insert into asked values ('{method} {int(number)} {len(body)}')")
        finally:
            free.put_nowait(connection)
    return WORD


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path, _ = head.split(" ", 2)
            length = 0
            for line in head.split("\r\n"):
                name, _, value = line.partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            body = await reader.readexactly(length)
            text = (await answered(method, path, body)).encode()
            number = path.partition("id=")[2]
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\nX-Number: {number}\r\n\r\n".encode() + text
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    global image, started
    with open("/image.txt") as file:
        image = file.read()
    if image == "never":
        raise SystemExit("never ready")
    for _ in range(CONNECTIONS):
        connection = await Database().open()
        await connection.query("set synchronous_commit = off")
        free.put_nowait(connection)
    await connection.query("create unlogged table if not exists asked (line text)")
    server = await asyncio.start_server(serve, "", 8000, backlog=512)
    started = time.monotonic() - process_began()
    await server.serve_forever()


asyncio.run(main())
