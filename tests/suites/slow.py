"""slowhttptest in its four modes, 1,000 connections each. Shed: it says that none is open any more, or the gateway has none of
them when it gives up, since one that reads eight bytes at a time does not see for minutes that it was reset. And a good client
beside it gets every answer."""

import pathlib
import re
import subprocess
import tempfile
import time

from stage import GoodClient, Row, Stage

MODES = {
    "slow head (-H)": ["-H", "-i", "3"],
    "slow body (-B)": ["-B", "-i", "3", "-s", "65536"],
    "many ranges (-R)": ["-R", "-a", "1", "-b", "3000"],
    "slow read (-X)": ["-X", "-w", "16", "-y", "32", "-z", "8", "-k", "3", "-n", "3"],
}
SECONDS = 60


def run(stage: Stage) -> list[Row]:
    slowhttptest = stage.tools.system("slowhttptest", "slowhttptest")
    # Each client may do as much as slowhttptest alone does here.
    stage.serve(stage.origin(), top='limits = { connections-per-client = 2000 }\n')
    rows = []
    for mode, how in MODES.items():
        command = [slowhttptest, *how, "-c", "1000", "-r", "500", "-l", str(SECONDS), "-p", "5"]
        command += ["-u", f"http://127.0.0.1:{stage.plain}/long"]
        with GoodClient(stage.plain) as good, tempfile.TemporaryFile("w+") as told:
            attack = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT)
            most, left = watch(attack, stage.plain)
            told.seek(0)
            end = re.search(r"Exit status:\s*(.*)", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", told.read()))
        words = end[1].strip() if end else "nothing"
        seen = f"{most} at a time, {left} when it ended with {words!r}; {good.seen()}"
        shed = most > 0 and (left == 0 or words.startswith("No open connections left"))
        rows.append(Row("slow", mode, shed and not good.failures and good.answers > 100, seen))
    return rows


def watch(attack: subprocess.Popen, port: int) -> tuple[int, int]:
    """The most connections that the gateway has had of it, and the last count while it ran."""
    most = left = 0
    deadline = time.monotonic() + SECONDS + 60
    while attack.poll() is None and time.monotonic() < deadline:
        left = established(port)
        most = max(most, left)
        time.sleep(0.1)
    attack.kill()
    attack.wait()
    return most, left


def established(port: int) -> int:
    """From 127.0.0.1: the good client has another address."""
    there = f"0100007F:{port:04X} 0100007F:"
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()
    return sum(there in line and line.split()[3] == "01" for line in lines)
