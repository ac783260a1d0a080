"""A real Prometheus scrapes the gateway for a minute under load: what it has counted is what the clients have, and neither the
figures nor the rules and panels in docs/monitoring give it anything to say."""

import collections
import contextlib
import http.client
import json
import re
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from stage import ROOT, Row, Stage, free_port, wait_for, wait_until

SECONDS = 60
CLIENTS = 8
FOLDER = ROOT / "docs" / "monitoring"


class Accounts:
    """Clients that write down every answer that they get: status, and bytes of its body."""

    def __init__(self, port: int):
        self.port, self.stop = port, threading.Event()
        self.codes, self.bytes, self.failures = collections.Counter(), 0, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.go, args=(number,)) for number in range(CLIENTS)]

    def go(self, number: int) -> None:
        codes, received = collections.Counter(), 0
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            while not self.stop.is_set():
                # Some go on asking, some begin anew; one in ten makes no sense, and its connection ends with it.
                turn = sum(codes.values())
                if turn % 10 == number:
                    codes[self.nonsense()] += 1
                    continue
                path = "/long" if turn % 50 == 7 else "/"
                posts = turn % 3 == 0 and path == "/"
                connection.request("POST" if posts else "GET", path, b"x" * 10 if posts else None)
                answer = connection.getresponse()
                codes[f"{answer.status // 100}xx"] += 1
                received += len(answer.read())
                if turn % 20 == 11:
                    connection.close()
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
        connection.close()
        with self.lock:
            self.codes += codes
            self.bytes += received

    def nonsense(self) -> str:
        """A request without `Host`."""
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.port), 30)) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
            return raw.makefile("rb").readline().split()[1][:1].decode() + "xx"

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class Prometheus:
    def __init__(self, stage: Stage, admin: int):
        program, self.port = stage.tools.system("prometheus", "prometheus"), free_port()
        rules = FOLDER / "alerts.yml"
        (stage.folder / "prometheus.yml").write_text(f"""
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [{json.dumps(str(rules))}]
scrape_configs:
  - job_name: sluice
    static_configs: [{{ targets: ["127.0.0.1:{admin}"] }}]
""")
        command = [program, f"--config.file={stage.folder}/prometheus.yml", f"--storage.tsdb.path={stage.folder}/prometheus"]
        with open(stage.folder / "prometheus.log", "wb") as log:
            process = stage.start([*command, f"--web.listen-address=127.0.0.1:{self.port}"], stderr=log)
        wait_for(self.port, process)
        wait_until(self.is_ready)

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=30) as answer:
            return answer.status == 200
        return False

    def api(self, path: str, **query: str):
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            return json.load(answer)["data"]

    def ask(self, query: str) -> dict[tuple, float]:
        """By the values of the labels, in the order of their names."""
        found = self.api("query", query=query)["result"]
        return {tuple(value for _, value in sorted(one["metric"].items())): float(one["value"][1]) for one in found}


def run(stage: Stage) -> list[Row]:
    promtool = stage.tools.system("promtool", "prometheus")
    admin = free_port()
    stage.serve(stage.origin(), top=f'[admin]\naddress = "127.0.0.1:{admin}"\n')
    prometheus = Prometheus(stage, admin)
    wait_until(lambda: prometheus.ask("sum(up)") == {(): 1.0})
    with Accounts(stage.plain) as accounts:
        time.sleep(SECONDS)
    requests = lambda: prometheus.ask("sum by (code) (sluice_requests_total) > 0")
    wanted = {(code,): float(count) for code, count in accounts.codes.items()}
    with contextlib.suppress(RuntimeError):
        wait_until(lambda: requests() == wanted)
    rows = [
        Row("prometheus", "requests by status", requests() == wanted and not accounts.failures,
            f"Prometheus {text(requests())}, clients {text(wanted)}{' ' + accounts.failures[0] if accounts.failures else ''}"),
    ]
    good, sent = accounts.codes["2xx"], accounts.bytes
    same = {
        "durations": ('sum(sluice_request_duration_seconds_count)', sum(accounts.codes.values())),
        "bytes sent": ('sum(sluice_sent_bytes_total{route="all"})', sent),
        "answers of the endpoint": ('sum(sluice_endpoint_outcomes_total{outcome="2xx"})', good),
        "attempts": ("sum(sluice_attempts_total)", good),
        "in flight afterwards": ('sum(sluice_exchanges_in_flight) + sum(sluice_requests_in_flight)', 0),
    }
    for case, (query, count) in same.items():
        seen = prometheus.ask(query).get((), -1.0)
        rows.append(Row("prometheus", case, seen == count, f"Prometheus {seen:.0f}, clients {count}"))
    up = prometheus.ask(f"min_over_time(up[{SECONDS}s])"), prometheus.ask(f"count_over_time(up[{SECONDS}s])")
    scrapes = min(up[1].values(), default=0)
    rows.append(Row("prometheus", "every scrape", set(up[0].values()) == {1.0} and scrapes >= SECONDS - 5, f"{scrapes:.0f} scrapes"))
    return [*rows, *formats(promtool, admin), *documents(promtool, prometheus)]


def formats(promtool: str, admin: int) -> list[Row]:
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=30) as answer:
        figures = answer.read()
    checked = subprocess.run([promtool, "check", "metrics"], input=figures, capture_output=True)
    said = (checked.stdout + checked.stderr).decode()
    return [Row("prometheus", "promtool check metrics", checked.returncode == 0 and not said.strip(), said.strip() or "clean")]


def documents(promtool: str, prometheus: Prometheus) -> list[Row]:
    rows = []
    for case, arguments in {"check rules": ["alerts.yml"], "test rules": ["alerts_test.yml"]}.items():
        done = subprocess.run([promtool, *case.split(), *arguments], cwd=FOLDER, capture_output=True, text=True)
        said = (done.stdout + done.stderr).strip().splitlines()
        rows.append(Row("prometheus", f"promtool {case}", done.returncode == 0, said[-1].strip() if said else ""))
    rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
    bad = [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] != "ok"]
    rows.append(Row("prometheus", "rules evaluated", bool(rules) and not bad, "; ".join(bad) or f"{len(rules)} rules"))
    # Every panel asks something that Prometheus understands, of figures that there are.
    known = set(prometheus.api("label/__name__/values"))
    dashboard = json.loads((FOLDER / "grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    wrong = []
    for query in [*queries, *(rule["query"] for rule in rules)]:
        wrong += [name for name in re.findall(r"sluice_\w+", query) if name not in known and name not in UNCONFIGURED]
        filled = re.sub(r"\$(instance|route|upstream)", ".*", query).replace("$__rate_interval", "1m")
        try:
            prometheus.ask(filled)
        except OSError as error:
            wrong.append(f"{filled}: {error}")
    rows.append(Row("prometheus", "panels of the dashboard", bool(queries) and not wrong, "; ".join(wrong) or f"{len(queries)} queries"))
    return rows


# Figures of what the stage's gateway does not have: bounds of an upstream.
UNCONFIGURED = {"sluice_requests_queued"}


def text(counts: dict[tuple, float]) -> str:
    return ", ".join(f"{code} {count:.0f}" for (code,), count in sorted(counts.items()))
