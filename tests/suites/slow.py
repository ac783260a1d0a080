"""slowhttptest in its four modes, 1,000 connections each. Shed: none is left open at its end; and a good client beside it gets
every answer."""

import re
import subprocess

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
        with GoodClient(stage.plain) as good:
            told = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 60)
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", told.stdout)
        end = re.search(r"Exit status:\s*(.*)", text)
        last = {name: count for name, count in re.findall(r"(connected|closed|error):\s*(\d+)", text)}
        shed = bool(end) and "No open connections left" in end[1]
        seen = f"{end[1].strip() if end else told.stderr[-200:]}, last seen {last}; {good.seen()}"
        rows.append(Row("slow", mode, shed and not good.failures and good.answers > 100, seen))
    return rows
