"""A client of a running Gatecast for the accuracy scripts; uses only Python's standard library."""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SERVER = os.environ.get("GATECAST_URL", "http://127.0.0.1:8080")


def call(method, path, body=None, content_type="application/json"):
    """Returns the response's JSON; on an error, ends the script with the server's message."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    request = urllib.request.Request(SERVER + path, data=body, method=method)
    if body is not None:
        request.add_header("Content-Type", content_type)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}")
    except urllib.error.URLError as error:
        sys.exit(f"no Gatecast at {SERVER} ({error.reason}): start one with `make run`, or set GATECAST_URL")


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
