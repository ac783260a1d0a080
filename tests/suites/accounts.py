"""Clients that number their requests, and want exactly one answer to each: the right one, and on the connection that they have."""

import asyncio
import contextlib
import multiprocessing
import time

# Every so manieth request names its endpoint.
NAMED = 10
# The endpoint that those name.
CHOSEN = "small"


class Clients:
    """Two processes of clients, each client with a connection of its own and one request at a time."""

    PROCESSES, EACH = 2, 8

    def __init__(self, port: int):
        context = multiprocessing.get_context("fork")
        self.stop = context.Event()
        self.answered = [context.Value("Q", 0) for _ in range(self.PROCESSES)]
        self.failed = context.Queue()
        arguments = [(port, number, self.stop, self.answered[number], self.failed) for number in range(self.PROCESSES)]
        self.processes = [context.Process(target=clients, args=one, daemon=True) for one in arguments]
        for process in self.processes:
            process.start()

    def count(self) -> int:
        return sum(answered.value for answered in self.answered)

    def wait_for(self, more: int) -> None:
        """Until so many more are answered."""
        due, patience = self.count() + more, time.monotonic() + 60
        last = self.count()
        while last < due:
            time.sleep(0.05)
            if (now := self.count()) > last:
                last, patience = now, time.monotonic() + 60
            if time.monotonic() > patience or not all(process.is_alive() for process in self.processes):
                raise RuntimeError(f"no more answers after {last}: {self.failures()}")

    def failures(self) -> list[str]:
        found = []
        while not self.failed.empty():
            found.append(self.failed.get())
        return found

    def finish(self) -> list[str]:
        """What went wrong; every request that was sent has its answer."""
        self.stop.set()
        for process in self.processes:
            process.join(30)
        return self.failures()

    def numbers(self) -> set[int]:
        """All that were answered."""
        counts = [answered.value for answered in self.answered]
        return {number * self.PROCESSES + process for process, count in enumerate(counts) for number in range(count)}


def clients(port: int, process: int, stop, answered, failed) -> None:
    asyncio.run(all_of(port, process, stop, answered, failed))


async def all_of(port: int, process: int, stop, answered, failed) -> None:
    state = {"next": 0}

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            while not stop.is_set():
                number, state["next"] = state["next"] * Clients.PROCESSES + process, state["next"] + 1
                wanted = f"x-endpoint: {CHOSEN}\r\n" if number % NAMED == 0 else ""
                writer.write(f"GET /{number} HTTP/1.1\r\nhost: app\r\nx-id: {number}\r\n{wanted}\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                if not head.startswith(b"HTTP/1.1 200") or body != str(number).encode():
                    failed.put(f"{number}: {head[:200]!r} {body[:100]!r}")
                    return
                answered.value += 1

    for outcome in await asyncio.gather(*(one() for _ in range(Clients.EACH)), return_exceptions=True):
        if outcome is not None:
            failed.put(repr(outcome))
