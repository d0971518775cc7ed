"""ValueChoice: one of several plain values, read in the forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from spaces.choice import Values
from spaces.modules.derived_value import DerivedValue, Undecided, misused
from spaces.modules.mutable import Mutable, joined_key


class ValueChoice(Undecided, Mutable):
    """One of several values, which calling the module returns (as NNI's ValueChoice).

    Read the value in `forward`, as in `dropout(x, self.rate())`. Arithmetic on it gives values that
    follow from it, as `ratio * base`. It cannot be an argument of torch's layers, which are built
    before the decision: choose between layers by LayerChoice, or take `spaces.Conv2d`,
    `spaces.Linear` and `spaces.BatchNorm2d`, whose sizes may be choices.

    Args:
        candidates: Values with different texts.
        key: Key of the choice; equal keys share a decision. None: see `spaces.modules.mutable`.
        label: NNI 2's and 3's name of `key`.

    Raises:
        InvalidParameter: There are no values, or two have the same text. It is also raised where
            the choice is used as if it were its value.

    Example:
        >>> rate = ValueChoice([0.1, 0.3], key="dropout")
        >>> rate.activate("0.3")
        >>> rate()
        0.3
    """

    takeover = "on_forward_value_choice"
    returns_plain_value = True
    choice: Values

    def __init__(
        self, candidates: Sequence[Any], key: str | None = None, *, label: str | None = None
    ):
        key = joined_key("a ValueChoice", key, label)
        values = Values.from_values(key or "a ValueChoice", candidates)
        super().__init__(Values(key, values.candidates, values.values))
        self._finish()

    def evaluate(self, read: Callable[[ValueChoice], Any]) -> Any:
        """Return the value that `read` returns for this choice."""
        return read(self)

    def value_choices(self) -> Iterator[ValueChoice]:
        """Yield this choice."""
        yield self

    @property
    def name_for_errors(self) -> str:
        """Name for error messages."""
        # Not `key`, which is settled by reading it.
        return f"the ValueChoice {self.choice.key!r}" if self.choice.key else "a ValueChoice"

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


def _check_registration(module: nn.Module, name: str, submodule: nn.Module | None) -> None:
    """Refuse a ValueChoice as an argument that a layer of torch stores, such as a pool's size."""
    is_layer = type(module).__module__.startswith("torch.nn.modules.")
    is_container = type(module).__module__.endswith(".container")
    if isinstance(submodule, ValueChoice | DerivedValue) and is_layer and not is_container:
        raise misused(submodule.name_for_errors)


# Some layers store arguments without looking at them; torch calls this as they do.
register_module_module_registration_hook(_check_registration)
