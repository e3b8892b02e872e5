#!/usr/bin/env python3
"""The same work in polars, for comparison: reads a CSV, parses the times, sorts by series and time, writes
Parquet. `pip install polars`, then `polars_csv.py FILE [--sorted]`."""

import resource
import sys
import tempfile
import time

import polars

begin = time.perf_counter()
frame = polars.read_csv(sys.argv[1], try_parse_dates=True)
if "--sorted" not in sys.argv:
    frame = frame.sort("id", "time")
with tempfile.NamedTemporaryFile() as out:
    frame.write_parquet(out.name, compression="zstd")
print(f"{time.perf_counter() - begin:.2f} s, {len(frame)} rows, polars {polars.__version__}")
print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} kB")
