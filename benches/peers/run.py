#!/usr/bin/env python3
"""Gatecast against PyTorch and Keras, in one run on one machine: `make bench-peers`.

Every peer does the same work (work.py): whole epochs over 7,000 series of 50 steps in batches of 32 with the next 10
points as targets at every step, and a validation on 2,000 more. Each peer is a process that keeps running. After
one warm-up round, which is not counted, the peers run in turn, round after round, so that other load affects all of them
equally. Gatecast runs through its server: a request over HTTP, a trainer process, a checkpoint on disk after every epoch.
Its time per epoch is measured from one epoch's event to the next. The results are medians and ratios of medians.

    python3 benches/peers/run.py [--rounds N] [--only WORD] [--print]     # --print: do not write docs/benchmarks.md
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
CHECKOUT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(CHECKOUT / "benches" / "accuracy"))

import gatecast  # noqa: E402
import lesson  # noqa: E402
from environment import PEERS, environment, processor, say, version  # noqa: E402

EPOCHS = {20: 5, 64: 3}  # epochs per round for Gatecast by units, because its epochs are short; otherwise one


# ---- Peers ------------------------------------------------------------------------------------------------------


class Worker:
    """A process that runs a round when asked."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            [str(part) for part in command], cwd=PEERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL,
        )

    def round(self):
        """Seconds, and the result (an error, to check that the peers learn equally well)."""
        try:
            self.process.stdin.write("round\n")
            self.process.stdin.flush()
            seconds, result = map(float, self.process.stdout.readline().split())
        except (BrokenPipeError, ValueError):
            return None
        return seconds, result

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Gatecast:
    """A server on an empty folder, with one worker and this many threads."""

    def __init__(self, threads):
        self.server = gatecast.Server("--workers", "1", "--training-threads", str(threads))
        self.dataset = None

    def client(self):
        gatecast.SERVER = self.server.url
        return gatecast

    def upload(self, csv):
        self.dataset = self.client().upload("peers", csv, layout="rows")

    def epoch(self, name):
        """A round: the mean time of an epoch after the first, from event to event."""
        _, cell, layer_norm, units = work.named(name)
        order = lesson.order(self.dataset, EPOCHS.get(units, 1) + 1)
        order["data"]["split"] = {"by": "series", "validation": 2 / 9}
        order["model"] |= {"cell": cell, "layer_norm": layer_norm, "layers": [units, units]}
        job, _ = self.client().train(order)
        at = [moment(event["at"]) for event in self.events(job["id"]) if event["kind"] == "epoch"]
        return (at[-1] - at[0]) / (len(at) - 1), job["metrics"]["validation"]["last_time_step_mse"]

    def events(self, job):
        import urllib.request

        with urllib.request.urlopen(f"{self.server.url}/v1/jobs/{job}/events") as stream:
            lines = stream.read().decode().splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    def close(self):
        self.server.close()


def moment(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    whole = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc).timestamp()
    return whole + float(f"0.{fraction or 0}")


def csv(rows):
    header = "id," + ",".join(f"t{step}" for step in range(rows.shape[1]))
    lines = (f"s{number}," + ",".join(f"{value:.9g}" for value in row) for number, row in enumerate(rows))
    return "\n".join([header, *lines]).encode()


# ---- Rounds -----------------------------------------------------------------------------------------------------


def alternate(peers, rounds):
    """Medians by peer; a peer that fails is not asked again."""
    times = {name: [] for name in peers}
    for number in range(rounds + 1):
        for name in list(times):
            result = peers[name]()
            if result is None:
                say(f"    {name}: failed")
                del times[name]
                continue
            say(f"    round {number} {name}: {result[0]:.6f} s ({result[1]:.5f})")
            if number > 0:
                times[name].append(result[0])
    return {name: statistics.median(of) for name, of in times.items() if of}


def epochs(name, servers, pythons, cores, rounds):
    say(name)
    if work.named(name)[3] >= 128:
        rounds = (rounds + 1) // 2
    workers = {}
    for threads in sorted({1, cores}):
        workers[f"PyTorch eager, {threads}"] = Worker([pythons["torch"], "torch_worker.py", name, threads, "eager", "epoch"])
    compiled = [pythons["torch"], "torch_worker.py", name, cores, "compile", "epoch"]
    workers[f"torch.compile, {cores}"] = Worker(compiled)
    workers["Keras"] = Worker([pythons["keras"], "keras_worker.py", name, "epoch"])
    peers = {f"Gatecast, {threads}": (lambda server=server: server.epoch(name)) for threads, server in servers.items()}
    peers |= {peer: worker.round for peer, worker in workers.items()}
    medians = alternate(peers, rounds)
    for worker in workers.values():
        worker.close()
    return medians


def forecast(program, pythons, cores, rounds):
    say("one forecast")
    torch = lambda threads: [pythons["torch"], "torch_worker.py", "lstm 2 x 20", threads, "eager", "forecast"]  # noqa: E731
    workers = {"Gatecast, 1": Worker([program])}
    workers |= {f"PyTorch eager, {threads}": Worker(torch(threads)) for threads in sorted({1, cores})}
    workers["Keras"] = Worker([pythons["keras"], "keras_worker.py", "lstm 2 x 20", "forecast"])
    medians = alternate({name: worker.round for name, worker in workers.items()}, rounds)
    for worker in workers.values():
        worker.close()
    return medians


