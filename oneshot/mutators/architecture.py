"""Architectures as probabilities: logits for every choice that are trained by gradients."""

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
    """A mutator with a vector of logits for every key, over the candidates by code.

    As it stands it runs the mixture of all candidates by their probabilities (DARTS, arXiv
    1806.09055, equation 2).

    Args:
        model: as of `BaseMutator`.
        init_type: `normal`, `uniform` (between -ratio and ratio) or `zeros`.
        init_ratio: deviation or bound of the first logits.
        seed: of the first logits and of what is drawn; the generator is part of `state_dict`.

    Raises:
        InvalidOption: as of `BaseMutator`, or an unknown way to begin.
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
        # A list, for keys may hold dots, which names of parameters must not.
        self.logits = nn.ParameterList()
        for mutable in self.mutables:
            logits = torch.zeros(len(mutable.choice.candidates))
            if init_type == "normal":
                logits.normal_(0.0, init_ratio, generator=self.generator)
            elif init_type == "uniform":
                logits.uniform_(-init_ratio, init_ratio, generator=self.generator)
            self.logits.append(nn.Parameter(logits))
        self._member: dict[str, Tensor] = {}

    @property
    def alpha(self) -> dict[str, nn.Parameter]:
        """Key -> logits [candidates]."""
        return dict(zip(self.groups, self.logits, strict=True))

    def arch_parameters(self) -> list[nn.Parameter]:
        """The logits of all keys."""
        return list(self.logits)

    def arch_requires_grad(self) -> None:
        """Let the logits take gradients."""
        self.logits.requires_grad_(True)

    def arch_disable_grad(self) -> None:
        """Let the logits take none."""
        self.logits.requires_grad_(False)

    def distribution(self, key: str) -> Tensor:
        """Probabilities [candidates] of a key's candidates, differentiable in the logits."""
        return self.alpha[key].softmax(0)

    def probabilities(self, choices: Iterable[Choice] | None = None) -> list[Tensor]:
        """Probabilities [candidates] of each choice.

        Args:
            choices: such as a space's, in whose order; None: the keys' own order.

        Raises:
            InvalidOption: a choice is not one of the model's.
        """
        keys = list(self.groups) if choices is None else [choice.key for choice in choices]
        for key in keys:
            if key not in self.groups:
                raise InvalidOption(
                    f"the model has no LayerChoice or other mutable for the choice {key!r}"
                )
        return [self.distribution(key) for key in keys]

    def expected_cost(self, model: CostModel) -> Tensor:
        """The expected cost, differentiable in the logits; raises as `CostModel.expected`."""
        return model.expected(self.probabilities(model.space.choices))

    def best(self) -> dict[str, int]:
        """Key -> code of the most probable candidate; of equal ones the first."""
        return {key: int(logits.detach().argmax()) for key, logits in self.alpha.items()}

    def sample_search(self) -> Masks:
        """The probabilities, as weights."""
        return {
            key: self.weights(found[0], self.distribution(key))
            for key, found in self.groups.items()
        }

    def sample_final(self) -> Masks:
        """The most probable candidates."""
        return {key: self.groups[key][0].mask_of(code) for key, code in self.best().items()}

    def architecture(self, space: SearchSpace) -> Architecture:
        """The final architecture as one of a space, whose choices are the model's."""
        return space.architecture(self.decided())

    def weights(self, mutable: Mutable, given: Tensor) -> Tensor:
        """Weights over codes as a mask: of an InputChoice the weight of an input is that of all
        codes with it.

        Args:
            mutable: whose mask.
            given: float [candidates].
        """
        if not isinstance(mutable, InputChoice):
            return given
        if mutable.key not in self._member:
            rows = [
                [index in taken for index in range(mutable.n_candidates)]
                for taken in mutable.subsets
            ]
            self._member[mutable.key] = torch.tensor(rows, dtype=torch.float32)
        return given @ self._member[mutable.key].to(device=given.device, dtype=given.dtype)

    def draw(self, probabilities: Tensor, count: int = 1) -> list[int]:
        """Codes drawn without replacement by the mutator's own generator, from probabilities
        [candidates].
        """
        # On the processor whatever the logits' device: the same numbers everywhere.
        given = probabilities.detach().to("cpu", torch.float64)
        return [int(code) for code in torch.multinomial(given, count, generator=self.generator)]

    def log_probability(self, codes: dict[str, int]) -> Tensor:
        """The logarithm of the probability of an architecture, differentiable in the logits."""
        return torch.stack(
            [logits.log_softmax(0)[codes[key]] for key, logits in self.alpha.items()]
        ).sum()

    def get_extra_state(self) -> dict[str, Any]:
        """The generator's state and the keys."""
        return {"generator": self.generator.get_state(), "keys": list(self.groups)}

    def set_extra_state(self, state: Any) -> None:
        """Take the generator's state over; raises InvalidOption where the keys are others."""
        if list(state["keys"]) != list(self.groups):
            raise InvalidOption("the state is of a model with other choices")
        self.generator.set_state(state["generator"].cpu())


def one_hot(code: int, like: Tensor) -> Tensor:
    """1 at `code`, 0 elsewhere, of the shape, kind and device of `like` [candidates]."""
    found = torch.zeros_like(like)
    found[code] = 1.0
    return found


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """`hard` [n] going forward, with the gradient of `soft` [n]; without the rounding of hard +
    soft - soft.
    """
    found: Tensor = _StraightThrough.apply(hard, soft)  # type: ignore[no-untyped-call]
    return found


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hard: Tensor, soft: Tensor) -> Tensor:
        return hard.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, gradients[0]


def named(space: SearchSpace, probabilities: Sequence[Tensor]) -> dict[str, dict[str, float]]:
    """Probabilities of a space's choices for `json.dump`: choice -> candidate -> probability."""
    return {
        choice.key: {
            name: float(value) for name, value in zip(choice.candidates, row.tolist(), strict=True)
        }
        for choice, row in zip(space.choices, probabilities, strict=True)
    }
