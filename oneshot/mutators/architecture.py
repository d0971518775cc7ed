"""Describe architectures as probabilities: each choice has logits that gradients train."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.mutators.mutator import Masks, Mutator
from spaces.architecture import Architecture
from spaces.modules.input_choice import InputChoice
from spaces.modules.mutable import Mutable

if TYPE_CHECKING:
    from spaces.choice import Choice
    from spaces.space import SearchSpace
    from tables.cost.model import CostModel

INITIAL = ("normal", "uniform", "zeros")


class ArchitectureMutator(Mutator):
    """Mutator with one vector of logits for each key, indexed by the candidates' codes.

    It runs the mixture of all candidates weighted by their probabilities (DARTS, arXiv
    1806.09055, equation 2). Subclasses replace the mixture by sampled paths.

    Args:
        model: Model whose choices are bound; see `BaseMutator`.
        init_type: Distribution of the initial logits: `normal`, `uniform` (between -init_ratio
            and init_ratio) or `zeros`.
        init_ratio: Standard deviation or bound of the initial logits.
        seed: Seed of the initial logits and of all samples; the generator's state is part of
            `state_dict`.

    Raises:
        InvalidOption: `init_type` is unknown, or `BaseMutator` refuses the model.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        init_type: str = "normal",
        init_ratio: float = 1e-3,
        seed: int = 0,
    ):
        if init_type not in INITIAL:
            raise InvalidOption(
                f"arch_init_type must be one of {', '.join(INITIAL)}, not {init_type!r}"
            )

        super().__init__(model)
        self.generator = torch.Generator().manual_seed(seed)

        # A list rather than a dict: keys may contain dots, which parameter names must not.
        self.logits = nn.ParameterList()
        for mutable in self.deciding:
            logits = torch.zeros(len(mutable.choice.candidates))
            if init_type == "normal":
                logits.normal_(0.0, init_ratio, generator=self.generator)
            elif init_type == "uniform":
                logits.uniform_(-init_ratio, init_ratio, generator=self.generator)

            self.logits.append(nn.Parameter(logits))

        # Membership matrices of InputChoices [candidates, inputs]; `weights` fills it on demand.
        self._member: dict[str, Tensor] = {}

    @property
    def alpha(self) -> dict[str, nn.Parameter]:
        """Logits [candidates] of each key."""
        return self.choice_names.internal(dict(zip(self.groups, self.logits, strict=True)))

    def arch_parameters(self) -> list[nn.Parameter]:
        """Return the logits of all keys."""
        return list(self.logits)

    def arch_requires_grad(self) -> None:
        """Enable gradients of the logits."""
        self.logits.requires_grad_(True)

    def arch_disable_grad(self) -> None:
        """Disable gradients of the logits."""
        self.logits.requires_grad_(False)

    def distribution(self, key: str) -> Tensor:
        """Return the probabilities [candidates] of a key, differentiable in the logits."""
        return self.alpha[key].softmax(0)

    def probabilities(self, choices: Iterable[Choice] | None = None) -> list[Tensor]:
        """Return the probabilities [candidates] of each choice.

        Args:
            choices: Choices to report, in this order, such as those of a space; None reports all
                keys in module order.

        Raises:
            InvalidOption: The model does not have one of the choices.
        """
        keys = list(self.groups) if choices is None else [choice.key for choice in choices]
        for key in keys:
            if key not in self.groups:
                raise InvalidOption(
                    f"the model has no LayerChoice or other mutable for the choice {key!r}"
                )

        return [self.distribution(key) for key in keys]

    def expected_cost(self, model: CostModel) -> Tensor:
        """Return the expected cost, differentiable in the logits.

        It raises the errors of `CostModel.expected`.
        """
        return model.expected(self.probabilities(model.space.choices))

    def best(self) -> dict[str, int]:
        """Return the code of each key's most probable candidate; the first one wins a tie."""
        return {key: int(logits.detach().argmax()) for key, logits in self.alpha.items()}

    def sample_search(self) -> Masks:
        """Return the probabilities as weights of all candidates."""
        return {
            key: self.weights(mutables[0], self.distribution(key))
            for key, mutables in self.groups.items()
        }

    def sample_final(self) -> Masks:
        """Return masks that select the most probable candidates."""
        return {key: self.groups[key][0].mask_of(code) for key, code in self.best().items()}

    def architecture(self, space: SearchSpace) -> Architecture:
        """Return the final architecture in a space that has the model's choices."""
        return space.architecture(self.decided())

    def weights(self, mutable: Mutable, code_weights: Tensor) -> Tensor:
        """Convert weights of codes to a mask.

        The weight of an input of an InputChoice is the sum over all codes that select this input.

        Args:
            mutable: Mutable that the mask is for.
            code_weights: Weights of the codes, float [candidates].
        """
        if not isinstance(mutable, InputChoice):
            return code_weights

        if mutable.choice.key not in self._member:
            membership = [
                [index in subset for index in range(mutable.n_candidates)]
                for subset in mutable.subsets
            ]
            self._member[mutable.choice.key] = torch.tensor(membership, dtype=torch.float32)

        # [candidates] @ [candidates, inputs] sums over the codes that contain each input.
        return code_weights @ self._member[mutable.choice.key].to(
            device=code_weights.device, dtype=code_weights.dtype
        )

    def draw(self, probabilities: Tensor, count: int = 1) -> list[int]:
        """Draw codes without replacement with the mutator's generator.

        Args:
            probabilities: Probabilities of the codes [candidates].
            count: Number of codes.
        """

        # Always on the CPU, so that a seed draws the same codes on every device.
        weights = probabilities.detach().to("cpu", torch.float64)
        return [int(code) for code in torch.multinomial(weights, count, generator=self.generator)]

    def log_probability(self, codes: dict[str, int]) -> Tensor:
        """Return the log-probability of an architecture, differentiable in the logits."""

        # Choices are independent: the log-probability is a sum over keys.
        return torch.stack(
            [logits.log_softmax(0)[codes[key]] for key, logits in self.alpha.items()]
        ).sum()

    def get_extra_state(self) -> dict[str, Any]:
        """Return the generator's state and the keys, for `state_dict`."""
        return {"generator": self.generator.get_state(), "keys": list(self.groups)}

    def set_extra_state(self, state: Any) -> None:
        """Restore the generator's state; raises InvalidOption if the keys differ."""

        # Logits are stored by position, so their shapes may fit a model with other keys.
        if list(state["keys"]) != list(self.groups):
            raise InvalidOption("the state is of a model with other choices")
        self.generator.set_state(state["generator"].cpu())


