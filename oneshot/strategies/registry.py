"""Strategies by name: built in, of installed packages, and of files that the user names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from oneshot.errors import InvalidOption
from spaces.plugins import Registry

if TYPE_CHECKING:
    import numpy as np

    from oneshot.search.problem import SearchProblem
    from oneshot.strategies.base import Strategy

STRATEGIES = Registry["type[Strategy]"](
    "strategy",
    "pathfit.strategies",
    {
        "aging": "oneshot.strategies.aging:AgingEvolution",
        "annealing": "oneshot.strategies.annealing:SimulatedAnnealing",
        "channels": "oneshot.strategies.channels:ChannelSearch",
        "evolution": "oneshot.strategies.evolution:Evolution",
        "exhaustive": "oneshot.strategies.exhaustive:Exhaustive",
        "pareto": "oneshot.strategies.pareto:Pareto",
        "predictor-loop": "oneshot.strategies.predictor_loop:PredictorLoop",
        "proxyless": "oneshot.strategies.proxyless:Proxyless",
        "random": "oneshot.strategies.random:RandomSearch",
        "reinforce": "oneshot.strategies.reinforce:Reinforce",
    },
    aliases={"spos": "evolution", "nsga2": "pareto"},
    invalid=InvalidOption,
)
"""Name -> Strategy class, called with a problem, a random generator and options."""

_MAX_COUNT = 1 << 31

S = TypeVar("S", bound="type[Strategy]")


def register_strategy(name: str) -> Callable[[S], S]:
    """Return a decorator that registers a Strategy class.

    Keyword-only arguments of its constructor become the strategy's options.

    Args:
        name: Name of the strategy; it can be taken once.

    Example:
        >>> from oneshot import Strategy
        >>> @register_strategy("example-of-nothing")
        ... class Nothing(Strategy):
        ...     planned = 0
        ...
        ...     def __init__(self, problem, rng, *, patience: int = 3):
        ...         super().__init__(problem, rng)
        ...
        ...     def ask(self):
        ...         return self.empty
        ...
        ...     def tell(self, codes, scores):
        ...         pass
        >>> options_of("example-of-nothing")
        {'patience': 3}
    """

    def register(strategy: S) -> S:
        STRATEGIES.add(name, strategy)
        strategy.name = name
        return strategy

    return register


def available() -> list[str]:
    """Return the sorted names of all strategies, including aliases."""
    return sorted([*STRATEGIES, *STRATEGIES.aliases])


def options_of(name: str) -> dict[str, Any]:
    """Return the options of a strategy with their defaults; raises UnknownName."""
    return {option.name: option.default for option in STRATEGIES.options(name).values()}


def make(
    name: str, problem: SearchProblem, rng: np.random.Generator, options: Mapping[str, Any]
) -> Strategy:
    """Make the strategy of a name.

    Raises:
        UnknownName: No strategy has this name.
        InvalidOption: An option is unknown, of the wrong kind, not positive or not finite.
    """
    check_options(name, options)
    return STRATEGIES.get(name)(problem, rng, **options)


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise InvalidOption that names the first option which the strategy does not accept."""
    STRATEGIES.check(name, options)
    defaults = options_of(name)
    for key, value in options.items():
        if isinstance(value, str | bool):
            continue

        # Counts must be positive; a fraction or a weight may be zero.
        is_count = type(defaults[key]) is int
        if value < 0 or (is_count and value == 0):
            raise InvalidOption(f"{name}: {key} must be positive, not {value!r}")

        # No comparison with a value that is not a number is true.
        if not value < math.inf:
            raise InvalidOption(f"{name}: {key} must be finite, not {value!r}")

        # Larger ones do not fit into the sizes of arrays and queues.
        if is_count and value >= _MAX_COUNT:
            raise InvalidOption(f"{name}: {key} must be less than {_MAX_COUNT}")
