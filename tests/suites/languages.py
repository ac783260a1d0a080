"""The same policy in four languages, as `sluice plugin new` writes it: each keeps the same scenario; under load one takes the place
of the other and no request is lost; and an interpreter that gives no memory back serves for as long as one likes, since its
instances are replaced in time. A million requests each with `--full`."""

import hashlib
import json
import os
import pathlib
import subprocess
import time
import urllib.request

from accounts import CHOSEN, NAMED, Clients
from stage import Missing, Row, Stage, free_port, wait_for

LANGUAGES = ["rust", "javascript", "python", "c"]
SWAPS = ["javascript", "python", "c", "rust"]
# What an interpreter needs, and with as many requests as there can be; the others are served with it as well.
LIMITS = 'limits = { memory = "256MiB", deadline = "20ms", worker-share = "100%" }'
# Requests between two swaps, and those that interpreters serve alone.
BETWEEN, SOME, ALL = 5_000, 20_000, 1_000_000


def run(stage: Stage) -> list[Row]:
    components = {language: project(stage, language) for language in LANGUAGES}
    rows = [keeps(stage, language, components[language]) for language in LANGUAGES]
    books = origin(stage)
    serve(stage, components["rust"].read_bytes(), books)
    rows.append(swaps(stage, components, books))
    for language in ("javascript", "python"):
        rows.append(endures(stage, language, components[language], books))
    return rows


def project(stage: Stage, language: str) -> pathlib.Path:
    """Made, its tools installed, and built; kept beside the tools from run to run."""
    folder = stage.tools.folder / "languages" / language
    environment = tools(stage, language)
    if not folder.exists():
        new = [stage.program, "plugin", "new", f"least-busy-{language}", "--lang", language, "--folder", folder]
        subprocess.run(new, check=True, stdout=subprocess.DEVNULL)
        install = {
            "javascript": "npm install --no-audit --no-fund",
            "python": "python3 -m venv .venv && .venv/bin/pip install --quiet -r requirements.txt",
            "c": "python3 -m venv .venv && .venv/bin/pip install --quiet ziglang",
        }.get(language, "true")
        if subprocess.run(["bash", "-euc", install], cwd=folder, env=environment, stdout=subprocess.DEVNULL).returncode:
            raise Missing(f"what {language} needs does not install")
    built = subprocess.run([stage.program, "plugin", "build", folder], env=environment, capture_output=True, text=True)
    if built.returncode:
        raise Missing(built.stderr.strip().replace("\n", " "))
    return pathlib.Path(built.stdout.strip().splitlines()[-1])


def tools(stage: Stage, language: str) -> dict[str, str]:
    if language == "javascript":
        stage.tools.system("npm", "npm")
    if language == "c":
        for crate, version, program in [("wit-bindgen-cli", "0.63.0", "wit-bindgen"), ("wasm-tools", "1.263.0", "wasm-tools")]:
            stage.tools.cargo(crate, version, program)
    return {**os.environ, "PATH": f"{os.environ['PATH']}:{stage.tools.folder / 'bin'}"}


def keeps(stage: Stage, language: str, component: pathlib.Path) -> Row:
    """The scenario of the one in JavaScript, which has the room of an interpreter."""
    scenario = stage.tools.folder / "languages" / "javascript" / "scenario.toml"
    test = [stage.program, "plugin", "test", component, "--scenario", scenario, "--calls", "20000", "--json"]
    said = subprocess.run([*test, "--state-dir", state(stage)], capture_output=True, text=True)
    if not said.stdout:
        return Row("languages", f"{language}: scenario", False, said.stderr)
    report = json.loads(said.stdout)
    broken = [f"{check['name']}: {check['found']}" for check in report["checks"] if not check["passed"]]
    size = component.stat().st_size // 1024
    seen = "; ".join(broken) or f"{len(report['checks'])} checks; the component has {size} KiB"
    return Row("languages", f"{language}: scenario", report["passed"] and said.returncode == 0, seen)


def state(stage: Stage) -> pathlib.Path:
    """Compiled code is kept from run to run, since that of an interpreter takes its time."""
    folder = stage.tools.folder / "languages" / "state"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


class Books:
    """What two endpoints have written down: the number of each request, as it came."""

    def __init__(self, stage: Stage):
        self.ports = {"small": free_port(), "big": free_port()}
        self.files = {name: stage.folder / f"{name}.book" for name in self.ports}

    def clear(self) -> None:
        for file in self.files.values():
            os.truncate(file, 0)

    def read(self) -> dict[str, list[int]]:
        # A good client has no number.
        lines = {name: file.read_text().split() for name, file in self.files.items()}
        return {name: [int(line) for line in those if line.isdigit()] for name, those in lines.items()}


def origin(stage: Stage) -> Books:
    nginx, books = stage.tools.system("nginx", "nginx"), Books(stage)
    server = "server {{ listen 127.0.0.1:{port} backlog=4096; access_log {book} book; location / {{ return 200 $http_x_id; }} }}"
    servers = "\n".join(server.format(port=port, book=books.files[name]) for name, port in books.ports.items())
    (stage.folder / "books.conf").write_text(f"""
        daemon off; worker_processes 1; pid {stage.folder}/books.pid; error_log {stage.folder}/books.log;
        events {{ worker_connections 1024; }}
        http {{ log_format book '$http_x_id'; keepalive_requests 10000000; keepalive_timeout 1h; {servers} }}""")
    process = stage.start([nginx, "-p", stage.folder, "-c", stage.folder / "books.conf"], stderr=subprocess.DEVNULL)
    for port in books.ports.values():
        wait_for(port, process)
    return books


