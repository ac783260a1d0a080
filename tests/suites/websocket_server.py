"""Does what the path says with each message; `/good` is answered as plain HTTP."""

import asyncio
import http
import sys

from websockets.asyncio.server import serve


async def talk(connection):
    match connection.request.path.split("/")[1:]:
        case ["echo"]:
            async for message in connection:
                await connection.send(message)
        case ["pieces"]:
            async for message in connection:
                await connection.send([message[at : at + 1000] for at in range(0, len(message), 1000)])
        case ["close", code, reason]:
            await connection.close(int(code), reason)
        case ["abort"]:
            await connection.recv()
            connection.transport.abort()
        case ["flood", count]:
            for number in range(int(count)):
                await connection.send(str(number))


def plainly(connection, request):
    return connection.respond(http.HTTPStatus.OK, "good\n") if request.path == "/good" else None


def choose(_, offered):
    return "superchat" if "superchat" in offered else None


async def main():
    how = {"subprotocols": ["superchat"], "select_subprotocol": choose, "max_size": None, "process_request": plainly}
    async with serve(talk, "127.0.0.1", int(sys.argv[1]), **how) as server:
        await server.serve_forever()


asyncio.run(main())
