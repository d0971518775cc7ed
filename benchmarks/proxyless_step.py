"""Compare the cost of a step of ProxylessNAS with that of the plain network of its path.

    python benchmarks/proxyless_step.py
    python benchmarks/proxyless_step.py --device cuda --batch-size 256 --input-size 224

For some uniformly sampled paths, steps of the plain network, of the supernet's weights, and of its
architecture (binary_mode full_v2 and two) alternate in one process, with the same images and the
same optimiser. The plain network's loop is written with torch alone; the others run Pathfit's
training code. Ratios are computed for each path, and their medians are printed. Memory is the peak
of torch's allocations within a step over those before it, by its own profiler. Where NNI 3.0 is
installed, its ProxylessMixedLayer is timed on the same blocks too, in the plain network's loop.
"""

from __future__ import annotations

from collections.abc import Callable

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from steps import Step, nni_steps, peak, plain_network, timing_options, turns
from torch import Tensor, nn

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.proxyless.algorithm import Proxyless
from oneshot.algorithms.proxyless.options import ProxylessOptions
from oneshot.data.images import ImageSplit
from oneshot.training.engine import Engine
from oneshot.training.execution import Execution
from oneshot.training.fitting import launchable
from oneshot.training.recipe import Recipe
from spaces.chains.chain import ChainSpace
from spaces.registry import get
from spaces.space import Codes
from tables.cost.model import counting_model

EVERY = 5
UPDATES = 1_000_000


@click.command()
@click.option(
    "--space", "family", default="proxylessnas", show_default=True, help="One of chains of blocks."
)
@click.option("--input-size", type=int, default=64, show_default=True)
@click.option("--batch-size", type=int, default=16, show_default=True)
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--paths", "count", type=int, default=10, show_default=True)
@click.option(
    "--rounds", type=int, default=3, show_default=True, help="Steps of each kind on each path."
)
@timing_options
def main(
    family: str,
    input_size: int,
    batch_size: int,
    threads: int,
    count: int,
    rounds: int,
    device: str,
    clock: str,
    seed: int,
) -> None:
    """Print medians over the paths, and the memory that a step takes."""
    torch.set_num_threads(threads)
    space = get(family, input_size=input_size)
    assert isinstance(space, ChainSpace)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(batch_size, 3, input_size, input_size, generator=generator)
    labels = torch.randint(space.num_classes, (batch_size,), generator=generator)
    data = ImageSplit.from_tensors(images, labels)
    images = images.to(device, memory_format=torch.channels_last)
    labels = labels.to(device)
    codes = space.sample(np.random.default_rng(seed), count)
    searches = {mode: Search(space, mode, data, device) for mode in ("full_v2", "two")}
    v2 = searches["full_v2"]
    two = searches["two"]
    contenders: dict[str, Callable[[Codes], Step]] = {
        "plain network": lambda row: plain_step(space, row, images, labels, device),
        "weights": lambda row: v2.weight_step(row, images, labels),
        "architecture, full_v2": lambda row: v2.architecture_step(row),
        "architecture, two": lambda row: two.architecture_step(row),
    }
    nni = nni_proxyless(space, images, labels, device)
    if nni is not None:
        contenders["NNI 3.0 Proxyless"] = nni
    times = np.array(
        [
            np.median(turns([make(row) for make in contenders.values()], rounds, device, clock), 1)
            for row in codes
        ]
    )
    plain = times[:, 0]
    ratios = {name: times[:, index] / plain for index, name in enumerate(contenders)}
    for mode in searches:
        together = EVERY * ratios["weights"] + ratios[f"architecture, {mode}"]
        ratios[f"{EVERY} weights + 1 architecture, {mode}, over {EVERY + 1} plain"] = together / (
            EVERY + 1
        )
    table = Table("step", "median ms", "beside the plain network", "10% to 90% of the paths")
    for index, (name, peak_bytes) in enumerate(ratios.items()):
        low, high = np.quantile(peak_bytes, [0.1, 0.9])
        shown = f"{np.median(times[:, index]) * 1e3:.1f}" if index < len(contenders) else ""
        table.add_row(name, shown, f"{np.median(peak_bytes):.3f}", f"{low:.3f} to {high:.3f}")
    console = Console(width=120)
    console.print(table)
    peaks = {
        name: [peak(make(row), device) for row in codes[:5]] for name, make in contenders.items()
    }
    for name, peak_bytes in peaks.items():
        ratio = np.median(np.array(peak_bytes) / np.array(peaks["plain network"]))
        console.print(
            f"memory of a step, {name}: {np.median(peak_bytes) / 2**20:.1f} MiB, {ratio:.3f} of the"
            " plain network's"
        )
    if nni is None:
        console.print("NNI is not installed; its Proxyless was not measured.")


