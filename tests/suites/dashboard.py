"""The dashboard in a real browser (headless Chromium, driven by Playwright) while clients ask: figures move, orders are obeyed, what
happens to the gateway shows, nothing is asked of anybody else, and axe-core finds nothing serious in light and dark at three widths.
What the browser does is in `dashboard.mjs`, which asks here for what happens outside of it."""

import contextlib
import datetime
import http.client
import json
import pathlib
import shutil
import signal
import subprocess
import threading
import time

from stage import Row, Stage, free_port, wait_for, wait_until

TOKEN = "a-token-of-the-suites"
BACKENDS = ["alpha", "beta", "gamma"]
CLIENTS = 4
# The page asks axe-core for a verdict six times, and each takes seconds on a slow machine.
PATIENCE = 600


def run(stage: Stage) -> list[Row]:
    chromium = stage.tools.system("chromium", "chromium")
    modules = stage.tools.node("playwright-core@1.65.1", "axe-core@4.14.1")
    policies(stage)
    admin, guarded = free_port(), free_port()
    stage.serve(stage.origin(), top=configuration(admin, backends(stage)))
    with Clients(stage.plain):
        outside = Outside(stage, admin, guarded)
        browser = stage.start(
            [stage.tools.system("node", "nodejs"), pathlib.Path(__file__).with_suffix(".mjs"), chromium, modules, stage.folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        bound = threading.Timer(PATIENCE, browser.kill)
        bound.start()
        try:
            rows = list(told(browser, outside))
        finally:
            bound.cancel()
    is_over = browser.wait(30) == 0
    return [*rows, Row("dashboard", "all of it was tried", is_over and len(rows) > 15, f"{len(rows)} cases")]


def told(browser: subprocess.Popen, outside: "Outside"):
    """What the browser has seen, line by line; what it asks for is done and answered."""
    for line in browser.stdout:
        said = json.loads(line)
        if "please" in said:
            answer = getattr(outside, said["please"])()
            browser.stdin.write(json.dumps(answer) + "\n")
            browser.stdin.flush()
        else:
            yield Row("dashboard", said["case"], said["passed"], said["seen"])


def policies(stage: Stage) -> None:
    """Two components to swap, as the demo brings them."""
    demo = stage.start([stage.program, "demo"], cwd=stage.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    # It prints what to try once all is there.
    demo.stdout.readline()
    for name in ["policy.wasm", "policy-v2.wasm"]:
        shutil.copy(stage.folder / "sluice-demo" / name, stage.folder / name)
    shutil.copy(stage.folder / "policy.wasm", stage.folder / "policy-v1.wasm")
    demo.send_signal(signal.SIGTERM)


def backends(stage: Stage) -> dict[str, int]:
    """nginx once more, as several that answer alike, and with failures on one path."""
    ports = {name: free_port() for name in BACKENDS}
    servers = "".join(
        f'server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 "{name}\\n"; }} '
        f"location /pool/broken {{ return 503; }} location /pool/missing {{ return 404; }} }}"
        for name, port in ports.items())
    text = f"""daemon off; worker_processes 1; pid {stage.folder}/backends.pid; error_log {stage.folder}/backends.log;
        events {{ worker_connections 1024; }}
        http {{ access_log off; keepalive_requests 1000000; {servers} }}"""
    (stage.folder / "backends.conf").write_text(text)
    nginx = stage.tools.system("nginx", "nginx")
    process = stage.start([nginx, "-p", stage.folder, "-c", stage.folder / "backends.conf"], stderr=subprocess.DEVNULL)
    wait_for(ports["gamma"], process)
    return ports


def configuration(admin: int, ports: dict[str, int]) -> str:
    endpoints = ", ".join(f'{{ id = "{name}", address = "127.0.0.1:{port}" }}' for name, port in ports.items())
    return f"""
            [admin]
            address = "127.0.0.1:{admin}"
            [[plugin]]
            name = "policy"
            path = "policy.wasm"
            [[route]]
            name = "pool"
            match = {{ path = "/pool/*" }}
            upstream = "pool"
            response = [{{ plugin = "headers", config = {{ preset = "secure" }} }}]
            [[upstream]]
            name = "pool"
            selection = ["sticky-session", "policy"]
            endpoints = [{endpoints}]
            """


class Outside:
    """What happens to the gateway while somebody looks at its dashboard."""

    def __init__(self, stage: Stage, admin: int, guarded: int):
        self.stage, self.admin, self.guarded = stage, admin, guarded
        self.file = stage.folder / "sluice.toml"
        self.text = self.file.read_text()

    def addresses(self) -> dict:
        return {"page": f"http://127.0.0.1:{self.admin}/", "broken": f"http://127.0.0.1:{self.stage.plain}/pool/broken"}

    def swap(self) -> dict:
        """Another version, saved as a good tool does; when that was, and when it served: how long it is compiled is not the page's
        business."""
        aside = self.stage.folder / ".policy.new"
        shutil.copy(self.stage.folder / "policy-v2.wasm", aside)
        saved = time.time()
        aside.rename(self.stage.folder / "policy.wasm")
        wait_until(lambda: self.events("swap"))
        return {"saved": saved, "served": self.events("swap")[0]}

    def events(self, message: str) -> list[float]:
        """When the log says so."""
        lines = (self.stage.folder / "sluice.log").read_text().splitlines()
        events = [json.loads(line) for line in lines if f'"message":"{message}"' in line]
        return [datetime.datetime.fromisoformat(event["timestamp"]).timestamp() for event in events]

    def spoil(self) -> bool:
        self.file.write_text(self.text.replace('upstream = "pool"', 'upstream = "nowhere"', 1))
        self.stage.gateway.send_signal(signal.SIGHUP)
        return True

    def mend(self) -> bool:
        self.file.write_text(self.text)
        self.stage.gateway.send_signal(signal.SIGHUP)
        return True

    def stop(self) -> bool:
        self.stage.gateway.send_signal(signal.SIGTERM)
        self.stage.gateway.send_signal(signal.SIGTERM)
        self.stage.gateway.wait(20)
        return True

    def start(self) -> bool:
        command = [self.stage.program, "run", "--config", self.file, "--state-dir", self.stage.folder / "state"]
        self.stage.gateway = self.stage.start(command, stderr=self.stage.log)
        wait_for(self.admin, self.stage.gateway)
        return True

    def guard(self) -> dict:
        """The same gateway once more, where operators need a token."""
        folder = self.stage.folder
        (folder / "admin.token").write_text(TOKEN + "\n")
        text = self.text.replace(f'"127.0.0.1:{self.admin}"', f'"127.0.0.1:{self.guarded}"\ntoken-file = "admin.token"')
        for port in (self.stage.plain, self.stage.h2, self.stage.tls):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
        (folder / "guarded.toml").write_text(text)
        command = [self.stage.program, "run", "--config", folder / "guarded.toml", "--state-dir", folder / "guarded"]
        wait_for(self.guarded, self.stage.start(command, stderr=subprocess.DEVNULL))
        return {"page": f"http://127.0.0.1:{self.guarded}/", "token": TOKEN}


class Clients:
    """They ask some hundred times a second, all that there is, until the end; a gateway that is gone is waited for."""

    def __init__(self, port: int):
        self.port, self.stop = port, threading.Event()
        self.threads = [threading.Thread(target=self.go, args=(number,)) for number in range(CLIENTS)]

    def go(self, number: int) -> None:
        turn = number
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.stop.wait(0.015):
            turn += 1
            path = "/pool/missing" if turn % 40 == 0 else f"/pool/{turn % 7}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", path)
                connection.getresponse().read()
                continue
            connection.close()
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
