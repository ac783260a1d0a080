"""Prompts that begin alike go to the same LLM backend, whose cache knows the beginning, unless it is too busy.

One component for two places: in a route's `routing` list it notes what the body begins with, in an upstream's `selection`
list it goes by that.
"""

import json
import zlib

from wit_world import exports
from wit_world.exports import routing
from wit_world.exports.lifecycle import Description
from wit_world.exports.selection import Choice, Decision_Endpoint, Decision_Pass
from wit_world.imports import endpoints, members, setup
from wit_world.imports.types import Health, KeySource_Header

FIELD = "x-prompt-prefix"
SCHEMA = {
    "type": "object",
    "properties": {
        "bytes": {"type": "integer", "minimum": 1, "maximum": 65536, "default": 1024},
        "load-bound": {"type": "number", "exclusiveMinimum": 1, "default": 1.25},
    },
}

length, bound = 1024, 1.25
usable = []


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return Description("prefix-affinity", "0.1.0", __doc__.splitlines()[0], json.dumps(SCHEMA))

    def configure(self, config):
        global length, bound
        given = json.loads(config)
        length, bound = given.get("bytes", 1024), given.get("load-bound", 1.25)
        setup.hold_body(length)
        setup.want_key([KeySource_Header(FIELD)])


class Routing(exports.Routing):
    def route(self, input, request):
        beginning = request.body_prefix().bytes[:length]
        if beginning:
            request.set_header(FIELD, f"{zlib.crc32(beginning):08x}")
        return routing.Decision_Pass(0)


class Selection(exports.Selection):
    def set_endpoints(self, count):
        rows = zip(range(count), members.ids(), members.conditions())
        usable[:] = [(i, name.encode()) for i, name, health in rows if health in (Health.HEALTHY, Health.DEGRADED)]

    def select(self, input, request):
        if input.key is None or not usable:
            return Decision_Pass(0)
        # Rendezvous hashing: each key has an order of all endpoints, which the coming and going of others does not change.
        key = input.key.to_bytes(8, "little")
        order = sorted(usable, key=lambda one: zlib.crc32(one[1], zlib.crc32(key)) * 2654435761 % 2**32)
        busy = endpoints.in_flight_all()
        most = bound * (sum(busy[index] for index, _ in usable) + 1) / len(usable)
        for index, _ in order:
            if busy[index] + 1 <= max(most, 1) and not (input.attempt and endpoints.tried(index)):
                return Decision_Endpoint(Choice(index, 0))
        return Decision_Pass(0)
