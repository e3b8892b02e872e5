"""Forecasts of Gatecast through a server: a dataset is uploaded, a job runs, and all series are forecast."""

import math
import threading
import time
from pathlib import Path

import gatecast
from panel_scores import DECILES, Forecast, from_levels

# What is asked for, until the model has it: the deciles and both intervals, the intervals, one of them, points alone.
LEVELS = ([20, 40, 60, 80, 95], [80, 95], [80], [])
ENDED = ("succeeded", "failed", "cancelled")


class Memory(threading.Thread):
    """Samples the peak memory of a process and of its children at the time. Linux only."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.children = pid, 0
        self.start()

    def run(self):
        while Path(f"/proc/{self.pid}").exists():
            self.children = max(self.children, sum(map(peak, children(self.pid))))
            time.sleep(0.1)

    def reset(self):
        try:
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the peak is counted from here on
        except OSError:
            pass
        self.children = 0

    def peak_bytes(self):
        return (peak(self.pid) + self.children) or None


def children(pid):
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:  # the thread has ended
            pass
    return found


def peak(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


class Gatecast:
    """One server for a whole run, one dataset for each task."""

    def __init__(self, program, flags, tell_season):
        self.server = gatecast.Server(*flags, program=program)
        self.memory = Memory(self.server.process.pid)
        self.tell_season = tell_season
        self.task, self.dataset, self.refusal = None, None, None

    def upload(self, task):
        self.task, self.dataset, self.refusal = task, None, None
        options = "name=panel" + (f"&season={task.season}" if self.tell_season else "")
        try:
            self.dataset = gatecast.ask("POST", f"/v1/datasets?{options}", task.csv(), "text/csv")["id"]
        except gatecast.Refused as error:
            self.refusal = f"upload refused: {error}"

    def outcome(self, task, method, limit):
        """`method`: default, base, or ("auto", seconds). The seconds are those from the job's order to the forecasts.
        `offered` is false if the server refuses the order, and None if the dataset was refused already."""
        if self.task is not task:
            self.upload(task)
        if self.dataset is None:
            return nothing(self.refusal, None)
        self.memory.reset()
        began = time.monotonic()
        try:
            found, notes = self.forecast(self.model(task, method, limit), task)
        except gatecast.Refused as error:
            return nothing(str(error), error.status >= 500)
        except Failed as error:
            found, notes = {}, [str(error)]
        seconds = time.monotonic() - began
        return {
            "forecasts": found, "seconds": seconds, "peak_bytes": self.memory.peak_bytes(), "notes": notes, "offered": True,
        }

    def model(self, task, method, limit):
        if method == "base":
            return "@gatecast-base"
        order = {"kind": "train", "dataset": self.dataset, "data": {"horizon": task.horizon}}
        if method != "default":
            _, seconds = method
            order = {"kind": "auto", "dataset": self.dataset, "horizon": task.horizon, "budget": {"seconds": seconds}}
        job = gatecast.ask("POST", "/v1/jobs", order)
        path, end, cancelled = f"/v1/jobs/{job['id']}", time.monotonic() + limit, False
        while job["status"] not in ENDED:
            if time.monotonic() > end and not cancelled:
                gatecast.ask("POST", f"{path}/cancel")
                cancelled = True
            time.sleep(0.2)
            job = gatecast.ask("GET", path)
        if job["status"] != "succeeded":
            raise Failed(f"out of time after {limit:g} s" if cancelled else f"job failed: {job['error']}")
        return job["model"]

    def forecast(self, model, task):
        path, body = f"/v1/models/{model}/forecast", {"dataset": self.dataset, "horizon": task.horizon}
        for levels in LEVELS:
            try:
                answer = gatecast.ask("POST", path, {**body, "levels": levels} if levels else body)
                break
            except gatecast.Refused as error:
                if not levels or error.status != 422:
                    # The model exists if a job made it, so that this method is offered and fails here.
                    raise error if model.startswith("@") else Failed(str(error)) from None
        found = {one["series"]: read(one) for one in answer["forecasts"]}
        errors = answer.get("errors") or []
        notes = [f"{len(errors)} not forecast, the first: {errors[0]['detail']}"] if errors else []
        return {key: found[key] for key in task.truth if key in found}, notes

    def close(self):
        self.server.close()


class Failed(Exception):
    pass


def nothing(note, offered):
    return {"forecasts": {}, "seconds": None, "peak_bytes": None, "notes": [note], "offered": offered}


def read(answer):
    """A forecast from the response's: the quantiles of a quantile head, else the ends of the intervals."""
    levels = {round(one["level"]): (one["lower"], one["upper"]) for one in answer.get("intervals") or []}
    forecast = from_levels(answer["mean"], levels)
    quantiles = {round(one["level"], 6): one["values"] for one in answer.get("quantiles") or []}
    if all(level in quantiles for level in DECILES):
        deciles = [quantiles[level] for level in DECILES]
        if all(math.isfinite(number) for decile in deciles for number in decile):
            return Forecast(forecast.point, deciles, forecast.intervals)
    return forecast
