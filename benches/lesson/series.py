#!/usr/bin/env python3
"""Writes the lesson's 10,000 synthetic series as CSV, one series a row, to standard output.

Each is 0.5 sin((t - o1)(10 f1 + 10)) + 0.2 sin((t - o2)(20 f2 + 20)) + 0.1 (u - 0.5) at 60 points
t from 0 to 1, with f1, f2, o1, o2 uniform in 0..1 by series and u by point. The seed is fixed: every
run writes the same bytes.
"""

import argparse
import csv
import math
import random
import sys

POINTS = 60


def series(draw: random.Random) -> list[float]:
    f1, f2, o1, o2 = (draw.random() for _ in range(4))
    times = (point / (POINTS - 1) for point in range(POINTS))
    return [
        0.5 * math.sin((t - o1) * (10 * f1 + 10))
        + 0.2 * math.sin((t - o2) * (20 * f2 + 20))
        + 0.1 * (draw.random() - 0.5)
        for t in times
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["series", *(f"v{point}" for point in range(POINTS))])
    for at in range(options.series):
        out.writerow([f"s{at}", *(f"{value:.9g}" for value in series(draw))])


if __name__ == "__main__":
    main()
