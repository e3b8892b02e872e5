#!/usr/bin/env python3
"""Writes a long CSV (id, ISO time, value) of many rows: `generate.py FILE [--rows N] [--series N]
[--order series|time] [--seed N]`. Ten million rows of a thousand series are about 370 MB."""

import argparse
import datetime
import random

arguments = argparse.ArgumentParser()
arguments.add_argument("file")
arguments.add_argument("--rows", type=int, default=10_000_000)
arguments.add_argument("--series", type=int, default=1_000)
arguments.add_argument("--order", choices=["series", "time"], default="series")
arguments.add_argument("--seed", type=int, default=1)
given = arguments.parse_args()

draw = random.Random(given.seed)
points = given.rows // given.series
start = datetime.datetime(2020, 1, 1)
times = [(start + datetime.timedelta(hours=i)).strftime("%Y-%m-%dT%H:%M:%SZ") for i in range(points)]
keys = [f"series-{i:05d}" for i in range(given.series)]
values = [f"{draw.uniform(0, 1000):.3f}" for _ in range(65_537)]

with open(given.file, "w", newline="") as out:
    out.write("id,time,value\n")
    count = 0
    outer, inner = (keys, times) if given.order == "series" else (times, keys)
    for one in outer:
        lines = []
        for other in inner:
            key, time = (one, other) if given.order == "series" else (other, one)
            lines.append(f"{key},{time},{values[(count * 7919) % 65_537]}\n")
            count += 1
        out.write("".join(lines))
