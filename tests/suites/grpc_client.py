"""Plays gRPC's interoperability cases and prints how each ended, as JSON. `grpc_client.py ADDRESS [AUTHORITY.pem]`"""

import json
import queue
import sys

import grpc

LARGE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def channel(address: str, authority: str | None) -> grpc.Channel:
    if authority is None:
        return grpc.insecure_channel(address, options=LARGE)
    credentials = grpc.ssl_channel_credentials(open(authority, "rb").read())
    return grpc.secure_channel(address, credentials, options=LARGE)


class Cases:
    def __init__(self, to: grpc.Channel):
        name = "/suites.Test/{}".format
        self.echo = to.unary_unary(name("Echo"))
        self.fail = to.unary_unary(name("Fail"))
        self.refuse = to.unary_unary(name("Refuse"))
        self.total = to.stream_unary(name("Total"))
        self.sizes = to.unary_stream(name("Sizes"))
        self.halves = to.stream_stream(name("Halves"))
        self.sleep = to.stream_stream(name("Sleep"))
        self.nothing = to.unary_unary(name("Nothing"))
        self.no_service = to.unary_unary("/suites.None/Nothing")

    def empty_unary(self):
        return len(self.echo(b"", timeout=10))

    def large_unary(self):
        return len(self.echo(b"x" * 2_000_000, timeout=20))

    def client_streaming(self):
        return self.total(iter([b"x" * size for size in (27182, 8, 1828, 45904)]), timeout=10).decode()

    def server_streaming(self):
        return [len(answer) for answer in self.sizes(b"31415,9,2653,58979", timeout=10)]

    def ping_pong(self):
        asked, seen = queue.SimpleQueue(), []
        asked.put(b"x" * 27182)
        answers = self.halves(iter(asked.get, None), timeout=10)
        for size in (8, 1828, 45904, None):
            seen.append(len(next(answers)))
            asked.put(size and b"x" * size)
        return seen + [len(answer) for answer in answers]

    def empty_stream(self):
        return [len(answer) for answer in self.halves(iter([]), timeout=10)]

    def many_small_messages(self):
        return sum(len(answer) for answer in self.halves(iter([b"1234"] * 5000), timeout=30))

    def custom_metadata(self):
        metadata = [("x-grpc-test-echo-initial", "first"), ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")]
        _, call = self.echo.with_call(b"x", metadata=metadata, timeout=10)
        kept = {"x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"}
        both = [*call.initial_metadata(), *call.trailing_metadata()]
        return sorted(repr(tuple(field)) for field in both if field[0] in kept)

    def status_code_and_message(self):
        return self.fail(b"test status message", timeout=10)

    def special_status_message(self):
        return self.fail("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n".encode(), timeout=10)

    def trailers_only_with_metadata(self):
        return self.refuse(b"", timeout=10)

    def unimplemented_method(self):
        return self.nothing(b"", timeout=10)

    def unimplemented_service(self):
        return self.no_service(b"", timeout=10)

    def cancel_after_begin(self):
        asked = queue.SimpleQueue()
        call = self.total.future(iter(asked.get, None), timeout=10)
        call.cancel()
        asked.put(None)
        return call.code().name

    def cancel_after_first_response(self):
        asked = queue.SimpleQueue()
        asked.put(b"x" * 100)
        answers = self.halves(iter(asked.get, None), timeout=10)
        first = len(next(answers))
        answers.cancel()
        asked.put(None)
        return [first, answers.code().name]

    def timeout_on_sleeping_server(self):
        return list(self.sleep(iter([b"x"]), timeout=0.5))


def verdict(case) -> str:
    try:
        return f"{case()}"
    except grpc.RpcError as error:
        message = "" if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED else f" {error.details()!r}"
        reasons = [value for key, value in error.trailing_metadata() or [] if key == "x-reason"]
        return f"{error.code().name}{message}{reasons or ''}"


with channel(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None) as opened:
    cases = Cases(opened)
    names = [name for name in vars(Cases) if not name.startswith("_")]
    print(json.dumps({name: verdict(getattr(cases, name)) for name in names}))
