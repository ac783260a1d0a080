"""WebSockets with PyPI's `websockets` on both sides: each conversation must go through Sluice as it goes without."""

import json
import pathlib
import subprocess

from stage import Row, Stage, free_port, wait_for

FOLDER = pathlib.Path(__file__).parent


def run(stage: Stage) -> list[Row]:
    python = stage.tools.python("websockets==17.4")
    port = free_port()
    server = stage.start([python, FOLDER / "websocket_server.py", str(port)], stderr=subprocess.DEVNULL)
    wait_for(port, server)
    stage.serve(port)
    client = [python, FOLDER / "websocket_client.py"]
    direct = verdicts([*client, f"ws://127.0.0.1:{port}"])
    plain = verdicts([*client, f"ws://127.0.0.1:{stage.plain}"])
    secure = verdicts([*client, f"wss://localhost:{stage.tls}", stage.folder / "ca.pem"])
    rows = []
    for case, seen in direct.items():
        for way, through in (("", plain), (", over TLS", secure)):
            same = through.get(case) == seen
            rows.append(Row("websocket", case + way, same, seen if same else f"{through.get(case)}, not {seen}"))
    return rows


def verdicts(command: list) -> dict[str, str]:
    told = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(told.stdout)
