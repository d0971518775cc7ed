"""Parameter types of the profiler's options, and default names of tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from spaces.console.options import Command
from spaces.console.outputs import OUTPUT_FILE

if TYPE_CHECKING:
    from profiler.instruments.devices import Device

SEED = click.IntRange(0, 2**32 - 1)

DEVICE_OPTION = click.option(
    "--device", "device_name", default="cpu", show_default=True, help="cpu, gpu, gpu:1"
)
THREADS_OPTION = click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    help="Number of threads.  [default: all cores]",
)
BACKEND_OPTION = click.option(
    "--backend",
    default="torch",
    show_default=True,
    help="Backend that runs networks; `python -m profiler devices` lists them.",
)
BATCH_OPTION = click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Batch size."
)
INDEX_OPTION = click.option(
    "--index",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Index of the architecture in files of several, such as a search result.",
)
TABLE_NAME_OPTION = click.option(
    "--name", default=None, help="Name of the table.  [default: the file's name]"
)
TABLE_FILE_OPTION = click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File of the table.  [default: named by the conditions, in runs/tables]",
)


def length_options(command: Command) -> Command:
    """Add the options of the lengths of text to a command."""
    prompt = click.option(
        "--prompt",
        type=click.IntRange(min=2),
        default=None,
        help="Tokens of the prompt of networks of text.  [default: the longest context]",
    )
    cache = click.option(
        "--cache",
        type=click.IntRange(min=1),
        default=None,
        help=(
            "Tokens in the cache of networks of text, with the one that is decoded.  [default: the"
            " longest context]"
        ),
    )
    return prompt(cache(command))


def rounds_option(least: int, timed: str) -> Callable[[Command], Command]:
    """Return the option of the number of rounds.

    Args:
        least: Fewest rounds that give a result.
        timed: Description of everything that each round times.
    """
    return click.option(
        "--rounds",
        type=click.IntRange(min=least),
        default=20,
        show_default=True,
        help=f"Number of rounds; each times {timed}.",
    )


def seed_option(default: int, purpose: str) -> Callable[[Command], Command]:
    """Return the option of the seed of `purpose`, such as "the sampled networks"."""
    return click.option(
        "--seed", type=SEED, default=default, show_default=True, help=f"Seed of {purpose}."
    )


def exit_if_interrupted(interrupted: bool) -> None:
    """End the process with 128 + SIGINT, as shells report it, where Ctrl-C ended a measurement."""
    if interrupted:
        raise SystemExit(130)


def seconds(text: str) -> float:
    """Return a duration such as `60s`, `2m` or `45` in seconds; raises click.BadParameter."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}

    # A number without a unit is in seconds.
    number = text[:-1] if text[-1:] in units else text
    unit = units.get(text[-1:], 1.0)
    try:
        value = float(number) * unit
    except ValueError:
        value = -1.0

    if not 0 < value < float("inf"):
        raise click.BadParameter(
            f"{text!r} is no duration; write 60s, 2m or 1h", param_hint="--budget"
        )

    return value


def warn_of_threads(threads: int, device: Device) -> None:
    """Warn on standard error of more threads than the processor has cores for this process."""
    cores = int(device.identity["cores"])

    # On a GPU the threads only launch kernels.
    if device.kind == "cpu" and threads > cores:
        click.echo(
            f"Warning: {threads} threads share {cores} {'core' if cores == 1 else 'cores'}, so that"
            " latencies are longer and vary more",
            err=True,
        )


def default_name(
    space: str,
    processor: str,
    backend: str,
    batch: int,
    precision: str,
    threads: int,
    lengths: Mapping[str, int] | None = None,
) -> str:
    """Return the default name of a table, such as `spos-amd-epyc-b1-fp32-t2`.

    Torch, the default backend, is not part of it.
    """
    text = f"{space} {processor}".lower()
    words = "".join(letter if letter.isalnum() else " " for letter in text).split()
    slug = "-".join(words)
    runtime = "" if backend == "torch" else f"-{backend}"
    tokens = "".join(f"-{name}{length}" for name, length in (lengths or {}).items())
    return f"{slug}{runtime}-b{batch}-{precision}-t{threads}{tokens}"
