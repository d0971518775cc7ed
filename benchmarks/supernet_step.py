"""Compare the cost of a supernet's training step with that of the plain network it trains.

    python benchmarks/supernet_step.py
    python benchmarks/supernet_step.py --device cuda --batch-size 256 --input-size 224

For some uniformly sampled paths, steps of the supernet and of the path's stand-alone network
alternate in one process, with the same images, the same optimiser, and batch normalisation without
scale and shift in both. The supernet runs Pathfit's training code, the network a loop written with
torch alone. Where NNI 3.0 is installed, the path sampling layers of its RandomOneShot are timed on
the same paths too, in the plain network's loop, without NNI's trainer.
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

from oneshot.algorithms.spos import PathAlgorithm
from oneshot.training.engine import Engine
from oneshot.training.execution import Execution
from oneshot.training.fitting import launchable
from oneshot.training.recipe import Recipe
from spaces.registry import get
from spaces.space import Codes, SearchSpace

RECIPE = Recipe(batch_size=32, learning_rate=0.05, steps=1_000_000)


@click.command()
@click.option(
    "--space", "family", default="spos", show_default=True, help="One of chains of blocks."
)
@click.option("--input-size", type=int, default=64, show_default=True)
@click.option("--batch-size", type=int, default=32, show_default=True)
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--paths", "count", type=int, default=20, show_default=True)
@click.option(
    "--rounds", type=int, default=5, show_default=True, help="Steps of each network on each path."
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
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(batch_size, 3, input_size, input_size, generator=generator).to(
        device, memory_format=torch.channels_last
    )
    labels = torch.randint(space.num_classes, (batch_size,), generator=generator).to(device)
    codes = space.sample(np.random.default_rng(seed), count)
    supernet = SupernetSteps(space, device)
    contenders: dict[str, Callable[[Codes], Step]] = {
        "plain network": lambda row: plain_step(space, row, images, labels, device),
        "supernet": lambda row: supernet.step(row, images, labels),
    }
    nni = random_one_shot(space, images, labels, device)
    if nni is not None:
        contenders["NNI 3.0 RandomOneShot"] = nni
    # The least of the rounds: others on the machine disturb it least.
    times = np.array(
        [
            turns([make(row) for make in contenders.values()], rounds, device, clock).min(1)
            for row in codes
        ]
    )
    table = Table("step", "median ms", "beside the plain network", "10% to 90% of the paths")
    for index, name in enumerate(contenders):
        ratios = times[:, index] / times[:, 0]
        low, high = np.quantile(ratios, [0.1, 0.9])
        row = (
            f"{np.median(times[:, index]) * 1e3:.2f}",
            f"{np.median(ratios):.3f}",
            f"{low:.3f} to {high:.3f}",
        )
        table.add_row(name, *row)
    console = Console()
    console.print(table)
    parameter_bytes = sum(
        value.numel() * value.element_size()
        for value in supernet.algorithm.model.state_dict().values()
    )
    console.print(
        f"weights and statistics of the supernet: {parameter_bytes / 2**20:.1f} MiB (and as much"
        " momentum after a step)"
    )
    for name in ("plain network", "supernet"):
        peaks = [peak(contenders[name](row), device) for row in codes[:3]]
        listed = ", ".join(f"{peak_bytes / 2**20:.1f}" for peak_bytes in peaks)
        console.print(f"additional memory of a step, {name}: {listed} MiB")
    if nni is None:
        console.print("NNI is not installed; its RandomOneShot was not measured.")


class SupernetSteps:
    """Steps of Pathfit's own training code on given paths."""

    def __init__(self, space: SearchSpace, device: str):
        self.row: Codes | None = None
        self.algorithm = PathAlgorithm(space.supernet(), RECIPE, self)
        self.algorithm.model.train().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        fabric = launchable(Execution(accelerator="gpu" if device == "cuda" else "cpu"))
        self.engine = Engine(fabric, self.algorithm.optimizers(1_000_000))
        self.count = 0

    def paths(self, step: int) -> Codes:
        """The path of the next step; as a sampler."""
        assert self.row is not None
        return self.row[None]

    def step(self, row: Codes, images: Tensor, labels: Tensor) -> Step:
        """One update on a path."""

        def step() -> None:
            self.row = row
            self.count += 1
            self.algorithm.step([(images, labels)], self.count, self.engine)

        return step


def plain_step(space: SearchSpace, row: Codes, images: Tensor, labels: Tensor, device: str) -> Step:
    """One update of the stand-alone network of a path, with torch alone."""
    return _step(plain_network(space, row, device), images, labels)


def _step(model: nn.Module, images: Tensor, labels: Tensor) -> Step:
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": RECIPE.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(
        [group for group in groups if group["params"]], RECIPE.learning_rate, RECIPE.momentum
    )

    def step() -> None:
        loss = nn.functional.cross_entropy(
            model(images), labels, label_smoothing=RECIPE.label_smoothing
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def random_one_shot(
    space: SearchSpace, images: Tensor, labels: Tensor, device: str
) -> Callable[[Codes], Step] | None:
    """Steps of NNI's supernet of the same blocks on given paths; None where NNI 3.0 is not
    installed.
    """
    try:
        from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingLayer
    except ImportError:
        return None
    return nni_steps(space, PathSamplingLayer, device, lambda model: _step(model, images, labels))


if __name__ == "__main__":
    main()
