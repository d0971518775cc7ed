"""ValueChoice: one of several plain values, read in the forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from spaces.choice import Values
from spaces.modules.mutable import Mutable


class ValueChoice(Mutable):
    """One of several values, which calling the module returns (as NNI's ValueChoice).

    Read the value in `forward`, as in `dropout(x, self.rate())`: modules are built before the
    decision.

    Args:
        candidates: Values with different texts.
        key: Key of the choice; equal keys share a decision. None: the module's path in the model.

    Raises:
        InvalidParameter: There are no values, or two have the same text.

    Example:
        >>> rate = ValueChoice([0.1, 0.3], key="dropout")
        >>> rate.activate("0.3")
        >>> rate()
        0.3
    """

    takeover = "on_forward_value_choice"
    choice: Values

    def __init__(self, candidates: Sequence[Any], key: str | None = None):
        values = Values.from_values(key or "a ValueChoice", candidates)
        super().__init__(Values(key or "", values.candidates, values.values))

    def _run(self, code: int, *inputs: Any, **options: Any) -> Any:
        return self.choice.values[code]

    def frozen(self, code: int) -> nn.Module:
        """Return a module that returns the value."""
        return ChosenValue(self.choice.values[code])


class ChosenValue(nn.Module):
    """A decided ValueChoice.

    Args:
        value: Value that a call returns.
    """

    def __init__(self, value: Any):
        super().__init__()
        self.value = value

    def forward(self) -> Any:
        return self.value

    def extra_repr(self) -> str:
        return repr(self.value)
