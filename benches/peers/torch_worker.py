"""PyTorch on one network. Each line on stdin starts a round (an epoch with its validation, or some forecasts); its time goes to
stdout.

    python torch_worker.py WORK THREADS eager|compile epoch|forecast

The leanest loop that PyTorch users write: tensors in memory, one index per batch, Adam with its default (foreach) step.
Plain layers are PyTorch's own; the layer-normalised cell is a scripted loop over the steps.
"""

import statistics
import sys
import time

import torch
from torch import Tensor, nn

import work


class LayerNormRnn(nn.Module):
    """h = tanh(LN(W x + U h + b)), with one input product for all steps."""

    def __init__(self, inputs: int, units: int):
        super().__init__()
        self.input = nn.Linear(inputs, units)
        self.recurrent = nn.Linear(units, units, bias=False)
        self.norm = nn.LayerNorm(units, eps=1e-3)

    def forward(self, inputs: Tensor) -> Tensor:
        products = self.input(inputs).unbind(1)
        state = torch.zeros_like(products[0])
        states: list[Tensor] = []
        for product in products:
            state = torch.tanh(self.norm(product + self.recurrent(state)))
            states.append(state)
        return torch.stack(states, 1)


class Forecaster(nn.Module):
    def __init__(self, cell: str, layer_norm: bool, units: int, script: bool):
        super().__init__()
        if layer_norm:
            layers = nn.Sequential(LayerNormRnn(1, units), LayerNormRnn(units, units))
            self.recurrent = torch.jit.script(layers) if script else layers
        else:
            self.recurrent = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](1, units, num_layers=2, batch_first=True)
        self.head = nn.Linear(units, work.HORIZON)

    def forward(self, inputs):
        states = self.recurrent(inputs)
        return self.head(states[0] if isinstance(states, tuple) else states)


def epochs(network, compiled):
    (inputs, targets), held_out = ([torch.from_numpy(array) for array in part] for part in work.parts())
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    loss_of = nn.functional.mse_loss

    def epoch():
        network.train()
        order = torch.randperm(len(inputs))
        for batch in order.split(work.BATCH):
            loss = loss_of(compiled(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        total = last = 0.0
        with torch.no_grad():
            for read, wanted in zip(*(part.split(256) for part in held_out)):
                found = network(read)
                total += loss_of(found, wanted).item() * len(read)
                last += loss_of(found[:, -1], wanted[:, -1]).item() * len(read)
        return last / len(held_out[0])

    return epoch


def forecasts(network):
    history = torch.from_numpy(work.series()[:1, : work.CONTEXT, None].copy())
    network.eval()

    def several():
        times = []
        with torch.no_grad():
            for _ in range(200):
                began = time.perf_counter()
                network(history)[:, -1].numpy()
                times.append(time.perf_counter() - began)
        return statistics.median(times)

    return several


def main():
    name, threads, mode, what = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(work.SEED)
    _, cell, layer_norm, units = work.named(name)
    network = Forecaster(cell, layer_norm, units, script=mode == "eager")
    compiled = torch.compile(network) if mode == "compile" else network
    run = epochs(network, compiled) if what == "epoch" else forecasts(network)
    for _ in sys.stdin:
        began = time.perf_counter()
        result = run()
        print(time.perf_counter() - began if what == "epoch" else result, result, flush=True)


if __name__ == "__main__":
    main()
