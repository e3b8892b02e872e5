"""The work that every peer does: the same series, networks, batches and epochs. Needs only numpy, which every environment has."""

import numpy

SERIES, CONTEXT, HORIZON, BATCH, SEED = 10_000, 50, 10, 32, 42
TRAINING, VALIDATION = 7_000, 2_000
# name, cell, layer norm, units of the two layers
WORKS = [
    ("lstm 2 x 20", "lstm", False, 20),
    ("gru 2 x 20", "gru", False, 20),
    ("layer-normalised simple_rnn 2 x 20", "simple_rnn", True, 20),
    ("lstm 2 x 64", "lstm", False, 64),
    ("lstm 2 x 128", "lstm", False, 128),
    ("lstm 2 x 256", "lstm", False, 256),
]


def named(name):
    return next(work for work in WORKS if work[0] == name)


def series():
    """The lesson's series, [series, point]: two waves of random frequency and phase, and a little noise."""
    draw = numpy.random.default_rng(SEED)
    frequency_1, frequency_2, phase_1, phase_2 = draw.random((4, SERIES, 1))
    time = numpy.linspace(0, 1, CONTEXT + HORIZON)
    waves = 0.5 * numpy.sin((time - phase_1) * (10 * frequency_1 + 10))
    waves += 0.2 * numpy.sin((time - phase_2) * (20 * frequency_2 + 20))
    waves += 0.1 * (draw.random(waves.shape) - 0.5)
    return waves.astype(numpy.float32)


def windows(rows):
    """Inputs [series, step, 1] and, at each step, the next points [series, step, horizon]."""
    inputs = rows[:, :CONTEXT, None]
    targets = numpy.stack([rows[:, 1 + ahead : 1 + ahead + CONTEXT] for ahead in range(HORIZON)], axis=-1)
    return numpy.ascontiguousarray(inputs), numpy.ascontiguousarray(targets)


def parts():
    """Training and validation, each (inputs, targets)."""
    rows = series()
    return windows(rows[:TRAINING]), windows(rows[TRAINING : TRAINING + VALIDATION])
