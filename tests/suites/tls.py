"""TLS as Mozilla recommends it (intermediate), by sslyze."""

import subprocess

from stage import Row, Stage


def run(stage: Stage) -> list[Row]:
    python = stage.tools.python("sslyze==6.3.1")
    stage.serve(stage.origin())
    command = [python, "-m", "sslyze", "--mozilla_config=intermediate", "--certinfo_ca_file", stage.folder / "ca.pem"]
    told = subprocess.run([*map(str, command), f"localhost:{stage.tls}"], capture_output=True, text=True, timeout=300)
    _, _, verdict = told.stdout.partition("COMPLIANCE AGAINST")
    seen = " ".join(line.strip() for line in verdict.splitlines() if "ompliant" in line or line.strip().startswith("*"))
    return [Row("tls", "sslyze, Mozilla intermediate", "OK - Compliant" in verdict, seen or told.stderr[-300:])]
