"""The sets of a panel: reading, seasons, and the parts that forecasts are compared with.

A folder has `NAME_train.csv` and `NAME_test.csv` for each set, in the long form `unique_id,ds,y`, each series in the order of
time. A series' points follow each other: forecasts are compared with the test points by position, not by date.
"""

import csv
import io
import json
import math
import sys

PREFIXES = {
    "halfhourly": 48, "hourly": 24, "daily": 7, "weekly": 52, "monthly": 12, "quarterly": 4, "yearly": 1, "other": 1,
}
UNKNOWN = {"", "na", "nan", "null", "none"}


class Task:
    """One set and one part of it to forecast: the points before it by series (time and text of the value), and its values."""

    def __init__(self, name, part, season, history, truth, short=0):
        self.name, self.part, self.season = name, part, season
        self.history, self.truth = history, truth
        self.horizon = len(next(iter(truth.values()))) if truth else 0
        self.short = short  # series with too few points for this window; no method is asked for them

    def values(self, key):
        return [number(text) for _, text in self.history[key]]

    def csv(self):
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["unique_id", "ds", "y"])
        rows.writerows([key, time, value] for key, points in self.history.items() for time, value in points)
        return text.getvalue().encode()


class Set:
    def __init__(self, name, season, train, test):
        self.name, self.season, self.train = name, season, train
        self.test = {key: [number(text) for _, text in points] for key, points in test.items()}
        lengths = {len(points) for points in test.values()}
        if len(lengths) != 1 or not set(test) <= set(train):
            sys.exit(f"{name}: every series of the test file needs the same number of points and a series in the train file")
        self.horizon = lengths.pop()

    def test_task(self):
        return Task(self.name, "test", self.season, self.train, self.test)

    def window(self, number_from_end):
        """The horizon that ends so many horizons before the train file's end, 0 for the last one. A series takes part if
        a season and a point remain before it: with fewer, no seasonal naive error exists to scale by."""
        history, truth, short = {}, {}, 0
        for key, points in self.train.items():
            cut = len(points) - (number_from_end + 1) * self.horizon
            if cut <= self.season:
                short += 1
                continue
            history[key] = points[:cut]
            truth[key] = [number(text) for _, text in points[cut : cut + self.horizon]]
        return Task(self.name, f"window {number_from_end + 1}", self.season, history, truth, short)


def number(text):
    return math.nan if text.strip().lower() in UNKNOWN else float(text)


def read(path):
    """Times and texts of the values, by series."""
    series = {}
    with open(path, newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        if not {"unique_id", "ds", "y"} <= set(rows.fieldnames or ()):
            sys.exit(f"{path}: expected the columns unique_id, ds and y")
        for row in rows:
            series.setdefault(row["unique_id"], []).append((row["ds"], row["y"]))
    return series


def table_seasons(text):
    """Column `m` by column `name` of a Markdown table."""
    seasons, columns = {}, None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.lstrip().startswith("|"):
            columns = None
        elif columns is None:
            columns = cells
        elif {"name", "m"} <= set(columns) and len(cells) == len(columns):
            row = dict(zip(columns, cells))
            if row["m"].isdigit():
                seasons[row["name"]] = int(row["m"])
    return seasons


def season(name, folder, given):
    """What the caller says, else panel.json, the README's table, or the name's prefix."""
    sidecar, readme = folder / "panel.json", folder / "README.md"
    found = table_seasons(readme.read_text(encoding="utf-8")) if readme.is_file() else {}
    if sidecar.is_file():
        found |= {key: value["season"] for key, value in json.loads(sidecar.read_text()).items() if "season" in value}
    found |= given
    prefix = next((m for word, m in PREFIXES.items() if name.startswith(word)), None)
    if found.get(name, prefix) is None:
        sys.exit(f"the season of `{name}` is unknown: add `--season {name}=m`")
    return found.get(name, prefix)


def panel(folder, only="", given=None):
    """The sets of a folder whose names begin with one of the words of `only`, separated by commas."""
    names = sorted(path.name[: -len("_train.csv")] for path in folder.glob("*_train.csv"))
    names = [name for name in names if name.startswith(tuple(only.split(",")))]
    if not names:
        sys.exit(f"no set in `{folder}`: expected files NAME_train.csv and NAME_test.csv")
    files = lambda name: (read(folder / f"{name}_{part}.csv") for part in ("train", "test"))  # noqa: E731
    return [Set(name, season(name, folder, given or {}), *files(name)) for name in names]
