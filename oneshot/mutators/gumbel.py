"""Sample architectures by Gumbel-softmax, so that gradients reach their logits."""

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
from spaces.modules.reduction import reduced, scaled
from tables.cost.model import CostModel


class GumbelMutator(ArchitectureMutator):
    """Runs all candidates with weights softmax((log p + g) / temperature), g Gumbel noise.

    See Jang et al., arXiv 1611.01144, equation 2, and Maddison et al., arXiv 1611.00712. At a lower
    temperature the weights are closer to one candidate sampled with its probability.

    Args:
        model: Model whose choices are bound; see `BaseMutator`.
        temperature: Initial temperature, above 0.
        options: Options of `ArchitectureMutator`.
    """

    def __init__(self, model: Any, *, temperature: float = 1.0, **options: Any):
        super().__init__(model, **options)
        self.temperature = temperature
        self.samples: dict[str, Tensor] = {}

    def relaxed(self, key: str) -> Tensor:
        """Sample the weights [candidates] of a key."""
        logits = self.alpha[key].log_softmax(0)

        # Gumbel noise g = -log(-log(u)); u stays off 0 and 1, where the logarithms are infinite.
        uniform = torch.rand(logits.shape, generator=self.generator, dtype=torch.float64)
        noise = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12)))
        return ((logits + noise.to(logits)) / self.temperature).softmax(0)

    def sample_search(self) -> Masks:
        """Sample weights of all candidates."""

        # Kept for `drawn_cost`: the loss's cost term uses the same sample as the forward pass.
        self.samples = {key: self.relaxed(key) for key in self.groups}
        return {
            key: self.weights(mutables[0], self.samples[key])
            for key, mutables in self.groups.items()
        }

    def check_cost(self, model: CostModel) -> None:
        """Check that the choices of a cost are decided by this mutator.

        Raises:
            InvalidOption: A choice of the cost is none of the model's, as where a supernet weights
                the edges of cells and the space chooses their inputs.
        """
        for choice in model.space.choices:
            if choice.key not in self.groups:
                raise InvalidOption(
                    f"target: the cost depends on the choice {choice.key!r}, which the supernet"
                    " lacks; search without a target, or with an algorithm that samples paths, such"
                    " as spos"
                )

    def drawn_cost(self, model: CostModel) -> Tensor:
        """Return the cost expected under the sampled weights, differentiable in the logits.

        It raises the errors of `CostModel.expected`.
        """
        return model.expected([self.samples[choice.key] for choice in model.space.choices])


class HardGumbelMutator(GumbelMutator):
    """Runs the candidate with the greatest sampled weight; gradients are those of the weights.

    Only this candidate is computed in the forward and the backward pass (Dong and Yang, arXiv
    1910.04465, equations 5 to 7).
    """

    def sample_search(self) -> Masks:
        """Sample one candidate of each key; the masks are float while the logits need gradients."""
        super().sample_search()
        needs_grad = any(logits.requires_grad for logits in self.logits)

        masks: Masks = {}
        for key, (mutable, *_) in self.groups.items():
            soft = self.samples[key]
            code = int(soft.detach().argmax())

            # A bool mask runs the candidate without the factor that carries the gradient.
            if not needs_grad:
                masks[key] = mutable.mask_of(code)
                continue

            self.samples[key] = straight_through(one_hot(code, soft), soft)
            masks[key] = self.weights(mutable, self.samples[key])
        return masks

    def on_forward_layer_choice(
        self, mutable: LayerChoice, *inputs: Any, **options: Any
    ) -> tuple[Any, Tensor]:
        """Return the sampled candidate's output times 1, with the weight's gradient."""
        mask = self.mask(mutable)
        if mask.dtype == torch.bool:
            return super().on_forward_layer_choice(mutable, *inputs, **options)

        # The factor mask[code] is exactly 1; its backward pass is the gradient of the soft weight.
        code = int(mask.detach().argmax())
        output = scaled(mutable[code](*inputs, **options), mask[code])
        return reduced(mutable.reduction, [output]), mask

    def on_forward_input_choice(
        self, mutable: InputChoice, tensors: Sequence[Tensor]
    ) -> tuple[Any, Tensor]:
        """Return the reduction of the sampled inputs times 1, with the weight's gradient."""
        mask = self.mask(mutable)
        if mask.dtype == torch.bool:
            return super().on_forward_input_choice(mutable, tensors)

        selected = mask.detach().nonzero().flatten().tolist()
        outputs = [scaled(tensors[index], mask[index]) for index in selected]
        return reduced(mutable.reduction, outputs), mask


def check_temperatures(first: float, last: float) -> None:
    """Raise InvalidOption unless the temperature does not rise and stays above 0."""
    if not first >= last > 0:
        raise InvalidOption(
            f"first_temperature must be at least last_temperature, and both above 0, not {first}"
            f" and {last}"
        )
