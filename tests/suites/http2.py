"""HTTP/2 as a peer of its RFC sees it: httpwg (the successor of h2spec in Rust), over cleartext with prior knowledge."""

import re
import subprocess

from stage import Row, Stage

# Cases of 107 that may fail, each explained in docs/reliability.md.
LEAST = 95


def run(stage: Stage) -> list[Row]:
    httpwg = stage.tools.cargo("httpwg-cli", "0.2.5", "httpwg")
    stage.serve(stage.origin())
    told = subprocess.run([httpwg, "-a", f"127.0.0.1:{stage.h2}"], capture_output=True, text=True, timeout=600)
    text = re.sub(r"\x1b\[[0-9;]*m", "", told.stdout + told.stderr)
    passed, total = map(int, re.search(r"Passed (\d+)/(\d+)", text).groups())
    rows = [Row("http2", "httpwg", passed >= LEAST, f"{passed} of {total}")]
    for case, why in re.findall(r"Test failed: RFC 9113 :: \S+ (.*)\n\s*0: (.*)", text):
        rows.append(Row("http2", case, passed >= LEAST, f"otherwise than expected: {why}"))
    return rows
