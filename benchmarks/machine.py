"""Options of the benchmarks that train: the machine, and the images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch

from oneshot.training.execution import Execution
from spaces.plugins import load_file

Command = Callable[..., Any]


def machine_options(command: Command) -> Command:
    """Add --device, --precision and --threads to a command."""
    for option in reversed(
        [
            click.option(
                "--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True
            ),
            click.option(
                "--precision",
                type=click.Choice(["fp32", "bf16"]),
                default="fp32",
                show_default=True,
            ),
            click.option("--threads", type=int, default=None, help="Torch threads."),
        ]
    ):
        command = option(command)
    return command


def comparison_options(command: Command) -> Command:
    """Add --random, the options of the machine and --images to a command."""
    command = click.option(
        "--images",
        "data",
        default="packed-cifar10",
        show_default=True,
        help="As --data of `oneshot train`.",
    )(command)
    command = machine_options(command)
    return click.option(
        "--random",
        "num_random",
        type=click.IntRange(min=1),
        default=5,
        show_default=True,
        help="Number of random architectures.",
    )(command)


def prepare(options: dict[str, Any]) -> Execution:
    """Register the packed CIFAR-10, set the number of threads, and return the execution."""
    load_file(str(Path(__file__).with_name("packed_cifar.py")))
    if options["threads"] is not None:
        torch.set_num_threads(options["threads"])
    return Execution(accelerator=options["device"], precision=options["precision"])
