"""Phases of networks of text, for what measures one latency at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from spaces.architecture import Architecture
from spaces.registry import get
from spaces.space import SearchSpace
from tables.conditions import LENGTHS
from tables.lookup_table import LookupTable

if TYPE_CHECKING:
    from profiler.backends.onnx_model import OnnxModelRunner

Networks: TypeAlias = dict[str, tuple[SearchSpace, Architecture]]
"""Name -> the space and the architecture of a network."""


@dataclass(frozen=True)
class Group:
    """Files that are timed together.

    Args:
        phase: Phase of the networks; empty where they have one only.
        networks: Networks of architectures by the names of their files.
        models: ONNX models by the names of their files.
        table: Table of the phase. None: there is none.
        space: Space of the table in the phase. None: there is no table.
    """

    phase: str
    networks: Networks
    models: Mapping[str, OnnxModelRunner]
    table: LookupTable | None
    space: SearchSpace | None


def by_phase(
    table: LookupTable, space: SearchSpace
) -> Iterator[tuple[str, LookupTable, SearchSpace]]:
    """Yield each phase of a table with its own table and space.

    Args:
        table: Measured table.
        space: Space of the table.

    Yields:
        Phase, table and space; for a table without phases an empty text and both as they are.
    """
    if not table.phases:
        yield "", table, space
    for phase in table.phases:
        length = int(table.conditions[LENGTHS[phase]])
        yield phase, table.at_phase(phase), space.at_phase(phase, length)


def groups_of(
    architectures: Mapping[str, Architecture],
    models: Mapping[str, OnnxModelRunner],
    table: LookupTable | None,
    lengths: Mapping[str, int | None],
) -> Iterator[Group]:
    """Yield the files that are timed together: those without phases, then those of each phase.

    Args:
        architectures: Architectures by the names of their files.
        models: ONNX models by the names of their files.
        table: Table with the conditions. None: there is none.
        lengths: Tokens of the `prompt` and of the `cache`, unless a table has them.
    """
    networks = {name: (get(item.space), item) for name, item in architectures.items()}
    tables = (
        {}
        if table is None
        else {
            phase: (phase_table, space)
            for phase, phase_table, space in by_phase(table, get(table.space))
        }
    )
    whole = {name: pair for name, pair in networks.items() if not pair[0].phases}
    if whole or models:
        yield Group("", whole, models, *tables.get("", (None, None)))

    of_text = {name: pair for name, pair in networks.items() if pair[0].phases}
    for phase, condition in LENGTHS.items() if of_text else ():
        recorded = lengths if table is None else table.conditions
        length = recorded.get(condition)
        at_phase = {
            name: (space.at_phase(phase, length), item) for name, (space, item) in of_text.items()
        }
        yield Group(phase, at_phase, {}, *tables.get(phase, (None, None)))
