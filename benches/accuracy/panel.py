#!/usr/bin/env python3
"""Forecasts of a panel of sets, compared with the seasonal naive forecast: `make bench-panel PANEL=FOLDER`.

Scores Gatecast without settings (a `train` job, an `auto` job, `@gatecast-base`) and statsforecast's AutoETS, OptimizedTheta
and AutoCES. docs/accuracy.md describes the folder, the protocol and the scores.

    python3 benches/accuracy/panel.py FOLDER --windows 3                  # rolling windows within the train files
    python3 benches/accuracy/panel.py FOLDER --test                       # the test files
    python3 benches/accuracy/panel.py FOLDER --windows 1 --only monthly,weekly_a --methods default,AutoETS --json FILE
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import gatecast  # noqa: E402
import panel_gatecast  # noqa: E402
import panel_page  # noqa: E402
import panel_peers  # noqa: E402
import panel_scores  # noqa: E402
import panel_sets  # noqa: E402
from environment import processor, say  # noqa: E402

CHECKOUT = Path(__file__).resolve().parents[2]
OURS = ("default", "auto", "base")
NAIVE = panel_page.NAIVE


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="NAME_train.csv and NAME_test.csv for each set")
    part = parser.add_mutually_exclusive_group(required=True)
    part.add_argument("--windows", type=int, metavar="K", help="score the last K horizons of the train files")
    part.add_argument("--test", action="store_true", help="score the test files")
    parser.add_argument("--only", default="", metavar="WORDS", help="sets whose names begin with one of these, by commas")
    parser.add_argument("--methods", default=",".join(OURS + panel_peers.METHODS), help="by commas; default: all")
    parser.add_argument("--seconds", default="15,120", help="budgets of the `auto` jobs, by commas")
    parser.add_argument("--limit", type=float, default=600, help="seconds for a method and a window of a set")
    parser.add_argument("--points", action="store_true", help="no intervals of the peers, which take most of the time")
    parser.add_argument("--season", action="append", default=[], metavar="NAME=m", help="the season of a set")
    parser.add_argument("--tell-season", action="store_true", help="upload with `season`, which the peers are given too")
    parser.add_argument("--program", type=Path, default=gatecast.PROGRAM, help="the gatecast program")
    parser.add_argument("--serve", default="", metavar="FLAGS", help="further flags of `gatecast serve`")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results, after every set")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/accuracy.md")
    options = parser.parse_args()
    options.command = command(options, parser.get_default)
    options.methods = [method for method in options.methods.split(",") if method]
    unknown = set(options.methods) - set(OURS + panel_peers.METHODS)
    if unknown:
        sys.exit(f"unknown method: {', '.join(sorted(unknown))}; the methods are {', '.join(OURS + panel_peers.METHODS)}")
    if "auto" in options.methods and max(map(float, options.seconds.split(","))) >= options.limit:
        sys.exit(f"`--limit` ends jobs after {options.limit:g} s: give more than the longest of `--seconds`")
    if options.windows is not None and options.windows < 1:
        sys.exit(f"`--windows` needs a number from 1 on: {options.windows}")
    return options


def command(options, default):
    """The command without what only says where things are."""
    words = ["python3 benches/accuracy/panel.py FOLDER", "--test" if options.test else f"--windows {options.windows}"]
    for name in ("only", "methods", "seconds", "limit", "points", "season", "tell_season", "serve"):
        value = getattr(options, name)
        if value != default(name):
            flag = f"--{name.replace('_', '-')}"
            values = value if isinstance(value, list) else [value]
            words += [flag if value is True else f"{flag} {shlex.quote(f'{value}')}" for value in values]
    return " ".join(words)


def naive(task):
    forecasts = {key: panel_scores.seasonal_naive(task.values(key), task.season, task.horizon) for key in task.truth}
    return {"forecasts": forecasts, "seconds": None, "peak_bytes": None, "notes": [], "offered": True}


class Run:
    """The tallies of a run, by set and method."""

    def __init__(self, options):
        self.options = options
        self.server = None
        self.report = {"sets": {}}

    def columns(self):
        """The methods by the names that the tables give them."""
        for method in self.options.methods:
            if method == "auto":
                yield from ((f"auto, {seconds} s", ("auto", json.loads(seconds))) for seconds in self.options.seconds.split(","))
            else:
                yield method, method

    def outcome(self, task, method):
        if method in panel_peers.METHODS:
            return panel_peers.outcome(task, method, self.options.limit, not self.options.points)
        if self.server is None:
            flags = shlex.split(self.options.serve)
            self.server = panel_gatecast.Gatecast(self.options.program, flags, self.options.tell_season)
        return self.server.outcome(task, method, self.options.limit)

    def set(self, one):
        if self.options.test:
            tasks = [one.test_task()]
        else:
            tasks = [one.window(number) for number in range(self.options.windows)]
        scored = [task for task in tasks if task.truth]
        say(f"{one.name}: {len(one.test)} series, horizon {one.horizon}, season {one.season}")
        if not scored:
            say("    too short for a window: left out")
            return
        methods = {NAIVE: self.method(scored, naive)}
        for column, method in self.columns():
            methods[column] = self.method(scored, lambda task, method=method: self.outcome(task, method))
            self.tell(column, methods[column], methods[NAIVE])
        self.report["sets"][one.name] = {
            "season": one.season, "horizon": one.horizon, "series": len(one.test), "windows": len(scored),
            "short": sum(task.short for task in tasks), "zero_scale": methods[NAIVE]["zero_scale"],
            "methods": methods,
        }

    def method(self, tasks, forecast):
        """The scores of a method over the parts of a set."""
        tally, outcomes = panel_scores.Tally(), []
        for task in tasks:
            found = forecast(task)
            for key, truth in task.truth.items():
                tally.add(task.values(key), task.season, truth, found["forecasts"].get(key))
            outcomes.append({**found, "notes": [f"{task.part}: {note}" for note in found["notes"]]})
        known = lambda name: [found[name] for found in outcomes if found[name] is not None]  # noqa: E731
        return {
            **tally.scores(), "seconds": sum(known("seconds")) if known("seconds") else None,
            "peak_bytes": max(known("peak_bytes"), default=None), "notes": sum((found["notes"] for found in outcomes), []),
            "offered": any(found["offered"] for found in outcomes),
        }

    def tell(self, column, scores, naive):
        ratio = scores["mase"] / naive["mase"] if naive["mase"] and scores["mase"] is not None else None
        seconds = panel_page.cell(scores["seconds"], 1)
        counted = f", {scores['as_naive']} counted as naive" if scores["as_naive"] else ""
        if scores["offered"]:
            say(f"    {column}: MASE {panel_page.cell(scores['mase'])} ({panel_page.cell(ratio)} of naive), {seconds} s{counted}")
        else:
            say(f"    {column}: refused")
        for note in scores["notes"]:
            say(f"        {note[:300]}")

    def finish(self):
        """The report with the columns that exist: those that the server offered for one set at least."""
        sets = self.report["sets"]
        for column in [name for name, _ in self.columns()]:
            if not any(one["methods"][column]["offered"] for one in sets.values()):
                for one in sets.values():
                    del one["methods"][column]
                say(f"{column}: not offered, left out")
        names = [NAIVE, *(name for name, _ in self.columns())]
        results = {name: one["methods"] for name, one in sets.items()}
        kept = [name for name in names if any(name in of for of in results.values())]
        return self.described() | {"summary": {name: panel_scores.summary(results, name) for name in kept}}

    def described(self):
        options = self.options
        versions = [f"Python {platform.python_version()}"]
        if self.server:
            shown = subprocess.run([options.program, "--version"], capture_output=True, text=True, check=True)
            versions.insert(0, shown.stdout.strip())
        if set(options.methods) & set(panel_peers.METHODS):
            versions.append(panel_peers.version())
        windows = f"The last {options.windows} windows" if options.windows != 1 else "The last window"
        return {
            "protocol": "The test files." if options.test else f"{windows} within the train files.",
            "command": options.command, "date": str(datetime.date.today()),
            "machine": f"{len(os.sched_getaffinity(0))} cores of {processor()}; {platform.system()} {platform.release()}",
            "versions": "; ".join(versions), "sets": self.report["sets"],
        }


def main():
    options = arguments()
    seasons = {name: int(season) for name, _, season in (given.rpartition("=") for given in options.season)}
    run = Run(options)
    try:
        for one in panel_sets.panel(options.folder, options.only, seasons):
            run.set(one)
            if options.json:
                options.json.write_text(json.dumps(run.described(), indent=1))
    finally:
        if run.server:
            run.server.close()
    if not run.report["sets"]:
        sys.exit("no set was scored")
    report = run.finish()
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    text = panel_page.markdown(report)
    if options.write:
        panel_page.write(CHECKOUT / "docs" / "accuracy.md", "test" if options.test else "windows", text)
        say("wrote docs/accuracy.md")
    else:
        print(text)


if __name__ == "__main__":
    main()
