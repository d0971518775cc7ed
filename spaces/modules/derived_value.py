"""Values that follow from the decisions of ValueChoices, as sums, products and other functions."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, NoReturn, cast

from torch import nn
from torch.utils._pytree import tree_leaves

from spaces.errors import InvalidParameter

if TYPE_CHECKING:
    from spaces.modules.value_choice import ValueChoice

# Greatest number of combinations of values whose outcomes are all computed.
_MOST_OUTCOMES = 1 << 16


def misused(name: str) -> InvalidParameter:
    """Return the error for a choice that is used as if it were its value."""
    return InvalidParameter(
        f"{name} is no number: modules are built before the decision, so that layers are"
        " chosen by LayerChoice({'16': nn.Linear(12, 16), '32': nn.Linear(12, 32)}) or take the"
        " choice as a size, as spaces.Linear(12, width), and a value is read in forward by calling"
        " the choice, as in dropout(x, self.rate())"
    )


class Undecided:
    """A number that is decided later: it has arithmetic, and refuses uses as a number.

    torch would answer such uses with an error about types that does not name the remedy.
    """

    def evaluate(self, read: Callable[[ValueChoice], Any]) -> Any:
        """Return the value for the values of the choices that `read` returns."""
        raise NotImplementedError

    def value_choices(self) -> Iterator[ValueChoice]:
        """Yield the choices that decide the value; one that occurs twice is yielded twice."""
        raise NotImplementedError

    @property
    def name_for_errors(self) -> str:
        """Text for error messages."""
        raise NotImplementedError

    def _refuse(self, *_: Any) -> NoReturn:
        raise misused(self.name_for_errors)

    __index__ = __int__ = __float__ = __iter__ = _refuse
    # torch's convolutions check `channels % groups`, and would report that it is not 0.
    __mod__ = __rmod__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = _refuse

    def __add__(self, other: Any) -> Any:
        return _derived("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return _derived("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return _derived("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _derived("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return _derived("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _derived("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _derived("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _derived("/", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _derived("//", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _derived("//", other, self)

    def __pow__(self, other: Any) -> Any:
        return _derived("**", self, other)

    def __neg__(self) -> DerivedValue:
        return DerivedValue(operator.neg, (self,))

    def __abs__(self) -> DerivedValue:
        return DerivedValue(abs, (self,))

    def __round__(self) -> DerivedValue:
        return DerivedValue(round, (self,))

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # torch calls this wherever an argument, or an item of a size, is a choice.
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Undecided):
                value._refuse()
        raise misused("a ValueChoice")


_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "**": operator.pow,
}


def _derived(symbol: str, first: Any, second: Any) -> Any:
    # Of a tensor torch's own method follows, which refuses the choice.
    operands = first, second
    if not all(isinstance(operand, Undecided | Real) for operand in operands):
        return NotImplemented
    return DerivedValue(_OPERATORS[symbol], operands)


class DerivedValue(Undecided, nn.Module):
    """A value that follows from ValueChoices, which calling the module returns.

    Arithmetic on a ValueChoice makes one: `ratio * base`, `base // 8 * 8`, `1 - rate`. It is no
    choice of its own, and registers the choices that it follows from where a model has it.

    Args:
        function: Function of the operands, such as `min`; equal operands must give equal values.
        operands: ValueChoices, derived values, and constants.

    Example:
        >>> from spaces import ValueChoice
        >>> base, ratio = ValueChoice([16, 32], key="base"), ValueChoice([0.5, 2], key="ratio")
        >>> width = DerivedValue(min, (ratio * base, 48))
        >>> base.activate("32"), ratio.activate("2")
        (None, None)
        >>> width()
        48
    """

    def __init__(self, function: Callable[..., Any], operands: tuple[Any, ...]):
        super().__init__()
        self.function = function

        # Modules must not be in a plain tuple, in which a model would not find their choices.
        self.operands = tuple(
            None if isinstance(operand, Undecided) else operand for operand in operands
        )
        undecided: dict[str, Any] = {
            str(index): operand
            for index, operand in enumerate(operands)
            if isinstance(operand, Undecided)
        }
        self.choices = nn.ModuleDict(undecided)

    def forward(self) -> Any:
        values = [
            self.choices[str(index)]() if operand is None else operand
            for index, operand in enumerate(self.operands)
        ]
        return self.function(*values)

    def _undecided(self) -> dict[str, Undecided]:
        return cast("dict[str, Undecided]", dict(self.choices.items()))

    def evaluate(self, read: Callable[[ValueChoice], Any]) -> Any:
        """Return the value for the values of the choices that `read` returns."""
        undecided = self._undecided()
        values = [
            undecided[str(index)].evaluate(read) if operand is None else operand
            for index, operand in enumerate(self.operands)
        ]
        return self.function(*values)

    def value_choices(self) -> Iterator[ValueChoice]:
        """Yield the choices that decide the value; one that occurs twice is yielded twice."""
        for operand in self._undecided().values():
            yield from operand.value_choices()

    @property
    def name_for_errors(self) -> str:
        """Text for error messages."""
        names = {choice.name_for_errors for choice in self.value_choices()}
        return f"the value derived from {', '.join(sorted(names))}"


def minimum(*values: Any) -> DerivedValue:
    """Return the least of several values.

    Args:
        values: ValueChoices, derived values, and numbers.

    Example:
        >>> from spaces import ValueChoice
        >>> width = ValueChoice([8, 64], key="width")
        >>> width.activate("64")
        >>> minimum(width, 32)()
        32
    """
    return DerivedValue(min, values)


def maximum(*values: Any) -> DerivedValue:
    """Return the greatest of several values.

    Args:
        values: ValueChoices, derived values, and numbers.

    Example:
        >>> from spaces import ValueChoice
        >>> width = ValueChoice([8, 64], key="width")
        >>> width.activate("8")
        >>> maximum(width // 4, 4)()
        4
    """
    return DerivedValue(max, values)


def derived(function: Callable[..., Any], *values: Any) -> DerivedValue:
    """Return a function of several values.

    Args:
        function: Function without state, which can be pickled where the model is.
        values: ValueChoices, derived values, and constants, its arguments.

    Example:
        >>> import math
        >>> from spaces import ValueChoice
        >>> width = ValueChoice([20, 40], key="width")
        >>> width.activate("20")
        >>> derived(math.ceil, width * 0.33)()
        7
    """
    return DerivedValue(function, values)


def outcomes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values of all combinations of decisions, name -> value each.

    Args:
        values: Name -> ValueChoice, derived value or constant.

    Raises:
        InvalidParameter: There are too many combinations, or a function fails with one.
    """
    undecided = [value for value in values.values() if isinstance(value, Undecided)]
    # A choice that occurs in several values is decided once.
    choices = {_decision(choice): choice for value in undecided for choice in value.value_choices()}
    combinations = math.prod(len(choice.choice.values) for choice in choices.values())
    if combinations > _MOST_OUTCOMES:
        raise InvalidParameter(
            f"{', '.join(values)}: {combinations} combinations of values are too many; at most"
            f" {_MOST_OUTCOMES}"
        )

    results = []
    for decided in itertools.product(*(choice.choice.values for choice in choices.values())):
        by_decision = dict(zip(choices, decided, strict=True))
        try:
            results.append(
                {
                    name: value.evaluate(partial(_decided, by_decision))
                    if isinstance(value, Undecided)
                    else value
                    for name, value in values.items()
                }
            )
        except (ArithmeticError, TypeError, ValueError) as error:
            raise InvalidParameter(
                f"{', '.join(values)}: no value for the decisions {list(decided)}: {error}"
            ) from error

    return results


def _decided(by_decision: Mapping[Any, Any], choice: ValueChoice) -> Any:
    return by_decision[_decision(choice)]


def _decision(choice: ValueChoice) -> Any:
    """Return the key of a decision: choices of equal keys share one."""
    return choice.choice.key or id(choice)
