"""Schemathesis asks the admin API everything that its OpenAPI document allows, and much that it does not: no answer is a failure
of the gateway or another one than the document says, with and without a token."""

import pathlib
import re
import subprocess

from stage import GoodClient, Row, Stage, free_port, wait_for

TOKEN = "a-token-of-the-suites"
# It never ends.
STREAM = "/api/v1/events"


def run(stage: Stage) -> list[Row]:
    python = pathlib.Path(stage.tools.python("schemathesis==4.32.5"))
    free, guarded = free_port(), free_port()
    stage.folder.joinpath("admin.token").write_text(TOKEN + "\n")
    stage.serve(stage.origin(), top=f'[admin]\naddress = "127.0.0.1:{free}"\n')
    second = beside(stage, guarded)
    wait_for(guarded, second)
    rows = []
    with GoodClient(stage.plain) as good:
        rows.append(asked(stage, python, "without a token", free))
        rows.append(asked(stage, python, "with a token", guarded, ["--header", f"Authorization: Bearer {TOKEN}"]))
    rows.append(Row("openapi", "clients meanwhile", not good.failures and good.answers > 100, good.seen()))
    return rows


def beside(stage: Stage, admin: int) -> subprocess.Popen:
    """The same gateway once more, where operators need a token."""
    text = (stage.folder / "sluice.toml").read_text()
    text = re.sub(r"\[admin\]\n.*\n", f'[admin]\naddress = "127.0.0.1:{admin}"\ntoken-file = "admin.token"\n', text)
    for port in (stage.plain, stage.h2, stage.tls):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    (stage.folder / "guarded.toml").write_text(text)
    command = [stage.program, "run", "--config", stage.folder / "guarded.toml", "--state-dir", stage.folder / "guarded"]
    return stage.start(command, stderr=subprocess.DEVNULL)


def asked(stage: Stage, python: pathlib.Path, case: str, admin: int, more: list = []) -> Row:
    document = f"http://127.0.0.1:{admin}/api/v1/openapi.json"
    command = [python.parent / "schemathesis", "run", document, "--exclude-path", STREAM, "--checks", "all"]
    command += ["--max-examples", "100", "--seed", "1", "--no-color", "--warnings", "off", *more]
    done = subprocess.run(command, cwd=stage.folder, capture_output=True, text=True, timeout=900)
    stage.folder.joinpath(f"schemathesis-{admin}.log").write_text(done.stdout + done.stderr)
    failures = re.findall(r"^- (.*)$", done.stdout, re.M)
    cases = re.search(r"\d+ generated", done.stdout)
    seen = "; ".join(sorted(set(failures))) or (f"{cases[0]} cases" if cases else done.stdout[-200:].strip())
    return Row("openapi", f"schemathesis, {case}", done.returncode == 0, seen)
