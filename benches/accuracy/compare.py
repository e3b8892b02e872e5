"""The lesson's advice as one comparison job: LSTM, GRU and simple RNN, plain and layer-normalised, three seeds each.

The lesson's data and settings (see lesson.py), 20 epochs; ranked by the validation error at the last step, averaged
over the seeds, beside the baselines.

    python3 benches/accuracy/compare.py         # uses the server at GATECAST_URL, http://127.0.0.1:8080 by default
"""

import time

import gatecast
import lesson


def main():
    base = lesson.order(lesson.upload())
    began = time.monotonic()
    job = gatecast.run({
        "kind": "compare",
        "base": base,
        "cells": ["lstm", "gru", "simple_rnn"],
        "layer_norm": [False, True],
        "seeds": [1, 2, 3],
        "metric": "validation.last_time_step_mse",
    })
    board = job["result"]
    print("| rank | variant | mean | std | min | max | parameters | seconds |\n|---|---|---|---|---|---|---|---|")
    for row in board["rows"]:
        spread = " | ".join(f"{row[name]:.5f}" for name in ("mean", "std", "min", "max"))
        print(f"| {row['rank']} | {row['variant']} | {spread} | {row['parameters']:,} | {row['seconds']:.1f} |")
    for row in board["baselines"]:
        value = "" if row["value"] is None else f"{row['value']:.5f}"
        print(f"| | {row['name']} | {value} | | | | | |")
    print(f"18 trainings by one POST in {time.monotonic() - began:.0f} s; the winner is model {job['model']}.")


if __name__ == "__main__":
    main()
