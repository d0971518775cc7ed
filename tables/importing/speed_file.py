"""Speed files: a text with a row for each choice and a number for each of its candidates.

They are the latency tables of aw_nas' FBNet plug-in and of BBSSP (walkerning/aw_nas,
`examples/research/bbssp`, on a Xilinx DPU). The files name neither blocks nor a unit: rows are in
the order of the choices, numbers in the order of the candidates, and are taken as milliseconds.
Whatever a network has outside its choices costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spaces.files import read_text
from spaces.space import SearchSpace
from tables.errors import InvalidTable
from tables.importing.row import Row, to_number

SUFFIX = ".txt"


def is_speed_file(path: str | Path) -> bool:
    """Return whether a file is one by its name."""
    return Path(path).name.removesuffix(".gz").endswith(SUFFIX)


def read_numbers(path: str | Path) -> list[list[float]]:
    """Return the numbers of each line that is not empty.

    Raises:
        InvalidTable: A value is no number of at least 0, or there is none at all.
    """
    rows = [
        [to_number(text, f"{path}, line {number}", "a latency") for text in line.split()]
        for number, line in enumerate(read_text(path).splitlines(), 1)
        if line.strip()
    ]
    if not rows:
        raise InvalidTable(f"{path} has no numbers")
    return rows


def rows_of_speed_file(path: str | Path, space: SearchSpace) -> dict[str, Row]:
    """Return the latencies of a space's blocks, by Pathfit's keys.

    Args:
        path: The file.
        space: Space of layers whose candidates have one block each, or none.

    Raises:
        InvalidTable: The file has other rows or numbers than the space has choices and candidates,
            or two numbers for one block, or one for a candidate without a block; it is named.
    """
    layers = space.choice_layers
    if not space.additive or len(layers) != len(space.choices):
        raise InvalidTable(f"{path}: costs of {space.name} are no sums over its choices")
    numbers = read_numbers(path)
    if len(numbers) != len(layers):
        raise InvalidTable(
            f"{path} has {len(numbers)} rows of numbers; {space.name} has {len(layers)} choices"
        )

    latencies: dict[str, float] = dict.fromkeys((block.key for block in space.fixed_blocks), 0.0)
    for layer, values in zip(layers, numbers, strict=True):
        if len(values) != len(layer.candidates):
            raise InvalidTable(
                f"{path}: {layer.key} has {len(layer.candidates)} candidates, its row"
                f" {len(values)} numbers"
            )
        for (name, blocks), latency in zip(layer.candidates.items(), values, strict=True):
            _add(latencies, [block.key for block in blocks], latency, f"{path}: {layer.key} {name}")
    return {key: Row(key, latency) for key, latency in latencies.items()}


def _add(latencies: dict[str, float], keys: Sequence[str], latency: float, position: str) -> None:
    """Add the latency of a candidate's block."""
    if not keys:
        if latency:
            raise InvalidTable(f"{position} has no block, so that it takes 0, not {latency:g}")
        return
    if len(keys) > 1:
        raise InvalidTable(
            f"{position} has {len(keys)} blocks, whose latencies are not known apart"
        )
    if latencies.setdefault(keys[0], latency) != latency:
        raise InvalidTable(
            f"{position}: {latency:g} is not {latencies[keys[0]]:g}, which another choice has for"
            f" the same block {keys[0]!r}"
        )
