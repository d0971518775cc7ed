"""Gumbel-softmax: architectures drawn so that gradients reach their logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator, one_hot, straight_through
from oneshot.mutators.mutator import Masks
from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from spaces.modules.reduction import reduced
from tables.cost.model import CostModel


class GumbelMutator(ArchitectureMutator):
    """Runs candidates by weights softmax((log p + g) / temperature), g standard Gumbel noise.

    Jang et al., arXiv 1611.01144, equation 2; Maddison et al., arXiv 1611.00712. The lower the
    temperature, the nearer the weights are to one candidate drawn with its probability.

    Args:
        model: as of `BaseMutator`.
        temperature: of the first draws; above 0.
        options: as of `ArchitectureMutator`.
    """

    def __init__(self, model: Any, *, temperature: float = 1.0, **options: Any):
        super().__init__(model, **options)
        self.temperature = temperature
        self.drawn: dict[str, Tensor] = {}

    def relaxed(self, key: str) -> Tensor:
        """A draw of weights [candidates] of a key."""
        logits = self.alpha[key].log_softmax(0)
        uniform = torch.rand(logits.shape, generator=self.generator, dtype=torch.float64)
        # Neither end of [0, 1): the logarithms must be finite.
        noise = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12)))
        return ((logits + noise.to(logits)) / self.temperature).softmax(0)

    def sample_search(self) -> Masks:
        """Weights of all candidates."""
        self.drawn = {key: self.relaxed(key) for key in self.groups}
        return {key: self.weights(found[0], self.drawn[key]) for key, found in self.groups.items()}

    def drawn_cost(self, model: CostModel) -> Tensor:
        """The cost of what runs, by the drawn weights; differentiable. Raises as
        `CostModel.expected`.
        """
        return model.expected([self.drawn[choice.key] for choice in model.space.choices])


class HardGumbelMutator(GumbelMutator):
    """Runs the one candidate whose drawn weight is greatest; its gradient is that of the weights.

    Only that candidate is computed, forward and backward (Dong and Yang, arXiv 1910.04465,
    equations 5 to 7).
    """

    def sample_search(self) -> Masks:
        """One candidate of each key: float where the logits take gradients, else bool."""
        super().sample_search()
        taking = any(logits.requires_grad for logits in self.logits)
        masks: Masks = {}
        for key, (mutable, *_) in self.groups.items():
            soft = self.drawn[key]
            code = int(soft.detach().argmax())
            if not taking:
                masks[key] = mutable.mask_of(code)
                continue
            self.drawn[key] = straight_through(one_hot(code, soft), soft)
            masks[key] = self.weights(mutable, self.drawn[key])
        return masks

    def on_forward_layer_choice(
        self, mutable: LayerChoice, *inputs: Any, **options: Any
    ) -> tuple[Any, Tensor]:
        """The drawn candidate's output, times 1 with the weight's gradient."""
        mask = self.mask(mutable)
        if mask.dtype == torch.bool:
            return super().on_forward_layer_choice(mutable, *inputs, **options)
        code = int(mask.detach().argmax())
        return reduced(mutable.reduction, [mutable[code](*inputs, **options) * mask[code]]), mask

    def on_forward_input_choice(
        self, mutable: InputChoice, tensors: Sequence[Tensor]
    ) -> tuple[Any, Tensor]:
        """The drawn inputs, times 1 with the weight's gradient, reduced."""
        mask = self.mask(mutable)
        if mask.dtype == torch.bool:
            return super().on_forward_input_choice(mutable, tensors)
        taken = mask.detach().nonzero().flatten().tolist()
        return reduced(mutable.reduction, [tensors[index] * mask[index] for index in taken]), mask


def check_temperatures(first: float, last: float) -> None:
    """Raise InvalidOption unless the temperature falls, and stays above 0."""
    if not first >= last > 0:
        raise InvalidOption(
            f"first_temperature must be at least last_temperature, and both above 0, not {first}"
            f" and {last}"
        )
