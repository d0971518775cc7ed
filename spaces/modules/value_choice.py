"""ValueChoice: one of several plain values, read in the forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from spaces.choice import Values
from spaces.modules.mutable import Mutable


class ValueChoice(Mutable):
    """One of several values; calling the module gives it (NNI's name and meaning).

    The value is read in `forward`, as in `dropout(x, self.rate())`: modules are built before it is
    decided.

    Args:
        candidates: values that read differently.
        key: the choice's key; equal keys share a decision. Default: the module's path in the model.

    Raises:
        InvalidParameter: there are none, or two read alike.
    """

    takeover = "on_forward_value_choice"
    choice: Values

    def __init__(self, candidates: Sequence[Any], key: str | None = None):
        values = Values.from_values(key or "a ValueChoice", candidates)
        super().__init__(Values(key or "", values.candidates, values.values))

    def _run(self, code: int, *inputs: Any, **options: Any) -> Any:
        return self.choice.values[code]

    def frozen(self, code: int) -> nn.Module:
        """A module that gives the chosen value."""
        return ChosenValue(self.choice.values[code])


class ChosenValue(nn.Module):
    """A decided ValueChoice.

    Args:
        value: what calling it gives.
    """

    def __init__(self, value: Any):
        super().__init__()
        self.value = value

    def forward(self) -> Any:
        return self.value

    def extra_repr(self) -> str:
        return repr(self.value)
