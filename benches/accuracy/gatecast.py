"""A client of a running Gatecast for the accuracy scripts; uses only Python's standard library."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

SERVER = os.environ.get("GATECAST_URL", "http://127.0.0.1:8080")
PROGRAM = Path(__file__).resolve().parents[2] / "target/release/gatecast"


class Refused(Exception):
    """An error response: its HTTP status, its body, and the server's message in it."""

    def __init__(self, status, body):
        self.status, self.body = status, body
        try:
            detail = json.loads(body)["detail"]
        except (ValueError, KeyError, TypeError):  # not a problem document
            detail = body
        super().__init__(f"{status} {detail}")


class Server:
    """A server on a temporary folder and a free port. Requests go to it while it runs."""

    def __init__(self, *flags, program=PROGRAM):
        if not Path(program).is_file():
            sys.exit(f"there is no program at `{program}`: build it with `make build`")
        self.folder = tempfile.TemporaryDirectory(prefix="gatecast-")
        command = [program, "serve", "--listen", "127.0.0.1:0", "--data", self.folder.name, *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        self.url = next((word.rstrip("/.,") for word in line.split() if word.startswith("http://")), None)
        if self.url is None:
            sys.exit(f"the server did not start: {' '.join(map(str, command))}")
        global SERVER
        SERVER = self.url

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def ask(method, path, body=None, content_type="application/json"):
    """Returns the response's JSON; raises `Refused` on an error response."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    request = urllib.request.Request(SERVER + path, data=body, method=method)
    if body is not None:
        request.add_header("Content-Type", content_type)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Refused(error.code, error.read().decode(errors="replace")) from None
    except urllib.error.URLError as error:
        sys.exit(f"no Gatecast at {SERVER} ({error.reason}): start one with `make run`, or set GATECAST_URL")


def call(method, path, body=None, content_type="application/json"):
    """Returns the response's JSON; on an error, ends the script with the server's message."""
    try:
        return ask(method, path, body, content_type)
    except Refused as error:
        sys.exit(f"{method} {path}: {error.status} {error.body}")


def upload(name, csv, **options):
    """Uploads a dataset and returns its id."""
    query = urllib.parse.urlencode({"name": name, **options})
    return call("POST", f"/v1/datasets?{query}", csv, "text/csv")["id"]


def run(order):
    """Creates a job and returns it once it has succeeded."""
    job = call("POST", "/v1/jobs", order)
    while job["status"] in ("queued", "running"):
        time.sleep(0.5)
        job = call("GET", f"/v1/jobs/{job['id']}")
    if job["status"] != "succeeded":
        sys.exit(f"job {job['id']} {job['status']}: {job['error']}")
    return job


def train(order):
    """Runs a training and returns the finished job and its history."""
    job = run({"kind": "train", **order})
    return job, call("GET", f"/v1/jobs/{job['id']}/metrics")["epochs"]
