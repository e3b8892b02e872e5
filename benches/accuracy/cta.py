"""Chicago's rail boardings one day ahead, over HTTP: trained on 2016 to 2018, evaluated on 2019-01 to 2019-05.

The windows are those of the book (context 56 days, windows completely within 2019-01-01 to 2019-05-31, so that the first
day forecast is 2019-02-26); its linear model reaches a mean absolute error of 37,866, its simple RNN of 32 units 29,015, and
the same with bus, rail and day type as inputs 22,062.

    python3 benches/accuracy/cta.py [FILE]      # the sample that ships with the project by default
"""

import pathlib
import sys

import gatecast

SAMPLE = pathlib.Path(__file__).parents[2] / "assets/samples/cta_ridership.csv"


NETWORKS = [
    ("rail alone", "lstm", {}),
    ("and bus, day type", "simple_rnn", {"covariates": {"past": ["bus"], "future": ["day_type"]}}),
    ("and bus, day type", "lstm", {"covariates": {"past": ["bus"], "future": ["day_type"]}}),
]


def main():
    file = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE
    dataset = gatecast.upload("CTA ridership", file.read_bytes())
    print("| inputs | network | validation MAE | epochs |\n|---|---|---|---|")
    for inputs, cell, data in NETWORKS:
        job, epochs = gatecast.train(order(dataset, cell, data))
        print(f"| {inputs} | {cell} of 32 units | {job['metrics']['validation']['mae']:,.0f} | {len(epochs)} |", flush=True)
    seasonal = job["metrics"]["baselines"]["seasonal_naive"]["validation"]
    print(f"| | seasonal naive | {seasonal['mae']:,.0f} | |")


def order(dataset, cell, data):
    return {
        "dataset": dataset,
        "data": {
            "targets": ["rail_boardings"],
            "context": 56,
            "horizon": 1,
            "scaling": "standard",
            "missing": "interpolate",
            "base": "none",
            "split": {
                "by": "time",
                "training": {"from": "2016-01-01", "to": "2018-12-31"},
                "validation": {"from": "2019-02-26", "to": "2019-05-31"},
            },
            **data,
        },
        "model": {"cell": cell, "layer_norm": False, "layers": [32], "output": "last_step"},
        "training": {
            "epochs": 200,
            "batch_size": 32,
            "loss": "mae",
            "optimizer": {"type": "adam", "learning_rate": 0.003},
            "early_stopping": {"patience": 30},
            "seed": 42,
        },
    }


if __name__ == "__main__":
    main()