# ---- The page ---------------------------------------------------------------------------------------------------


def best(medians, peer):
    return min((seconds for name, seconds in medians.items() if name.startswith(peer)), default=None)


def cell(seconds, scale=1.0, digits=3):
    return "–" if seconds is None else f"{seconds * scale:.{digits}f}"


def ratio(theirs, ours):
    return "–" if theirs is None or ours is None else f"**{theirs / ours:.1f}**"


def table(results, cores):
    names = [f"Gatecast, {threads}" for threads in sorted({1, cores})]
    names += [f"PyTorch eager, {threads}" for threads in sorted({1, cores})] + [f"torch.compile, {cores}", "Keras"]
    yield "| work | " + " | ".join(names) + " | PyTorch eager ÷ Gatecast | torch.compile ÷ Gatecast | Keras ÷ Gatecast |"
    yield "|---|" + "---|" * (len(names) + 3)
    for work_name, medians in results.items():
        ours = best(medians, "Gatecast")
        ratios = [ratio(best(medians, peer), ours) for peer in ("PyTorch eager", "torch.compile", "Keras")]
        yield f"| {work_name} | " + " | ".join([cell(medians.get(name)) for name in names] + ratios) + " |"


def page(results, one, pythons, cores, rounds):
    program = subprocess.run([CHECKOUT / "target/release/gatecast", "--version"], capture_output=True, text=True).stdout.strip()
    ours = best(one, "Gatecast")
    return "\n".join([
        "# Benchmarks against PyTorch and Keras",
        "",
        "Written by `make bench-peers`, which makes its own Python environments and measures all of it in one run;",
        "[`benches/peers/run.py`](../benches/peers/run.py) says how. Times are medians of "
        f"{rounds} rounds, taken in turn (from 128 units on of {(rounds + 1) // 2}).",
        "",
        f"- {datetime.date.today()}, {cores} cores of {processor()}; {platform.system()} {platform.release()}",
        f"- {program}; {version(pythons['torch'], ['torch'])}; {version(pythons['keras'], ['keras', 'tensorflow-cpu'])}; "
        f"Python {platform.python_version()}",
        "",
        "## An epoch, validation included",
        "",
        "Seconds. 7,000 series of 50 steps in batches of 32, the next 10 points as targets at every step, two layers, Adam,",
        "mean squared error; 2,000 series to validate on. The numbers behind the names are threads (Keras sets its own).",
        "Gatecast is measured through its server: a trainer process, its events, and a checkpoint on disk an epoch. Ratios",
        "are between each program's better thread counts.",
        "",
        *table(results, cores),
        "",
        "PyTorch's layer-normalised cell is a scripted loop (`torch.jit.script`); Keras's is a custom cell in `keras.layers.RNN`.",
        "",
        "## One forecast, in process",
        "",
        "LSTM 2 × 20, 50 points of history, microseconds:",
        "",
        "| " + " | ".join(one) + " | PyTorch eager ÷ Gatecast | Keras ÷ Gatecast |",
        "|---" * (len(one) + 2) + "|",
        "| " + " | ".join(cell(seconds, 1e6, 1) for seconds in one.values())
        + f" | {ratio(best(one, 'PyTorch'), ours)} | {ratio(best(one, 'Keras'), ours)} |",
        "",
    ])


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", default="", help="works whose name holds this word")
    options.add_argument("--print", action="store_true", help="to standard output, and leave docs/benchmarks.md alone")
    options = options.parse_args()
    pythons = {name: environment(name) for name in ("torch", "keras")}
    # numpy, for the series, is installed only in the environments: continue in one of them.
    if sys.prefix == sys.base_prefix:
        os.execv(pythons["keras"], [str(pythons["keras"]), *sys.argv])
    globals()["work"] = __import__("work")
    built = subprocess.run(
        ["cargo", "bench", "--locked", "--bench", "forecast", "--no-run", "--message-format=json"],
        cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True,
    )
    messages = map(json.loads, built.stdout.splitlines())
    programs = [m["executable"] for m in messages if m.get("target", {}).get("name") == "forecast" and m.get("executable")]
    cores = len(os.sched_getaffinity(0))
    servers = {threads: Gatecast(threads) for threads in sorted({1, cores})}
    rows = csv(work.series()[: work.TRAINING + work.VALIDATION])
    for server in servers.values():
        server.upload(rows)
    one = forecast(programs[0], pythons, cores, options.rounds)
    results = {}
    for name in (name for name, *_ in work.WORKS if options.only in name):
        results[name] = epochs(name, servers, pythons, cores, options.rounds)
        text = page(results, one, pythons, cores, options.rounds)
        # Written after every network, so that an interrupted run keeps its measurements.
        if not (options.print or options.only):
            (CHECKOUT / "docs" / "benchmarks.md").write_text(text)
    for server in servers.values():
        server.close()
    if options.print or options.only:
        print(text)
    else:
        say("wrote docs/benchmarks.md")


if __name__ == "__main__":
    main()
