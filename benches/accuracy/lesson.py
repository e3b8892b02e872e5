"""The lesson's three programs over HTTP: 10,000 synthetic series, the next 10 points at every step.

Each series is 0.5 sin((t - o1)(10 f1 + 10)) + 0.2 sin((t - o2)(20 f2 + 20)) + 0.1 (u - 0.5) over 60 points of t from
0 to 1, with f, o and u uniform in 0..1; 7,000 series are for training, 2,000 for validation and 1,000 for testing. Two recurrent layers of 20
units, context 50, horizon 10, batches of 32, Adam at 0.001, 20 epochs, mean squared error over every step; the result
is the validation error at the last step.

    python3 benches/accuracy/lesson.py          # uses the server at GATECAST_URL, http://127.0.0.1:8080 by default
"""

import math
import random

import gatecast

SERIES, POINTS, SEED = 10_000, 60, 42
PROGRAMS = [("simple_rnn", True, 0.014), ("lstm", False, 0.011), ("gru", False, 0.012)]


def series(draw):
    f1, f2, o1, o2 = (draw.random() for _ in range(4))
    for step in range(POINTS):
        t = step / (POINTS - 1)
        wave = 0.5 * math.sin((t - o1) * (10 * f1 + 10)) + 0.2 * math.sin((t - o2) * (20 * f2 + 20))
        yield wave + 0.1 * (draw.random() - 0.5)


def upload():
    draw = random.Random(SEED)
    rows = (f"s{n}," + ",".join(f"{value:.9g}" for value in series(draw)) for n in range(SERIES))
    header = "id," + ",".join(f"t{step}" for step in range(POINTS))
    return gatecast.upload("lesson", "\n".join([header, *rows]).encode(), layout="rows")


def order(dataset, epochs=20):
    """The settings that all programs share."""
    return {
        "dataset": dataset,
        "data": {
            "context": 50,
            "horizon": 10,
            "scaling": "none",
            "missing": "interpolate",
            "base": "none",
            "split": {"by": "series", "validation": 0.2, "test": 0.1},
        },
        "model": {"layers": [20, 20], "output": "every_step"},
        "training": {"epochs": epochs, "batch_size": 32, "loss": "mse", "seed": SEED},
    }


def main():
    dataset = upload()
    print("| network | validation last_time_step_mse | test | bound | seconds an epoch |\n|---|---|---|---|---|")
    for cell, layer_norm, bound in PROGRAMS:
        program = order(dataset)
        program["model"] |= {"cell": cell, "layer_norm": layer_norm}
        job, epochs = gatecast.train(program)
        figures = [job["metrics"][part]["last_time_step_mse"] for part in ("validation", "test")]
        seconds = sorted(epoch["seconds"] for epoch in epochs)[len(epochs) // 2]
        name = cell + (" with layer norm" if layer_norm else "")
        print(f"| {name} | {figures[0]:.5f} | {figures[1]:.5f} | {bound} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
