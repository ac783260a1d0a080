"""The test service of gRPC's interoperability cases, on bare bytes: what each method does is in its name."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc


def echo(request, context):
    metadata = dict(context.invocation_metadata())
    if "x-grpc-test-echo-initial" in metadata:
        context.send_initial_metadata([("x-grpc-test-echo-initial", metadata["x-grpc-test-echo-initial"])])
    if "x-grpc-test-echo-trailing-bin" in metadata:
        context.set_trailing_metadata([("x-grpc-test-echo-trailing-bin", metadata["x-grpc-test-echo-trailing-bin"])])
    return request


def fail(request, context):
    context.abort(grpc.StatusCode.UNKNOWN, request.decode())


def refuse(_, context):
    context.set_trailing_metadata([("x-reason", "not today")])
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no")


def total(requests, _):
    return str(sum(len(request) for request in requests)).encode()


def sizes(request, _):
    for size in request.decode().split(","):
        yield b"x" * int(size)


def halves(requests, _):
    for request in requests:
        yield request[: len(request) // 2]


def sleep(requests, _):
    for _ in requests:
        time.sleep(10)
        yield b""


METHODS = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
    "Total": grpc.stream_unary_rpc_method_handler(total),
    "Sizes": grpc.unary_stream_rpc_method_handler(sizes),
    "Halves": grpc.stream_stream_rpc_method_handler(halves),
    "Sleep": grpc.stream_stream_rpc_method_handler(sleep),
}

server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", -1)])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("suites.Test", METHODS),))
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
