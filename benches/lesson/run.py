#!/usr/bin/env python3
"""The lesson's three programs over HTTP alone: uploads the series, trains, prints the errors.

Layer-normalised simple RNN, LSTM and GRU, two layers of 20 units, forecasting 10 points ahead at
every one of 50 steps; 7,000 series to learn from, 2,000 to validate, 1,000 to test. Needs a running
server and nothing but Python's standard library.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time
import urllib.request

CELLS = [("simple_rnn", True), ("lstm", False), ("gru", False)]


def call(server: str, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> dict:
    request = urllib.request.Request(server + path, data=body, method=method, headers={"Content-Type": kind})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def order(dataset: str, cell: str, layer_norm: bool, epochs: int) -> dict:
    return {
        "kind": "train",
        "name": f"the lesson's {cell}",
        "dataset": dataset,
        "data": {
            "context": 50,
            "horizon": 10,
            "scaling": "none",
            "split": {"by": "series", "validation": 0.2, "test": 0.1},
        },
        "model": {"cell": cell, "layer_norm": layer_norm, "layers": [20, 20], "output": "every_step"},
        "training": {
            "epochs": epochs,
            "batch_size": 32,
            "loss": "mse",
            "optimizer": {"type": "adam", "learning_rate": 0.001},
        },
    }


def wait(server: str, job: str) -> dict:
    while True:
        state = call(server, "GET", f"/v1/jobs/{job}")
        if state["status"] in ("succeeded", "failed", "cancelled"):
            return state
        time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    script = pathlib.Path(__file__).with_name("series.py")
    rows = subprocess.run([sys.executable, script], check=True, capture_output=True).stdout
    dataset = call(options.server, "POST", "/v1/datasets?name=lesson&layout=rows", rows, "text/csv")["id"]
    print(f"{'network':<28}{'validation':>12}{'test':>12}{'seconds an epoch':>18}")
    for cell, layer_norm in CELLS:
        body = json.dumps(order(dataset, cell, layer_norm, options.epochs)).encode()
        job = call(options.server, "POST", "/v1/jobs", body)["id"]
        state = wait(options.server, job)
        if state["status"] != "succeeded":
            sys.exit(f"{cell}: {state['status']}: {state['error']}")
        epochs = call(options.server, "GET", f"/v1/jobs/{job}/metrics")["epochs"]
        seconds = sorted(epoch["seconds"] for epoch in epochs)[len(epochs) // 2]
        errors = [state["metrics"][part]["last_time_step_mse"] for part in ("validation", "test")]
        name = f"{cell}{' with layer norm' if layer_norm else ''}"
        print(f"{name:<28}{errors[0]:>12.5f}{errors[1]:>12.5f}{seconds:>18.2f}")


if __name__ == "__main__":
    main()
