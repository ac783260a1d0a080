#!/usr/bin/env python3
"""Other people's test suites against Sluice, in one table.

    python3 tests/suites/run.py [--sluice target/release/sluice] [--only http2 tls …] [--full] [--markdown FILE]

Needs Linux, Python 3.11 with venv, cargo, openssl, and of Debian: nginx slowhttptest varnish strace prometheus chromium nodejs npm. What
the registries have (httpwg-cli, wit-bindgen-cli, wasm-tools from crates.io; sslyze, grpcio, websockets, schemathesis,
componentize-py, ziglang from PyPI; playwright-core, axe-core, componentize-js from npm) is installed below `--tools`. Ends with 1 if anything failed.
A suite whose tool is missing says so in its row, and that is no pass.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import traceback

import dashboard
import faults
import grpc_interop
import http2
import languages
import openapi
import prometheus
import slow
import tls
import varnish
import websocket
from stage import ROOT, Missing, Row, Stage, Tools

SUITES = {
    "http2": http2,
    "tls": tls,
    "varnish": varnish,
    "slow": slow,
    "grpc": grpc_interop,
    "websocket": websocket,
    "faults": faults,
    "openapi": openapi,
    "prometheus": prometheus,
    "dashboard": dashboard,
    "languages": languages,
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sluice", type=pathlib.Path, help="the program; built in release if not given")
    arguments.add_argument("--only", nargs="+", choices=SUITES, default=list(SUITES), metavar="SUITE")
    arguments.add_argument("--tools", type=pathlib.Path, default=ROOT / "target" / "suites", help="where tools are installed")
    arguments.add_argument("--full", action="store_true", help="as long as it takes: a million requests where it is else some")
    arguments.add_argument("--markdown", type=pathlib.Path, help="where the table is written besides")
    given = arguments.parse_args()

    program = given.sluice or build()
    tools = Tools(given.tools.resolve())
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="sluice-suites-") as folder:
        # The origin's workers run as another user.
        pathlib.Path(folder).chmod(0o755)
        for name in given.only:
            print(f"== {name}", flush=True)
            rows += run(name, Stage(pathlib.Path(folder) / name, program.resolve(), tools, given.full))

    table = "\n".join(["| suite | case | verdict | what was seen |", "|---|---|---|---|", *map(Row.markdown, rows)])
    print(f"\n{table}")
    if given.markdown:
        given.markdown.write_text(table + "\n")
    return 0 if all(row.passed for row in rows) else 1


def build() -> pathlib.Path:
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "sluice-gateway"], cwd=ROOT, check=True)
    metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
    told = subprocess.run(metadata, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return pathlib.Path(json.loads(told)["target_directory"]) / "release" / "sluice"


def run(name: str, stage: Stage) -> list[Row]:
    """One suite on a stage of its own, which must stand at its end as it stood at its beginning."""
    try:
        rows = SUITES[name].run(stage)
        return [*rows, *stage.aftermath(name)]
    except Missing as missing:
        return [Row(name, "-", False, f"not run: {missing}")]
    except Exception as error:  # A suite that cannot go on must not keep the others from theirs.
        traceback.print_exc()
        return [Row(name, "-", False, f"stopped: {error!r}")]
    finally:
        stage.close()


if __name__ == "__main__":
    sys.exit(main())
