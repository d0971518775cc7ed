"""The search for channels after the search for blocks (Guo et al., ECCV 2020, arXiv 1904.00420)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import Infeasible, InvalidOption
from oneshot.search.subspace import Subspace
from oneshot.strategies.base import Strategy
from oneshot.strategies.evolution import Evolution
from oneshot.strategies.registry import register_strategy
from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    from oneshot.search.deduplication import Seen
    from oneshot.search.problem import SearchProblem

_SCALED = re.compile(r"(?P<block>.+)x(?P<scale>\d+(?:\.\d+)?)")


@register_strategy("channels")
class ChannelSearch(Strategy):
    """Searches the blocks at one width, then the widths of the best blocks (section 4).

    Both stages are an evolution under the constraints. The space's candidates are blocks at several
    widths with names such as `k3x0.6`, as in `spos-channels`. Where no network of the width meets
    the constraints, the blocks are searched at the next narrower one.

    Args:
        problem: Space, guide, constraints and objectives of the search.
        rng: Source of all randomness.
        width: Scale at which blocks are searched; the nearest scale of the space is used.
        population: Number of architectures per generation, in both stages.
        generations: Number of generations of the search for blocks.
        width_generations: Number of generations of the search for widths.
        parents: Number of best architectures so far that have children.
        mutation_probability: Probability that a mutation redraws a choice.

    Raises:
        InvalidOption: The names of the space's candidates have no widths.
    """

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        *,
        width: float = 1.0,
        population: int = 50,
        generations: int = 10,
        width_generations: int = 10,
        parents: int = 10,
        mutation_probability: float = 0.1,
    ):
        super().__init__(problem, rng)
        self.blocks, self.scales = _blocks_and_scales(problem.network_space)
        self.width = width
        self.population_size = population
        self.stage_generations = (generations, width_generations)

        # Half of the children by crossover, half by mutation, as in SPOS' release.
        half = population // 2
        self.stage_options: dict[str, Any] = {
            "population": population,
            "parents": parents,
            "crossovers": max(1, half),
            "mutations": max(1, population - half),
            "mutation_probability": mutation_probability,
        }

        self.best: tuple[float, NDArray[np.signedinteger]] | None = None
        self._stage: _Stage | None = None
        self._num_started = 0

    @property
    def planned(self) -> int:
        """Size of the population times the number of generations of both stages."""
        return self.population_size * sum(self.stage_generations)

    def ask(self) -> Codes:
        """Return the next generation of the current stage, or of the one after it."""
        while True:
            generation = self.empty if self._stage is None else self._stage.ask()
            if len(generation) or self._num_started == len(self.stage_generations):
                return generation
            self._stage = self._start_stage()

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Pass the scores to the current stage, and remember the best architecture."""
        assert self._stage is not None
        self._stage.tell(codes, scores)

        row = int(scores.argmax())
        if self.best is None or scores[row] > self.best[0]:
            self.best = float(scores[row]), np.array(codes[row])

    def _start_stage(self) -> _Stage:
        if self.best is None:
            proposal_space = self._at_one_width()
        else:
            proposal_space = self._at_all_widths(self.best[1])

        generations = self.stage_generations[self._num_started]
        options = {**self.stage_options, "generations": generations}
        stage = _Stage(self.problem, self.rng, self.seen, proposal_space, options)

        if self.best is not None:
            # The best architecture of the first stage is a parent of the second from its start.
            score, codes = self.best
            stage.tell(codes[None], np.array([score]))
        self._num_started += 1
        return stage

    def _at_one_width(self) -> Subspace:
        space = self.problem.space
        scales = np.unique(np.concatenate(self.scales))
        scales = scales[~np.isnan(scales)]
        nearest = min(scales, key=lambda scale: (abs(scale - self.width), scale))

        for scale in reversed(scales[scales <= nearest].tolist()):
            subspace = Subspace(space, [_codes_at(column, scale) for column in self.scales])
            try:
                # A generator of its own: whether a width fits must not move the search's draws.
                self.problem.sample(np.random.default_rng(0), 1, subspace)
            except Infeasible:
                continue
            return subspace

        return Subspace(space, [np.arange(count) for count in space.candidates])

    def _at_all_widths(self, codes: NDArray[np.signedinteger]) -> Subspace:
        allowed = [
            np.flatnonzero(names == names[code])
            for names, code in zip(self.blocks, codes.tolist(), strict=True)
        ]
        return Subspace(self.problem.space, allowed)


class _Stage(Evolution):
    """An evolution in a part of the space that shares the memory of the whole search."""

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        seen: Seen,
        proposal_space: Subspace,
        options: dict[str, Any],
    ):
        super().__init__(problem, rng, **options)
        self.seen = seen
        self.proposal_space = proposal_space


def _codes_at(scales: NDArray[np.float64], scale: float) -> NDArray[np.int64]:
    """Return the codes of one choice at the width nearest to `scale`.

    Candidates without a width, such as a skip, always remain.
    """
    has_no_width = np.isnan(scales)
    if has_no_width.all():
        return np.arange(len(scales))
    distance = np.where(has_no_width, np.inf, np.abs(scales - scale))
    return np.flatnonzero(has_no_width | (distance == distance.min()))


def _blocks_and_scales(
    space: SearchSpace,
) -> tuple[list[NDArray[np.str_]], list[NDArray[np.float64]]]:
    """Return for each choice its candidates' blocks and widths, [candidates]; nan for no width."""
    blocks: list[NDArray[np.str_]] = []
    scales: list[NDArray[np.float64]] = []
    for choice in space.choices:
        names, widths = _split_names(choice.candidates)
        blocks.append(np.array(names))
        scales.append(np.array(widths))

    # Two stages search blocks and widths apart, which needs every combination to be valid.
    if space.irregular or all(np.isnan(column).all() for column in scales):
        raise InvalidOption(
            f"channels: the candidates of {space.name} have no widths in their names, as k3x0.6;"
            " search a space such as spos-channels"
        )

    return blocks, scales


def _split_names(candidates: Sequence[str]) -> tuple[list[str], list[float]]:
    """Return blocks and widths of candidates."""
    matches = [_SCALED.fullmatch(candidate) for candidate in candidates]
    counts = Counter(match["block"] for match in matches if match)
    names: list[str] = []
    widths: list[float] = []
    for candidate, match in zip(candidates, matches, strict=True):
        # One width alone is part of a name: conv_3x3 is not conv_3 at the width 3.
        is_scaled = match is not None and counts[match["block"]] > 1
        names.append(match["block"] if match and is_scaled else candidate)
        widths.append(float(match["scale"]) if match and is_scaled else np.nan)

    return names, widths
