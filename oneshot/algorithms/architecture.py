"""ArchitectureAlgorithm: trains weights and an architecture together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.algorithms.algorithm import HeldOut
from oneshot.algorithms.epochs import EpochLog
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator, named
from oneshot.search.constraint import Constraint
from oneshot.training.algorithm import Algorithm
from oneshot.training.batches import Source
from oneshot.training.recipe import Recipe
from spaces.space import SearchSpace
from tables.cost.model import CostModel

if TYPE_CHECKING:
    from oneshot.algorithms.algorithm import Preset
    from oneshot.training.engine import Engine


@dataclass(frozen=True)
class Setting:
    """What an algorithm is given to train.

    Args:
        model: with LayerChoice or other mutables inside; a space's supernet, or a user's own.
        recipe: of the weights; tells how long.
        held_out: training images that the weights do not see, for the architecture.
        images: how many the weights see an epoch.
        seed: of all that is drawn.
        space: whose choices the model has; needed where costs are told.
        cost: the hardware's metric that the architecture is trained for, or that is logged; None:
            none.
        constraint: what the returned architecture must meet.
        folder: of the run, where each epoch's architecture is logged; None: nowhere.
        tensorboard: whether it is logged for TensorBoard too.
    """

    model: nn.Module
    recipe: Recipe
    held_out: Source
    images: int
    seed: int = 0
    space: SearchSpace | None = None
    cost: CostModel | None = None
    constraint: Constraint | None = None
    folder: Path | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.images < 1 or len(self.held_out) < 1:
            raise InvalidOption(
                "a search needs training images, and held-out ones for the architecture"
            )

    @property
    def an_epoch(self) -> int:
        """Updates of an epoch."""
        return max(1, self.images // min(self.recipe.batch_size, self.images))

    @property
    def choice_space(self) -> SearchSpace | None:
        """The space whose choices are told: of the cost where none is given."""
        return self.space if self.space is not None or self.cost is None else self.cost.space


class ArchitectureAlgorithm(Algorithm):
    """Updates weights on training images, and an architecture's logits (or a controller) on
    held-out ones.

    A subclass makes its mutator, overrides `step` (and `optimizers` for optimisers beside the
    weights' SGD, which comes first), and may override `codes`, the architecture that is returned.
    What it draws comes from the mutator's generator, which is seeded anew before every update: so
    nothing but `state_dict` needs to be kept.

    Args:
        setting: what is trained, on what.
        mutator: bound to the model.
    """

    name: ClassVar[str]
    presets: ClassVar[dict[str, Preset]]

    def __init__(self, setting: Setting, mutator: ArchitectureMutator):
        super().__init__(setting.model, setting.recipe)
        self.setting, self.mutator = setting, mutator
        batch = min(setting.recipe.batch_size, len(setting.held_out))
        self.held_out = HeldOut(setting.held_out, batch, setting.seed + 1)
        self.log = None if setting.folder is None else EpochLog(setting.folder, setting.tensorboard)
        self.steps: int | None = None
        self._rank = 0

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """SGD of the weights; algorithms append their own."""
        self.steps = steps
        return super().optimizers(steps)

    def before_step(self, step: int) -> None:
        """Seed the mutator's generator by the seed and the update's number, alike on all ranks."""
        state = np.random.SeedSequence([self.setting.seed, step, 7]).generate_state(1, np.uint64)[0]
        self.mutator.generator.manual_seed(int(state >> np.uint64(1)))

    def held_out_batch(self, number: int, engine: Engine) -> Batch:
        """The held-out batch `number` (0, 1, ... over the whole training) of this rank, on its
        device.
        """
        images, labels = self.held_out.batch(number, engine.fabric.global_rank, engine.ranks)
        device = engine.fabric.device
        if images.ndim == 4:
            images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
        return images.to(device, non_blocking=True), labels.to(device, non_blocking=True)

    @contextlib.contextmanager
    def weights_frozen(self) -> Iterator[None]:
        """Within it no gradients of weights are computed."""
        taking = [weight for weight in self.model.parameters() if weight.requires_grad]
        for weight in taking:
            weight.requires_grad_(False)
        try:
            yield
        finally:
            for weight in taking:
                weight.requires_grad_(True)

    def note_rank(self, engine: Engine) -> None:
        """Remember which process this is; only the first one logs. To be called in `step`."""
        self._rank = engine.fabric.global_rank

    def after_step(self, step: int) -> None:
        """Log the architecture at the end of each epoch, and of the training."""
        done = step + 1
        if (
            self.log is not None
            and self._rank == 0
            and (done % self.setting.an_epoch == 0 or done == self.steps)
        ):
            self.log.tell(done, -(-done // self.setting.an_epoch), self.report())

    # What is returned

    def codes(self) -> dict[str, int]:
        """The architecture that is returned: key -> code."""
        return self.mutator.codes()

    @torch.no_grad()
    def report(self) -> dict[str, Any]:
        """The architecture, its probabilities and costs as of now, for `json.dump`."""
        codes, groups = self.codes(), self.mutator.groups
        chosen = {key: groups[key][0].choice.candidates[code] for key, code in codes.items()}
        found: dict[str, Any] = {"architecture": chosen, "probabilities": self.probabilities()}
        cost = self.setting.cost
        if cost is not None:
            row = np.array([[codes[choice.key] for choice in cost.space.choices]])
            found["metric"], found["unit"] = cost.metric, cost.unit
            found["predicted_cost"] = float(cost.estimate(row)[0])
            found["expected_cost"] = self.expected_cost()
        return found

    def probabilities(self) -> dict[str, dict[str, float]]:
        """Choice -> candidate -> probability."""
        space = self.setting.choice_space
        if space is not None:
            return named(space, self.mutator.probabilities(space.choices))
        return {
            mutable.key: dict(zip(mutable.choice.candidates, row.tolist(), strict=True))
            for mutable, row in zip(
                self.mutator.mutables, self.mutator.probabilities(), strict=True
            )
        }

    def expected_cost(self) -> float | None:
        """The cost that the probabilities expect; None where costs are no sums over choices."""
        from spaces.errors import NotAdditive

        assert self.setting.cost is not None
        try:
            return float(self.mutator.expected_cost(self.setting.cost))
        except NotAdditive:
            return None

    # What a checkpoint keeps

    def state_dict(self) -> dict[str, Any]:
        """The mutator's logits and generator."""
        return {"mutator": self.mutator.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.mutator.load_state_dict(state["mutator"])

    def to(self, device: Any) -> None:
        """Move the mutator."""
        self.mutator.to(device)


def gradient_of(loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """Gradients of a loss by parameters, 0 where it does not depend on one; leaves `.grad`
    alone.
    """
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [
        torch.zeros_like(own) if got is None else got
        for own, got in zip(parameters, found, strict=True)
    ]
