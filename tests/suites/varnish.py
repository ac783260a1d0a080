"""Scripts of our own for varnishtest, which plays client and origin byte by byte: `varnish/*.vtc`."""

import pathlib
import subprocess
import sys

from stage import Row, Stage, free_port, wait_for

SCRIPTS = sorted((pathlib.Path(__file__).parent / "varnish").glob("*.vtc"))


def run(stage: Stage) -> list[Row]:
    varnishtest = stage.tools.system("varnishtest", "varnish")
    port = free_port()
    stage.serve(port, upstream="ejection = { consecutive-failures = 0 }")
    rows = []
    for script in SCRIPTS:
        places = [f"-Dgateway=127.0.0.1:{stage.plain}", f"-Dorigin=127.0.0.1:{port}"]
        told = subprocess.run([varnishtest, *places, script], capture_output=True, text=True, timeout=120)
        faults = [line for line in told.stdout.splitlines() if line.startswith('----')]
        what = script.read_text().splitlines()[0].split('"')[1]
        rows.append(Row("varnish", what, told.returncode == 0, faults[0] if faults else "as written"))
    # What is asked afterwards needs an origin that stays.
    wait_for(port, stage.start([sys.executable, "-c", ORIGIN, str(port)], stderr=subprocess.DEVNULL))
    return rows


ORIGIN = """
import http.server, sys
class Good(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Good).serve_forever()
"""
