"""Counting by addition, for models in which a candidate's cost depends on no other choice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidArchitecture
from spaces.space import Codes
from spaces.user_model.block import ModuleBlock
from spaces.user_model.conditions import Chain, Chains, holds
from spaces.user_model.trace import NO_SITE, Trace

# Greatest number of runs in the search for factors.
_MOST_ROWS = 512
# Random architectures whose runs must agree with the factors.
_PROBES = 12
# Up to so many combinations of values are all run.
_MOST_VALUES = 64


@dataclass(frozen=True)
class Placement:
    """Column and conditions of a mutable, which counting needs.

    Args:
        column: Column of its choice in the codes.
        chains: Conditions under which it belongs to the network.
    """

    column: int
    chains: Chains


@dataclass(frozen=True)
class Factors:
    """Blocks that are always executed, and those that each candidate of each mutable adds.

    Args:
        places: Mutables.
        fixed: Blocks outside all mutables.
        terms: (mutable, code) -> blocks directly inside the candidate.
        edges: (mutable, code) -> nodes that the mutable's output comes from; None where they depend
            on other choices.
    """

    places: Sequence[Placement]
    fixed: tuple[ModuleBlock, ...]
    terms: dict[tuple[int, int], tuple[ModuleBlock, ...]]
    edges: dict[tuple[int, int], frozenset[int]] | None

    def blocks(self) -> dict[str, ModuleBlock]:
        """Return key -> block of all blocks."""
        all_blocks = [block for blocks in (self.fixed, *self.terms.values()) for block in blocks]
        return {block.key: block for block in all_blocks}

    def counts(self, codes: Codes, keys: Sequence[str]) -> NDArray[np.int32]:
        """Return the number of blocks of each key in networks `codes`: int array [n, keys]."""
        index = {key: number for number, key in enumerate(keys)}
        counts = np.zeros((len(codes), len(keys)), dtype=np.int32)
        for block in self.fixed:
            counts[:, index[block.key]] += 1

        for (site, code), blocks in self.terms.items():
            mutable = self.places[site]
            is_executed = holds(mutable.chains, codes) & (codes[:, mutable.column] == code)
            for block in blocks:
                counts[:, index[block.key]] += is_executed

        return counts


def factorise(
    places: Sequence[Placement],
    candidates: Sequence[int],
    run: Callable[[NDArray[Any]], Trace],
    probes: Callable[[int], Codes],
    values: Sequence[int] = (),
) -> Factors | None:
    """Find the factors of a model.

    None where a candidate's blocks depend on another choice, or the model fails with a combination.

    Every candidate of every mutable is run. The shapes that enter and leave a mutable must always
    be the same: then its candidates make no difference outside of it. Random architectures must
    agree, which also tests causes that shapes do not show, such as values that steer the control
    flow.

    Args:
        places: Mutables of the model.
        candidates: Number of candidates of each choice.
        run: Runs the architecture of codes [choices]; raises InvalidArchitecture where it fails.
        probes: Samples n random architectures, codes [n, choices].
        values: Columns of choices whose values the model's code reads, and so may combine.
    """
    if max(candidates) > _MOST_ROWS:
        return None

    observed = _ObservedFactors(places)
    pending = [
        (site, code)
        for site, placement in enumerate(places)
        for code in range(candidates[placement.column])
    ]
    rows = 0
    while pending:
        row, targets = _covering(places, len(candidates), pending)
        try:
            observed.add(row, run(row))
        except InvalidArchitecture:
            return None
        rows += 1
        # A target is not tried again, even where the model did not call it.
        pending = [pair for pair in pending if pair not in observed.terms and pair not in targets]
        if not observed.agree or rows > _MOST_ROWS:
            return None

    try:
        for row in [*probes(_PROBES), *_value_rows(values, candidates, probes)]:
            observed.add(row, run(row))
    except InvalidArchitecture:
        return None

    return observed.factors() if observed.agree else None


def _value_rows(
    values: Sequence[int], candidates: Sequence[int], probes: Callable[[int], Codes]
) -> Codes:
    """Return architectures with all combinations of values, or with random ones of too many.

    Shapes do not show that two values fail together, such as by an assertion on their product.
    """
    counts = [candidates[column] for column in values]
    combinations = math.prod(counts)
    if not values or len(candidates) == 1:
        return probes(0)

    rows = probes(min(combinations, _MOST_VALUES))
    if combinations <= _MOST_VALUES:
        rows[:, list(values)] = list(itertools.product(*map(range, counts)))
    return rows


class _ObservedFactors:
    """Factors of the runs so far, and whether the runs agree."""

    def __init__(self, places: Sequence[Placement]):
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

        for site, term in blocks.items():
            pair = site, int(row[self.places[site].column])
            self.agree &= self.terms.setdefault(pair, tuple(term)) == tuple(term)
        for site, sources in trace.edges.items():
            pair = site, int(row[self.places[site].column])
            self.local_edges &= self.edges.setdefault(pair, sources) == sources

        for site, signatures in trace.signatures.items():
            shapes = self.shapes.setdefault(site, set())
            # An InputChoice without inputs returns no tensor, and so no shape.
            shapes.update(
                (inputs, outputs) for inputs, outputs in signatures if outputs or not inputs
            )
            self.agree &= len(shapes) <= 1
        for site, placement in enumerate(self.places):
            # A mutable that belongs to the network but is not called would be counted nevertheless.
            active = bool(holds(placement.chains, row[None])[0])
            self.agree &= active == (site in trace.edges)

    def factors(self) -> Factors:
        """Return the factors that the runs agree on."""
        edges = self.edges if self.local_edges else None
        return Factors(self.places, self.fixed or (), self.terms, edges)


def _covering(
    places: Sequence[Placement], choices: int, pending: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.int16], set[tuple[int, int]]]:
    """Choose codes that execute as many pending (mutable, code) as fit together.

    Returns:
        Codes [choices], and the pairs that they execute.
    """
    fixed_codes: dict[int, int] = {}
    targets: set[tuple[int, int]] = set()
    for site, code in pending:
        mutable = places[site]
        for chain in mutable.chains:
            required = _required(chain, {mutable.column: code}, fixed_codes)
            if required is not None:
                fixed_codes.update(required)
                targets.add((site, code))
                break

    if not targets:
        # Their conditions contradict each other, so that no network executes them.
        targets = set(pending)

    row = [fixed_codes.get(column, 0) for column in range(choices)]
    return np.array(row, dtype=np.int16), targets


def _required(
    chain: Chain, codes: dict[int, int], fixed_codes: dict[int, int]
) -> dict[int, int] | None:
    """Extend codes such that a chain holds; None where they contradict those that are fixed."""
    required = dict(codes)
    for column, accepted in chain:
        current = fixed_codes.get(column, required.get(column))
        if current is None:
            # Any accepted code would do; the least makes the result reproducible.
            current = min(accepted)
        elif current not in accepted:
            return None
        required[column] = current

    if any(fixed_codes.get(column, code) != code for column, code in required.items()):
        return None

    return required
