"""What algorithms have in common that rate drawn architectures by the accuracy of shared
weights.
"""

from __future__ import annotations

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
    """Runs architectures given by their codes, and keeps the one that is returned in the end.

    Args:
        model: as of `BaseMutator`.
        seed: of its generator.
    """

    def __init__(self, model: nn.Module, seed: int = 0):
        super().__init__(model)
        self.generator = torch.Generator().manual_seed(seed)
        self.final: dict[str, int] | None = None

    def run(self, codes: Sequence[int]) -> None:
        """Let the model run the architecture of these codes, one a key in the order of
        `mutables`.
        """
        pairs = zip(self.mutables, codes, strict=True)
        self.take({mutable.key: mutable.mask_of(int(code)) for mutable, code in pairs})

    def settle(self, codes: Sequence[int]) -> None:
        """Keep an architecture as the final one."""
        self.final = {
            mutable.key: int(code) for mutable, code in zip(self.mutables, codes, strict=True)
        }

    def distributions(self) -> list[Tensor]:
        """Probabilities [candidates] of each key's candidates."""
        found = []
        for mutable in self.mutables:
            count = len(mutable.choice.candidates)
            if self.final is None:
                found.append(torch.full((count,), 1 / count))
            else:
                found.append(torch.arange(count).eq(self.final[mutable.key]).float())
        return found

    def probabilities(self, choices: Iterable[Choice] | None = None) -> list[Tensor]:
        """Probabilities [candidates] of each choice; None: in the keys' own order. Raises
        InvalidOption.
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
        """The expected cost, the choices taken as independent; raises as `CostModel.expected`."""
        return model.expected(self.probabilities(model.space.choices))

    def sample_final(self) -> Masks:
        """The architecture that was kept; before that the most probable one."""
        rows = dict(zip(self.groups, self.distributions(), strict=True))
        codes = self.final or {key: int(row.argmax()) for key, row in rows.items()}
        return {key: self.groups[key][0].mask_of(code) for key, code in codes.items()}

    def get_extra_state(self) -> dict[str, Any]:
        """The generator's state and the final architecture."""
        return {"generator": self.generator.get_state(), "final": self.final}

    def set_extra_state(self, state: Any) -> None:
        """Take over what `get_extra_state` gave."""
        self.generator.set_state(state["generator"].cpu())
        self.final = state["final"]


M = TypeVar("M", bound=SampledMutator)


class SampledAlgorithm(ArchitectureAlgorithm, Generic[M]):
    """An algorithm whose mutator runs drawn architectures.

    Args:
        setting: what is trained, on what.
        drawing: the mutator, bound to the model.
    """

    def __init__(self, setting: Setting, drawing: M):
        # It has all of an ArchitectureMutator that the algorithm asks for; only logits it has none.
        super().__init__(setting, cast("Any", drawing))
        self.drawing = drawing

    def codes(self) -> dict[str, int]:
        """The architecture that was kept; before that the most probable one that meets the
        constraint.
        """
        constraint = self.setting.constraint
        if constraint is None or self.drawing.final is not None:
            return super().codes()
        return within(constraint, self.drawing, self.setting.seed)

    def allowed(self, rows: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
        """Those of some architectures, codes in the order of the mutator's keys, that meet the
        constraint.
        """
        given = [tuple(map(int, row)) for row in rows]
        constraint = self.setting.constraint
        if constraint is None or not given:
            return given
        keys = list(self.drawing.groups)
        columns = [keys.index(choice.key) for choice in constraint.model.space.choices]
        met = constraint.met(np.array(given)[:, columns])
        return [row for row, fits in zip(given, met.tolist(), strict=True) if fits]


def final_batches(algorithm: SampledAlgorithm[Any], images: int) -> list[int]:
    """Numbers of the held-out batches with so many images, or of one pass where there are fewer."""
    held_out = algorithm.held_out
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
    """The accuracy of architectures with the shared weights on held-out batches, over all
    processes: float64 [n].

    Batch normalisation takes each batch's own statistics.

    Args:
        algorithm: whose model and mutator.
        codes: one row an architecture, in the order of the mutator's keys.
        numbers: of the held-out batches.
        engine: of the training.
    """
    batches = [algorithm.held_out_batch(number, engine) for number in numbers]
    count = sum(len(labels) for _, labels in batches)
    right: list[Tensor] = []
    with by_batch(algorithm.model):
        for row in codes:
            algorithm.drawing.run(row)
            with engine.autocast():
                hits = [
                    (algorithm.model(images).argmax(1) == labels).sum()
                    for images, labels in batches
                ]
            right.append(torch.stack(hits).sum().double() / count)
    found = torch.stack(right)
    if engine.ranks > 1:
        torch.distributed.all_reduce(found)
        found /= engine.ranks
    return found.cpu()