class Search:
    """Steps of Pathfit's own training code on given paths."""

    def __init__(self, space: ChainSpace, mode: str, data: ImageSplit, device: str):
        recipe = Recipe(batch_size=len(data), learning_rate=0.025, nesterov=True, steps=UPDATES)
        cost = counting_model(space, "macs")
        setting = Setting(space.supernet(), recipe, data, len(data), space=space, cost=cost)
        self.algorithm = Proxyless(setting, ProxylessOptions(binary_mode=mode, warmup_epochs=0))
        self.algorithm.model.train().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.algorithm.to(device)
        fabric = launchable(Execution(accelerator="gpu" if device == "cuda" else "cpu"))
        self.engine = Engine(fabric, self.algorithm.optimizers(UPDATES))
        # The path is given; what draws it is part of the step none the less.
        self.mutator = self.algorithm.mutator
        self.count = 0
        self.row: dict[str, int] = {}
        sample = self.mutator.sample_search

        def given() -> dict[str, Tensor]:
            sample()
            self.mutator.active = dict(self.row)
            return {
                key: self.mutator.groups[key][0].mask_of(code) for key, code in self.row.items()
            }

        self.mutator.sample_search = given  # type: ignore[method-assign]
        gate = self.mutator.gate

        def gate_of(active: dict[str, int], involved: dict[str, list[int]] | None = None) -> None:
            pairs = None
            if involved is not None:
                others = {
                    key: [code for code in involved[key] if code != self.row[key]]
                    for key in involved
                }
                pairs = {key: sorted([self.row[key], *others[key][:1]]) for key in involved}
            gate(self.row, pairs)

        self.mutator.gate = gate_of  # type: ignore[method-assign,assignment]

    def _codes(self, row: Codes) -> dict[str, int]:
        return dict(zip(self.mutator.groups, map(int, row), strict=True))

    def weight_step(self, row: Codes, images: Tensor, labels: Tensor) -> Step:
        """One update of the weights on a path."""
        codes = self._codes(row)
        self.algorithm.due = lambda step: False  # type: ignore[method-assign]

        def step() -> None:
            self.row = codes
            self.count += 1
            self.algorithm.before_step(self.count)
            self.algorithm.step([(images, labels)], self.count, self.engine)

        return step

    def architecture_step(self, row: Codes) -> Step:
        """One update of the logits while a path is active."""
        codes = self._codes(row)

        def step() -> None:
            self.row = codes
            self.count += 1
            self.algorithm.before_step(self.count)
            self.algorithm.architecture_step(self.count, self.engine)

        return step


def plain_step(space: ChainSpace, row: Codes, images: Tensor, labels: Tensor, device: str) -> Step:
    """One update of the stand-alone network of a path, with torch alone."""
    return _step(plain_network(space, row, device), images, labels)


def _step(model: nn.Module, images: Tensor, labels: Tensor) -> Step:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(weights, 0.025, 0.9, nesterov=True, weight_decay=4e-5)

    def step() -> None:
        loss = nn.functional.cross_entropy(model(images), labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def nni_proxyless(
    space: ChainSpace, images: Tensor, labels: Tensor, device: str
) -> Callable[[Codes], Step] | None:
    """Steps of NNI's Proxyless layers of the same blocks; None where NNI 3.0 is not installed."""
    try:
        from nni.nas.oneshot.pytorch.supermodule.proxyless import ProxylessMixedLayer
    except ImportError:
        return None
    return nni_steps(space, ProxylessMixedLayer, device, lambda model: _step(model, images, labels))


if __name__ == "__main__":
    main()
