"""Forecasts of statsforecast's methods, each in a process of its own; kept in the user's cache folder.

A result is found again by a hash of the history, the season, the horizon, the method, the pinned versions and the worker's
code, so that a second run costs nothing.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from panel_scores import from_levels

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peers"))
from environment import CACHE, PEERS, environment  # noqa: E402

METHODS = ("AutoETS", "OptimizedTheta", "AutoCES")
LEVELS = [20, 40, 60, 80, 95]


def version():
    return "statsforecast " + re.search(r"^statsforecast==(\S+)", (PEERS / "statsforecast.txt").read_text(), re.M)[1]


def filled(values):
    """Unknown values on the line between their neighbours, at the ends the nearest value: the methods need all of them."""
    known = [at for at, value in enumerate(values) if value == value]
    filled = list(values)
    for before, after in zip(known, known[1:]):
        for at in range(before + 1, after):
            share = (at - before) / (after - before)
            filled[at] = values[before] + share * (values[after] - values[before])
    if known:
        filled[: known[0]] = [values[known[0]]] * known[0]
        filled[known[-1] + 1 :] = [values[known[-1]]] * (len(values) - known[-1] - 1)
    return filled


def outcome(task, method, limit, intervals=True):
    """Forecasts by series, with the seconds and the peak memory of the points; intervals are a second run, because
    AutoCES simulates them for a second per series. `limit`: seconds until a run is ended. Intervals that were not ready by
    then for every series are left out for all."""
    points = kept(task, method, [], limit)
    levels = kept(task, method, LEVELS, limit) if intervals and not points["out_of_time"] else None
    notes = [f"out of time after {limit:g} s"] if points["out_of_time"] else []
    if levels and levels["out_of_time"]:
        levels = None
        notes.append(f"intervals out of time after {limit:g} s, left out")
    bounds = {line["series"]: line["intervals"] for line in (levels or {"lines": []})["lines"] if "error" not in line}
    forecasts, errors = {}, []
    for line in points["lines"]:
        if "error" in line:
            errors.append(line["error"])
        else:
            found = {int(level): tuple(pair) for level, pair in bounds.get(line["series"], {}).items()}
            forecasts[line["series"]] = from_levels(line["point"], found)
    if points["crashed"]:
        notes.append("the process crashed")
    if errors:
        notes.append(f"{len(errors)} series failed, the first: {errors[0]}")
    return {
        "forecasts": forecasts, "seconds": points["seconds"], "peak_bytes": points["peak_bytes"], "notes": notes, "offered": True,
    }


def kept(task, method, levels, limit):
    """The worker's lines, from the cache if they are there."""
    order = {
        "method": method, "season": task.season, "horizon": task.horizon, "levels": levels,
        "series": {key: filled(task.values(key)) for key in task.truth},
    }
    worker = PEERS / "statsforecast_worker.py"
    state = [order, (PEERS / "statsforecast.txt").read_text(), worker.read_text()]
    place = CACHE / "panel" / f"{hashlib.sha256(json.dumps(state).encode()).hexdigest()}.json"
    result = json.loads(place.read_text()) if place.is_file() else None
    # A run that was out of time says nothing about a longer limit.
    if result is None or (result["out_of_time"] and result["limit"] < limit):
        result = run([environment("statsforecast"), worker], order, limit)
        if not result["crashed"]:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(result))
    return result


def run(command, order, limit):
    # One thread, so that the seconds are those of one core.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    process = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env={**os.environ, **threads},
    )
    out_of_time = threading.Event()
    timer = threading.Timer(limit, lambda: (out_of_time.set(), process.kill()))
    timer.daemon = True
    timer.start()
    lines = []
    try:
        json.dump(order, process.stdin)
        process.stdin.close()
        for line in process.stdout:
            if line.endswith("\n"):  # else the kill cut it off
                lines.append(json.loads(line))
    except BrokenPipeError:
        pass
    timer.cancel()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = limit if out_of_time.is_set() else sum(line["seconds"] for line in lines)
    return {
        "lines": lines, "seconds": seconds, "peak_bytes": usage.ru_maxrss * 1024, "limit": limit,
        "out_of_time": out_of_time.is_set(), "crashed": process.returncode != 0 and not out_of_time.is_set(),
    }
