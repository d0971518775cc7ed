"""Steps of plain networks and of NNI's layers, and their times and memory, for step benchmarks."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spaces.chains.chain import ChainSpace
from spaces.modules.blocks import build
from spaces.modules.network import ChainNetwork
from spaces.space import Codes, SearchSpace

Step = Callable[[], None]


def timing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of all benchmarks of steps: --device, --clock and --seed."""
    options = (
        click.option(
            "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True
        ),
        click.option(
            "--clock",
            type=click.Choice(["wall", "cpu"]),
            default="wall",
            show_default=True,
            help="cpu: on a busy machine.",
        ),
        click.option("--seed", type=int, default=0, show_default=True),
    )
    for option in reversed(options):
        command = option(command)
    return command


def plain_network(space: SearchSpace, row: Codes, device: str) -> nn.Module:
    """The stand-alone network of a path, its normalisation without scale and shift, as in the
    supernet.
    """
    (architecture,) = space.decode(row[None])
    network = ChainNetwork([build(block, affine=False) for block in space.blocks(architecture)])
    return network.train().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def nni_steps(
    space: SearchSpace, layer: Any, device: str, update_of: Callable[[nn.Module], Step]
) -> Callable[[Codes], Step]:
    """Return steps on given paths of NNI's supernet of the same blocks.

    Args:
        space: A chain of blocks.
        layer: NNI's class of a layer with choices.
        device: `cpu` or `cuda`.
        update_of: Function that returns the update of a model.
    """
    import nni.nas.nn.pytorch as nas
    from nni.mutable import frozen_context

    assert isinstance(space, ChainSpace)
    layers: list[nn.Module] = []
    choices: list[Any] = []
    for layer_layout in space.layout:
        if hasattr(layer_layout, "candidates"):
            built = {
                name: nn.Sequential(*(build(block, affine=False) for block in blocks))
                for name, blocks in layer_layout.candidates.items()
            }
            with frozen_context():  # which NNI wants where a choice is made outside its ModelSpace
                choice = layer.mutate(
                    nas.LayerChoice(built, label=layer_layout.key), layer_layout.key, {}, {}
                )
            choices.append((choice, list(built)))
            layers.append(choice)
        else:
            layers.append(build(layer_layout, affine=False))
    model = nn.Sequential(*layers).train().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    update = update_of(model)

    def make(row: Codes) -> Step:
        def step() -> None:
            for (choice, names), code in zip(choices, row.tolist(), strict=True):
                choice.resample({choice.label: names[code]})
            update()

        return step

    return make


def turns(steps: Sequence[Step], rounds: int, device: str, clock: str) -> NDArray[np.float64]:
    """Seconds [steps, rounds] of steps that take turns, in changing order; `clock`: wall or cpu."""
    now = time.perf_counter if clock == "wall" else time.process_time
    for step in steps:
        step()
    latencies = np.empty((len(steps), rounds))
    for number in range(rounds):
        for index in np.roll(np.arange(len(steps)), number):
            _wait(device)
            begin = now()
            steps[index]()
            _wait(device)
            latencies[index, number] = now() - begin
    return latencies


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def peak(step: Step, device: str) -> int:
    """Return the peak bytes of torch's allocations in a step over those before it.

    The momentum has been allocated before.
    """
    step()
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        step()
    held = most = 0
    events = profile.profiler.kineto_results.events()  # type: ignore[union-attr]
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most
