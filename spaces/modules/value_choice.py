"""ValueChoice: one of several plain values, read in the forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook
from torch.utils._pytree import tree_leaves

from spaces.choice import Values
from spaces.errors import InvalidParameter
from spaces.modules.mutable import Mutable, joined_key


def _misused(key: str) -> InvalidParameter:
    name = f"the ValueChoice {key!r}" if key else "a ValueChoice"
    return InvalidParameter(
        f"{name} is no number: modules are built before the decision, so that layers are chosen by"
        " LayerChoice({'16': nn.Linear(12, 16), '32': nn.Linear(12, 32)}), and a value is read in"
        " forward by calling the choice, as in dropout(x, self.rate())"
    )


class _Unread:
    """Refuses every use of a choice as if it were its value.

    NNI 2 and 3 let a ValueChoice be an argument of a layer, or a term of a formula. torch would
    answer with an error about types that does not name the remedy.
    """

    def _refuse(self, *_: Any) -> NoReturn:
        raise _misused(getattr(self, "key", ""))

    __index__ = __int__ = __float__ = __iter__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __neg__ = __pos__ = __abs__ = __round__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _refuse
    __pow__ = __rpow__ = _refuse

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # torch calls this wherever an argument, or an item of a size, is a choice.
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, ValueChoice):
                value._refuse()
        raise _misused("")


class ValueChoice(_Unread, Mutable):
    """One of several values, which calling the module returns (as NNI's ValueChoice).

    Read the value in `forward`, as in `dropout(x, self.rate())`. It cannot be an argument of a
    layer, since modules are built before the decision; choose between layers by LayerChoice.

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
    if isinstance(submodule, ValueChoice) and is_layer and not is_container:
        raise _misused(submodule.key)


# Some layers store arguments without looking at them; torch calls this as they do.
register_module_module_registration_hook(_check_registration)
