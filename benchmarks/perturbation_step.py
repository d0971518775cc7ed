"""Compare the cost of a training step under each perturbation with that of a step without.

    python benchmarks/perturbation_step.py
    python benchmarks/perturbation_step.py --space 'nasbench201(cells=1)' --clock cpu

Steps of sampled networks alternate in one process, with the same images and the same optimizer: one
under `clean=1`, and one under each other condition. Ratios to the clean step are computed within
each round, and the medians of the rounds are printed for each network with the median over all.
"""

from __future__ import annotations

import functools

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from steps import Step, timing_options, turns
from torch import Tensor

from oneshot.perturbations import Conditions
from oneshot.tasks import Classification
from oneshot.training.passes import Passes
from spaces.registry import get
from spaces.space import Codes, SearchSpace

TARGETS = {"int8": 1.6, "corrupt": 1.15, "pgd": 8.5}
UNDER = (
    "int8",
    "int8(scale='power-of-two')",
    "corrupt",
    "fgsm",
    "pgd",
    "weight-faults",
    "feature-faults",
)


@click.command()
@click.option("--space", "family", default="proxylessnas-tiny", show_default=True)
@click.option("--batch-size", type=int, default=64, show_default=True)
@click.option("--threads", type=int, default=1, show_default=True)
@click.option("--networks", "count", type=int, default=5, show_default=True)
@click.option("--rounds", type=int, default=7, show_default=True, help="Steps of each condition.")
@timing_options
def main(
    family: str,
    batch_size: int,
    threads: int,
    count: int,
    rounds: int,
    device: str,
    clock: str,
    seed: int,
) -> None:
    """Print the ratios of each network and their median."""
    torch.set_num_threads(threads)
    space = get(family)
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(batch_size, *space.input_shape, generator=generator)
    images = images.to(device, memory_format=torch.channels_last)
    labels = torch.randint(space.num_classes, (batch_size,), generator=generator).to(device)

    names = ("clean", *UNDER)
    ratios = []
    for row in space.sample(np.random.default_rng(seed), count):
        steps = make_steps(space, row, names, images, labels)
        seconds = turns(steps, rounds, device, clock)
        ratios.append(np.median(seconds / seconds[0], axis=1))

    title = f"{space.name}, batch {batch_size}, {threads} threads, {device}, {clock} clock"
    table = Table("under", "steps of clean=1", "of each network", "at most", title=title)
    for index, name in enumerate(names):
        values = [row[index] for row in ratios]
        each = " ".join(f"{value:.2f}" for value in values)
        table.add_row(name, f"{np.median(values):.2f}", each, str(TARGETS.get(name, "")))
    Console().print(table)


def make_steps(
    space: SearchSpace, row: Codes, names: tuple[str, ...], images: Tensor, labels: Tensor
) -> list[Step]:
    """Return a step under each condition, all of one network."""
    (architecture,) = space.decode(row[None])
    network = space.network(architecture, space.num_classes, torch.Generator().manual_seed(0))
    network.train().to(images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    loss_of = functools.partial(Classification().loss, targets=labels)

    def step_under(name: str) -> Step:
        passes = Passes(conditions=Conditions.parse([f"{name}=1"]))

        def step() -> None:
            loss, _ = passes.loss(network, images, loss_of)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()

        return step

    return [step_under(name) for name in names]


if __name__ == "__main__":
    main()
