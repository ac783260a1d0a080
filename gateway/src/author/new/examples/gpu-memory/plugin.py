"""The fewest requests in flight for the memory of its GPU, which a label of the endpoint tells."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import Description, Issue
from wit_world.exports.selection import Choice, Decision_Endpoint, Decision_Pass
from wit_world.imports import endpoints, members
from wit_world.imports.types import Health

SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "default": "gpu-memory"}},
    "additionalProperties": False,
}

label = "gpu-memory"
usable = []


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return Description("gpu-memory", "0.1.0", __doc__, json.dumps(SCHEMA))

    def configure(self, config):
        global label
        given = json.loads(config)
        if unknown := [key for key in given if key not in SCHEMA["properties"]]:
            raise Err([Issue(f"/{key}", "unknown key") for key in unknown])
        label = given.get("label", "gpu-memory")


def gigabytes(text):
    """An endpoint that does not say is taken for a small one."""
    try:
        return max(float(text), 1.0)
    except (TypeError, ValueError):
        return 1.0


class Selection(exports.Selection):
    def set_endpoints(self, count):
        rows = zip(range(count), members.labels(label), members.conditions())
        usable[:] = [(index, gigabytes(text)) for index, text, health in rows if health in (Health.HEALTHY, Health.DEGRADED)]

    def select(self, input, request):
        may = usable if input.attempt == 0 else [one for one in usable if not endpoints.tried(one[0])]
        if not may:
            return Decision_Pass(0)
        busy = endpoints.in_flight_all()
        start = input.random % len(may)
        index, _ = min(may[start:] + may[:start], key=lambda one: (busy[one[0]] + 1) / one[1])
        return Decision_Endpoint(Choice(index, 0))
