"""Strategies by name: built in, of installed packages, and of files that the user names."""

from __future__ import annotations

import functools
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from oneshot.errors import InvalidOption
from oneshot.strategies.base import Strategy
from spaces.errors import UnknownName

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem

GROUP = "pathfit.strategies"
"""Entry points of installed packages: each names a module whose import registers its strategies."""

ALIASES = {"spos": "evolution", "nsga2": "pareto"}
_BUILT_IN = {
    "aging": "oneshot.strategies.aging",
    "channels": "oneshot.strategies.channels",
    "evolution": "oneshot.strategies.evolution",
    "exhaustive": "oneshot.strategies.exhaustive",
    "pareto": "oneshot.strategies.pareto",
    "predictor-loop": "oneshot.strategies.predictor_loop",
    "proxyless": "oneshot.strategies.proxyless",
    "random": "oneshot.strategies.random",
    "reinforce": "oneshot.strategies.reinforce",
}
_STRATEGIES: dict[str, type[Strategy]] = {}

S = TypeVar("S", bound=type[Strategy])


def register_strategy(name: str) -> Callable[[S], S]:
    """Register a Strategy class; its keyword arguments become the strategy's options. A name is
    taken once.
    """

    def register(strategy: S) -> S:
        taken = _STRATEGIES.get(name)
        if taken is not None and taken.__qualname__ != strategy.__qualname__:
            raise ValueError(f"the strategy {name!r} is registered already, by {taken.__module__}")
        strategy.name = name
        _STRATEGIES[name] = strategy
        return strategy

    return register


def available() -> list[str]:
    """The names of all strategies, aliases among them."""
    _load()
    return sorted([*_STRATEGIES, *ALIASES])


def options_of(name: str) -> dict[str, Any]:
    """The options of a strategy with their defaults; raises UnknownName."""
    parameters = inspect.signature(_class(name)).parameters.values()
    return {
        item.name: item.default
        for item in parameters
        if item.default is not inspect.Parameter.empty
    }


def make(
    name: str, problem: SearchProblem, rng: np.random.Generator, options: Mapping[str, Any]
) -> Strategy:
    """The strategy of a name.

    Raises:
        UnknownName: no such strategy.
        InvalidOption: an option is unknown, of the wrong kind or not positive.
    """
    check_options(name, options)
    return _class(name)(problem, rng, **options)


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise InvalidOption that names the first option which the strategy does not accept."""
    defaults = options_of(name)
    for key, value in options.items():
        if key not in defaults:
            raise InvalidOption(
                f"{name} has no option {key!r}; it has: {', '.join(defaults) or 'none'}"
            )
        kind = type(defaults[key])
        fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(
            value, bool
        )
        if not fits:
            raise InvalidOption(f"{name}: {key} must be like {defaults[key]!r}, not {value!r}")
        if kind is not str and (value < 0 or (kind is int and value == 0)):
            raise InvalidOption(f"{name}: {key} must be positive, not {value!r}")


def _class(name: str) -> type[Strategy]:
    canonical = ALIASES.get(name, name)
    if canonical in _BUILT_IN:  # without the others: some import what takes seconds
        importlib.import_module(_BUILT_IN[canonical])
    elif canonical not in _STRATEGIES:
        _load()
    if canonical not in _STRATEGIES:
        raise UnknownName("strategy", name, available())
    return _STRATEGIES[canonical]


def _load() -> None:
    for module in _BUILT_IN.values():
        importlib.import_module(module)
    _load_installed()


@functools.cache
def _load_installed() -> None:
    for entry in metadata.entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:  # a package that is broken must not take the others with it
            warnings.warn(
                f"the plug-in {entry.name} ({entry.value}) cannot be loaded: {error!r}",
                stacklevel=2,
            )