def one_hot(code: int, like: Tensor) -> Tensor:
    """Return 1 at `code` and 0 elsewhere, with the shape, dtype and device of `like`."""
    encoding = torch.zeros_like(like)
    encoding[code] = 1.0
    return encoding


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """Return `hard` [n] in the forward pass, with the gradient of `soft` [n] in the backward pass.

    Unlike the usual `hard + soft - soft.detach()`, the forward value is exact.
    """
    output: Tensor = _StraightThrough.apply(hard, soft)  # type: ignore[no-untyped-call]
    return output


class _StraightThrough(torch.autograd.Function):
    """Straight-through estimator: identity on `hard`, gradient to `soft`."""

    @staticmethod
    def forward(ctx: Any, hard: Tensor, soft: Tensor) -> Tensor:
        # A copy, so that the output shares no memory with `hard`.
        return hard.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, gradients[0]


def named(space: SearchSpace, probabilities: Sequence[Tensor]) -> dict[str, dict[str, float]]:
    """Return probabilities for `json.dump`: choice -> candidate -> probability.

    Args:
        space: Space with the names of choices and candidates.
        probabilities: Probabilities [candidates] of each choice, in the space's order.
    """
    return {
        choice.key: {
            name: float(value) for name, value in zip(choice.candidates, row.tolist(), strict=True)
        }
        for choice, row in zip(space.choices, probabilities, strict=True)
    }
