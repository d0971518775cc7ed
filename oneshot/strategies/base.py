"""The interface of strategies and their registry."""

from __future__ import annotations

import importlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from oneshot.problem import SearchProblem
from spaces.errors import UnknownName
from spaces.space import Codes


class Strategy(ABC):
    """Proposes architectures and learns their scores.

    Args:
        problem: what is searched.
        rng: all randomness comes from it.
    """

    name: ClassVar[str]

    def __init__(self, problem: SearchProblem, rng: np.random.Generator):
        self.problem, self.rng = problem, rng

    @property
    @abstractmethod
    def planned(self) -> int:
        """How many evaluations it will ask for at most."""

    @abstractmethod
    def ask(self) -> Codes:
        """Codes [n, choices] to evaluate next, none evaluated before; no rows when the search is over."""

    @abstractmethod
    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Learn the scores [n] of what `ask` gave."""


_STRATEGIES: dict[str, type[Strategy]] = {}
ALIASES = {"spos": "evolution"}
_BUILT_IN = ("evolution", "random")


def register_strategy(name: str) -> Callable[[type[Strategy]], type[Strategy]]:
    """Register a Strategy class; its keyword arguments become the strategy's options."""

    def register(strategy: type[Strategy]) -> type[Strategy]:
        strategy.name = name
        _STRATEGIES[name] = strategy
        return strategy

    return register


def available() -> list[str]:
    """The names of all strategies, aliases among them."""
    for module in _BUILT_IN:
        importlib.import_module(f"oneshot.strategies.{module}")
    return sorted([*_STRATEGIES, *ALIASES])


def options_of(name: str) -> dict[str, Any]:
    """The options of a strategy with their defaults; raises UnknownName."""
    known = available()
    canonical = ALIASES.get(name, name)
    if canonical not in _STRATEGIES:
        raise UnknownName("strategy", name, known)
    parameters = inspect.signature(_STRATEGIES[canonical]).parameters.values()
    return {item.name: item.default for item in parameters if item.default is not inspect.Parameter.empty}


def make(name: str, problem: SearchProblem, rng: np.random.Generator, options: Mapping[str, Any]) -> Strategy:
    """The strategy of a name.

    Raises:
        UnknownName: no such strategy.
        InvalidOption: an option is unknown, of the wrong kind or not positive.
    """
    check_options(name, options)
    return _STRATEGIES[ALIASES.get(name, name)](problem, rng, **options)


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise InvalidOption that names the first option which the strategy does not accept."""
    defaults = options_of(name)
    for key, value in options.items():
        if key not in defaults:
            raise InvalidOption(f"{name} has no option {key!r}; it has: {', '.join(defaults)}")
        kind = type(defaults[key])
        fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
        if not fits:
            raise InvalidOption(f"{name}: {key} must be like {defaults[key]!r}, not {value!r}")
        if value < 0 or (kind is int and value == 0):
            raise InvalidOption(f"{name}: {key} must be positive, not {value!r}")
