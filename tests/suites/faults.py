"""System calls that fail, by strace's fault injection: some requests may fail for it, the gateway may not, and once the faults
are over every request succeeds."""

import pathlib
import signal
import subprocess
import time

from stage import GoodClient, Missing, Row, Stage, wait_until

FAULTS = {
    "accept4: EMFILE": "accept4:error=EMFILE:when=2+3",
    "accept4: ECONNABORTED": "accept4:error=ECONNABORTED:when=2+3",
    "epoll_wait: EINTR": "epoll_wait:error=EINTR:when=2+3",
    "read: ECONNRESET": "read,recvfrom:error=ECONNRESET:when=3+20",
    "read: EINTR": "read,recvfrom:error=EINTR:when=3+5",
    # Not `write` itself: with it a thread wakes another one's event loop, which the system never refuses.
    "write: EPIPE": "writev,sendto,sendmsg:error=EPIPE:when=3+20",
    "write: ENOBUFS": "writev,sendto,sendmsg:error=ENOBUFS:when=3+20",
    "openat: EIO": "openat:error=EIO",
}
SECONDS = 3


def run(stage: Stage) -> list[Row]:
    strace = stage.tools.system("strace", "strace")
    gateway = stage.serve(stage.origin())
    if not may_trace(strace, gateway):
        raise Missing("this user may not trace processes here")
    rows = []
    for name, fault in FAULTS.items():
        inject = ["-e", f"trace={fault.split(':')[0]}", "-e", f"inject={fault}", "-o", str(stage.folder / "strace.log")]
        tracer = subprocess.Popen([strace, "-f", "-qq", *inject, "-p", str(gateway)], stderr=subprocess.DEVNULL)
        wait_until(lambda: traced(gateway))
        with GoodClient(stage.plain) as during:
            stage.gateway.send_signal(signal.SIGHUP)
            time.sleep(SECONDS)
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        with GoodClient(stage.plain) as after:
            time.sleep(1)
        injected = (stage.folder / "strace.log").read_text(errors="replace").count("(INJECTED)")
        alive = stage.gateway.poll() is None
        good = alive and not after.failures and after.answers > 10
        seen = f"{injected} faults; meanwhile {during.answers} answers, {len(during.failures)} failures; after: {after.seen()}"
        rows.append(Row("faults", name, good and injected > 0, seen))
        if not alive:
            break
    return rows


def traced(process: int) -> bool:
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return status.split("TracerPid:")[1].split()[0] != "0"


def may_trace(strace: str, process: int) -> bool:
    tracer = subprocess.Popen([strace, "-qq", "-e", "trace=none", "-p", str(process)], stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    traces = tracer.poll() is None
    tracer.terminate()
    tracer.wait()
    return traces
