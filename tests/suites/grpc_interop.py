"""gRPC's interoperability cases with grpcio on both sides: each must end through Sluice as it ends without."""

import json
import pathlib
import subprocess

from stage import Row, Stage, free_port, wait_for

FOLDER = pathlib.Path(__file__).parent


def run(stage: Stage) -> list[Row]:
    python = stage.tools.python("grpcio==1.85.1")
    port = free_port()
    server = stage.start([python, FOLDER / "grpc_server.py", str(port)])
    wait_for(port, server)
    stage.serve(port, upstream='protocol = "h2"')
    client = [python, FOLDER / "grpc_client.py"]
    direct = verdicts([*client, f"127.0.0.1:{port}"])
    through = verdicts([*client, f"localhost:{stage.tls}", stage.folder / "ca.pem"])
    return [
        Row("grpc", case, through.get(case) == seen, seen if through.get(case) == seen else f"{through.get(case)}, not {seen}")
        for case, seen in direct.items()
    ]


def verdicts(command: list) -> dict[str, str]:
    told = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(told.stdout)
