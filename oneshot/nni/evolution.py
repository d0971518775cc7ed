"""NNI's `SPOSEvolution` with its arguments, run by the strategy `evolution`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneshot.errors import InvalidOption
from oneshot.nni.overriding import refuse_overrides
from oneshot.nni.tuner import StrategyTuner
from oneshot.search.constraint import Constraint
from spaces.space import SearchSpace

# Methods of NNI's class whose work the strategy does here.
_INTERNAL_STEPS = (
    "_next_round",
    "_random_candidate",
    "_add_to_evaluate_queue",
    "_get_random_population",
    "_get_crossover",
    "_get_mutation",
    "_get_architecture_repr",
    "_select_top_candidates",
    "_hashcode",
)


class SPOSEvolution(StrategyTuner):
    """Tuner of SPOS's evolution as NNI configures it (`nni.algorithms.nas.pytorch.spos`).

    Unlike NNI's, it draws all random numbers from the seed, never tries an architecture twice,
    satisfies constraints, supports input choices, and selects the survivors from all epochs.

    Args:
        max_epochs: Number of generations.
        num_select: Number of survivors of an epoch; each of them is written to `folder`.
        num_population: Number of architectures in an epoch.
        m_prob: Probability that a mutation changes a gene.
        num_crossover: Number of children of two parents in an epoch.
        num_mutation: Number of children of one parent in an epoch.
        space: Search space, as in `StrategyTuner`.
        constraints: Constraints that all architectures satisfy, as in `StrategyTuner`.
        seed: Seed of all random numbers.
        folder: Folder of the survivors, as in `StrategyTuner`; None to write none.
        checkpoint: File of the tuner's state, as in `StrategyTuner`.

    Raises:
        InvalidOption: `num_population` is less than `num_select`, or a number is not positive.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse to override NNI's internal steps, which this tuner does not have.

        Raises:
            InvalidOption: The subclass overrides one of them.
        """
        super().__init_subclass__(**options)
        alternative = "override _is_legal or export_results, or register a strategy of your own"
        refuse_overrides(cls, _INTERNAL_STEPS, alternative)

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
        checkpoint: str | Path | None = None,
    ):
        if num_population < num_select:
            raise InvalidOption(
                f"num_population must be at least num_select, {num_select}, not {num_population}"
            )

        # NNI's names on the right, those of the strategy's options on the left.
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
            checkpoint=checkpoint,
        )
