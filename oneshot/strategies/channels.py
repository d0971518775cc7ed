"""The search for channels after the search for blocks (Guo et al., ECCV 2020, arXiv 1904.00420,
section 4).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import Infeasible, InvalidOption
from oneshot.search.subspace import Subspace
from oneshot.strategies.base import Strategy
from oneshot.strategies.evolution import Evolution
from oneshot.strategies.registry import register_strategy
from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem

_SCALED = re.compile(r"(?P<block>.+)x(?P<scale>\d+(?:\.\d+)?)")


@register_strategy("channels")
class ChannelSearch(Strategy):
    """Evolution over the blocks at one width, then over the widths of the best blocks, both under
    the constraints.

    For spaces whose candidates are blocks at several widths, named as `k3x0.6`: `spos-channels`.
    Where no network of the width meets the constraints, the blocks are searched at the next
    narrower one.

    Args:
        problem: what is searched.
        rng: all randomness comes from it.
        width: the scale at which blocks are searched; the nearest that the space has.
        population: architectures of a generation, in both stages.
        generations: of the blocks' stage.
        width_generations: of the widths' stage.
        parents: the best so far, from which children come.
        mutation_probability: of each gene.

    Raises:
        InvalidOption: the space's candidates tell no widths.
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
        self.width_generations = width_generations
        self.width = width
        half = population // 2
        self.options = {
            "population": population,
            "parents": parents,
            "crossovers": max(1, half),
            "mutations": max(1, population - half),
            "mutation_probability": mutation_probability,
        }
        self.stages = (generations, width_generations)
        self.best: tuple[float, NDArray[np.signedinteger]] | None = None
        self._stage: Evolution | None = None
        self._started = 0

    @property
    def planned(self) -> int:
        """Population x generations of both stages."""
        return int(self.options["population"]) * sum(self.stages)

    def ask(self) -> Codes:
        """The next generation of the stage at hand; then of the next stage."""
        while True:
            asked = self.nothing if self._stage is None else self._stage.ask()
            if len(asked) or self._started == len(self.stages):
                return asked
            self._stage = self._begin()

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Tell the stage at hand, and remember the best."""
        assert self._stage is not None
        self._stage.tell(codes, scores)
        row = int(scores.argmax())
        if self.best is None or scores[row] > self.best[0]:
            self.best = float(scores[row]), np.array(codes[row])

    def _begin(self) -> Evolution:
        stage = Evolution(
            self.problem,
            self.rng,
            generations=self.stages[self._started],
            **self.options,  # type: ignore[arg-type]
        )
        stage.seen = self.seen
        stage.within = (
            self._at_one_width() if self.best is None else self._at_all_widths(self.best[1])
        )
        if self.best is not None:  # what is known is a parent at once
            stage.tell(self.best[1][None], np.array([self.best[0]]))
        self._started += 1
        return stage

    def _at_one_width(self) -> Subspace:
        space = self.problem.space
        given = sorted(
            {float(scale) for column in self.scales for scale in column if not np.isnan(scale)}
        )
        nearest = min(given, key=lambda scale: (abs(scale - self.width), scale))
        for scale in reversed([scale for scale in given if scale <= nearest]):
            part = Subspace(space, [_codes_at(column, scale) for column in self.scales])
            try:
                self.problem.sample(np.random.default_rng(0), 1, part)
            except Infeasible:
                continue
            return part
        return Subspace(space, [np.arange(count) for count in space.candidates])

    def _at_all_widths(self, codes: NDArray[np.signedinteger]) -> Subspace:
        allowed = [
            np.flatnonzero(names == names[code])
            for names, code in zip(self.blocks, codes.tolist(), strict=True)
        ]
        return Subspace(self.problem.space, allowed)


def _codes_at(scales: NDArray[np.float64], scale: float) -> NDArray[np.int64]:
    """The codes of one choice whose width is the nearest to `scale`; those without a width all
    stay.
    """
    without = np.isnan(scales)
    if without.all():
        return np.arange(len(scales))
    distance = np.where(without, np.inf, np.abs(scales - scale))
    return np.flatnonzero(without | (distance == distance.min()))


def _blocks_and_scales(
    space: SearchSpace,
) -> tuple[list[NDArray[np.str_]], list[NDArray[np.float64]]]:
    """For each choice its candidates' blocks [candidates] and widths [candidates] (nan: none)."""
    blocks, scales = [], []
    for choice in space.choices:
        names, widths = _split(choice.candidates)
        blocks.append(np.array(names))
        scales.append(np.array(widths))
    if space.irregular or all(np.isnan(column).all() for column in scales):
        raise InvalidOption(
            f"channels: the candidates of {space.name} tell no widths, as k3x0.6 does; "
            "search a space such as spos-channels"
        )
    return blocks, scales


def _split(candidates: Sequence[str]) -> tuple[list[str], list[float]]:
    """Blocks and widths of candidates; a width is one only where its block has another too:
    `conv_3x3` has none.
    """
    matches = [_SCALED.fullmatch(candidate) for candidate in candidates]
    counts = Counter(match["block"] for match in matches if match)
    names, widths = [], []
    for candidate, match in zip(candidates, matches, strict=True):
        scaled = match is not None and counts[match["block"]] > 1
        names.append(match["block"] if match and scaled else candidate)
        widths.append(float(match["scale"]) if match and scaled else np.nan)
    return names, widths
