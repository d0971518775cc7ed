"""InputChoice: a selection of several inputs, reduced to one output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from spaces.choice import Combination
from spaces.errors import InvalidParameter
from spaces.modules.mutable import Mutable, joined_key
from spaces.modules.reduction import Reduction, check_reduction, masked, reduced

Inputs = Sequence[Tensor] | Mapping[str, Tensor]
"""Tensors in order, or by the names of `choose_from`."""


class InputChoice(Mutable):
    """Select some of its inputs and reduce them to one output (as NNI's InputChoice).

    Args:
        n_candidates: Number of inputs. None: as many as `choose_from` has.
        choose_from: Names of the inputs; "" for one without a name. None: they have no names.
        n_chosen: Number of selected inputs. None: any number; without any the output is None (an
            empty list with the reduction none), so that a skip connection reads
            `if skip is not None`.
        reduction: `sum`, `mean`, `concat` (along dimension 1) or `none` (a list).
        return_mask: Whether `forward` returns (output, mask [inputs]).
        key: Key of the choice; equal keys share a decision. None: see `spaces.modules.mutable`.
        label: NNI 2's and 3's name of `key`.

    Raises:
        InvalidParameter: The numbers contradict each other, or the reduction is unknown.

    Example:
        >>> skip = InputChoice(n_candidates=2, n_chosen=1, key="skip")
        >>> skip.activate("1")
        >>> skip([torch.zeros(1), torch.ones(1)])
        tensor([1.])
    """

    takeover = "on_forward_input_choice"
    NO_KEY = ""
    choice: Combination

    def __init__(
        self,
        n_candidates: int | None = None,
        choose_from: Sequence[str] | None = None,
        n_chosen: int | None = None,
        reduction: Reduction = "sum",
        return_mask: bool = False,
        key: str | None = None,
        *,
        label: str | None = None,
    ):
        check_reduction(reduction)
        key = joined_key("an InputChoice", key, label)
        description = key or "an InputChoice"
        if isinstance(choose_from, int | str):
            raise InvalidParameter(
                f"{description}: choose_from is a list of names, not {choose_from!r}; the number of"
                " selected inputs is n_chosen=..."
            )
        if n_candidates is None and choose_from is None:
            raise InvalidParameter(f"{description}: give n_candidates or choose_from")

        sources = (
            list(choose_from) if choose_from is not None else [self.NO_KEY] * (n_candidates or 0)
        )
        if n_candidates is not None and n_candidates != len(sources):
            raise InvalidParameter(
                f"{description}: n_candidates is {n_candidates}, but choose_from has"
                f" {len(sources)} names"
            )

        # Inputs without different names are named by their numbers.
        named = len(set(sources)) == len(sources) and self.NO_KEY not in sources
        names = [str(source) if named else str(index) for index, source in enumerate(sources)]

        # Built with a label first, so that errors name the module.
        combination = Combination.from_inputs(description, names, n_chosen)
        super().__init__(
            Combination(key, combination.candidates, combination.inputs, n_chosen),
            return_mask,
        )
        self.n_candidates = len(sources)
        self.choose_from = sources
        self.n_chosen = n_chosen
        self.reduction = reduction
        self._finish()

    @property
    def length(self) -> int:
        """Number of inputs, as `n_candidates`."""
        return self.n_candidates

    @property
    def names(self) -> list[str]:
        """Names of the inputs, or their numbers where they have none."""
        return list(self.choice.inputs)

    @cached_property
    def subsets(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the inputs that each code selects."""
        return self.choice.subsets

    def listed(self, inputs: Inputs) -> list[Tensor]:
        """Return the inputs in order.

        Raises:
            InvalidParameter: An input is missing, or their number differs.
        """
        if isinstance(inputs, Mapping):
            missing = [name for name in self.choose_from if name not in inputs]
            if missing:
                raise InvalidParameter(f"{self.description}: the input {missing[0]!r} is missing")
            return [inputs[name] for name in self.choose_from]

        if len(inputs) != self.n_candidates:
            raise InvalidParameter(
                f"{self.description}: {self.n_candidates} inputs are chosen from, not {len(inputs)}"
            )

        return list(inputs)

    def forward(self, inputs: Inputs) -> Any:
        """Reduce the selected inputs."""
        return super().forward(self.listed(inputs))

    def _run(self, code: int, *inputs: Any, **options: Any) -> Any:
        return reduced(self.reduction, [inputs[0][index] for index in self.subsets[code]])

    def masked(self, mask: Tensor, inputs: Inputs) -> Any:
        """Reduce the inputs that a mask [inputs] selects (bool) or weights (float)."""
        getters = [partial(_identity, tensor) for tensor in self.listed(inputs)]
        return reduced(self.reduction, masked(mask, getters))

    def mask_of(self, code: int) -> Tensor:
        """Return the inputs that a code selects as a mask, bool [inputs]."""
        return torch.tensor([index in self.subsets[code] for index in range(self.n_candidates)])

    def frozen(self, code: int) -> nn.Module:
        """Return the fixed selection."""
        names = self.choose_from if self.NO_KEY not in self.choose_from else None
        mask = self.mask_of(code) if self.return_mask else None
        return ChosenInputs(self.subsets[code], self.reduction, names, mask)


def _identity(tensor: Tensor) -> Tensor:
    return tensor


class ChosenInputs(nn.Module):
    """A decided InputChoice.

    Args:
        selected: Indices of the selected inputs.
        reduction: Reduction of InputChoice.
        names: Names of the inputs. None: the inputs are no mapping.
        mask: Mask to return with the output, bool [inputs]. None: only the output is returned.
    """

    mask: Tensor | None

    def __init__(
        self,
        selected: Sequence[int],
        reduction: str,
        names: Sequence[str] | None = None,
        mask: Tensor | None = None,
    ):
        super().__init__()
        self.selected = tuple(selected)
        self.reduction = reduction
        self.names = tuple(names) if names is not None else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, inputs: Inputs) -> Any:
        if isinstance(inputs, Mapping):
            inputs = [inputs[name] for name in self.names or ()]
        output = reduced(self.reduction, [inputs[index] for index in self.selected])
        return output if self.mask is None else (output, self.mask)

    def extra_repr(self) -> str:
        return f"selected={self.selected}, reduction={self.reduction!r}"
