"""ArchitectureAlgorithm: base of the algorithms that train weights and an architecture together."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.algorithms import results
from oneshot.algorithms.algorithm import Setting, SupernetAlgorithm
from oneshot.algorithms.cells import derived, searchable
from oneshot.algorithms.epochs import EpochLog
from oneshot.algorithms.schedules import Schedule, scheduled, split_schedules
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator, named
from oneshot.training.batches import HeldOut
from oneshot.training.passes import moved_inputs

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.run import Run
    from oneshot.run_settings import RunSettings
    from oneshot.training.engine import Engine
    from spaces.modules.supernet import Supernet


class ArchitectureAlgorithm(SupernetAlgorithm):
    """Updates weights on training images and an architecture on held-out ones.

    The architecture is a mutator's logits, or a controller. A subclass makes its mutator and
    overrides `step`, as well as `optimizers` for optimizers in addition to the weights' SGD, which
    comes first. It may override `codes`, the resulting architecture. All random numbers come from
    the mutator's generator, which is reseeded before every update; `state_dict` therefore holds no
    state of generators.

    Args:
        setting: Model, images and costs.
        mutator: Mutator that is bound to the model.

    Raises:
        InvalidOption: There are no training images, or none are held out.

    Example:
        >>> import spaces
        >>> from oneshot.algorithms import ArchitectureAlgorithm
        >>> from oneshot.algorithms.registry import algorithm
        >>> issubclass(algorithm("darts"), ArchitectureAlgorithm)
        True
    """

    searches_architecture = True
    options: Any

    def __init__(self, setting: Setting, mutator: ArchitectureMutator):
        super().__init__(setting.model, setting.recipe, setting.passes)
        if setting.images < 1 or len(setting.held_out) < 1:
            raise InvalidOption(
                "a search needs training images, and held-out ones for the architecture; it has"
                f" {setting.images} and {len(setting.held_out)}"
            )

        self.setting = setting
        self.mutator = mutator
        batch_size = min(setting.recipe.batch_size, len(setting.held_out))
        self.held_out = HeldOut(setting.held_out, batch_size, setting.seed + 1)
        self.log = None if setting.folder is None else EpochLog(setting.folder, setting.tensorboard)
        self.steps: int | None = None
        self._rank = 0

    # Runs

    @classmethod
    def recorded_options(cls, settings: RunSettings) -> Any:
        """Return the algorithm's options that a run's settings record."""
        example = next(iter(cls.presets.values())).options
        if settings.search is None:
            return example

        recorded = {**cls.earlier_options(settings), **settings.search.options}
        values, _ = split_schedules(example, recorded)
        for name, value in values.items():
            # JSON has made lists of the tuples.
            if isinstance(value, list) and isinstance(getattr(example, name), tuple):
                values[name] = tuple(value)

        return dataclasses.replace(example, **values)

    @classmethod
    def recorded_schedules(cls, settings: RunSettings) -> dict[str, Schedule]:
        """Return the schedules of options that a run's settings record."""
        if settings.search is None:
            return {}
        example = next(iter(cls.presets.values())).options
        return split_schedules(example, settings.search.options)[1]

    @classmethod
    def prepare(cls, supernet: Supernet) -> nn.Module:
        """Return the model with choices that the mutator binds to.

        Raises:
            InvalidOption: The space has no such model.
        """
        return searchable(supernet)

    def write_results(self, run: Run, supernet: Supernet, data: ImageData) -> None:
        """Write the architecture with its probabilities and costs, and on request its network."""
        architecture = derived(run.space, self)
        self.mutator.unbind()
        results.write(run.folder, self.report(), architecture)
        if run.settings.search is not None and run.settings.search.with_network:
            results.write_network(run, supernet, architecture, data)

    # Updates

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return SGD for the weights; subclasses append their own optimizers."""
        self.steps = steps
        self.check_schedules(steps)
        return super().optimizers(steps)

    def before_step(self, step: int) -> None:
        """Set scheduled options, and seed the mutator by seed and update, not by the rank."""
        if self.setting.schedules:
            self.options = scheduled(
                self.options, self.setting.schedules, step, self.setting.steps_per_epoch
            )
            self.follow_options()

        state = np.random.SeedSequence([self.setting.seed, step, 7]).generate_state(1, np.uint64)[0]
        # torch's seeds are signed: 63 bits.
        self.mutator.generator.manual_seed(int(state >> np.uint64(1)))

    def follow_options(self) -> None:
        """Apply changed options to the objects that were made with their first values."""

    def check_schedules(self, steps: int) -> None:
        """Check the values of scheduled options over a training of `steps` updates.

        Raises:
            InvalidOption: A value is out of the option's range.
        """
        if not self.setting.schedules:
            return

        length = self.setting.steps_per_epoch
        # A schedule is monotone within an epoch.
        for step in (*range(0, steps, length), max(0, steps - 1)):
            scheduled(self.options, self.setting.schedules, step, length)

    def held_out_batch(self, number: int, engine: Engine) -> Batch:
        """Return this rank's part of a held-out batch, on its device.

        Args:
            number: Number of the batch over the whole training, from 0.
            engine: Engine that knows the rank and the device.
        """
        inputs, targets = self.held_out.batch(number, engine.fabric.global_rank, engine.ranks)
        device = engine.fabric.device
        return moved_inputs(inputs, device), targets.to(device, non_blocking=True)

    @contextlib.contextmanager
    def weights_frozen(self) -> Iterator[None]:
        """Compute no gradients of weights within the block."""
        trainable = [weight for weight in self.model.parameters() if weight.requires_grad]
        for weight in trainable:
            weight.requires_grad_(False)

        try:
            yield
        finally:
            for weight in trainable:
                weight.requires_grad_(True)

    def note_rank(self, engine: Engine) -> None:
        """Record the rank of this process, of which only the first logs; to be called in `step`."""
        self._rank = engine.fabric.global_rank

    def after_step(self, step: int) -> None:
        """Log the architecture at the end of each epoch and of the training."""
        if self.log is None or self._rank != 0:
            return

        done = step + 1
        steps_per_epoch = self.setting.steps_per_epoch
        if done % steps_per_epoch == 0 or done == self.steps:
            self.log.write(done, -(-done // steps_per_epoch), self.report())

    # Results

    def codes(self) -> dict[str, int]:
        """Return the resulting architecture: key -> code."""
        return self.mutator.codes()

    @torch.no_grad()
    def report(self) -> dict[str, Any]:
        """Return the present architecture, its probabilities and costs as JSON values."""
        codes = self.codes()
        groups = self.mutator.groups
        names = {key: groups[key][0].choice.candidates[code] for key, code in codes.items()}
        report: dict[str, Any] = {"architecture": names, "probabilities": self.probabilities()}

        cost = self.setting.cost
        if cost is not None:
            row = np.array([[codes[choice.key] for choice in cost.space.choices]])
            report["metric"] = cost.metric
            report["unit"] = cost.unit
            report["predicted_cost"] = float(cost.estimate(row)[0])
            report["expected_cost"] = self.expected_cost()

        return report

    def probabilities(self) -> dict[str, dict[str, float]]:
        """Return the probability of each candidate: choice -> candidate -> probability."""
        space = self.setting.choice_space
        if space is not None:
            return named(space, self.mutator.probabilities(space.choices))

        # Without a space every mutable is reported under its own key.
        rows = zip(self.mutator.deciding, self.mutator.probabilities(), strict=True)
        return {
            mutable.choice.key: dict(zip(mutable.choice.candidates, row.tolist(), strict=True))
            for mutable, row in rows
        }

    def expected_cost(self) -> float | None:
        """Return the expected cost under the probabilities; None: it is no sum over choices."""
        from spaces.errors import NotAdditive

        assert self.setting.cost is not None
        try:
            return float(self.mutator.expected_cost(self.setting.cost))
        except NotAdditive:
            return None

    # Checkpoints

    def state_dict(self) -> dict[str, Any]:
        """Return the mutator's logits and generator."""
        return {"mutator": self.mutator.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self.mutator.load_state_dict(state["mutator"])

    def to(self, device: Any) -> None:
        """Move the mutator to a device."""
        self.mutator.to(device)


def gradient_of(loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    """Return the gradients of a loss by parameters without a change to their `.grad`.

    Args:
        loss: Scalar.
        parameters: Parameters; the gradient is 0 for one that the loss does not depend on.
    """
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [
        torch.zeros_like(parameter) if gradient is None else gradient
        for parameter, gradient in zip(parameters, gradients, strict=True)
    ]
