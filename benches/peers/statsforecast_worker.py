"""Forecasts of one statsforecast method, for benches/accuracy/panel_peers.py, on one core.

Reads one JSON object from stdin: `method` (a class of statsforecast.models), `season`, `horizon`, `levels` (per cent) and
`series`, the values by id. Writes one JSON line per series: `series`, the `seconds` it took, and `point` with `intervals`
(lower and upper values by level) or `error`.
"""

import json
import sys
import time
import warnings

import numpy
from statsforecast import models


def forecast(order, values):
    model = getattr(models, order["method"])(season_length=order["season"])
    levels = order["levels"] or None
    found = model.forecast(y=numpy.array(values, dtype=float), h=order["horizon"], level=levels)
    intervals = {level: [found[f"lo-{level}"].tolist(), found[f"hi-{level}"].tolist()] for level in order["levels"]}
    return {"point": found["mean"].tolist(), "intervals": intervals}


def main():
    warnings.filterwarnings("ignore")
    order = json.load(sys.stdin)
    for key, values in order["series"].items():
        began = time.perf_counter()
        try:
            line = forecast(order, values)
        except Exception as error:  # a series that the method cannot fit, too short for instance
            line = {"error": str(error)}
        print(json.dumps({"series": key, "seconds": time.perf_counter() - began, **line}), flush=True)


if __name__ == "__main__":
    main()
