"""Keras (TensorFlow) on one network. Each line on stdin starts a round (an epoch with its validation); its time goes to stdout.

    python keras_worker.py WORK epoch

As in the lesson: built-in layers, `fit` with `validation_data`, the last step's error as a metric. The
layer-normalised cell is a custom cell in a `keras.layers.RNN`.
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras  # noqa: E402

import work  # noqa: E402


class LayerNormCell(keras.layers.Layer):
    def __init__(self, units, **options):
        super().__init__(**options)
        self.state_size = self.output_size = units
        self.cell = keras.layers.SimpleRNNCell(units, activation=None)
        self.norm = keras.layers.LayerNormalization()

    def call(self, inputs, states):
        sums, _ = self.cell(inputs, states)
        state = keras.ops.tanh(self.norm(sums))
        return state, [state]


def last_time_step_mse(targets, predictions):
    return keras.ops.mean(keras.ops.square(targets[:, -1] - predictions[:, -1]))


def build(cell, layer_norm, units):
    def layer():
        if layer_norm:
            return keras.layers.RNN(LayerNormCell(units), return_sequences=True)
        return {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](units, return_sequences=True)

    network = keras.Sequential([keras.Input((work.CONTEXT, 1)), layer(), layer(), keras.layers.Dense(work.HORIZON)])
    network.compile(loss="mse", optimizer=keras.optimizers.Adam(0.001), metrics=[last_time_step_mse])
    return network


def main():
    name, what = sys.argv[1:]
    keras.utils.set_random_seed(work.SEED)
    _, cell, layer_norm, units = work.named(name)
    network = build(cell, layer_norm, units)
    training, validation = work.parts()
    if what == "forecast":
        history = training[0][:1]
        for _ in sys.stdin:
            times = []
            for _ in range(50):
                began = time.perf_counter()
                network.predict_on_batch(history)[:, -1]
                times.append(time.perf_counter() - began)
            print(sorted(times)[len(times) // 2], 0, flush=True)
        return
    for _ in sys.stdin:
        began = time.perf_counter()
        history = network.fit(*training, batch_size=work.BATCH, epochs=1, validation_data=validation, verbose=0)
        print(time.perf_counter() - began, history.history["val_last_time_step_mse"][0], flush=True)


if __name__ == "__main__":
    main()
