"""Factors: a model whose parts cost the same whatever the other choices are, counted by adding
them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes
from spaces.user_model.block import ModuleBlock
from spaces.user_model.conditions import Chains, holds
from spaces.user_model.trace import NO_SITE, Trace

_MOST_ROWS = 512  # runs that finding factors may take
_PROBES = 12  # random architectures that must agree


@dataclass(frozen=True)
class Place:
    """A mutable as far as counting goes.

    Args:
        column: of its choice.
        chains: when it belongs to the network.
    """

    column: int
    chains: Chains


@dataclass(frozen=True)
class Factors:
    """What is always executed, and what each candidate of each mutable adds.

    Args:
        places: the mutables.
        fixed: blocks outside all mutables.
        terms: (mutable, code) -> the blocks directly inside it.
        edges: (mutable, code) -> the nodes that its output comes from; None where that depends on
            other choices.
    """

    places: Sequence[Place]
    fixed: tuple[ModuleBlock, ...]
    terms: dict[tuple[int, int], tuple[ModuleBlock, ...]]
    edges: dict[tuple[int, int], frozenset[int]] | None

    def blocks(self) -> dict[str, ModuleBlock]:
        """Key -> block for all of them."""
        every = [block for blocks in (self.fixed, *self.terms.values()) for block in blocks]
        return {block.key: block for block in every}

    def counts(self, codes: Codes, keys: Sequence[str]) -> NDArray[np.int32]:
        """How often each key occurs in the networks `codes` [n, choices]: int array [n, keys]."""
        index = {key: number for number, key in enumerate(keys)}
        found = np.zeros((len(codes), len(keys)), dtype=np.int32)
        for block in self.fixed:
            found[:, index[block.key]] += 1
        for (site, code), blocks in self.terms.items():
            place = self.places[site]
            taken = holds(place.chains, codes) & (codes[:, place.column] == code)
            for block in blocks:
                found[:, index[block.key]] += taken
        return found


def factorise(
    places: Sequence[Place],
    candidates: Sequence[int],
    run: Callable[[NDArray[Any]], Trace],
    probes: Callable[[int], Codes],
) -> Factors | None:
    """The factors of a model; None where what one choice executes depends on another.

    Every candidate of every mutable is run. The shapes that enter and leave a mutable must always
    be the same: then nothing outside it can tell its candidates apart. Random architectures must
    agree, which also tries what shapes do not show, such as values that steer the model's control
    flow.

    Args:
        places: the mutables.
        candidates: how many each choice has.
        run: runs the architecture of some codes [choices].
        probes: draws n random architectures, codes [n, choices].
    """
    if max(candidates) > _MOST_ROWS:
        return None
    finding = _Finding(places)
    pending = [
        (site, code)
        for site, place in enumerate(places)
        for code in range(candidates[place.column])
    ]
    rows = 0
    while pending:
        row, aimed = _covering(places, len(candidates), pending)
        finding.add(row, run(row))
        rows += 1
        # What was aimed at is done with even where the model did not call it.
        pending = [pair for pair in pending if pair not in finding.terms and pair not in aimed]
        if not finding.agree or rows > _MOST_ROWS:
            return None
    for row in probes(_PROBES):
        finding.add(row, run(row))
    return finding.factors() if finding.agree else None


class _Finding:
    """Factors as far as some runs have shown them."""

    def __init__(self, places: Sequence[Place]):
        self.places = places
        self.agree = True
        self.local_edges = True
        self.fixed: tuple[ModuleBlock, ...] | None = None
        self.terms: dict[tuple[int, int], tuple[ModuleBlock, ...]] = {}
        self.edges: dict[tuple[int, int], frozenset[int]] = {}
        self.shapes: dict[int, set[Any]] = {}

    def add(self, row: NDArray[Any], trace: Trace) -> None:
        """Compare a run of `row` [choices] with those before."""
        blocks: dict[int, list[ModuleBlock]] = {site: [] for site in trace.edges}
        for call in trace.calls:
            blocks.setdefault(call.site, []).append(call.block)
        fixed = tuple(blocks.pop(NO_SITE, []))
        self.agree &= self.fixed in (None, fixed)
        self.fixed = fixed
        for site, found in blocks.items():
            pair = site, int(row[self.places[site].column])
            self.agree &= self.terms.setdefault(pair, tuple(found)) == tuple(found)
        for site, sources in trace.edges.items():
            pair = site, int(row[self.places[site].column])
            self.local_edges &= self.edges.setdefault(pair, sources) == sources
        for site, seen in trace.signatures.items():
            # An InputChoice that takes nothing gives no shape.
            known = self.shapes.setdefault(site, set())
            known.update((given, result) for given, result in seen if result or not given)
            self.agree &= len({(given, result) for given, result in known}) <= 1
        for site, place in enumerate(self.places):
            # A mutable that belongs to the network but is not called would be counted all the same.
            active = bool(holds(place.chains, row[None])[0])
            self.agree &= active == (site in trace.edges)

    def factors(self) -> Factors:
        return Factors(
            self.places, self.fixed or (), self.terms, self.edges if self.local_edges else None
        )


def _covering(
    places: Sequence[Place], choices: int, pending: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.int16], set[tuple[int, int]]]:
    """A row of codes that executes as many pending (mutable, code) as can be without
    contradiction.
    """
    needed: dict[int, int] = {}
    aimed: set[tuple[int, int]] = set()
    for site, code in pending:
        place = places[site]
        for chain in place.chains:
            wanted = {place.column: code}
            for column, codes in chain:
                here = needed.get(column, wanted.get(column))
                wanted[column] = here if here in codes else (min(codes) if here is None else -1)
            if all(
                value >= 0 and needed.get(column, value) == value
                for column, value in wanted.items()
            ):
                needed.update(wanted)
                aimed.add((site, code))
                break
    if not aimed:
        return np.zeros(choices, dtype=np.int16), set(
            pending
        )  # they contradict themselves, and are never executed
    return np.array([needed.get(column, 0) for column in range(choices)], dtype=np.int16), aimed
