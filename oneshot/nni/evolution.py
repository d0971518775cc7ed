"""NNI's `SPOSEvolution` with its arguments, as a face of the strategy `evolution`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oneshot.errors import InvalidOption
from oneshot.nni.tuner import StrategyTuner
from oneshot.search.constraint import Constraint
from spaces.space import SearchSpace


class SPOSEvolution(StrategyTuner):
    """SPOS's evolution as NNI configures it (microsoft/nni, `nni.algorithms.nas.pytorch.spos`).

    Unlike there, all randomness comes from the seed, an architecture is never tried twice,
    constraints are kept, input choices work, and the survivors are the best of all epochs.

    Args:
        max_epochs: generations.
        num_select: survivors of an epoch, of which each is written to `checkpoints`.
        num_population: architectures of an epoch.
        m_prob: mutation probability of each gene.
        num_crossover: children of two parents in an epoch.
        num_mutation: children of one parent in an epoch.
        space: as of `StrategyTuner`; so are the others that follow.

    Raises:
        InvalidOption: `num_population` is less than `num_select`, or a number is not positive.
    """

    def __init__(
        self,
        max_epochs: int = 20,
        num_select: int = 10,
        num_population: int = 50,
        m_prob: float = 0.1,
        num_crossover: int = 25,
        num_mutation: int = 25,
        *,
        space: SearchSpace | str | None = None,
        constraints: Sequence[Constraint] = (),
        seed: int = 0,
        folder: str | Path | None = "checkpoints",
    ):
        if num_population < num_select:
            raise InvalidOption(
                f"num_population must be at least num_select, {num_select}, not {num_population}"
            )
        super().__init__(
            "evolution",
            options={
                "population": num_population,
                "generations": max_epochs,
                "parents": num_select,
                "crossovers": num_crossover,
                "mutations": num_mutation,
                "mutation_probability": m_prob,
            },
            space=space,
            constraints=constraints,
            seed=seed,
            folder=folder,
            keep=num_select,
        )