def serve(stage: Stage, component: bytes, books: Books) -> None:
    stage.admin = free_port()
    stage.save = lambda content: save(stage.folder / "policy.wasm", content)
    stage.save(component)
    endpoints = [f'{{ id = "{name}", address = "127.0.0.1:{port}" }}' for name, port in books.ports.items()]
    endpoints[1] = endpoints[1].replace(" }", ", weight = 2 }")
    file = stage.folder / "sluice.toml"
    file.write_text(f"""
        workers = 2
        log = {{ access = false }}
        admin = {{ address = "127.0.0.1:{stage.admin}" }}
        [[listener]]
        address = "127.0.0.1:{stage.plain}"
        [[plugin]]
        name = "policy"
        path = "policy.wasm"
        slots = 2
        {LIMITS}
        [[route]]
        name = "all"
        upstream = "app"
        [[upstream]]
        name = "app"
        selection = ["policy"]
        endpoints = [{", ".join(endpoints)}]""")
    stage.log = open(stage.folder / "sluice.log", "wb")
    command = [stage.program, "run", "--config", file, "--state-dir", state(stage)]
    stage.gateway = stage.start(command, stderr=stage.log)
    wait_for(stage.plain, stage.gateway)
    stage.resident = stage.rss()


def save(file: pathlib.Path, content: bytes) -> None:
    aside = file.with_suffix(".new")
    aside.write_bytes(content)
    aside.rename(file)


def swapped(stage: Stage, component: pathlib.Path) -> float:
    """Saves it, and gives how long it took until every worker had it."""
    began, content = time.monotonic(), component.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    seen = events(stage, digest)
    stage.save(content)
    while len(events(stage, digest)) == len(seen):
        if time.monotonic() - began > 300:
            raise RuntimeError(f"{component} was not swapped in: {(stage.folder / 'sluice.log').read_text()[-2000:]}")
        time.sleep(0.05)
    if any("refused" in event["message"] for event in events(stage, digest)):
        raise RuntimeError(f"{component} was refused")
    return time.monotonic() - began


def events(stage: Stage, digest: str) -> list[dict]:
    lines = (stage.folder / "sluice.log").read_text().splitlines()
    found = [json.loads(line) for line in lines if '"swap' in line]
    return [event for event in found if event.get("new") == digest or event["message"] == "swap refused"]


def metric(stage: Stage, name: str) -> int:
    """All of that name together."""
    with urllib.request.urlopen(f"http://127.0.0.1:{stage.admin}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.split("{")[0] == name)


def failures(stage: Stage) -> dict[str, int]:
    """Calls that failed or were not let in, by kind."""
    with urllib.request.urlopen(f"http://127.0.0.1:{stage.admin}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    counts = [line for line in lines if line.startswith("sluice_plugin_failures_total{")]
    return {line.split('kind="')[1].split('"')[0]: int(float(line.split()[-1])) for line in counts}


def lost(clients: Clients, books: Books) -> tuple[list[str], int]:
    """What the books of both sides say, held against each other; and how many named an endpoint and went to another."""
    wrong = clients.finish()
    came = books.read()
    numbers = [number for those in came.values() for number in those]
    answered = clients.numbers()
    if len(numbers) != len(set(numbers)):
        wrong.append(f"{len(numbers) - len(set(numbers))} came more than once")
    if set(numbers) != answered:
        wrong.append(f"{len(answered - set(numbers))} were answered and never came, {len(set(numbers) - answered)} came and were not answered")
    elsewhere = [number for name, those in came.items() for number in those if number % NAMED == 0 and name != CHOSEN]
    return wrong, len(elsewhere)


def swaps(stage: Stage, components: dict[str, pathlib.Path], books: Books) -> Row:
    clients, took = Clients(stage.plain), []
    clients.wait_for(BETWEEN)
    for language in SWAPS:
        took.append(f"{language} after {swapped(stage, components[language]):.1f} s")
        clients.wait_for(BETWEEN)
    wrong, elsewhere = lost(clients, books)
    failed = metric(stage, "sluice_plugin_failures_total")
    if elsewhere > failed:
        wrong.append(f"{elsewhere} named an endpoint and went to another")
    seen = f"{clients.count()} requests, each answered once; saved and served: {', '.join(took)}; {failed} calls failed"
    return Row("languages", "rust, javascript, python, c, rust", not wrong, "; ".join(wrong) or seen)


def endures(stage: Stage, language: str, component: pathlib.Path, books: Books) -> Row:
    swapped(stage, component)
    books.clear()
    made, before = metric(stage, "sluice_plugin_instances_made_total"), failures(stage)
    clients, began = Clients(stage.plain), time.monotonic()
    clients.wait_for(ALL if stage.full else SOME)
    took, count = time.monotonic() - began, clients.count()
    wrong, elsewhere = lost(clients, books)
    made = metric(stage, "sluice_plugin_instances_made_total") - made
    failed = {kind: count - before[kind] for kind, count in failures(stage).items() if count > before[kind]}
    # On a busy machine a call may not be given its time, which is nobody's fault; the gateway chose in its place.
    stopped = failed.pop("wall_stop", 0)
    if failed:
        wrong.append(f"calls failed: {failed}")
    if elsewhere > stopped:
        wrong.append(f"{elsewhere} named an endpoint and went to another")
    peak = metric(stage, "sluice_plugin_memory_peak_bytes") >> 20
    seen = f"{count} requests, each answered once, {count / took:.0f} a second; {made} instances made meanwhile, of {peak} MiB at most; "
    seen += f"no call failed, {stopped} were not given their time; the gateway has {stage.rss() >> 10} MiB"
    return Row("languages", f"{language} alone", not wrong, "; ".join(wrong) or seen)
