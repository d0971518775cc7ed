"""SampledAlgorithm: base of the algorithms that compare architectures with shared weights."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import ArchitectureAlgorithm
from oneshot.algorithms.batch_statistics import by_batch
from oneshot.algorithms.gradient import within
from oneshot.errors import InvalidOption
from oneshot.mutators.mutator import Masks, Mutator
from spaces.choice import Choice

if TYPE_CHECKING:
    from oneshot.training.engine import Engine
    from tables.cost.model import CostModel


class SampledMutator(Mutator):
    """Runs architectures by their codes, and stores the final one.

    Args:
        model: Model with mutables, as for `BaseMutator`.
        seed: Seed of the generator that samples architectures.
    """

    def __init__(self, model: nn.Module, seed: int = 0):
        super().__init__(model)
        self.generator = torch.Generator().manual_seed(seed)
        self.final: dict[str, int] | None = None

    def run(self, codes: Sequence[int]) -> None:
        """Activate the architecture of these codes, one per key in the order of `mutables`."""
        pairs = zip(self.deciding, codes, strict=True)
        self.take({mutable.choice.key: mutable.mask_of(int(code)) for mutable, code in pairs})

    def settle(self, codes: Sequence[int]) -> None:
        """Store an architecture as the final one; its codes are in the order of `mutables`."""
        self.final = {
            mutable.choice.key: int(code)
            for mutable, code in zip(self.deciding, codes, strict=True)
        }

    def distributions(self) -> list[Tensor]:
        """Return the probabilities [candidates] of each key's candidates.

        They are uniform until an architecture is final; then they are 0 and 1.
        """
        distributions = []
        for mutable in self.deciding:
            count = len(mutable.choice.candidates)
            if self.final is None:
                distributions.append(torch.full((count,), 1 / count))
            else:
                distributions.append(torch.arange(count).eq(self.final[mutable.choice.key]).float())

        return distributions

    def probabilities(self, choices: Iterable[Choice] | None = None) -> list[Tensor]:
        """Return the probabilities [candidates] of each choice.

        Args:
            choices: Choices whose probabilities are returned; None: all, in the order of the keys.

        Raises:
            InvalidOption: The model has no mutable for one of the choices.
        """
        by_key = dict(zip(self.groups, self.distributions(), strict=True))
        keys = list(self.groups) if choices is None else [choice.key for choice in choices]
        for key in keys:
            if key not in by_key:
                raise InvalidOption(
                    f"the model has no LayerChoice or other mutable for the choice {key!r}"
                )

        return [by_key[key] for key in keys]

    def expected_cost(self, model: CostModel) -> Tensor:
        """Return the expected cost if the choices are independent; see `CostModel.expected`."""
        return model.expected(self.probabilities(model.space.choices))

    def sample_final(self) -> Masks:
        """Return the final architecture, or the most probable one while there is none."""
        rows = dict(zip(self.groups, self.distributions(), strict=True))
        codes = self.final or {key: int(row.argmax()) for key, row in rows.items()}
        return {key: self.groups[key][0].mask_of(code) for key, code in codes.items()}

    def get_extra_state(self) -> dict[str, Any]:
        """Return the generator's state and the final architecture."""
        return {"generator": self.generator.get_state(), "final": self.final}

    def set_extra_state(self, state: Any) -> None:
        """Restore the state that `get_extra_state` returned."""
        # A state that was loaded to a GPU comes back to the CPU, where generators need it.
        self.generator.set_state(state["generator"].cpu())
        self.final = state["final"]


M = TypeVar("M", bound=SampledMutator)


class SampledAlgorithm(ArchitectureAlgorithm, Generic[M]):
    """Base of the algorithms whose mutator runs sampled architectures.

    Args:
        setting: Model, images and costs.
        drawing: Mutator that is bound to the model.
    """

    def __init__(self, setting: Setting, drawing: M):
        # It has all methods of an ArchitectureMutator that the base calls, but no logits.
        super().__init__(setting, cast("Any", drawing))
        self.drawing = drawing

    def codes(self) -> dict[str, int]:
        """Return the final architecture, or the most probable one that meets the constraint."""
        constraint = self.setting.constraint
        if constraint is None or self.drawing.final is not None:
            return super().codes()

        return within(constraint, self.drawing, self.setting.seed)

    def allowed(self, rows: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
        """Return those architectures that meet the constraint.

        Args:
            rows: Codes of architectures, each in the order of the mutator's keys.
        """
        architectures = [tuple(map(int, row)) for row in rows]
        constraint = self.setting.constraint
        if constraint is None or not architectures:
            return architectures

        # The constraint reads codes in the order of the space's choices.
        keys = list(self.drawing.groups)
        columns = [keys.index(choice.key) for choice in constraint.model.space.choices]
        met = constraint.met(np.array(architectures)[:, columns])
        return [row for row, fits in zip(architectures, met.tolist(), strict=True) if fits]


def final_batches(algorithm: SampledAlgorithm[Any], images: int) -> list[int]:
    """Return the numbers of the held-out batches on which final architectures are compared.

    Args:
        algorithm: Algorithm whose held-out images are used.
        images: Number of images; one pass over the held-out images where they are fewer.
    """
    held_out = algorithm.held_out
    # Rounded up to whole batches, but at most the whole batches of one pass.
    return list(
        range(
            max(
                1,
                min(-(-images // held_out.batch_size), len(held_out.images) // held_out.batch_size),
            )
        )
    )


@torch.no_grad()
def rewards(
    algorithm: SampledAlgorithm[Any],
    codes: Iterable[Sequence[int]],
    numbers: Sequence[int],
    engine: Engine,
) -> Tensor:
    """Return the mean rewards of architectures with the shared weights on held-out batches.

    In a classification they are the accuracies.

    Batch normalisation uses the statistics of each batch.

    Args:
        algorithm: Algorithm whose model and mutator are used.
        codes: One row per architecture, in the order of the mutator's keys.
        numbers: Numbers of the held-out batches.
        engine: Engine of the training.

    Returns:
        Mean rewards, float64 [n], over the examples of all processes.
    """
    batches = [algorithm.held_out_batch(number, engine) for number in numbers]
    count = sum(len(targets) for _, targets in batches)
    task = algorithm.task
    passes = algorithm.passes

    means: list[Tensor] = []
    with by_batch(algorithm.model):
        for row in codes:
            algorithm.drawing.run(row)
            with engine.autocast():
                sums = [
                    passes.held_out(
                        algorithm.model, inputs, functools.partial(task.rewards, targets=targets)
                    ).sum()
                    for inputs, targets in batches
                ]
            means.append(torch.stack(sums).sum().double() / count)

    result = torch.stack(means)
    if engine.ranks > 1:
        # Every process has as many images, so that the mean of the means is that of all.
        torch.distributed.all_reduce(result)
        result /= engine.ranks
    return result.cpu()
