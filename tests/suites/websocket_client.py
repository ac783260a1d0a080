"""Has each conversation and prints how it went, as JSON. `websocket_client.py URL [AUTHORITY.pem]`"""

import asyncio
import hashlib
import json
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL = sys.argv[1]
TLS = {"ssl": ssl.create_default_context(cafile=sys.argv[2])} if len(sys.argv) > 2 else {}


def open_(path: str, **how):
    return connect(URL + path, max_size=None, **TLS, **how)


def digest(message) -> str:
    raw = message.encode() if isinstance(message, str) else message
    return f"{type(message).__name__} {len(raw)} {hashlib.sha256(raw).hexdigest()[:12]}"


async def echo(*messages, **how):
    async with open_("/echo", **how) as connection:
        seen = []
        for message in messages:
            await connection.send(message)
            seen.append(digest(await connection.recv()) if not isinstance(message, list) else await connection.recv())
        return seen


async def end_of(path: str, first=None):
    async with open_(path) as connection:
        try:
            if first:
                await connection.send(first)
            await connection.recv()
        except ConnectionClosed:
            return f"{connection.close_code} {connection.close_reason}"


async def ping():
    async with open_("/echo") as connection:
        await (await connection.ping(b"0123456789"))
        return "pong"


async def subprotocol():
    async with open_("/echo", subprotocols=["none", "superchat"]) as connection:
        return connection.subprotocol


async def pipelined():
    async with open_("/echo") as connection:
        for number in range(5000):
            await connection.send(str(number))
        return [await connection.recv() for _ in range(5000)] == [str(number) for number in range(5000)]


async def own_close():
    async with open_("/echo") as connection:
        await connection.close(3001, "enough")
        return f"{connection.close_code} {connection.close_reason}"


async def flood():
    async with open_("/flood/20000") as connection:
        return sum([1 async for _ in connection])


async def slow_reader():
    async with open_("/flood/20000", max_queue=1) as connection:
        await asyncio.sleep(0.5)
        return sum([1 async for _ in connection])


CASES = {
    "an empty message": lambda: echo("", b""),
    "text and bytes": lambda: echo("text ☺", b"\x00\xff"),
    "message sizes around the frame formats'": lambda: echo(*["x" * size for size in (125, 126, 127, 65535, 65536)]),
    "one of 4 MiB": lambda: echo(b"x" * (4 << 20)),
    "uncompressed": lambda: echo("x" * 100_000, compression=None),
    "fragmented": lambda: echo(["one ", "two ", "three"]),
    "ping": ping,
    "subprotocol": subprotocol,
    "5,000 in flight": pipelined,
    "the server closes": lambda: end_of("/close/4000/reason"),
    "the client closes": own_close,
    "the server breaks off": lambda: end_of("/abort", "x"),
    "20,000 messages": flood,
    "a slow reader": slow_reader,
}


async def verdict(case) -> str:
    try:
        return str(await asyncio.wait_for(case(), 30))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


async def main():
    print(json.dumps({name: await verdict(case) for name, case in CASES.items()}))


asyncio.run(main())
