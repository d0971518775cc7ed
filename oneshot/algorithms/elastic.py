"""What trainings of elastic supernets share: options, checks and results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import torch

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import ArchitectureAlgorithm
from oneshot.algorithms.batch_statistics import by_batch
from oneshot.algorithms.ofa_paths import greatest, least
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.search.feasible import feasible_sample
from oneshot.training.engine import Engine
from oneshot.training.passes import moved_inputs
from spaces.modules.elastic_supernet import elastic_of
from spaces.modules.supernet import Supernet
from spaces.space import Codes

# Number of sampled architectures whose frequencies are reported as probabilities.
_SEEN = 4096


@dataclass(frozen=True)
class ElasticOptions:
    """Options of every training of an elastic supernet.

    Args:
        selection: Number of sub-networks that are compared on held-out images; the best one is
            returned.
        selection_batches: Number of held-out batches on which they are compared.
    """

    read_once: ClassVar[frozenset[str]] = frozenset({"selection", "selection_batches"})

    selection: int = 16
    selection_batches: int = 2

    def __post_init__(self) -> None:
        for name in ("selection", "selection_batches"):
            self.require(name, 1)

    def require(self, name: str, least: int) -> None:
        """Raise InvalidOption where an option is less than `least`."""
        if getattr(self, name) < least:
            raise InvalidOption(f"{name} must be at least {least}, not {getattr(self, name)}")


class _Unbound(ArchitectureMutator):
    """Mutator that leaves sub-networks to `Supernet.activate`.

    The resolution has no mutable, nor have the sizes of decoders, and a sub-network is one
    decision.
    """

    needs_mutables = False

    def bind(self) -> None:
        """Bind nothing."""


class ElasticTraining(ArchitectureAlgorithm):
    """Training of an elastic supernet, of which every sub-network can be used.

    The returned architecture is the best of several on held-out images, within the constraint if
    there is one.

    Args:
        setting: Model, images and costs; the model is an elastic supernet.
        options: Options of the training.

    Raises:
        InvalidOption: The model is not an elastic supernet.
    """

    def __init__(self, setting: Setting, options: ElasticOptions):
        model = setting.model
        elastic = elastic_of(model)
        if elastic is None or not isinstance(model, Supernet):
            raise InvalidOption(
                f"{self.name} trains elastic supernets: of the spaces decoder, ofa-mobilenetv3 and"
                " ofa-proxyless"
            )

        super().__init__(setting, _Unbound(model, init_type="zeros", seed=setting.seed))
        self.supernet = model
        self.selection = options.selection
        self.selection_batches = options.selection_batches
        self.elastic = elastic

    def sort_channels(self, engine: Engine, trained: int | None = None) -> None:
        """Sort the channels by importance, and forget the momenta.

        Args:
            engine: Engine with the optimizer of the weights.
            trained: Expansion of narrower blocks that keep their channels; None: none.
        """
        self.elastic.sort_channels(trained)

        # The momenta are in the order of the channels before.
        forget_momenta(engine)

    # Results

    @cached_property
    def compared(self) -> Codes:
        """Sub-networks of which the best is returned, codes [n, choices]."""
        space = self.supernet.space
        # The second number separates this generator from the others of the same seed.
        rng = np.random.default_rng([self.setting.seed, 11])
        constraint = self.setting.constraint
        if constraint is not None:
            return feasible_sample(space, [constraint], rng, self.selection, self._cheapest())

        extremes = np.stack([greatest(space), least(space)])
        codes = np.concatenate([extremes, space.sample(rng, self.selection)])[: self.selection]
        return np.asfortranarray(codes, dtype=space.dtype)

    def _cheapest(self) -> Codes:
        """Return the codes [1, choices] of the sub-network with the least constrained cost."""
        assert self.setting.constraint is not None
        return self.supernet.space.encode([self.setting.constraint.model.bounds()[0].architecture])

    def codes(self) -> dict[str, int]:
        """Return the compared sub-network with the least held-out loss, as key -> code."""
        losses = self.losses(self.compared)
        row = self.compared[int(losses.argmin())]
        return {
            choice.key: int(code)
            for choice, code in zip(self.supernet.space.choices, row, strict=True)
        }

    @torch.no_grad()
    def losses(self, codes: Codes) -> torch.Tensor:
        """Return the task's losses of sub-networks on held-out images.

        Batch normalisation uses the statistics of each batch.

        Args:
            codes: Codes of the sub-networks [n, choices].

        Returns:
            Mean losses [n].
        """
        device = next(self.model.parameters()).device
        batches = [self.held_out.batch(number) for number in range(self.selection_batches)]

        losses = torch.zeros(len(codes))
        with by_batch(self.model):
            for index, row in enumerate(codes):
                self.supernet.activate(row)
                for inputs, targets in batches:
                    loss = self.passes.held_out(
                        self.model,
                        moved_inputs(inputs, device),
                        partial(self.task.loss, targets=targets.to(device)),
                    )
                    losses[index] += loss.cpu() / len(batches)

        return losses

    def report(self) -> dict[str, Any]:
        """Return the current architecture, the frequencies of the candidates, and the costs."""
        space = self.supernet.space
        codes = self.codes()
        row = np.array([[codes[choice.key] for choice in space.choices]])

        report: dict[str, Any] = {
            "architecture": {
                choice.key: choice.candidates[codes[choice.key]] for choice in space.choices
            },
            "probabilities": self.probabilities(),
        }

        cost = self.setting.cost
        if cost is not None:
            report["metric"] = cost.metric
            report["unit"] = cost.unit
            report["predicted_cost"] = float(cost.estimate(row)[0])
            report["expected_cost"] = self.expected_cost()

        return report

    @cached_property
    def _drawn(self) -> Codes:
        """Random sub-networks from the distribution of the training, codes [4096, choices]."""
        return self.supernet.space.sample(np.random.default_rng([self.setting.seed, 13]), _SEEN)

    def probabilities(self) -> dict[str, dict[str, float]]:
        """Return the frequencies of candidates in 4096 random sub-networks, by choice."""
        # Counted rather than computed: in an irregular space the codes are not independent.
        frequencies = {}
        for column, choice in enumerate(self.supernet.space.choices):
            counts = np.bincount(self._drawn[:, column], minlength=len(choice.candidates)) / len(
                self._drawn
            )
            frequencies[choice.key] = dict(
                zip(map(str, choice.candidates), counts.tolist(), strict=True)
            )

        return frequencies

    def expected_cost(self) -> float | None:
        """Return the mean cost of 4096 random sub-networks."""
        assert self.setting.cost is not None
        return float(self.setting.cost.estimate(self._drawn).mean())


def forget_momenta(engine: Engine) -> None:
    """Set the momenta of the weights' optimizer, and AdamW's squares, to zero."""
    for state in engine.optimizers[0].state.values():
        for name in ("momentum_buffer", "exp_avg", "exp_avg_sq"):
            if state.get(name) is not None:
                state[name].zero_()
