"""The hourly part of the M4 competition over HTTP: 414 series, one global network, forecasts of the 48 points after each.

Trains on the train file only, requests forecasts of every series from the API, and scores them on the test file as the
competition did: sMAPE (0 to 200), and MASE with the in-sample errors of the forecast that repeats the value 24 hours
before, both averaged over series. The competition's seasonal naive has 13.912 and 1.193, its winner 9.328 and 0.893.

    python3 benches/accuracy/m4.py FOLDER       # with m4_hourly_train.csv and m4_hourly_test.csv (Mcompetitions/M4-methods
                                                # has them as Hourly-train.csv and Hourly-test.csv: rename them)
    python3 benches/accuracy/m4.py FOLDER '{"training": {"epochs": 20}}'      # with fields of the request changed
"""

import csv
import json
import sys
from pathlib import Path

import gatecast

SEASON, HORIZON = 24, 48
ORDER = json.loads((Path(__file__).parent / "m4.json").read_text())


def read(path):
    with open(path, newline="") as lines:
        rows = list(csv.reader(lines))[1:]
    return {row[0]: [float(value) for value in row[1:] if value not in ("", "NA")] for row in rows}


def merged(order, change):
    """Applies a JSON merge patch."""
    if not isinstance(change, dict):
        return change
    patched = dict(order) if isinstance(order, dict) else {}
    for key, value in change.items():
        if value is None:
            patched.pop(key, None)
        else:
            patched[key] = merged(patched.get(key), value)
    return patched


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


def smape(forecast, truth):
    return mean(200 * abs(f - t) / (abs(f) + abs(t)) if f or t else 0.0 for f, t in zip(forecast, truth))


def mase(forecast, truth, history):
    scale = mean(abs(value - before) for before, value in zip(history, history[SEASON:]))
    return mean(abs(f - t) for f, t in zip(forecast, truth)) / scale


def score(forecasts, train, test):
    return (
        mean(smape(forecasts[key], test[key]) for key in test),
        mean(mase(forecasts[key], test[key], train[key]) for key in test),
    )


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    order = merged(ORDER, json.loads(sys.argv[2]) if len(sys.argv) > 2 else {})
    source = (folder / "m4_hourly_train.csv").read_bytes()
    train, test = read(folder / "m4_hourly_train.csv"), read(folder / "m4_hourly_test.csv")
    dataset = gatecast.upload("m4 hourly", source, layout="rows")
    job, epochs = gatecast.train({"dataset": dataset, **order})
    request = {"dataset": dataset, "series": list(test), "horizon": HORIZON}
    answer = gatecast.call("POST", f"/v1/models/{job['model']}/forecast", request)
    found = {forecast["series"]: forecast["mean"] for forecast in answer["forecasts"]}
    naive = {key: (train[key][-SEASON:] * 2)[:HORIZON] for key in test}
    seconds = sum(epoch["seconds"] for epoch in epochs)
    print("| method | sMAPE | MASE |\n|---|---|---|")
    print("| seasonal naive | {:.3f} | {:.3f} |".format(*score(naive, train, test)))
    print("| Gatecast, {:.0f} s of training | {:.3f} | {:.3f} |".format(seconds, *score(found, train, test)))


if __name__ == "__main__":
    main()
