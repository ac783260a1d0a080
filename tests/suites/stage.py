"""What every suite needs: tools, an origin, a gateway in front of it, and a good client that must not notice anything."""

import contextlib
import dataclasses
import http.client
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Missing(Exception):
    """A tool that is not there, with what installs it."""


@dataclasses.dataclass
class Row:
    suite: str
    case: str
    passed: bool
    seen: str

    def markdown(self) -> str:
        seen = self.seen.replace("|", "\\|").replace("\n", " ")
        return f"| {self.suite} | {self.case} | {'pass' if self.passed else '**FAIL**'} | {seen} |"


class Tools:
    """Programs of the system, and those that are installed from the registries on first use."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def system(self, program: str, package: str) -> str:
        found = shutil.which(program)
        if not found:
            raise Missing(f"`{program}` is not there: apt install {package}")
        return found

    def cargo(self, crate: str, version: str, program: str) -> str:
        path = self.folder / "bin" / program
        if not path.exists():
            install = ["cargo", "install", crate, "--version", version, "--locked", "--quiet", "--root", str(self.folder)]
            if subprocess.run(install).returncode:
                raise Missing(f"{crate} does not install")
        return str(path)

    def python(self, *packages: str) -> str:
        """An interpreter that has these packages, each pinned."""
        venv = self.folder / "venv"
        python = venv / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        if subprocess.run(install).returncode:
            raise Missing(f"{' '.join(packages)} do not install")
        return str(python)

    def node(self, *packages: str) -> pathlib.Path:
        """A folder from which Node.js finds these packages, each pinned."""
        folder = self.folder / "node"
        folder.mkdir(exist_ok=True)
        install = [self.system("npm", "npm"), "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *packages]
        if subprocess.run(install).returncode:
            raise Missing(f"{' '.join(packages)} do not install")
        return folder / "node_modules"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on {port}")


def wait_until(happens) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if happens():
            return
        time.sleep(0.02)
    raise RuntimeError("waited in vain")


class Stage:
    """An origin (nginx, or what the suite brings) and a gateway with a plain, an HTTP/2 and a TLS listener."""

    def __init__(self, folder: pathlib.Path, program: pathlib.Path, tools: Tools, full: bool = False):
        folder.mkdir(parents=True)
        self.folder, self.program, self.tools, self.full = folder, program, tools, full
        self.processes: list[subprocess.Popen] = []
        self.gateway: subprocess.Popen | None = None
        self.plain, self.h2, self.tls = free_port(), free_port(), free_port()

    def start(self, command: list, **how) -> subprocess.Popen:
        process = subprocess.Popen([str(word) for word in command], **how)
        self.processes.append(process)
        return process

    def origin(self) -> int:
        """nginx with short and long answers; takes bodies."""
        nginx, port = self.tools.system("nginx", "nginx"), free_port()
        (self.folder / "long").write_bytes(b"x" * (1 << 20))
        configuration = f"""
            daemon off; worker_processes 1; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.log;
            events {{ worker_connections 8192; }}
            http {{ access_log off; client_body_temp_path {self.folder}/body; keepalive_requests 1000000;
              server {{ listen 127.0.0.1:{port} backlog=4096; root {self.folder};
                location / {{ return 200 "an answer of the origin, long enough to be cut\\n"; }}
                location /long {{ }} }} }}"""
        (self.folder / "nginx.conf").write_text(configuration)
        process = self.start([nginx, "-p", self.folder, "-c", self.folder / "nginx.conf"], stderr=subprocess.DEVNULL)
        wait_for(port, process)
        return port

    def certificates(self) -> pathlib.Path:
        """An authority and a server certificate of 90 days; returns the authority's."""
        authority, request = self.folder / "ca.pem", self.folder / "site.csr"
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
        (self.folder / "site.ext").write_text(f"{names}\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n")
        quiet = {"check": True, "cwd": self.folder, "stderr": subprocess.DEVNULL}
        signs = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        own = ["-x509", "-days", "90", "-subj", "/CN=suites", *signs, "-keyout", "ca.key", "-out", authority]
        subprocess.run([*new, *own], **quiet)
        subprocess.run([*new, "-subj", "/CN=localhost", "-keyout", "site.key", "-out", request], **quiet)
        sign = ["openssl", "x509", "-req", "-in", request, "-CA", authority, "-CAkey", "ca.key", "-CAcreateserial", "-days", "90"]
        subprocess.run([*sign, "-extfile", "site.ext", "-out", "site.pem"], **quiet)
        return authority

    def serve(self, origin: int, upstream: str = "", route: str = "", top: str = "") -> int:
        """Starts the gateway before this origin; returns its process id."""
        self.certificates()
        configuration = f"""
            workers = 2
            {top}
            [[listener]]
            address = "127.0.0.1:{self.plain}"
            [[listener]]
            address = "127.0.0.1:{self.h2}"
            protocols = ["h2"]
            [[listener]]
            address = "127.0.0.1:{self.tls}"
            tls.certificates = [{{ certificate = "site.pem", key = "site.key" }}]
            [[route]]
            name = "all"
            upstream = "origin"
            {route}
            [[upstream]]
            name = "origin"
            endpoints = [{{ address = "127.0.0.1:{origin}" }}]
            {upstream}"""
        file = self.folder / "sluice.toml"
        file.write_text(configuration)
        self.log = open(self.folder / "sluice.log", "wb")
        command = [self.program, "run", "--config", file, "--state-dir", self.folder / "state"]
        self.gateway = self.start(command, stderr=self.log)
        wait_for(self.tls, self.gateway)
        self.resident = self.rss()
        return self.gateway.pid

    def rss(self) -> int:
        """Memory of the gateway, KiB."""
        status = pathlib.Path(f"/proc/{self.gateway.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def aftermath(self, suite: str) -> list[Row]:
        """After all of it: the gateway is there, has not panicked, and still answers."""
        if self.gateway is None:
            return []
        log = (self.folder / "sluice.log").read_text(errors="replace")
        alive = self.gateway.poll() is None
        # What the origin makes of the question is its own business: one of gRPC breaks off, which is a 502.
        answers = alive and GoodClient.ask(self.plain) >= 200
        grown = (self.rss() - self.resident) // 1024 if alive else 0
        seen = f"alive: {alive}, answers: {answers}, panics in its log: {log.count('panicked')}, memory: {grown:+} MiB"
        return [Row(suite, "afterwards", alive and answers and "panicked" not in log, seen)]

    def close(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class GoodClient:
    """Asks again and again, from an address of its own, on fresh and on kept connections; counts what it gets."""

    def __init__(self, port: int):
        self.port, self.answers, self.failures, self.slowest = port, 0, [], 0.0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.go)

    @staticmethod
    def connect(port: int) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=("127.0.0.2", 0))

    @classmethod
    def ask(cls, port: int) -> int:
        connection = cls.connect(port)
        with contextlib.closing(connection):
            connection.request("GET", "/good")
            response = connection.getresponse()
            response.read()
            return response.status

    def go(self) -> None:
        kept = self.connect(self.port)
        while not self.stop.wait(0.01):
            started = time.monotonic()
            try:
                status = self.ask(self.port)
                kept.request("GET", "/good")
                response = kept.getresponse()
                response.read()
                if (status, response.status) != (200, 200):
                    self.failures.append(f"{status}, {response.status}")
                self.answers += 2
            except OSError as error:
                self.failures.append(repr(error))
                kept.close()
            self.slowest = max(self.slowest, time.monotonic() - started)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def seen(self) -> str:
        failures = f", {len(self.failures)} failures ({self.failures[0]})" if self.failures else ""
        return f"good client: {self.answers} answers, slowest {self.slowest * 1000:.0f} ms{failures}"
